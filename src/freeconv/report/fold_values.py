"""What each fold says of the numbers that sentences name, for the intervals of these."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from freeconv.analysis.distance import distance_key
from freeconv.analysis.intervals import interval
from freeconv.analysis.medians import median
from freeconv.vocabulary import Aggregate, DistanceMeasure, level_text

# Level as text, network and metric to the values of folds, of one dataset and augmentation. Metrics are accuracies, and
# with `CHANGE` before them kernel distances of the first free layer: by what share they change in training.
FoldValues = Mapping[tuple[str, str, str], "pd.Series[float]"]
CHANGE = "change_"
RUN = ["seed", "fold"]


def fold_values(
    history: pd.DataFrame, metric: str, distance: tuple[int, DistanceMeasure], aggregate: Aggregate
) -> FoldValues:
    """Return what folds say of one accuracy and one kernel distance, seeds of a fold as their mean, where recorded.

    Args:
        history: rows of `medians.history_table` of one dataset, and of one augmentation and none.
        metric: which accuracy.
        distance: radius and measure.
        aggregate: how epochs become a run's value: as of `medians.median`.
    """
    found: dict[tuple[str, str, str], pd.Series[float]] = {}
    column = next((str(name) for name in history if str(name).endswith(f"_1_{distance[1]}_{distance[0]}")), None)
    cells: Iterable[Any] = history.groupby(["level", "network"], sort=False)
    for (level, network), rows in cells:
        if metric in history:
            values = {
                run: median([{name: of_run[name].to_numpy() for name in {metric, "val_acc"}}], metric, aggregate)
                for run, of_run in rows[rows["epoch"] > 0].groupby(RUN)
            }
            found[level_text(level), network, metric] = _of_folds(pd.Series(values, dtype=float))
        if column is not None and network == "fcn":
            recorded = rows.dropna(subset=column).sort_values("epoch").groupby(RUN)
            first, last, began = recorded[column].first(), recorded[column].last(), recorded["epoch"].first() == 0
            change = (last / first - 1)[began]
            key = CHANGE + distance_key(*distance)
            found[level_text(level), network, key] = _of_folds(change)
    return found


def _of_folds(runs: "pd.Series[float]") -> "pd.Series[float]":
    """Return the means of folds."""
    if runs.empty:
        return runs
    return runs.rename_axis(RUN).groupby(level="fold").mean()


def half(values: "pd.Series[float] | None") -> float:
    """Return half of the 95 % interval over folds of a value.

    Returns:
        NaN for fewer than two folds, where folds do not differ, and where nothing is known of them.
    """
    if values is None:
        return math.nan
    low, high = interval(values.dropna())
    return (high - low) / 2


def half_of_difference(one: "pd.Series[float] | None", other: "pd.Series[float] | None") -> float:
    """Return half of the interval of a difference, fold by fold, as `half` does."""
    return math.nan if one is None or other is None else half(one - other)


def clear(value: float, its_half: float) -> bool:
    """Return whether a difference is on one side of 0: where nothing is known of its spread, it is taken as it is."""
    return bool(np.isnan(its_half)) or abs(value) > its_half
