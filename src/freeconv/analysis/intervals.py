"""Intervals of means over folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95


def half_width(error: ArrayLike, count: ArrayLike) -> np.ndarray:
    """Return half the width of 95 % t-intervals of means.

    Args:
        error: standard errors of the means.
        count: number of values behind each; one counts as two.
    """
    return stats.t.ppf((1 + CONFIDENCE) / 2, np.maximum(np.asarray(count) - 1, 1)) * error


def interval(values: ArrayLike, center: float | None = None) -> tuple[float, float]:
    """Return the 95 % interval of a mean over folds, from Student's t.

    Half its width is t · s / √n, where n is the number of values, s their standard deviation (n − 1 degrees of
    freedom) and t the 97.5 % quantile. The interval is not clipped.

    Folds share most of their training images, so the values are not quite independent, and the interval is somewhat
    too narrow.

    Args:
        values: one number per fold.
        center: what the interval lies around, the mean of the values if None. A cell's median is over epochs and folds
            pooled and has no such formula: it gets the width of the runs' own values.

    Returns:
        Low and high; NaN for fewer than two values, or where a value or the center is NaN.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        return np.nan, np.nan
    half = float(half_width(stats.sem(values), values.size))
    center = values.mean() if center is None else center
    return float(center - half), float(center + half)


def mean_and_interval(values: Sequence[np.ndarray]) -> pd.DataFrame:
    """Return mean and 95 % t-interval over folds for each epoch.

    Args:
        values: per fold, array (epochs,); a fold that stopped early counts for the epochs that it has.

    Returns:
        Columns epoch (from 1), mean, low, high, runs. The interval is not clipped; of one run, low = high = mean.
    """
    padded = np.full((len(values), max(map(len, values))), np.nan)
    for row, history in zip(padded, values, strict=True):
        row[: len(history)] = history
    count = np.sum(~np.isnan(padded), axis=0)
    mean = np.nansum(padded, axis=0) / count
    error = np.sqrt(np.nansum((padded - mean) ** 2, axis=0) / np.maximum(count - 1, 1) / count)  # of one run 0
    half = half_width(error, count)
    epoch = np.arange(1, padded.shape[1] + 1)
    return pd.DataFrame({"epoch": epoch, "mean": mean, "low": mean - half, "high": mean + half, "runs": count})
