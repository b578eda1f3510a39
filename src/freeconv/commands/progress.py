"""Progress of training: bars with the time left in a terminal, plain lines in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich import progress as rich_progress
from rich.console import Console

from freeconv.study.jobs import RunConfig, TrainConfig

SHOWN = ("train_loss", "train_acc", "val_acc", "translate_acc")  # of those that a run records

# Takes a run and what it has reached: the epochs done, the history's last row (empty where training begins or goes on
# from a checkpoint), and whether the run has finished, which early stopping may make it do before its last epoch.
Progress = Callable[[RunConfig, int, dict[str, float], bool], None]


def run_label(run: RunConfig) -> str:
    """Return a run's name for people: `mnist-5k fcn translate 0.2 fold 3`, of other seeds than 0 with ` seed 1`."""
    seed = f" seed {run.train_seed}" if run.train_seed else ""
    return f"{run.dataset} {run.network} {run.augmentation} {run.level:g} fold {run.fold}{seed}"


@contextmanager
def training_progress(config: TrainConfig, console: Console | None = None) -> Iterator[Progress]:
    """Yield a function that shows the progress of a training job.

    In a terminal: a bar over the epochs of all runs with the time left, and under it the run at work. Elsewhere: one
    line per epoch with the time left.

    Args:
        config: the job.
        console: where to write; standard output if None.
    """
    console = console or Console()
    runs = list(config.runs())
    if not console.is_terminal:
        yield _plain_lines(len(runs), config.epochs, console)
        return
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("epochs, left"),
        rich_progress.TimeRemainingColumn(),
        rich_progress.TextColumn("{task.fields[state]}"),
    )
    with rich_progress.Progress(*columns, console=console) as bars:
        bar = bars.add_task(run_label(runs[0]), total=len(runs) * config.epochs, state="")

        done: dict[str, int] = {}

        def show(run: RunConfig, epoch: int, row: dict[str, float], finished: bool) -> None:
            done[run_label(run)] = config.epochs if finished else epoch
            if epoch and not row:
                bars.reset(bar, completed=sum(done.values()))  # the time left must not count epochs done before
            bars.update(bar, description=run_label(run), completed=sum(done.values()), state=_state(row))

        yield show


def both(first: Progress, second: Progress) -> Progress:
    """Return a progress function that calls two."""

    def show(run: RunConfig, epoch: int, row: dict[str, float], finished: bool) -> None:
        first(run, epoch, row, finished)
        second(run, epoch, row, finished)

    return show


def _plain_lines(runs: int, epochs: int, console: Console) -> Progress:
    """Return a progress function that writes one line per epoch, for so many runs of so many epochs."""
    begin = time.perf_counter()
    total = runs * epochs

    done: dict[str, int] = {}
    before: dict[str, int] = {}  # of these, those done before this job

    def show(run: RunConfig, epoch: int, row: dict[str, float], finished: bool) -> None:
        done[run_label(run)] = epochs if finished else epoch
        if not row:
            before[run_label(run)] = done[run_label(run)]
            return
        number = sum(done.values())
        seconds = (time.perf_counter() - begin) / (number - sum(before.values())) * (total - number)
        left = timedelta(seconds=round(seconds))
        console.print(
            f"{run_label(run)}: epoch {epoch}/{epochs}, {_state(row)}, at most {left} left",
            highlight=False,
            soft_wrap=True,
        )

    return show


def _state(row: dict[str, float]) -> str:
    """Return an epoch's main numbers in words."""
    if not row:
        return "starting"
    return ", ".join(f"{name} {row[name]:.4f}" for name in SHOWN if name in row)
