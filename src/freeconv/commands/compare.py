"""`freeconv compare`: the medians of two studies side by side."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from freeconv.errors import FreeconvError
from freeconv.storage.csv_files import read_summed
from freeconv.study import paths

KEYS = ("dataset", "augmentation", "level", "network", "metric")
NO_NUMBER = "—"


class Compared(NamedTuple):
    """A median in two studies.

    Attributes:
        key: dataset, augmentation, level, network and metric.
        first: the first study's median; None where it has none.
        second: likewise.
    """

    key: tuple[str, ...]
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """The second study's median minus the first one's; None where one is missing."""
        return None if self.first is None or self.second is None else self.second - self.first


def compare_studies(first: str | Path, second: str | Path, metrics: Sequence[str] = ()) -> list[Compared]:
    """Return the medians of two studies: accuracies, and kernel distances after training.

    Args:
        first: a study's folder, or the folder of its report.
        second: likewise.
        metrics: only these, if any.

    Returns:
        Every median that one of them has, in the first one's order.

    Raises:
        FreeconvError: a folder has no report, its medians are not what was written, or none are of these metrics.
    """
    medians = [dict(_medians(json.loads(_read(folder)))) for folder in (first, second)]
    keys = [key for key in dict.fromkeys([*medians[0], *medians[1]]) if not metrics or key[-1] in metrics]
    if not keys:
        known = sorted({key[-1] for study in medians for key in study})
        raise FreeconvError(f"expected metrics among {', '.join(known)}, received {', '.join(metrics) or 'no medians'}")
    return [Compared(key, medians[0].get(key), medians[1].get(key)) for key in keys]


def _read(folder: str | Path) -> bytes:
    """Return the content of a study's file of medians."""
    for reports in (str(folder), f"{folder}/{paths.REPORTS}"):
        if Path(paths.medians_file(reports)).is_file():
            return read_summed(paths.medians_file(reports), paths.sums_file(reports))
    raise FreeconvError(f"{folder}: expected a study with {paths.medians_file()}, received none; run the study first")


def _medians(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield the leaves of the tree of medians with the names on the way."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _medians(value, (*above, name))
        else:
            yield (*above, name), value


def show(rows: Sequence[Compared], names: tuple[str, str], console: Console) -> None:
    """Print medians as a table."""
    table = Table(*KEYS, box=SIMPLE_HEAD)
    for name in (*names, "difference"):
        table.add_column(name.replace("[", "\\["), justify="right")
    for row in rows:
        numbers = (row.first, row.second)
        difference = NO_NUMBER if row.difference is None else f"{row.difference:+.4f}"
        table.add_row(*row.key, *(NO_NUMBER if value is None else f"{value:.4f}" for value in numbers), difference)
    console.print(table)


def as_csv(rows: Sequence[Compared], names: tuple[str, str]) -> str:
    """Return medians as CSV; what is missing is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*KEYS, *names, "difference"])
    for row in rows:
        numbers = (row.first, row.second, row.difference)
        writer.writerow([*row.key, *("" if value is None else f"{value:.6g}" for value in numbers)])
    return text.getvalue()
