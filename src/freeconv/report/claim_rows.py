"""The paper's claims with the verdicts on them, as rows of a forest plot."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from freeconv.datasets import paper_dataset
from freeconv.report.html_tables import VERDICTS
from freeconv.report.numbers import in_unit, signed
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


# The axis is linear about 0 and logarithmic further out, so that half a point and 60 points can both be seen.
LINEAR, LIMIT = 0.5, 100.0
TICKS = (-50, -10, -1, 0, 1, 10, 50)


def place(value: float) -> float:
    """Return where a number is, in per cent of the axis; what lies beyond its ends is at them."""
    size = math.log10(1 + min(abs(value), LIMIT) / LINEAR) / math.log10(1 + LIMIT / LINEAR)
    return round(50 + 50 * math.copysign(size, value), 2)


def axis_labels() -> list[tuple[float, str]]:
    """Return places and texts of the axis's ticks."""
    return [(place(tick), f"{tick}".replace("-", "−")) for tick in TICKS]


class Unit(NamedTuple):
    """What a claim's numbers are shown in.

    Attributes:
        scale: what they are multiplied by; NaN where that is not known.
        name: in a sentence.
        title: of the numbers.
    """

    scale: float
    name: str
    title: str


def unit_of(comparison: str, positions: int | None) -> Unit:
    """Return the unit of a claim: points of accuracy, or per cent of the distance of independent kernels.

    Args:
        comparison: as `Comparison.text` returns it.
        positions: of the first free layer; None if that is not known.
    """
    if "distance" not in comparison:
        return Unit(100.0, "points", "points")
    return Unit(100 / math.sqrt(2 / positions) if positions else math.nan, "%", "% of independent kernels")


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
    unit: str
    strip: Strip
    folds: int
    comparison: str
    source: str
    notes: list[str]


class Group(NamedTuple):
    """Rows of one dataset."""

    dataset: str
    rows: list[ClaimRow]


def claim_groups(
    judged: pd.DataFrame, claims: Mapping[str, Claim], positions: Mapping[str, int]
) -> tuple[list[Group], list[Group]]:
    """Return the rows of tested claims, a group for each dataset, and of exploratory ones; not run ones are last.

    Args:
        judged: as `judgement.judge` returns them.
        claims: by id, for margins; of claims that are not among them none is shown.
        positions: of the first free layer, by dataset, where known.
    """

    def groups(chosen: pd.DataFrame) -> list[Group]:
        found = []
        for dataset, of_dataset in chosen.groupby("dataset", sort=False):
            rows = [_row(row, claims.get(row.id), positions.get(str(dataset))) for row in _rows(of_dataset)]
            found.append(Group(str(dataset), sorted(rows, key=lambda row: row.verdict == "not run")))
        return found

    tested = judged["family"] == "primary"
    return groups(judged[tested]), groups(judged[~tested])


def _row(row: Any, claim: Claim | None, positions: int | None) -> ClaimRow:
    """Return a row of `judgement.judge` for readers."""
    unit = unit_of(row.comparison, positions)

    def text(value: float) -> str:
        return signed(unit.scale * value, 2)

    known = not (math.isnan(row.low) or math.isnan(row.high) or math.isnan(unit.scale))
    return ClaimRow(
        f"claim-{row.id}-{row.dataset}",
        row.statement,
        row.dataset,
        row.verdict,
        VERDICTS[row.verdict],
        _reason(row, unit),
        text(row.ours),
        f"{text(row.low)} to {text(row.high)}" if known else "",
        text(row.paper),
        unit.title,
        _strip(row, claim, unit),
        row.folds,
        row.comparison,
        row.source,
        _notes(row, unit),
    )


def _strip(row: Any, claim: Claim | None, unit: Unit) -> Strip:
    """Return the picture of a row."""

    def at(value: float) -> float | None:
        return None if math.isnan(unit.scale * value) else place(unit.scale * value)

    margin = None if claim is None else claim.margin.get(paper_dataset(row.dataset))  # type: ignore[call-overload]
    ends = [at(end) for end in ([] if margin is None else _listed(margin))]
    margins = [end for end in ends if end is not None]
    claimed = None
    if claim is not None and margins:
        sides = {"above": (margins[-1], 100.0), "below": (0.0, margins[0]), "within": (margins[0], margins[-1])}
        claimed = sides[claim.direction]
    return Strip(at(row.ours), at(row.low), at(row.high), at(row.paper), margins, claimed)


def _listed(margin: Any) -> list[float]:
    """Return one margin or two."""
    return list(margin) if isinstance(margin, list | tuple) else [margin]


def lacking(failed: object) -> list[str]:
    """Return the keys of the requirements that runs fail, from the text of `judgement.judge`."""
    texts = failed.split("; ") if isinstance(failed, str) else []
    return list(dict.fromkeys(text.partition(":")[0] for text in texts if text))


def _reason(row: Any, unit: Unit) -> str:
    """Return why a verdict is what it is, in a short sentence."""
    if row.verdict == "not run":
        count = row.reason.count(" of ")
        return f"{count} cell{'s have' if count != 1 else ' has'} no run."
    if row.verdict == "not tested" and isinstance(row.failed, str):
        return f"Lacks {_and(LACKING.get(key, key) for key in lacking(row.failed))}."
    return _text(row.reason.partition(" Lacking: ")[0], unit)


def _text(text: str, unit: Unit) -> str:
    """Return a text of `judgement.judge`, differences in a unit."""
    return text if math.isnan(unit.scale) else in_unit(text, unit.scale, unit.name)


def _and(texts: Iterable[str]) -> str:
    """Return texts as a list: `a, b and c`."""
    listed = list(texts)
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def _notes(row: Any, unit: Unit) -> list[str]:
    """Return what else must be said of a verdict."""
    notes = []
    if row.verdict == "not run":
        notes.append(_text(row.reason, unit))
    if isinstance(row.failed, str) and row.failed:
        notes.append(f"Lacking: {_text(row.failed, unit)}.")
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
