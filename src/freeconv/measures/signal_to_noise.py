"""How large weights are beside their scatter over positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import numpy as np


class Quartiles(NamedTuple):
    """Median and quartiles of a measure over weights."""

    median: float
    lower_quartile: float
    upper_quartile: float


def signal_to_noise(kernels: np.ndarray) -> Quartiles:
    """Return how large weights are beside their scatter over positions: |mean| / standard deviation of each weight.

    Mean and (population) standard deviation of a weight are over positions, weight by weight of the receptive field
    and filter. The measure is that of Pogodin et al. 2021 for locally connected networks, who square it.

    Args:
        kernels: float array (positions, K, filters).

    Returns:
        Median and quartiles over the K · filters weights, each in [0, ∞], computed in float64: of an even number of
        weights the lower of the two in the middle, for ∞ has no mean with another. ∞ where kernels are equal at all
        positions. A weight that is 0 at all positions has none and is left out; NaN if that leaves none or a weight is
        not finite.

    Raises:
        ValueError: the shape is another.
    """
    import numpy as np

    from freeconv.analysis.kernels import by_position

    weights = by_position(kernels)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.abs(weights.mean(axis=0)) / weights.std(axis=0)
    ratios = ratios[(weights != 0).any(axis=0)]
    if not ratios.size or np.isnan(ratios).any():
        return Quartiles(np.nan, np.nan, np.nan)
    lower, median, upper = np.quantile(ratios, [0.25, 0.5, 0.75], method="inverted_cdf")
    return Quartiles(float(median), float(lower), float(upper))


def rows(trained: Trained) -> Iterator[Row]:
    """Yield the rows of every free layer: median and quartiles."""
    for layer in trained.layers:
        for statistic, value in signal_to_noise(layer.kernels)._asdict().items():
            yield Row(layer.name, None, statistic, value)


MEASURES.add(
    Measure(
        name="signal_to_noise",
        measure=rows,
        needs="kernels",
        order=3,
        title="Weight signal-to-noise ratio",
        definition="docs/measures.md#weight-signal-to-noise-ratio",
    )
)
