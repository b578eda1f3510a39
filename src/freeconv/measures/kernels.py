"""Measures of free layers' kernels: how much sharing has emerged (definitions: docs/measures.md)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np
import pandas as pd

from freeconv.analysis.distance import kernel_distance, largest_radius
from freeconv.vocabulary import DistanceMeasure

if TYPE_CHECKING:  # who reads measures, or measures kernels, need not wait for Keras
    pass


def distance_by_radius(
    kernels: np.ndarray, grid: tuple[int, int], measure: DistanceMeasure = "euclidean"
) -> np.ndarray:
    """Return the kernel distance at every radius (see `freeconv.distance.kernel_distance`).

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


def permutation_null(
    kernels: np.ndarray,
    grid: tuple[int, int],
    radii: Sequence[int],
    rng: np.random.Generator,
    permutations: int,
    measure: DistanceMeasure = "euclidean",
) -> pd.DataFrame:
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
    if permutations < 1:
        raise ValueError(f"`permutations` must be at least 1. Received: {permutations=}")
    distances = pair_distances(kernels, measure)
    positions = len(distances)
    if positions != grid[0] * grid[1]:
        raise ValueError(
            f"`kernels` must have the shape (positions, K, filters) with positions = {grid[0]} · {grid[1]}. "
            f"Received: kernels.shape={kernels.shape}"
        )
    pairs = [ring_pairs(grid, radius) for radius in radii]
    null = np.empty((permutations, len(pairs)))
    for row in null:
        kernel_at = rng.permutation(positions)
        row[:] = [distances[kernel_at[centre], kernel_at[other]].mean() for centre, other in pairs]
    low, high = np.quantile(null, [0.025, 0.975], axis=0)
    mean = distances[~np.eye(positions, dtype=bool)].mean() if pairs else np.nan
    return pd.DataFrame({"radius": list(radii), "mean": mean, "low": low, "high": high})


def pair_distances(kernels: np.ndarray, measure: DistanceMeasure = "euclidean") -> np.ndarray:
    """Return the distances between all pairs of kernels, normalised as in `freeconv.distance.kernel_distance`.

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
    flat = _by_position(kernels)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat /= np.linalg.norm(flat, axis=1, keepdims=True) if measure == "cosine" else np.linalg.norm(flat)
        flat -= flat.mean(axis=0)
        products = flat @ flat.T
        lengths = np.diagonal(products)
        squares = np.maximum(lengths[:, None] + lengths - 2 * products, 0)
    np.fill_diagonal(squares, 0)
    return squares / 2 if measure == "cosine" else np.sqrt(squares)


def ring_pairs(grid: tuple[int, int], radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of positions that `freeconv.distance.kernel_distance` compares.

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
    weights = _by_position(kernels)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.abs(weights.mean(axis=0)) / weights.std(axis=0)
    ratios = ratios[(weights != 0).any(axis=0)]
    if not ratios.size or np.isnan(ratios).any():
        return Quartiles(np.nan, np.nan, np.nan)
    lower, median, upper = np.quantile(ratios, [0.25, 0.5, 0.75], method="inverted_cdf")
    return Quartiles(float(median), float(lower), float(upper))


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
    weights = _by_position(kernels)
    with np.errstate(invalid="ignore"):
        return float(np.linalg.norm(weights - weights.mean(axis=0)) / np.linalg.norm(weights))


def _by_position(kernels: np.ndarray) -> np.ndarray:
    """Return a copy of kernels (positions, K, filters) as float64 (positions, K · filters)."""
    if kernels.ndim != 3:
        raise ValueError(
            f"`kernels` must have the shape (positions, K, filters). Received: kernels.shape={kernels.shape}"
        )
    return kernels.reshape(len(kernels), -1).astype(np.float64)
