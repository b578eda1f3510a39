"""Comparisons between cells of a study: values by fold at each place that a claim names, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from freeconv.analysis.distance import distance_key
from freeconv.analysis.settling import settled_change
from freeconv.vocabulary import level_text

if TYPE_CHECKING:
    from freeconv.study.claims import Comparison, Quantity

CellKey = tuple[str, str, float]  # network, augmentation (`none` at level 0), level


COLUMNS = ("value", "drift", "epochs", "stopped", "made")


@dataclass(frozen=True)
class Cells:
    """The numbers of one dataset.

    Attributes:
        metrics: cell and metric to a frame of runs, indexed by fold and seed, with the columns value, drift (change
            over the last fifth of the epochs), epochs (trained), stopped (early) and made (the day, as text).
    """

    metrics: Mapping[tuple[CellKey, str], pd.DataFrame]

    def has(self, cell: CellKey) -> bool:
        """Return whether a cell has a run."""
        return any(key == cell for key, _ in self.metrics)


class Term(NamedTuple):
    """A quantity at one place.

    Attributes:
        text: in words.
        runs: value, drift, epochs, stopped and made of each run, as `Cells`.
    """

    text: str
    runs: pd.DataFrame


class Contrast(NamedTuple):
    """What a comparison comes to at one place.

    Attributes:
        place: augmentation and level in words; empty where all quantities have their own.
        values: one number per fold, seeds averaged, folds as index; empty where something is missing.
        seeds: per fold, one number per seed; empty unless all terms have the same seeds.
        terms: what it is made of.
        missing: cells that have no run, in words.
        unrecorded: what runs that there are have not recorded, in words.
        unusable: what has no number, in words.
    """

    place: str
    values: pd.Series
    seeds: list[np.ndarray]
    terms: list[Term]
    missing: list[str]
    unrecorded: list[str]
    unusable: list[str]


def cells_by_dataset(values: pd.DataFrame, traces: pd.DataFrame) -> dict[str, Cells]:
    """Return the numbers of a study by dataset.

    Level 0 of all augmentations is the same runs, and is augmentation `none`. There `train_acc` stands for
    `clean_train_acc` where that was not recorded: images are as they are.

    Args:
        values: one row per run and metric: dataset, augmentation, level, network, metric, fold and value; and where
            known seed, drift, epochs, stopped and made.
        traces: kernel distances, columns `distance.TRACE_COLUMNS`; of the first layer those before the first and after
            the last epoch are used.
    """
    ends = _trace_ends(traces, values)
    every = pd.concat([_with_columns(values), _with_columns(ends)], ignore_index=True)
    # tables of the paper round level 0 differently: first translation, which has the most digits
    every = every.sort_values("augmentation", ascending=False, kind="stable")
    every = every.assign(augmentation=every["augmentation"].where(every["level"] > 0, "none"))
    keys = ["dataset", "network", "augmentation", "level", "metric"]
    every = every.drop_duplicates([*keys, "fold", "seed"]).set_index(["fold", "seed"]).sort_index()
    found: dict[str, dict[tuple[CellKey, str], pd.DataFrame]] = {}
    groups: Iterable[tuple[Any, pd.DataFrame]] = every.groupby(keys, sort=False)
    for (dataset, network, augmentation, level, metric), runs in groups:
        found.setdefault(dataset, {})[(network, augmentation, level), metric] = runs[list(COLUMNS)]
    for metrics in found.values():
        for (cell, metric), runs in list(metrics.items()):
            if metric == "train_acc" and cell[2] == 0:
                metrics.setdefault((cell, "clean_train_acc"), runs)
    return {dataset: Cells(metrics) for dataset, metrics in found.items()}


def _with_columns(values: pd.DataFrame) -> pd.DataFrame:
    """Return values with all columns of runs, those that are not known empty."""
    unknown: dict[str, Any] = {"seed": 0, "drift": np.nan, "epochs": np.nan, "stopped": False, "made": ""}
    values = values.assign(**{name: value for name, value in unknown.items() if name not in values})
    keys = ["dataset", "network", "augmentation", "level", "metric", "fold", "seed"]
    return values[[*keys, *COLUMNS]].astype({"level": float, "value": float, "drift": float, "stopped": bool})


def _trace_ends(traces: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Return the distances before the first and after each run's last epoch as values of metrics."""
    first_layer = traces[traces["layer"].astype(str).str.endswith("_1")]
    run = ["dataset", "augmentation", "level", "network", "fold", "seed"]
    rows = []
    for key, group in first_layer.groupby([*run, "radius", "measure"], sort=False):
        of_run: tuple[Any, ...] = key  # type: ignore[assignment]
        name = distance_key(of_run[-2], of_run[-1])
        trace = group.sort_values("epoch")
        distances, epochs = trace["distance"].to_numpy(float), trace["epoch"].to_numpy()
        drift = settled_change(distances[epochs > 0], epochs[epochs > 0])
        rows.append((*of_run[:-2], name, distances[-1], drift, epochs[-1]))
        if epochs[0] == 0:
            rows.append((*of_run[:-2], f"untrained_{name}", distances[0], 0.0, epochs[-1]))
    ends = pd.DataFrame(rows, columns=[*run, "metric", "value", "drift", "epochs"])
    # whether a run stopped early, and when it was made, is in its histories
    known = [name for name in ("stopped", "made") if name in values]
    if not known or ends.empty:
        return ends
    seeded = values if "seed" in values else values.assign(seed=0)
    about = seeded.drop_duplicates(run)[[*run, *known]]
    ends = ends.merge(about, on=run, how="left")
    return ends.fillna({"stopped": False, "made": ""})


def contrasts(comparison: Comparison, cells: Cells) -> list[Contrast]:
    """Return what a comparison comes to at each place that it names."""
    return [_contrast(comparison, cells, augmentation, level) for augmentation, level in comparison.places()]


def _contrast(comparison: Comparison, cells: Cells, augmentation: str | None, level: float | None) -> Contrast:
    """Return what a comparison comes to at one place."""
    place = " ".join(part for part in (augmentation or "", "" if level is None else level_text(level)) if part)
    signed = [(1, quantity) for quantity in comparison.plus] + [(-1, quantity) for quantity in comparison.minus]
    found, terms, seeds = [], [], []
    missing: list[str] = []
    unrecorded: list[str] = []
    unusable: list[str] = []
    for sign, quantity in signed:
        text, cell = quantity.text(augmentation, level), quantity.at(augmentation, level)
        absent = [metric for metric in quantity.metrics() if (cell, metric) not in cells.metrics]
        if absent and not cells.has(cell):
            missing.append(text)
        elif absent:
            unrecorded.append(f"{' and '.join(absent)} of {quantity.network} at {cell[1]} {level_text(cell[2])}")
        else:
            runs = _quantity(quantity, cell, cells)
            if bad := sorted({index[0] for index in runs.index[runs["value"].isna()]}):
                unusable.append(f"NaN in fold {', '.join(map(str, bad))} of {text}")
            terms.append(Term(text, runs))
            of_folds = _by_fold(runs["value"])
            found.append(sign * (of_folds.abs() if quantity.size else of_folds))
            seeds.append(sign * (runs["value"].abs() if quantity.size else runs["value"]))
    nothing = pd.Series(dtype=float)
    if missing or unrecorded or unusable:
        return Contrast(place, nothing, [], terms, missing, unrecorded, unusable)
    paired = pd.concat(found, axis=1, join="inner").sum(axis=1)
    if paired.empty:
        unusable.append(f"no fold that {' and '.join(term.text for term in terms)} have in common")
    return Contrast(place, paired, _by_seed(seeds), terms, missing, unrecorded, unusable)


def _quantity(quantity: Quantity, cell: CellKey, cells: Cells) -> pd.DataFrame:
    """Return the runs of a cell with the value and drift of a quantity."""
    runs = cells.metrics[cell, quantity.metric]
    if quantity.less is None:
        return runs
    other = cells.metrics[cell, quantity.less].reindex(runs.index)
    return runs.assign(value=runs["value"] - other["value"], drift=runs["drift"] - other["drift"])


def _by_fold(values: pd.Series) -> pd.Series:
    """Return the mean of the seeds of each fold."""
    of_folds = values.droplevel("seed")
    return of_folds if of_folds.index.is_unique else of_folds.groupby("fold").mean()


def _by_seed(terms: Sequence[pd.Series]) -> list[np.ndarray]:
    """Return the sum of terms per fold and seed; nothing if they have one seed, or not the same."""
    if terms[0].index.get_level_values("fold").is_unique or any(
        not term.index.equals(terms[0].index) for term in terms
    ):
        return []
    total = sum(terms[1:], start=terms[0])
    return [group.to_numpy() for _, group in total.groupby("fold")]
