"""Whether the study at hand supports the paper's conclusions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from freeconv.analysis.distance import distance_key
from freeconv.analysis.intervals import interval
from freeconv.analysis.paper import paper_medians
from freeconv.datasets import paper_dataset
from freeconv.vocabulary import level_text, trained_as

if TYPE_CHECKING:
    from freeconv.study.claims import Claim, Comparison, PaperDataset, Quantity

Verdict = Literal["supported", "not supported", "undecided"]


Key = tuple[str, str, str, float, str]  # dataset, network, augmentation (`none` at level 0), level, metric


Cells = Mapping[Key, pd.Series]  # key to values by fold


COLUMNS = [
    "id",
    "section",
    "statement",
    "comparison",
    "source",
    "dataset",
    "paper",
    "ours",
    "low",
    "high",
    "runs",
    "verdict",
    "reason",
]


class Contrast(NamedTuple):
    """What a comparison comes to.

    Attributes:
        levels: the levels that quantities without a level were taken at.
        values: one number per fold, folds as index; empty if there is a problem.
        problem: which cells are missing, as a sentence; empty if none are.
    """

    levels: tuple[float, ...]
    values: pd.Series
    problem: str = ""


class Judgement(NamedTuple):
    """A contrast held against a claim."""

    ours: float
    low: float
    high: float
    runs: int
    verdict: Verdict
    reason: str
    levels: tuple[float, ...]


def judge(claims: Sequence[Claim], values: pd.DataFrame, traces: pd.DataFrame) -> pd.DataFrame:
    """Hold every claim against a study.

    Differences are paired by fold, over the folds that all cells have; the estimate is their mean, with the 95 %
    interval of `intervals.interval`. A claim is supported where the interval lies wholly on the claimed side of the
    margin, not supported where it lies wholly on the other, and otherwise undecided: so too with one fold, which has
    no interval, and where a cell is missing. A cell is missing that was not run at exactly the claim's level, or that
    has a run whose value is NaN. A claim about each level is supported if it is at all levels that were run, not
    supported if it is not at one of them, with no correction for their number; the row shows the least favourable one.

    Args:
        claims: as `load_claims` returns them.
        values: one row per run and metric, columns dataset, augmentation, level, network, metric, fold and value (the
            run's own aggregate). In any order; level 0 may appear under several augmentations.
        traces: kernel distances, columns `distance.TRACE_COLUMNS`; only the first layer's are used.

    Returns:
        One row per claim and dataset of the study that stands beside one that the paper makes the claim of, in the
        order of claims, then of the datasets' names. Columns id, section, statement, comparison (in words), source,
        dataset, paper (the paper's number, from its tables the same comparison at the same levels, else at its own;
        NaN if it gives none), ours, low, high, runs (folds behind ours), verdict (`supported`, `not supported`,
        `undecided`) and reason (one sentence).
    """
    ours = _cells(pd.concat([values, _trace_ends(traces)]))
    paper = _cells(paper_medians().rename(columns={"median": "value"}).assign(fold=0))
    datasets = sorted({*values["dataset"], *traces["dataset"]})
    rows = []
    for claim in claims:
        for dataset in datasets:
            counterpart = paper_dataset(dataset)
            if counterpart not in claim.margin:
                continue
            found = _judgement(claim, claim.margin[counterpart], _contrasts(claim.comparison, dataset, ours))
            stated = claim.paper.get(counterpart)
            if stated is None:
                stated = _paper_value(claim, counterpart, paper, found.levels)
            rows.append(
                (
                    claim.id,
                    claim.section,
                    claim.statement,
                    claim.comparison.text(),
                    claim.source,
                    dataset,
                    stated,
                    *found[:-1],
                )
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _trace_ends(traces: pd.DataFrame) -> pd.DataFrame:
    """Return the distances before the first and after each fold's last epoch as values of metrics."""
    first_layer = traces[traces["layer"].astype(str).str.endswith("_1")].reset_index(drop=True)
    keys = ["dataset", "augmentation", "level", "network", "radius", "measure", "fold"]
    last = first_layer.loc[first_layer.groupby(keys)["epoch"].idxmax()]
    untrained = first_layer[first_layer["epoch"] == 0]
    ends = [
        end.assign(metric=[prefix + distance_key(*row) for row in zip(end["radius"], end["measure"], strict=True)])
        for end, prefix in ((last, ""), (untrained, "untrained_"))
    ]
    return pd.concat(ends).rename(columns={"distance": "value"})


def _cells(values: pd.DataFrame) -> Cells:
    """Return values by cell and fold; level 0 of all augmentations, the same runs, as augmentation `none`."""
    # the paper's tables round level 0 differently: first translation, which has the most digits
    values = values.sort_values("augmentation", ascending=False)
    values = values.assign(augmentation=values["augmentation"].where(values["level"] > 0, "none"))
    keys = ["dataset", "network", "augmentation", "level", "metric"]
    values = values.drop_duplicates([*keys, "fold"])
    groups: Iterable[tuple[Any, pd.Series]] = values.set_index("fold").groupby(keys)["value"]
    return {key: group.sort_index() for key, group in groups}


def _contrasts(
    comparison: Comparison, dataset: str, cells: Cells, only: Sequence[float] | None = None
) -> list[Contrast]:
    """Return what a comparison comes to on one dataset: one contrast, or one for each level.

    Args:
        comparison: what to compute.
        dataset: of which dataset.
        cells: the values.
        only: levels to use, of those that there are, for the quantities without a level; all of them if None.
    """
    if comparison.levels is None:
        return [_difference(comparison, dataset, cells, None)]
    low, high = comparison.levels
    studied = [
        {level for level in _levels(quantity, dataset, cells) if low <= level <= high} for quantity in comparison.open
    ]
    levels = sorted(set.intersection(*studied).intersection(*([] if only is None else [only])))
    if not levels:
        absent = [quantity.text() for quantity, found in zip(comparison.open, studied, strict=True) if not found]
        span = f"from {level_text(low)} to {level_text(high)}"
        if absent:
            return [_missing((), f"{_listed(absent)}, at any level {span}")]
        both = _listed([quantity.text() for quantity in comparison.open])
        return [_missing((), f"a level {span} that {both} have in common")]
    if comparison.kind == "difference":
        first = levels[-1] if comparison.choose == "highest" else levels[0]
        levels = [comparison.choose if comparison.choose in levels else first]
    differences = [_difference(comparison, dataset, cells, level) for level in levels]
    return [_slope(differences)] if comparison.kind == "slope" else differences


def _levels(quantity: Quantity, dataset: str, cells: Cells) -> set[float]:
    """Return the levels at which a quantity was measured."""
    return {
        level
        for of, network, augmentation, level, metric in cells
        if (of, network, metric) == (dataset, quantity.network, quantity.metric)
        and augmentation == trained_as(quantity.augmentation, level)
    }


def _difference(comparison: Comparison, dataset: str, cells: Cells, level: float | None) -> Contrast:
    """Return the sum of `plus` less that of `minus`, fold by fold, at one level."""
    levels = () if level is None else (level,)
    signed = [(1, quantity) for quantity in comparison.plus] + [(-1, quantity) for quantity in comparison.minus]
    terms = []
    absent = []
    for sign, quantity in signed:
        cell = cells.get((dataset, *quantity.at(level)))
        if cell is None:
            absent.append(quantity.text(level))
        elif cell.isna().any():
            folds = ", ".join(str(fold) for fold in cell.index[cell.isna()])
            absent.append(f"{quantity.text(level)} (NaN in fold {folds})")
        else:
            terms.append(sign * cell)
    if absent:
        return _missing(levels, _listed(absent))
    paired = pd.concat(terms, axis=1, join="inner").sum(axis=1)
    if paired.empty:
        return _missing(levels, f"a fold that {_listed([quantity.text() for _, quantity in signed])} have in common")
    return Contrast(levels, paired)


def _slope(differences: Sequence[Contrast]) -> Contrast:
    """Return the slope of the least-squares line through the differences at several levels, fold by fold."""
    levels = tuple(level for difference in differences for level in difference.levels)
    if problem := next((difference.problem for difference in differences if difference.problem), ""):
        return Contrast(levels, pd.Series(dtype=float), problem)
    if len(levels) < 2:
        return _missing(levels, f"a second level, for a slope, beside {level_text(levels[0])}")
    by_level = pd.concat([difference.values for difference in differences], axis=1, join="inner")
    if by_level.empty:
        return _missing(levels, f"a fold that the levels {_listed([level_text(level) for level in levels])} share")
    centered = np.array(levels) - np.mean(levels)
    return Contrast(levels, by_level.dot(centered) / (centered @ centered))


def _missing(levels: tuple[float, ...], what: str) -> Contrast:
    """Return a contrast that could not be made."""
    return Contrast(levels, pd.Series(dtype=float), f"Missing: {what}.")


def _judgement(claim: Claim, margin: float, contrasts: Sequence[Contrast]) -> Judgement:
    """Return the least favourable of a claim's judgements: by verdict, then by distance from the margin."""
    sign = 1 if claim.direction == "above" else -1
    order: tuple[Verdict, ...] = ("not supported", "undecided", "supported")
    judgements = [_one_judgement(sign, margin, contrast) for contrast in contrasts]
    least = min(judgements, key=lambda one: (order.index(one.verdict), np.nan_to_num(sign * one.ours, nan=-np.inf)))
    used = _listed([level_text(level) for level in sorted(level for one in judgements for level in one.levels)])
    if claim.comparison.levels is None or not used:
        return least
    if claim.comparison.kind == "slope":
        where = f"Over levels {used}: "
    elif len(judgements) > 1:
        where = f"At level {level_text(least.levels[0])}, the least favourable of {used}: "
    else:
        where = f"At level {used}: "
    return least._replace(reason=where + least.reason[0].lower() + least.reason[1:])


def _one_judgement(sign: int, margin: float, contrast: Contrast) -> Judgement:
    """Hold one contrast against a margin: above it for `sign` 1, below it for −1."""
    if contrast.problem:
        return Judgement(np.nan, np.nan, np.nan, 0, "undecided", contrast.problem, contrast.levels)
    low, high = interval(contrast.values)
    verdict: Verdict = "undecided"
    if np.isnan(low):
        reason = "One fold gives no interval."
    elif low > margin or high < margin:
        side = "above" if low > margin else "below"
        verdict = "supported" if (low > margin) == (sign > 0) else "not supported"
        reason = f"The interval lies {side} {_text(margin)}."
    else:
        reason = f"The interval includes {_text(margin)}."
    return Judgement(float(contrast.values.mean()), low, high, len(contrast.values), verdict, reason, contrast.levels)


def _text(number: float) -> str:
    """Return a number with the minus as typography has it."""
    return f"{number:g}".replace("-", "−")


def _paper_value(claim: Claim, dataset: PaperDataset, paper: Cells, levels: tuple[float, ...]) -> float:
    """Return what a comparison comes to in the paper's tables: at `levels`, or at its own if it has none of them."""
    for only in (levels, None):
        contrasts = _contrasts(claim.comparison, dataset, paper, only)
        if not any(contrast.problem for contrast in contrasts):
            return _judgement(claim, claim.margin[dataset], contrasts).ours
    return np.nan


def _listed(texts: Sequence[str]) -> str:
    """Return texts as a list in a sentence: `a, b and c`."""
    return " and ".join([part for part in (", ".join(texts[:-1]), texts[-1]) if part]) if texts else ""
