"""A job that keeps the memory it frees trains the free network faster on a processor.

Seconds an epoch (training and the six evaluations) and peak memory of `freeconv.commands.train.train` on one core, FCN
and CNN, with `freeconv.machine.memory.keep_freed_memory`, which `freeconv train` calls, and without: 6,000 images of
28 × 28 × 1 of random pixels, batch 256 as in the paper, one fold, one level, each job in a process of its own. An epoch
is the mean of the second and third. Jobs take turns; ratios are taken within each round.

    python benchmarks/freed_memory.py
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
        os.environ[_name] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from growth import BASE, EPOCHS, QUICK_BASE, in_own_process, train_job
from measuring import arguments, compared, measured, write_result

from freeconv.machine.memory import keep_freed_memory

COMMAND = "python benchmarks/freed_memory.py"
JOB = {**BASE, "images": 6000, "batch": 256}
NETWORKS = ("fcn", "cnn")
ROUNDS = 7


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--job", help="be the child process that trains this job in the current folder")
    options = parser.parse_args(command_line)
    if options.job:
        job, network, keep = json.loads(options.job)
        if keep and not keep_freed_memory():
            sys.exit(
                "expected glibc and no setting of its allocator in the environment; unset MALLOC_* and GLIBC_TUNABLES"
            )
        print(json.dumps(train_job(job, Path.cwd(), network)))
        return
    job, rounds = (QUICK_BASE, 1) if options.quick else (JOB, ROUNDS)
    costs = [
        {
            (network, keep): in_own_process([job, network, keep], __file__)
            for network in NETWORKS
            for keep in (False, True)
        }
        for _ in range(rounds)
    ]
    measurements, comparisons = [], []
    for network in NETWORKS:
        for what, key, unit, target in (
            ("time of an epoch", "seconds", "s", "≤ 1"),
            ("peak memory", "memory", "MB", None),
        ):
            freed, kept = (np.array([cost[network, keep][key] for cost in costs]) for keep in (False, True))
            comparisons.append(compared(f"{network.upper()}: kept / handed back, {what}", kept / freed, target))
            measurements.append(measured(f"{network.upper()}, handed back: {what}", freed, unit))
            measurements.append(measured(f"{network.upper()}, kept: {what}", kept, unit))
    write_result(
        "freed_memory",
        __doc__,
        COMMAND,
        f"{rounds} rounds of jobs of {EPOCHS} epochs",
        measurements,
        comparisons,
        options,
    )


if __name__ == "__main__":
    main()
