"""The command line answers at once, and a training job is at work within seconds.

Wall time of whole processes: `freeconv --help`, `freeconv runs --params params/paper.yaml --format files`, and
`freeconv train` on the 5,000 digits of mnist-5k (un-augmented shard, batch 128) up to the end of its first training
step. For the last one a process calls the command's function with one change: it exits after one step of the first
epoch. The three take turns.

Targets: < 0.5 s, < 1.5 s, and < 8 s on two cores.

    python benchmarks/startup.py
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import arguments, compared, round_robin, write_result

from freeconv.study.grid import shard_config, train_config
from freeconv.study.jobs import TrainConfig
from freeconv.study.params import check_params

COMMAND = "python benchmarks/startup.py"
ROOT = Path(__file__).resolve().parent.parent
FREECONV = Path(sys.executable).parent / "freeconv"
DATASET = "mnist-5k"
FIRST_STEP = "first step done"
ROUNDS = 9


def training_job() -> TrainConfig:
    """Return the job whose first step is waited for."""
    params = check_params({"train": {"batch": 128, "epochs": 1}, "data": {"datasets": [DATASET]}})
    return train_config(params, DATASET, "fcn", "none", [0.0], [0])


def first_step() -> None:
    """Do what `freeconv train` does in the current folder up to the first training step, say so and stop."""
    from freeconv import cli
    from freeconv.machine.keras_import import import_keras

    import_keras()
    from freeconv.commands import train

    compile_replicas = train.compile_replicas

    def stopping(*args: Any) -> Callable:
        make_replicas = compile_replicas(*args)

        def replicas(state: Any) -> Any:
            made = make_replicas(state)

            def one_step(images: Any, labels: Any, index: Any) -> None:
                made.train(images, labels, index[:1])
                print(FIRST_STEP, flush=True)
                os._exit(0)

            return made._replace(train=one_step)

        return replicas

    train.compile_replicas = stopping
    cli.train(training_job().text(), threads=0, stack="auto")


def prepared_study(folder: str) -> None:
    """Make the dataset and the shard of `training_job` in a folder."""
    shard = shard_config(check_params({}), DATASET, "none", 0.0, 0)
    for command in (["fetch", DATASET], ["shard", shard.text()]):
        subprocess.run([FREECONV, *command], cwd=folder, check=True)


def timed_commands(study: str) -> dict[str, tuple[Callable[[], Any], str]]:
    """Return what is timed, and the target of each in seconds.

    Args:
        study: folder made by `prepared_study`.
    """

    def ran(*command: Any, folder: Path | str = ROOT, expected: str) -> Callable[[], None]:
        def run() -> None:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode or expected not in done.stdout:
                received = f"{done.stdout[-500:]}{done.stderr[-2000:]}"
                raise RuntimeError(f"{command}: expected {expected!r}, received {received}")

        return run

    return {
        "freeconv --help": (ran(FREECONV, "--help", expected="train"), "< 0.5"),
        "freeconv runs --params params/paper.yaml --format files": (
            ran(FREECONV, "runs", "--params", "params/paper.yaml", "--format", "files", expected="results/train/"),
            "< 1.5",
        ),
        "freeconv train, to the end of the first training step": (
            ran(sys.executable, __file__, "--first-step", folder=study, expected=FIRST_STEP),
            "< 8",
        ),
    }


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--first-step", action="store_true", help="be the child process that trains one step")
    options = parser.parse_args(command_line)
    if options.first_step:
        first_step()
        return
    rounds = 1 if options.quick else ROUNDS
    with tempfile.TemporaryDirectory() as study:
        prepared_study(study)
        commands = timed_commands(study)
        seconds = round_robin({name: run for name, (run, _) in commands.items()}, rounds)
    write_result(
        "startup",
        __doc__,
        COMMAND,
        f"{rounds} rounds, after one that is not counted",
        [],
        [compared(name, seconds[name], target, "s") for name, (_, target) in commands.items()],
        options,
    )


if __name__ == "__main__":
    main()
