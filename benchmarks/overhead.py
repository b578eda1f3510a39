"""Snakemake and DVC add a fixed cost to each run; it hardly grows with the number of runs.

A study whose jobs do nothing: `freeconv` is replaced by a program that writes each output as a line of text, in
milliseconds. One run per job (`train.fuse: []`), 8 jobs at a time, five folds, two networks, as many levels of
translation as give the number of runs, one shard per level. Measured are the study itself, from nothing to all results;
peak memory (of the largest process, which is Snakemake); and, when all is done, the commands that find nothing to do,
and their own memory. DVC's status hashes what is new once, which is not counted.

There are no targets.

    python benchmarks/overhead.py
"""

import sys
import tempfile
from pathlib import Path

import yaml
from measuring import arguments, measured, write_result
from project import ROOT, copy_project, run

COMMAND = "python benchmarks/overhead.py"
RUNS, QUICK_RUNS, ROUNDS = (300, 1000, 3000), (20,), 3
JOBS, FOLDS, NETWORKS = 8, 5, 2
STUB = '''#!/usr/bin/env -S {python} -SE
"""Write what the jobs of the study write, without doing anything."""
import json, os, sys
command, config = sys.argv[1:3]
if command == "prune":
    sys.exit()
if command == "fetch":
    paths = [f"data/{{config}}.h5"]
else:
    job = json.loads(config)
    folder = f"{{job['dataset']}}/{{job.get('network', '')}}/{{job['augmentation']}}".replace("//", "/")
    if command == "shard":
        paths = [f"results/shards/{{folder}}/{{job['level']:g}}/copy-{{job['copy_index']}}.h5"]
    else:
        paths = [
            f"results/train/{{folder}}/{{level:g}}/fold-{{fold}}.h5"
            for level in job["levels"]
            for fold in job["fold_indices"]
        ]
for path in paths:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(path)
'''


def study(folder: Path, runs: int) -> None:
    """Make a copy of the project with parameters for so many runs."""
    copy_project(folder)
    levels = runs // (FOLDS * NETWORKS) - 1  # level 0 is one of them
    params = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
    params["aug"] |= {"translate": [round(0.0003 * number, 4) for number in range(levels + 1)], "copies": 1}
    params["train"] |= {"fuse": [], "folds": FOLDS, "held_out": None}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def stub(folder: Path) -> Path:
    """Write the program that stands for `freeconv`; return its folder."""
    folder.mkdir()
    program = folder / "freeconv"
    program.write_text(STUB.format(python=sys.executable))
    program.chmod(0o755)
    return folder


def tried(runs: int) -> dict[str, tuple[float, str]]:
    """Make a study of so many runs; return what it took, with its unit."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "study"
        programs = stub(Path(temporary) / "programs")
        study(folder, runs)
        run(folder, "git", "init", "-q")

        def command(*words: str):
            return run(folder, *words, programs=programs)

        made = command("snakemake", "all_train", "--cores", str(JOBS), "--quiet", "all")
        results = len(list(folder.glob("results/train/**/fold-*.h5")))
        if results != runs:
            raise RuntimeError(f"expected {runs} results, received {results}: {made.output[-2000:]}")
        planned = command("snakemake", "-n", "all_train")
        if "Nothing to be done" not in planned.output:
            raise RuntimeError(f"expected nothing to do, received: {planned.output[-2000:]}")
        command("dvc", "commit", "-f", "data", "shards", "train")
        status = command("dvc", "status", "data", "shards", "train")
        if "up to date" not in status.output:
            raise RuntimeError(f"expected no change, received: {status.output[-2000:]}")
        metadata = [file.stat().st_size for file in folder.glob(".snakemake/metadata/**/*") if file.is_file()]
        return {
            "the study from nothing": (made.seconds, "s"),
            "the study's time per run": (1000 * made.seconds / runs, "ms"),
            "the study, Snakemake's peak memory": (made.megabytes, "MB"),
            "snakemake -n, nothing to do": (planned.seconds, "s"),
            "snakemake -n, peak memory": (planned.megabytes, "MB"),
            "dvc status, nothing to do": (status.seconds, "s"),
            "dvc status, peak memory": (status.megabytes, "MB"),
            "result files": (sum(1 for path in folder.glob("results/**/*") if path.is_file()), ""),
            "Snakemake's metadata": (sum(metadata) / 1e6, "MB"),
        }


def main() -> None:
    """Measure and write the results."""
    options = arguments(__doc__).parse_args()
    numbers, rounds = (QUICK_RUNS, 1) if options.quick else (RUNS, ROUNDS)
    taken = {number: [tried(number) for _ in range(rounds)] for number in numbers}
    measurements = [
        measured(f"{number:,} runs: {what}", [one[what][0] for one in taken[number]], unit)
        for number in numbers
        for what, (_, unit) in taken[number][0].items()
    ]
    method = f"{rounds} times, {JOBS} jobs at a time"
    write_result("overhead", __doc__, COMMAND, method, measurements, [], options)


if __name__ == "__main__":
    main()
