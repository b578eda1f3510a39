"""The training loop: epochs of batches, an evaluation after each, until nothing is left to learn."""

import time
from collections.abc import Callable
from typing import Any

from freeconv.training.side_by_side import SideBySide
from freeconv.training.state import Checkpoint, Result


def train_runs(
    runs: SideBySide,
    shard: Callable[[int], Any],
    report: Callable[[Result], None],
    save: Callable[[Callable[[], Checkpoint]], None],
) -> None:
    """Train runs until all have finished, evaluating each on its held-out fold after every epoch.

    Training that goes on from a checkpoint gives what it would have given in one go.

    Args:
        runs: what is trained; their results are added to.
        shard: takes a copy's index and returns the images of that copy on the device (see `SideBySide.train`).
        report: called after every epoch with the result of each run that learned in it.
        save: called after every epoch but the last, with a function that returns where training stands.
    """
    for epoch in range(runs.epochs, runs.asked):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        images, batches = shard(epoch % runs.run.copies), runs.batches(epoch)
        numbers = {**runs.train(images, batches), **runs.evaluate()}
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
        for result in runs.record(numbers, seconds, cpu_seconds):
            report(result)
        if runs.finished:
            break
        save(runs.checkpoint)
