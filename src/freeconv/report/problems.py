"""What was left out of a study or is suspicious, problems of one kind together."""

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, NamedTuple

import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.study.network_names import parse_variant

# A free network with fewer connections than these has little to learn with, as in the paper's Figures C.1 and C.2.
FEWEST_CONNECTIONS = 0.1
LEARNED_NOTHING = "learned nothing"

# What differs between problems of one kind: numbers, hashes, and the files they name.
_PARTICULAR = re.compile(r"\b[0-9a-f]{12,}\b|\d+(?:[.,]\d+)*|\S+/\S+")


class ProblemGroup(NamedTuple):
    """Problems of one kind.

    Attributes:
        title: what is wrong, and with how many files.
        used: whether they are used all the same.
        expected: why nothing else was to be expected; empty where that is not so.
        lines: each file, and what is wrong with it.
    """

    title: str
    used: bool
    expected: str
    lines: list[tuple[str, str]]


def problem_groups(problems: pd.DataFrame) -> list[ProblemGroup]:
    """Return problems by kind: first what is left out, last what was to be expected.

    Args:
        problems: rows of `results.Problem`.
    """
    groups: dict[tuple[bool, str, str], list[tuple[str, str]]] = {}
    rows: Iterable[Any] = problems.itertuples(index=False)
    for row in rows:
        key = (bool(row.used), _expected(row), _PARTICULAR.sub("…", row.problem))
        groups.setdefault(key, []).append((row.path, row.problem))
    found = [ProblemGroup(_title(lines), used, expected, lines) for (used, expected, _), lines in groups.items()]
    return sorted(found, key=lambda group: (group.used, group.expected != ""))


def _title(lines: list[tuple[str, str]]) -> str:
    """Return what is wrong with some files, in the words of the first: what it comes to, where that is said."""
    problem = lines[0][1]
    come_to = problem.rpartition(": ")[2]
    text = come_to if LEARNED_NOTHING in come_to else problem
    files = "1 file" if len(lines) == 1 else f"{len(lines)} files"
    return f"{files}: {text}"


def _expected(row: Any) -> str:
    """Return why a run could not be expected to learn; empty if it could."""
    if LEARNED_NOTHING not in row.problem:
        return ""
    try:
        variant = parse_variant(PurePath(row.path).parts[-4])
    except (FreeconvError, IndexError, ValueError):
        return ""
    if variant.vcp > 1 - FEWEST_CONNECTIONS:
        return f"expected: {100 * variant.vcp:g} % of the network's connections are missing"
    if variant.learning_rate is not None:
        return "expected: the search tries learning rates that are too high"
    return ""
