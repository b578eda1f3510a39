"""Progress of training: bars with the time left in a terminal, plain lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from freeconv.configs import RunConfig, TrainConfig


def run_label(run: RunConfig) -> str:
    """Return a run's name for people: `mnist-5k fcn translate 0.2 fold 3`."""
    return f"{run.dataset} {run.network} {run.augmentation} {run.level:g} fold {run.fold}"


@contextmanager
def training_progress(config: TrainConfig, console: Console | None = None) -> Iterator:
    """Yield a function that shows the progress of a training job (see `freeconv.train.Progress`).

    In a terminal: a bar over the epochs of all runs with the time left, and under it the run at work. Elsewhere: one
    line per epoch with the time left.

    Args:
        config: the job.
        console: where to write; standard output if None.
    """
    console = console or Console()
    runs = list(config.runs())
    if not console.is_terminal:
        yield _plain_lines(runs, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs, left"))
    with Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[state]}"), console=console) as bars:
        bar = bars.add_task(run_label(runs[0]), total=len(runs) * config.epochs, state="")

        def show(run: RunConfig, epoch: int, row: dict[str, float]) -> None:
            done = runs.index(run) * config.epochs + epoch  # a run that stops early jumps to the next one's start
            bars.update(bar, description=run_label(run), completed=done, state=_state(row))

        yield show
        bars.update(bar, completed=len(runs) * config.epochs)


def _plain_lines(runs: list[RunConfig], console: Console):  # noqa: ANN202
    """Return a progress function that writes one line per epoch."""
    begin = time.perf_counter()
    total = sum(run.epochs for run in runs)

    def show(run: RunConfig, epoch: int, row: dict[str, float]) -> None:
        if epoch == 0:
            return
        done = runs.index(run) * run.epochs + epoch
        left = timedelta(seconds=round((time.perf_counter() - begin) / done * (total - done)))
        console.print(
            f"{run_label(run)}: epoch {epoch}/{run.epochs}, {_state(row)}, at most {left} left",
            highlight=False,
            soft_wrap=True,
        )

    return show


def _state(row: dict[str, float]) -> str:
    """Return an epoch's main numbers in words."""
    if not row:
        return "starting"
    return (
        f"train_loss {row['train_loss']:.4f}, train_acc {row['train_acc']:.4f}, val_acc {row['val_acc']:.4f}, "
        f"translate_acc {row['translate_acc']:.4f}"
    )
