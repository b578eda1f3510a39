"""How far kernels are from the nearest kernel that all positions could share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import numpy as np


def distance_to_shared(kernels: np.ndarray) -> float:
    """Return how far kernels are from the nearest kernel that all positions could share: ‖W − mean‖ / ‖W‖.

    The mean over positions is the shared kernel at the least squared distance; norms are Frobenius norms over the whole
    tensor. The square of the result is the share of the weights' squared sum that sharing would lose.

    Args:
        kernels: float array (positions, K, filters).

    Returns:
        The distance, in [0, 1], computed in float64: 0 if all positions have the same kernel, 1 if kernels cancel.
        Independent kernels of equal scale around 0 are √(1 − 1 / positions) away. NaN if the tensor is zero or not
        finite.

    Raises:
        ValueError: the shape is another.
    """
    import numpy as np

    from freeconv.analysis.kernels import by_position

    weights = by_position(kernels)
    with np.errstate(invalid="ignore"):
        return float(np.linalg.norm(weights - weights.mean(axis=0)) / np.linalg.norm(weights))


def rows(trained: Trained) -> Iterator[Row]:
    """Yield a row for every free layer."""
    for layer in trained.layers:
        yield Row(layer.name, None, "observed", distance_to_shared(layer.kernels))


MEASURES.add(
    Measure(
        name="distance_to_shared",
        measure=rows,
        needs="kernels",
        order=4,
        title="Distance to the best shared kernel",
        definition="docs/measures.md#distance-to-the-best-shared-kernel",
    )
)
