"""Time grows in proportion to images and a little less than to replicas and levels; memory grows by megabytes.

Seconds an epoch (training and the six evaluations) and peak memory of `freeconv.commands.train.train` on one core, an
FCN with images of random pixels, each job in a process of its own. One axis at a time departs from 2,000 images of 28 ×
28 × 1, batch 128, one fold, one level: images; positions of the first layer (images of 16 to 28 pixels a side, all with
MNIST's kernels); replicas (folds side by side in one program); levels (one after another, as on a processor by default;
seconds of all together); batch. An epoch is the mean of the second and third, so that compilation does not count. Jobs
take turns. An exponent of 1 is growth in proportion, from a straight line through the logarithms; memory is a straight
line through all values of the axis. Time grows faster than the positions of the first layer because those of the next
ones, with their larger kernels, grow faster: 1, 4 and 16 in the last layer.

There are no targets.

    python benchmarks/growth.py
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
        os.environ[_name] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from measuring import arguments, compared, measured, write_result

from freeconv.study.grid import train_config
from freeconv.study.params import check_params

COMMAND = "python benchmarks/growth.py"
BASE = {"images": 2000, "size": 28, "replicas": 1, "levels": 1, "batch": 128}
AXES: dict[str, tuple[int, ...]] = {
    "images": (2000, 4000),
    "size": (16, 20, 28),
    "replicas": (1, 5),
    "levels": (1, 4),
    "batch": (128, 512),
}
QUICK_BASE = {"images": 100, "size": 16, "replicas": 1, "levels": 1, "batch": 16}
QUICK_AXES: dict[str, tuple[int, ...]] = {"images": (100, 200), "replicas": (1, 2)}
# axis to its unit, and to how many of them a job's memory is given for
UNITS = {
    "images": ("images", 1000),
    "size": ("positions of the first layer", 100),
    "replicas": ("replicas", 1),
    "levels": ("levels", 1),
    "batch": ("images in a batch", 100),
}
DATASET, FOLDS, EPOCHS, ROUNDS = "synthetic", 5, 3, 2


def positions(size: int) -> int:
    """Return the positions of the first layer of MNIST's network for images of `size` pixels a side."""
    return ((size - 3) // 2 + 1) ** 2


def train_job(job: dict[str, int], folder: Path, network: str = "fcn") -> dict[str, float]:
    """Train a job of `BASE`'s form in this process and return the seconds of an epoch and the peak memory in MB."""
    from freeconv.commands.shard import make_shard
    from freeconv.commands.train import train
    from freeconv.storage.hdf5 import write_h5

    levels = [0.1 * number for number in range(1, job["levels"] + 1)]
    params = check_params({"train": {"folds": FOLDS, "epochs": EPOCHS, "batch": job["batch"]}, "aug": {"copies": 1}})
    config = train_config(params, DATASET, network, "translate", levels, list(range(job["replicas"])))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (job["images"], job["size"], job["size"], 1), "uint8")
    data = folder / "data.h5"
    write_h5(
        data,
        {"images": images, "labels": np.arange(job["images"]) % 10},
        {"dataset": DATASET, "config": config.data().dump()},
    )
    paths = {level: folder / f"shard-{level:g}.h5" for level in levels}
    for run in config.runs():
        if run.fold == 0:
            make_shard(run.shard(0), data, paths[run.level])
    ends: dict[tuple[float, int], float] = {}

    def progress(run: Any, epoch: int, *_: Any) -> None:
        ends[run.level, epoch] = time.perf_counter()

    train(
        config,
        data,
        lambda run, _: paths[run.level],
        lambda run: folder / f"run-{run.level:g}-{run.fold}.h5",
        lambda key: folder / f"checkpoint-{key}.h5",
        progress,
        "on" if job["replicas"] > 1 else "off",
    )
    seconds = [(ends[level, EPOCHS] - ends[level, 1]) / (EPOCHS - 1) for level in levels]
    return {"seconds": sum(seconds), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}


def in_own_process(job: Any, script: str = __file__) -> dict[str, float]:
    """Return what `train_job` returns, from a new process of a benchmark that has the option `--job`."""
    command = [sys.executable, script, "--job", json.dumps(job)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def exponent(values: list[float], costs: np.ndarray) -> np.ndarray:
    """Return, for each round, the exponent of the cost in the value; costs are (values, rounds)."""
    return np.polyfit(np.log(values), np.log(costs), 1)[0]


def slope(values: list[float], costs: np.ndarray) -> np.ndarray:
    """Return, for each round, what one more of the value costs; costs are (values, rounds)."""
    return np.polyfit(values, costs, 1)[0]


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--job", help="be the child process that trains this job in the current folder")
    options = parser.parse_args(command_line)
    if options.job:
        print(json.dumps(train_job(json.loads(options.job), Path.cwd())))
        return
    base, axes = (QUICK_BASE, QUICK_AXES) if options.quick else (BASE, AXES)
    jobs = {(axis, value): {**base, axis: value} for axis, values in axes.items() for value in values}
    rounds = 1 if options.quick else ROUNDS
    costs: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        measured_now: dict[str, dict[str, float]] = {}
        for job in jobs.values():
            key = json.dumps(job)
            if key not in measured_now:  # the base is on every axis
                measured_now[key] = in_own_process(job)
                costs.setdefault(key, []).append(measured_now[key])
    measurements, comparisons = [], []
    for axis, values in axes.items():
        unit, many = UNITS[axis]
        numbers = [float(positions(value) if axis == "size" else value) for value in values]
        rows = [costs[json.dumps(jobs[axis, value])] for value in values]
        seconds, memory = (np.array([[cost[key] for cost in row] for row in rows]) for key in ("seconds", "memory"))
        for number, *parts in zip(numbers, seconds, memory, strict=True):
            measurements.append(measured(f"{number:,.0f} {unit}: an epoch", parts[0], "s"))
            measurements.append(measured(f"{number:,.0f} {unit}: peak memory", parts[1], "MB"))
        comparisons.append(compared(f"{unit}: exponent of the time of an epoch", exponent(numbers, seconds)))
        more = f"{many:,} more {unit}" if many > 1 else f"one more of the {unit}"
        comparisons.append(compared(f"{more}: peak memory", many * slope(numbers, memory), None, "MB"))
    write_result(
        "growth", __doc__, COMMAND, f"{rounds} rounds of jobs of {EPOCHS} epochs", measurements, comparisons, options
    )


if __name__ == "__main__":
    main()
