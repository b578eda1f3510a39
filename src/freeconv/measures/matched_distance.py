"""Euclidean distance between kernels whose filters are matched first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import numpy as np


def matched_pair_distances(kernels: np.ndarray) -> np.ndarray:
    """Return the distances between all pairs of kernels, filters of the one in the order nearest to the other's.

    A position whose filters are another's in another order computes the same features. So the filters of each pair are
    matched one to one such that the sum of their squared distances is smallest, pair by pair
    (`scipy.optimize.linear_sum_assignment`): the orders need not agree over positions. Kernels are divided by the norm
    of all of them, as in `freeconv.analysis.distance.kernel_distance`, so no distance is larger than without matching.

    Args:
        kernels: float array (positions, K, filters).

    Returns:
        Float64 (positions, positions), symmetric, ≥ 0, with zeros on the diagonal; NaN off it if kernels are all zero
        or not finite.

    Raises:
        ValueError: the shape is another.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    from freeconv.analysis.kernels import by_position

    flat = by_position(kernels)
    positions = len(flat)
    found = np.zeros((positions, positions))
    norm = np.linalg.norm(flat)
    if not (np.isfinite(norm) and norm > 0):
        found[~np.eye(positions, dtype=bool)] = np.nan
        return found
    filters = np.swapaxes((flat / norm).reshape(kernels.shape), 1, 2)  # (positions, filters, K)
    squares = np.sum(filters**2, axis=2)
    for one, other in combinations(range(positions), 2):
        costs = squares[one][:, None] + squares[other] - 2 * filters[one] @ filters[other].T
        found[one, other] = found[other, one] = np.sqrt(max(costs[linear_sum_assignment(costs)].sum(), 0))
    return found


def rows(trained: Trained) -> Iterator[Row]:
    """Yield the rows of every free layer: by radius, the distance observed and its permutation null."""
    from freeconv.analysis.kernels import distance_rows

    for layer in trained.layers:
        reassigned = partial(trained.stream(layer.name, "matched").permutation, len(layer.kernels))
        distances = matched_pair_distances(layer.kernels)
        null = distance_rows(distances, layer.grid, trained.settings.permutations, reassigned)
        for radius, statistic, value in null:
            yield Row(layer.name, radius, statistic, value)


MEASURES.add(
    Measure(
        name="matched_distance",
        measure=rows,
        needs="kernels",
        order=12,
        title="Euclidean distance between kernels with matched filters",
        definition="docs/measures.md#kernel-distance-with-matched-filters",
    )
)
