"""The runs that a study asks for: by cell with their states, or one by one."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from freeconv.study import grid
from freeconv.study.params import Params
from freeconv.terminal.stored import RunState, run_states

WIDEST = 1000  # columns where output is not a terminal, so that nothing is cut
RUN_COLUMNS = ("dataset", "network", "augmentation", "level", "fold", "seed", "epochs", "batch", "learning_rate")


def show_cells(params: Params, console: Console) -> None:
    """Print a line for each dataset, network, augmentation and level, with how many of its runs are in which state."""
    states = run_states(params)
    counts = [state for *_, state in states]
    total = RunState(*map(sum, zip(*counts, strict=True)))
    shown = [name for name in RunState._fields if name != "outdated" or total.outdated]
    rows = [
        (*cell[:3], f"{cell[3]:g}", epochs, f"{folds} × {seeds}", *(getattr(state, name) or "–" for name in shown))
        for cell, epochs, (folds, seeds), state in states
    ]
    _print(("dataset", "network", "augmentation", "level", "epochs", "folds × seeds", *shown), rows, console)
    summary = ", ".join(f"{getattr(total, name)} {name}" for name in shown)
    _say(f"{summary} of {sum(total)} runs", console)


def show_runs(params: Params, console: Console) -> None:
    """Print a line for each run, with its parameters."""
    rows = []
    for run, epochs in zip(grid.runs(params), grid.run_epochs(params), strict=True):
        row = {**run.dump(), "seed": run.train_seed, "epochs": epochs}
        rows.append([row[column] for column in RUN_COLUMNS])
    _print(RUN_COLUMNS, rows, console)
    _say(f"{len(rows)} runs", console)


def _print(columns: Sequence[str], rows: Iterable[Sequence[object]], console: Console) -> None:
    """Print a table; elsewhere than in a terminal as wide as it is."""
    table = Table(*columns, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(str, row))
    if not console.is_terminal:
        console.width = WIDEST
    console.print(table)


def _say(text: str, console: Console) -> None:
    """Print a line."""
    console.print(text, highlight=False, soft_wrap=True)
