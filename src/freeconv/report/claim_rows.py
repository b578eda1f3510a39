"""The paper's claims with the verdicts on them, as rows of a forest plot."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from freeconv.datasets import paper_dataset
from freeconv.report.html_tables import VERDICTS
from freeconv.report.numbers import in_points, points, signed
from freeconv.study.claims import Claim

DECIDED = ("supported", "contradicted")

# What runs lack, by the key that `requirements.failures` begins with.
LACKING = {
    "convergence": "curves that have become flat",
    "images": "as many images as the paper's",
    "epochs": "more epochs",
    "folds": "more folds",
    "evaluated images": "images evaluated as in the paper",
    "not recorded": "accuracies that were not recorded",
}


@dataclass(frozen=True)
class Axis:
    """An axis that is linear about 0 and logarithmic further out, so that a half point and 60 points can both be seen.

    Attributes:
        title: what is on it, and its unit.
        linear: where it begins to be logarithmic.
        limit: its ends, both ways.
        ticks: numbers at its ticks.
    """

    title: str
    linear: float
    limit: float
    ticks: Sequence[float]

    def place(self, value: float) -> float:
        """Return where a number is, in per cent of the axis; what lies beyond its ends is at them."""
        size = math.log10(1 + min(abs(value), self.limit) / self.linear) / math.log10(1 + self.limit / self.linear)
        return round(50 + 50 * math.copysign(size, value), 2)

    @property
    def labels(self) -> list[tuple[float, str]]:
        """The ticks' places and texts."""
        return [(self.place(tick), f"{tick:g}".replace("-", "−")) for tick in self.ticks]


POINTS = Axis("percentage points", 0.5, 100, (-50, -10, -1, 0, 1, 10, 50))
DISTANCES = Axis("kernel distance", 0.0005, 0.1, (-0.05, -0.005, 0, 0.005, 0.05))


class Strip(NamedTuple):
    """A row's picture, all places in per cent of its axis.

    Attributes:
        ours: the number; None if there is none.
        low, high: of its interval, likewise.
        paper: the paper's number, likewise.
        margins: what decides: one place, or two.
        claimed: where the claimed side begins and ends; None if margins are not known.
    """

    ours: float | None
    low: float | None
    high: float | None
    paper: float | None
    margins: list[float]
    claimed: tuple[float, float] | None


class ClaimRow(NamedTuple):
    """What one dataset says of a claim."""

    anchor: str
    statement: str
    dataset: str
    verdict: str
    mark: str
    reason: str
    ours: str
    interval: str
    paper: str
    strip: Strip
    axis: Axis
    folds: int
    comparison: str
    source: str
    notes: list[str]


class Group(NamedTuple):
    """Rows of one dataset that have one axis."""

    dataset: str
    axis: Axis
    rows: list[ClaimRow]


def claim_groups(judged: pd.DataFrame, claims: Mapping[str, Claim]) -> tuple[list[Group], list[Group]]:
    """Return the rows of tested claims, a group for each dataset, and of exploratory ones.

    Args:
        judged: as `judgement.judge` returns them.
        claims: by id, for margins; of claims that are not among them none is shown.
    """
    tested = judged["family"] == "primary"
    return _groups(judged[tested], claims), _groups(judged[~tested], claims)


def _groups(judged: pd.DataFrame, claims: Mapping[str, Claim]) -> list[Group]:
    """Return rows by dataset and axis, those of claims that were not run last."""
    found = []
    for dataset, rows in judged.groupby("dataset", sort=False):
        shown = sorted((_row(row, claims.get(row.id)) for row in _rows(rows)), key=lambda row: row.verdict == "not run")
        for axis in (POINTS, DISTANCES):
            if of_axis := [row for row in shown if row.axis is axis]:
                found.append(Group(str(dataset), axis, of_axis))
    return found


def _row(row: Any, claim: Claim | None) -> ClaimRow:
    """Return a row of `judgement.judge` for readers."""
    accuracy = "distance" not in row.comparison
    axis = POINTS if accuracy else DISTANCES

    def text(value: float) -> str:
        return points(value) if accuracy else signed(value, 5)

    known = not (math.isnan(row.low) or math.isnan(row.high))
    return ClaimRow(
        f"claim-{row.id}-{row.dataset}",
        row.statement,
        row.dataset,
        row.verdict,
        VERDICTS[row.verdict],
        _reason(row, accuracy),
        text(row.ours),
        f"{text(row.low)} to {text(row.high)}" if known else "",
        text(row.paper),
        _strip(row, claim, axis, 100 if accuracy else 1),
        axis,
        row.folds,
        row.comparison,
        row.source,
        _notes(row, accuracy),
    )


def _strip(row: Any, claim: Claim | None, axis: Axis, scale: float) -> Strip:
    """Return the picture of a row."""

    def place(value: float) -> float | None:
        return None if math.isnan(value) else axis.place(scale * value)

    margin = None if claim is None else claim.margin.get(paper_dataset(row.dataset))  # type: ignore[call-overload]
    margins = [axis.place(scale * end) for end in ([] if margin is None else _listed(margin))]
    claimed = None
    if claim is not None and margins:
        ends = {"above": (margins[-1], 100.0), "below": (0.0, margins[0]), "within": (margins[0], margins[-1])}
        claimed = ends[claim.direction]
    return Strip(place(row.ours), place(row.low), place(row.high), place(row.paper), margins, claimed)


def _listed(margin: Any) -> list[float]:
    """Return one margin or two."""
    return list(margin) if isinstance(margin, list | tuple) else [margin]


def lacking(failed: object) -> list[str]:
    """Return the keys of the requirements that runs fail, from the text of `judgement.judge`."""
    texts = failed.split("; ") if isinstance(failed, str) else []
    return list(dict.fromkeys(text.partition(":")[0] for text in texts if text))


def _reason(row: Any, accuracy: bool) -> str:
    """Return why a verdict is what it is, in a short sentence."""
    if row.verdict == "not run":
        count = row.reason.count(" of ")
        return f"{count} cell{'s have' if count != 1 else ' has'} no run."
    if row.verdict == "not tested" and isinstance(row.failed, str):
        return f"Lacks {_and(LACKING.get(key, key) for key in lacking(row.failed))}."
    return _text(row.reason.partition(" Lacking: ")[0], accuracy)


def _text(text: str, accuracy: bool) -> str:
    """Return a text of `judgement.judge`, differences of accuracies in points."""
    return in_points(text) if accuracy else text


def _and(texts: Iterable[str]) -> str:
    """Return texts as a list: `a, b and c`."""
    listed = list(texts)
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def _notes(row: Any, accuracy: bool) -> list[str]:
    """Return what else must be said of a verdict."""
    notes = []
    if row.verdict == "not run":
        notes.append(_text(row.reason, accuracy))
    if isinstance(row.failed, str) and row.failed:
        notes.append(f"Lacking: {_text(row.failed, accuracy)}.")
    if not math.isnan(row.p_holm):
        notes.append(f"p = {row.p_holm:.2g} after Holm's correction.")
    if isinstance(row.paper_check, str) and row.paper_check:
        notes.append(f"{row.paper_check[:1].upper()}{row.paper_check[1:]}.")
    if row.older:
        notes.append(f"Older than the claim's margin and requirements, of {row.registered}.")
    return notes


def decidable(judged: pd.DataFrame) -> tuple[int, int, int, dict[str, int]]:
    """Return how many tested claims there are, are decided, and can be; and how many lack what, in words.

    Args:
        judged: as `judgement.judge` returns them.
    """
    tested = judged[judged["family"] == "primary"]
    counts: dict[str, int] = {}
    if not_run := int((tested["verdict"] == "not run").sum()):
        counts["cells that were not run"] = not_run
    for failed in tested.loc[tested["verdict"] == "not tested", "failed"]:
        for key in lacking(failed):
            counts[LACKING.get(key, key)] = counts.get(LACKING.get(key, key), 0) + 1
    decided = int(tested["verdict"].isin(DECIDED).sum())
    can = int(tested["verdict"].isin([*DECIDED, "inconclusive"]).sum())
    return len(tested), decided, can, dict(sorted(counts.items(), key=lambda item: -item[1]))


def registration(judged: pd.DataFrame) -> str:
    """Return when claims were settled, in a sentence; empty if there are none or nobody says so."""
    known = judged.dropna(subset=["registered", "registration"])
    if known.empty:
        return ""
    days, hashes = (sorted({str(value) for value in known[name]}) for name in ("registered", "registration"))
    return f"Claims, margins and requirements are of {', '.join(days)} (SHA-256 {', '.join(hashes)} …)."


def _rows(frame: pd.DataFrame) -> Iterable[Any]:
    """Return the rows of a frame as named tuples."""
    rows: Iterable[Any] = frame.itertuples(index=False)
    return rows
