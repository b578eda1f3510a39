"""How many kernels the kernels of a layer are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import numpy as np


def effective_rank(kernels: np.ndarray) -> float:
    """Return how many kernels those of all positions are mixtures of: exp of the entropy of their singular values.

    With the kernels as rows of a matrix (positions, K · filters) and its singular values σ, p = σ / Σ σ and the result
    is exp(−Σ p log p), as Roy and Vetterli (EUSIPCO 2007) define it. It is not centred: one kernel for all positions is
    rank 1.

    Args:
        kernels: float array (positions, K, filters).

    Returns:
        In [1, min(positions, K · filters)], computed in float64; NaN if kernels are all zero or not finite.

    Raises:
        ValueError: the shape is another.
    """
    import numpy as np

    from freeconv.analysis.kernels import by_position

    weights = by_position(kernels)
    if not np.isfinite(weights).all() or not weights.any():
        return float("nan")
    values = np.linalg.svd(weights, compute_uv=False)
    shares = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def rows(trained: Trained) -> Iterator[Row]:
    """Yield for every free layer the effective rank, and that of independent normal weights of its shape."""
    for layer in trained.layers:
        yield Row(layer.name, None, "observed", effective_rank(layer.kernels))
        independent = trained.stream(layer.name, "effective_rank").standard_normal(layer.kernels.shape)
        yield Row(layer.name, None, "independent", effective_rank(independent))


MEASURES.add(
    Measure(
        name="effective_rank",
        measure=rows,
        needs="kernels",
        order=9,
        title="Effective rank of kernels",
        definition="docs/measures.md#effective-rank-of-kernels",
    )
)
