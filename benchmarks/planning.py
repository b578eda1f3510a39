"""Snakemake plans the whole study of the paper in seconds and in little memory.

Wall time and peak memory (of the largest process) of `snakemake -n` for params/smoke.yaml, params.yaml and
params/paper.yaml, in a temporary copy of the project's files in which nothing has been made yet. The three take turns.

Target: the paper's study < 20 s and < 1 GB.

    python benchmarks/planning.py
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import arguments, compared, round_robin, write_result

COMMAND = "python benchmarks/planning.py"
ROOT = Path(__file__).resolve().parent.parent
TARGETS = {
    "params/smoke.yaml": (None, None),
    "params.yaml": (None, None),
    "params/paper.yaml": ("< 20", "< 1000"),
}
ROUNDS = 5


def copy_project(folder: Path) -> None:
    """Copy the project's files, as Git lists them, without what has been made from them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)


def plan(folder: Path, params: str) -> float:
    """Plan a study; return the peak memory in MB.

    Raises:
        RuntimeError: Snakemake failed, or planned nothing.
    """
    folder_of_programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder_of_programs}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            ["snakemake", "-n", "--quiet", "rules", "--configfile", params],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode or "total" not in text:
        raise RuntimeError(f"snakemake -n --configfile {params}: {text[-2000:]}")
    return usage.ru_maxrss * 1024 / 1e6


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
