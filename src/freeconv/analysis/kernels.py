"""Kernels of free layers, compared over positions: distances at every radius, and what they would be by chance.

Definitions are in docs/measures.md.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np

from freeconv.analysis.distance import kernel_distance, largest_radius
from freeconv.vocabulary import DistanceMeasure

if TYPE_CHECKING:
    import pandas as pd


def distance_by_radius(
    kernels: np.ndarray, grid: tuple[int, int], measure: DistanceMeasure = "euclidean"
) -> np.ndarray:
    """Return the kernel distance at every radius (see `freeconv.analysis.distance.kernel_distance`).

    Args:
        kernels: float array (positions, K, filters), positions row by row.
        grid: rows and columns of positions.
        measure: `"euclidean"` or `"cosine"`.

    Returns:
        Float64 (largest radius,): the distances at radius 1, 2, … `largest_radius(grid)`. Empty where no position is
        interior at radius 1.

    Raises:
        ValueError: shape and grid disagree, or the measure is unknown.
    """
    radii = range(1, largest_radius(grid) + 1)
    return np.array([kernel_distance(kernels, grid, radius, measure) for radius in radii], dtype=np.float64)


def distances_and_null(
    kernels: np.ndarray, grid: tuple[int, int], rng: np.random.Generator, permutations: int, measure: DistanceMeasure
) -> Iterator[tuple[int, str, float]]:
    """Yield the kernel distances at every radius beside their permutation null.

    Args:
        kernels: float array (positions, K, filters), positions row by row.
        grid: rows and columns of positions.
        rng: draws the reassignments of the null.
        permutations: how many, at least 1.
        measure: `"euclidean"` or `"cosine"`.

    Yields:
        Radius, statistic and value; the statistics are `observed`, `permuted_mean`, `permuted_low` and `permuted_high`.

    Raises:
        ValueError: shape and grid disagree, the measure is unknown, or `permutations` is 0.
    """
    distances = distance_by_radius(kernels, grid, measure)
    null = permutation_null(kernels, grid, range(1, len(distances) + 1), rng, permutations, measure)
    for distance, (radius, *permuted) in zip(distances, null.itertuples(index=False), strict=True):
        yield radius, "observed", distance
        for statistic, value in zip(("mean", "low", "high"), permuted, strict=True):
            yield radius, f"permuted_{statistic}", value


def permutation_null(
    kernels: np.ndarray,
    grid: tuple[int, int],
    radii: Sequence[int],
    rng: np.random.Generator,
    permutations: int,
    measure: DistanceMeasure = "euclidean",
) -> "pd.DataFrame":
    """Return what kernel distances would be if it did not matter where a kernel is.

    Kernels are reassigned to positions at random, all at once, and the distance is taken again. A distance below `low`
    says that kernels this far apart are more alike than kernels of the layer are in general.

    Args:
        kernels: float array (positions, K, filters), positions row by row.
        grid: rows and columns of positions.
        radii: Chebyshev distances in positions, each in 1 … `largest_radius(grid)`.
        rng: draws the reassignments; all radii are taken of the same ones.
        permutations: how many, at least 1.
        measure: `"euclidean"` or `"cosine"`.

    Returns:
        Columns radius, mean, low, high: the expected distance, which is the mean over all pairs of different kernels
        and so the same at every radius, and the 2.5 % and 97.5 % quantiles over the reassignments. NaN where
        `kernel_distance` is.

    Raises:
        ValueError: shape and grid disagree, a radius is impossible, the measure is unknown, or `permutations` is 0.
    """
    import pandas as pd  # half a second, which who only reads the names of measures need not wait

    distances = pair_distances(kernels, measure)
    if len(distances) != grid[0] * grid[1]:
        raise ValueError(
            f"`kernels` must have the shape (positions, K, filters) with positions = {grid[0]} · {grid[1]}. "
            f"Received: kernels.shape={kernels.shape}"
        )
    null = distances_after_reassignment(distances, grid, radii, permutations, lambda: rng.permutation(len(distances)))
    low, high = np.quantile(null, [0.025, 0.975], axis=0)
    mean = distances[~np.eye(len(distances), dtype=bool)].mean() if len(radii) else np.nan
    return pd.DataFrame({"radius": list(radii), "mean": mean, "low": low, "high": high})


def distances_after_reassignment(
    distances: np.ndarray,
    grid: tuple[int, int],
    radii: Sequence[int],
    permutations: int,
    reassigned: Callable[[], np.ndarray],
) -> np.ndarray:
    """Return kernel distances after kernels have been reassigned to positions, once for each reassignment.

    Args:
        distances: between all pairs of kernels, (positions, positions), as `pair_distances` returns them.
        grid: rows and columns of positions.
        radii: Chebyshev distances in positions, each in 1 … `largest_radius(grid)`.
        permutations: how many reassignments, at least 1.
        reassigned: draws one: which kernel comes to each position, int (positions,). All radii are taken of the same.

    Returns:
        Float64 (permutations, radii).

    Raises:
        ValueError: a radius is impossible, or `permutations` is 0.
    """
    if permutations < 1:
        raise ValueError(f"`permutations` must be at least 1. Received: {permutations=}")
    pairs = [ring_pairs(grid, radius) for radius in radii]
    null = np.empty((permutations, len(pairs)))
    for row in null:
        kernel_at = reassigned()
        row[:] = [distances[kernel_at[centre], kernel_at[other]].mean() for centre, other in pairs]
    return null


def distance_rows(
    distances: np.ndarray, grid: tuple[int, int], permutations: int, reassigned: Callable[[], np.ndarray]
) -> Iterator[tuple[int, str, float]]:
    """Yield kernel distances at every radius beside those after kernels have been reassigned to positions.

    Args:
        distances: as for `distances_after_reassignment`, like the others.
        grid: rows and columns of positions.
        permutations: how many reassignments.
        reassigned: draws one.

    Yields:
        Radius, statistic and value; the statistics are `observed`, and over the reassignments `permuted_mean`,
        `permuted_low` and `permuted_high` (quantiles 2.5 % and 97.5 %).
    """
    radii = range(1, largest_radius(grid) + 1)
    null = distances_after_reassignment(distances, grid, radii, permutations, reassigned)
    for radius, after in zip(radii, null.T, strict=True):
        centre, other = ring_pairs(grid, radius)
        yield radius, "observed", float(distances[centre, other].mean())
        yield radius, "permuted_mean", float(after.mean())
        for statistic, quantile in (("low", 0.025), ("high", 0.975)):
            yield radius, f"permuted_{statistic}", float(np.quantile(after, quantile))


def pair_distances(kernels: np.ndarray, measure: DistanceMeasure = "euclidean") -> np.ndarray:
    """Return the distances between all pairs of kernels, normalised as in `freeconv.analysis.distance.kernel_distance`.

    The mean of these over the pairs of `ring_pairs` is `kernel_distance`. Distances come from inner products, one
    matrix product for all pairs; kernels are centred before, which keeps distances as they are and the digits of those
    that are small.

    Args:
        kernels: float array (positions, K, filters).
        measure: `"euclidean"` or `"cosine"`.

    Returns:
        Float64 (positions, positions), symmetric, ≥ 0, with zeros on the diagonal; NaN where `kernel_distance` is.

    Raises:
        ValueError: the shape is another, or the measure is unknown.
    """
    if measure not in get_args(DistanceMeasure):
        raise ValueError(f'`measure` must be "euclidean" or "cosine". Received: measure={measure!r}')
    flat = by_position(kernels)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat /= np.linalg.norm(flat, axis=1, keepdims=True) if measure == "cosine" else np.linalg.norm(flat)
        flat -= flat.mean(axis=0)
        products = flat @ flat.T
        lengths = np.diagonal(products)
        squares = np.maximum(lengths[:, None] + lengths - 2 * products, 0)
    np.fill_diagonal(squares, 0)
    return squares / 2 if measure == "cosine" else np.sqrt(squares)


def ring_pairs(grid: tuple[int, int], radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of positions that `freeconv.analysis.distance.kernel_distance` compares.

    Args:
        grid: rows and columns of positions.
        radius: Chebyshev distance in positions.

    Returns:
        Two int arrays (pairs,), positions counted row by row: each interior position as often as its ring has
        positions, 8·radius times, and the positions of its ring.

    Raises:
        ValueError: no position is interior at this radius.
    """
    largest = largest_radius(grid)
    if not 1 <= radius <= largest:
        raise ValueError(
            f"`radius` must be at least 1 and at most {largest}, the largest with an interior position on a grid of "
            f"{grid[0]} × {grid[1]}. Received: {radius=}"
        )
    at = np.arange(grid[0] * grid[1]).reshape(grid)
    interior = at[radius : grid[0] - radius, radius : grid[1] - radius].ravel()
    steps = np.arange(-radius, radius + 1)
    down, right = np.meshgrid(steps, steps, indexing="ij")
    ring = np.maximum(abs(down), abs(right)) == radius
    offsets = down[ring] * grid[1] + right[ring]
    return np.repeat(interior, len(offsets)), (interior[:, None] + offsets).ravel()


def by_position(kernels: np.ndarray) -> np.ndarray:
    """Return a copy of kernels (positions, K, filters) as float64 (positions, K · filters)."""
    if kernels.ndim != 3:
        raise ValueError(
            f"`kernels` must have the shape (positions, K, filters). Received: kernels.shape={kernels.shape}"
        )
    return kernels.reshape(len(kernels), -1).astype(np.float64)
