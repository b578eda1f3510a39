"""What numbers of a few folds say about a mean: tests, their correction, and what they could have detected.

All p-values that verdicts are made of are two-sided, twice that of the side they are about: at most 0.05 where, and
only where, the 95 % interval says the same.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats
from scipy.optimize import brentq

from freeconv.analysis.intervals import has_spread, standard_error

ALPHA = 0.05
POWER = 0.8


class Evidence(NamedTuple):
    """p-values for and against a claim, each in [0, 1]; 1 where the numbers say nothing.

    Attributes:
        supports: of the hypothesis that the claim is not true.
        contradicts: of the hypothesis that it is.
    """

    supports: float
    contradicts: float


NOTHING = Evidence(1.0, 1.0)


def one_sided(values: ArrayLike, margin: float) -> tuple[float, float]:
    """Return the p-values of Student's t-test that the mean is above the margin, and that it is below.

    Args:
        values: one number per fold; 1 and 1 are returned if they have no spread.
        margin: what the mean is compared with.
    """
    if not has_spread(values):
        return 1.0, 1.0
    values = np.asarray(values, dtype=float)
    statistic = (values.mean() - margin) / standard_error(values)
    # SciPy's distribution without the overhead of its tests, which calibration would wait for
    return float(special.stdtr(len(values) - 1, -statistic)), float(special.stdtr(len(values) - 1, statistic))


def equivalence(values: ArrayLike, low: float, high: float) -> float:
    """Return the p-value of two one-sided t-tests (TOST; Schuirmann 1987) that the mean lies between two margins."""
    return max(one_sided(values, low)[0], one_sided(values, high)[1])


def beyond(values: ArrayLike, margin: float, above: bool) -> Evidence:
    """Return the evidence for a mean above a margin, or below it."""
    up, down = (_two_sided(p) for p in one_sided(values, margin))
    return Evidence(up, down) if above else Evidence(down, up)


def between(values: ArrayLike, low: float, high: float) -> Evidence:
    """Return the evidence for a mean between two margins: equivalence; against it, that it lies beyond one."""
    outside = min(one_sided(values, low)[1], one_sided(values, high)[0])
    return Evidence(_two_sided(equivalence(values, low, high)), _two_sided(outside))


def all_of(parts: Sequence[Evidence]) -> Evidence:
    """Return the evidence for a claim that holds if all its parts do.

    For it: the largest p, which needs no correction (intersection-union test; Berger 1982). Against it: the smallest,
    times the number of parts (Holm's first step).
    """
    against = min(part.contradicts for part in parts)
    return Evidence(max(part.supports for part in parts), min(1.0, len(parts) * against))


def one_of(parts: Sequence[Evidence]) -> Evidence:
    """Return the evidence for a claim that holds if one of its parts does: `all_of`, with the sides exchanged."""
    return Evidence(*reversed(all_of([Evidence(*reversed(part)) for part in parts])))


def trend(values: np.ndarray, margin: float, rising: bool) -> Evidence:
    """Return the evidence for a monotone trend.

    For it: Page's test over folds, and every step from one level to the next lies on the claimed side of the margin
    (Page's test alone finds a trend in a curve that turns back). Against it: a step lies on the other side, or the last
    level on the wrong side of the first.

    Args:
        values: array (folds, levels), levels in order, three or more.
        margin: of the steps, 0 or a step the wrong way that is too small to count.
        rising: whether values rise with the level.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return NOTHING
    ordered = values if rising else -values
    page = _two_sided(float(stats.page_trend_test(ordered).pvalue))
    steps = [beyond(step, margin, rising) for step in np.diff(values, axis=1).T]
    whole = beyond(values[:, -1] - values[:, 0], 0.0, rising)
    against = all_of([*steps, whole]).contradicts
    return Evidence(max(page, *(step.supports for step in steps)), against)


def _two_sided(p: float) -> float:
    """Return twice a one-sided p-value."""
    return min(1.0, 2 * p)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return p-values after Holm's correction (Scandinavian Journal of Statistics 6, 1979), in the same order."""
    adjusted = np.ones(len(pvalues))
    highest = 0.0
    for rank, index in enumerate(np.argsort(pvalues, kind="stable")):
        highest = max(highest, min(1.0, (len(pvalues) - rank) * pvalues[index]))
        adjusted[index] = highest
    return [float(p) for p in adjusted]


def detectable(values: ArrayLike, alpha: float = ALPHA) -> float:
    """Return the smallest distance of a mean from its margin that a two-sided t-test finds four times in five.

    Args:
        values: one number per fold, whose spread is taken for the true one.
        alpha: of the test.

    Returns:
        In the values' unit; NaN without spread.
    """
    if not has_spread(values):
        return np.nan
    return _shift(np.size(values), alpha) * standard_error(values)


@cache
def _shift(count: int, alpha: float) -> float:
    """Return the distance in standard errors that is found four times in five; the other side is neglected."""
    limit = stats.t.ppf(1 - alpha / 2, count - 1)
    return float(brentq(lambda shift: stats.nct.sf(limit, count - 1, shift) - POWER, 0, 10 * limit))


def variance_components(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the standard deviations over folds and over seeds within a fold.

    By analysis of variance, one random effect: the folds' variance is what that of their means leaves over when the
    seeds' is taken off, and at least 0.

    Args:
        values: per fold, an array of one number per seed.

    Returns:
        Both NaN unless there are two folds or more, all with the same number of seeds, two or more.
    """
    counts = {len(of_fold) for of_fold in values}
    if len(values) < 2 or len(counts) != 1 or min(counts) < 2:
        return np.nan, np.nan
    table = np.array(values, dtype=float)
    within = float(np.mean(np.var(table, axis=1, ddof=1)))
    between_means = float(np.var(table.mean(axis=1), ddof=1))
    return float(np.sqrt(max(0.0, between_means - within / table.shape[1]))), float(np.sqrt(within))
