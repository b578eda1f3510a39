"""Euclidean distance between kernels, beside that after kernels equally far from the border have changed places."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import numpy as np


def from_border(grid: tuple[int, int]) -> np.ndarray:
    """Return how many positions lie between each position and the nearest edge of the grid, int (positions,)."""
    import numpy as np

    down, right = np.indices(grid)
    return np.minimum.reduce([down, right, grid[0] - 1 - down, grid[1] - 1 - right]).ravel()


def reassigned_within(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which kernel comes to each position if kernels change places at random within groups of positions.

    Args:
        groups: the group of each position, int (positions,).
        rng: draws.

    Returns:
        A permutation of the positions, int (positions,), that leaves every group as a whole where it is.
    """
    import numpy as np

    kernel_at = np.arange(len(groups))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        kernel_at[members] = rng.permutation(members)
    return kernel_at


def rows(trained: Trained) -> Iterator[Row]:
    """Yield the rows of every free layer: by radius, the distance observed and its null."""
    from freeconv.analysis.kernels import distance_rows, pair_distances

    for layer in trained.layers:
        reassigned = partial(reassigned_within, from_border(layer.grid), trained.stream(layer.name, "border"))
        distances = pair_distances(layer.kernels)
        null = distance_rows(distances, layer.grid, trained.settings.permutations, reassigned)
        for radius, statistic, value in null:
            yield Row(layer.name, radius, statistic, value)


MEASURES.add(
    Measure(
        name="border_null",
        measure=rows,
        needs="kernels",
        order=13,
        title="Euclidean distance between kernels, null within equal distance from the border",
        definition="docs/measures.md#kernel-distance-against-a-null-within-equal-distance-from-the-border",
    )
)
