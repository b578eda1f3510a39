"""Snakemake plans the whole study of the paper in seconds and in little memory.

Wall time and peak memory (of the largest process) of `snakemake -n` for params/smoke.yaml, params.yaml and
params/paper.yaml, in a temporary copy of the project's files in which nothing has been made yet. The three take turns.

Target: the paper's study < 20 s and < 1 GB.

    python benchmarks/planning.py
"""

import tempfile
from pathlib import Path

from measuring import arguments, compared, round_robin, write_result
from project import copy_project, run

COMMAND = "python benchmarks/planning.py"
TARGETS = {
    "params/smoke.yaml": (None, None),
    "params.yaml": (None, None),
    "params/paper.yaml": ("< 20", "< 1000"),
}
ROUNDS = 5


def plan(folder: Path, params: str) -> float:
    """Plan a study; return the peak memory in MB.

    Raises:
        RuntimeError: Snakemake failed, or planned nothing.
    """
    done = run(folder, "snakemake", "-n", "--quiet", "rules", "--configfile", params)
    if "total" not in done.output:
        raise RuntimeError(f"snakemake -n --configfile {params}: {done.output[-2000:]}")
    return done.megabytes


def main() -> None:
    """Measure and write the results."""
    options = arguments(__doc__).parse_args()
    rounds = 1 if options.quick else ROUNDS
    chosen = [name for name in TARGETS if not (options.quick and name == "params/paper.yaml")]
    megabytes: dict[str, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_project(folder)
        seconds = round_robin(
            {name: lambda name=name: megabytes[name].append(plan(folder, name)) for name in chosen}, rounds
        )
    comparisons = []
    for name in chosen:
        time_target, memory_target = TARGETS[name]
        comparisons += [
            compared(f"{name}: time", seconds[name], time_target, "s"),
            compared(f"{name}: peak memory", megabytes[name][1:], memory_target, "MB"),
        ]
    write_result(
        "planning",
        __doc__,
        COMMAND,
        f"{rounds} rounds, after one that is not counted",
        [],
        comparisons,
        options,
    )


if __name__ == "__main__":
    main()
