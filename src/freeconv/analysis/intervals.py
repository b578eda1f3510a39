"""Intervals of means over folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

CONFIDENCE = 0.95
# Values that differ by less are equal: rounding of sums of float32 numbers, not spread.
EQUAL = 1e-9


def half_width(error: ArrayLike, count: ArrayLike) -> np.ndarray:
    """Return half the width of 95 % t-intervals of means.

    Args:
        error: standard errors of the means.
        count: number of values behind each; one counts as two.
    """
    # the function behind SciPy's t.ppf, without what that takes to check its arguments
    return special.stdtrit(np.maximum(np.asarray(count) - 1, 1), (1 + CONFIDENCE) / 2) * error


def standard_error(values: ArrayLike) -> float:
    """Return the standard error of a mean."""
    values = np.asarray(values, dtype=float)
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def has_spread(values: ArrayLike) -> bool:
    """Return whether there are two values or more, all finite, that are not all equal: whether there is an interval."""
    values = np.asarray(values, dtype=float)
    return bool(values.size > 1 and np.isfinite(values).all() and np.ptp(values) > EQUAL)


def interval(
    values: ArrayLike, center: float | None = None, bounds: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return the 95 % interval of a mean over folds, from Student's t.

    Half its width is t · s / √n, where n is the number of values, s their standard deviation (n − 1 degrees of
    freedom) and t the 97.5 % quantile.

    The interval covers the mean over repetitions of the training on these folds. Folds share most of their training
    images, so that it says less about other images: `resampled_interval`.

    Args:
        values: one number per fold.
        center: what the interval lies around, the mean of the values if None. A cell's median is over epochs and folds
            pooled and has no such formula: it gets the width of the runs' own values.
        bounds: the lowest and highest possible mean, where the interval is cut: 0 and 1 for accuracies.

    Returns:
        Low and high; NaN for fewer than two values, if all values are equal (they say nothing about their spread), or
        where a value or the center is NaN.
    """
    values = np.asarray(values, dtype=float)
    if not has_spread(values):
        return np.nan, np.nan
    return _around(
        values.mean() if center is None else center, float(half_width(standard_error(values), len(values))), bounds
    )


def resampled_interval(values: ArrayLike, ratio: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean over folds that allows for the training images that folds share.

    The variance of the mean is taken as s² · (1/n + ratio), the corrected resampled t of Nadeau and Bengio (Machine
    Learning 52, 2003, section 3), instead of s²/n. It is about new images, and conservative.

    Args:
        values: one number per fold.
        ratio: held-out images per training image: 1/4 with five folds.

    Returns:
        As `interval`.
    """
    values = np.asarray(values, dtype=float)
    if not has_spread(values):
        return np.nan, np.nan
    error = np.std(values, ddof=1) * np.sqrt(1 / len(values) + ratio)
    return _around(values.mean(), float(half_width(error, len(values))), None)


def difference_interval(values: ArrayLike, center: float, other: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference to somebody else's median, of which the spread is not known.

    Theirs was drawn like ours: it has a sampling error of its own. With s, the standard deviation of our runs, for
    both, half the width is t · s · √(1/n + 1/count).

    Args:
        values: one number per fold.
        center: our median.
        other: theirs.
        count: how many folds theirs is over.

    Returns:
        As `interval`, around `center` − `other`.
    """
    values = np.asarray(values, dtype=float)
    if not has_spread(values):
        return np.nan, np.nan
    error = np.std(values, ddof=1) * np.sqrt(1 / len(values) + 1 / count)
    return _around(center - other, float(half_width(error, len(values))), None)


def _around(center: float, half: float, bounds: tuple[float, float] | None) -> tuple[float, float]:
    """Return the ends of an interval, cut at the bounds."""
    low, high = float(center - half), float(center + half)
    return (low, high) if bounds is None else (max(low, bounds[0]), min(high, bounds[1]))


def mean_and_interval(values: Sequence[np.ndarray], bounds: tuple[float, float] | None = None) -> pd.DataFrame:
    """Return mean and 95 % t-interval over folds for each epoch.

    Args:
        values: per fold, array (epochs,); a fold that stopped early counts for the epochs that it has.
        bounds: as of `interval`.

    Returns:
        Columns epoch (from 1), mean, low, high, runs. Of one run, low = high = mean.
    """
    padded = np.full((len(values), max(map(len, values))), np.nan)
    for row, history in zip(padded, values, strict=True):
        row[: len(history)] = history
    count = np.sum(~np.isnan(padded), axis=0)
    mean = np.nansum(padded, axis=0) / count
    error = np.sqrt(np.nansum((padded - mean) ** 2, axis=0) / np.maximum(count - 1, 1) / count)  # of one run 0
    half = half_width(error, count)
    low, high = mean - half, mean + half
    if bounds is not None:
        low, high = np.maximum(low, bounds[0]), np.minimum(high, bounds[1])
    epoch = np.arange(1, padded.shape[1] + 1)
    return pd.DataFrame({"epoch": epoch, "mean": mean, "low": low, "high": high, "runs": count})
