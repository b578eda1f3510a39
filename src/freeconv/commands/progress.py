"""Progress of training: a line per epoch with the time left."""

import time
from collections.abc import Callable
from datetime import timedelta

from freeconv.study.jobs import RunConfig, TrainConfig

SHOWN = ("train_loss", "val_loss", "train_acc", "val_acc", "translate_acc")  # of those that a run records

# Takes a run and what it has reached: the epochs done, the history's last row (empty where training begins or goes on
# from a checkpoint), and whether the run has finished, which early stopping may make it do before its last epoch.
Progress = Callable[[RunConfig, int, dict[str, float], bool], None]


def run_label(run: RunConfig) -> str:
    """Return a run's name for people: `mnist-5k fcn translate 0.2 fold 3`, of other seeds than 0 with ` seed 1`."""
    seed = f" seed {run.train_seed}" if run.train_seed else ""
    return f"{run.dataset} {run.network} {run.augmentation} {run.level:g} fold {run.fold}{seed}"


def training_progress(config: TrainConfig) -> Progress:
    """Return a function that prints a line per epoch of a training job, with its numbers and the time left.

    They are lines in a terminal, too, and go to standard output as any other, so a debugger's prompt can come between.

    Args:
        config: the job.
    """
    begin = time.perf_counter()
    total = sum(config.epochs for _ in config.runs())
    done: dict[str, int] = {}
    before: dict[str, int] = {}  # of these, those done before this job

    def show(run: RunConfig, epoch: int, row: dict[str, float], finished: bool) -> None:
        done[run_label(run)] = config.epochs if finished else epoch
        if not row:
            before[run_label(run)] = done[run_label(run)]
            return
        number = sum(done.values())
        seconds = (time.perf_counter() - begin) / (number - sum(before.values())) * (total - number)
        numbers = ", ".join(f"{name} {row[name]:.4f}" for name in SHOWN if name in row)
        left = timedelta(seconds=round(seconds))
        print(f"{run_label(run)}: epoch {epoch}/{config.epochs}, {numbers}, at most {left} left", flush=True)

    return show


def both(first: Progress, second: Progress) -> Progress:
    """Return a progress function that calls two."""

    def show(run: RunConfig, epoch: int, row: dict[str, float], finished: bool) -> None:
        first(run, epoch, row, finished)
        second(run, epoch, row, finished)

    return show
