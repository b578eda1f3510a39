"""Distances between the kernels of a free layer: do they come to share their weights by themselves?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeconv.vocabulary import DistanceMeasure

if TYPE_CHECKING:
    import pandas as pd

TRACE_COLUMNS = (
    "dataset",
    "augmentation",
    "level",
    "network",
    "fold",
    "seed",
    "layer",
    "radius",
    "measure",
    "epoch",
    "distance",
)


def run_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a frame that tell the runs of a cell apart."""
    return [name for name in ("fold", "seed") if name in frame]


def largest_radius(grid: tuple[int, int]) -> int:
    """Return the largest radius at which a grid of positions (rows, columns) still has an interior position."""
    return (min(grid) - 1) // 2


def kernel_distance(
    kernels: np.ndarray, grid: tuple[int, int], radius: int, measure: DistanceMeasure = "euclidean"
) -> float:
    """Return the mean distance between kernels that lie `radius` positions apart.

    The whole tensor is divided by its own Frobenius norm. Every interior position (one whose whole ring lies in the
    grid) is then compared with all 8·radius positions on the ring at Chebyshev distance exactly `radius`. Implements
    Ott et al. 2019, section 5.5 and Figure 5, with the normalisation of the authors' program
    (github.com/jordanott/WeightSharing), which the text does not mention. Independent kernels of equal scale, such as
    those of an untrained layer, are √(2 / positions) apart.

    Args:
        kernels: float array (positions, K, filters), positions row by row, K = kernel height · width · channels.
        grid: rows and columns of positions.
        radius: Chebyshev distance in positions, at least 1.
        measure: `"euclidean"`, the norm of the difference of two normalised kernels; or `"cosine"`, the cosine
            distance 1 − cos of the flattened kernels, in [0, 2].

    Returns:
        The distance, without unit, computed in float64. NaN if the tensor is zero or not finite, and under
        `"cosine"` if a compared kernel is zero.

    Raises:
        ValueError: shape and grid disagree, the measure is unknown, or no position is interior at this radius.
    """
    rows, columns = grid
    if kernels.ndim != 3 or len(kernels) != rows * columns:
        raise ValueError(
            f"`kernels` must have the shape (positions, K, filters) with positions = {rows} · {columns}. "
            f"Received: kernels.shape={kernels.shape}"
        )
    if measure not in ("euclidean", "cosine"):
        raise ValueError(f'`measure` must be "euclidean" or "cosine". Received: measure={measure!r}')
    largest = largest_radius(grid)
    if not 1 <= radius <= largest:
        raise ValueError(
            f"`radius` must be at least 1 and at most {largest}, the largest with an interior position on a grid of "
            f"{rows} × {columns}. Received: {radius=}"
        )
    field = kernels.reshape(rows, columns, -1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "cosine":
            field /= np.linalg.norm(field, axis=-1, keepdims=True)
            # 1 − cos of unit vectors is half their squared distance, which is exactly 0 for equal kernels
            return float(np.mean(_ring_squares(field, radius)) / 2)
        field /= np.linalg.norm(field)
        return float(np.mean(np.sqrt(_ring_squares(field, radius))))


def distances_by_epoch(
    snapshots: np.ndarray, grid: tuple[int, int], radii: Sequence[int], measures: Sequence[DistanceMeasure]
) -> dict[tuple[int, DistanceMeasure], np.ndarray]:
    """Return the kernel distances of a layer over training.

    Args:
        snapshots: float array (epochs, positions, K, filters): the layer's kernels after each epoch that was kept.
        grid: rows and columns of positions.
        radii: Chebyshev distances in positions, at least 1; those with no interior position are left out.
        measures: as for `kernel_distance`.

    Returns:
        Radius and measure to the distances, float64 (epochs,): by radius, and of each radius by measure.

    Raises:
        ValueError: shapes and grid disagree, or a radius or measure is impossible.
    """
    compared = [(radius, measure) for radius in radii if radius <= largest_radius(grid) for measure in measures]
    # epochs outermost: each snapshot is worked on while it is in the processor's cache
    distances = np.array([[kernel_distance(kernels, grid, *pair) for pair in compared] for kernels in snapshots])
    return {pair: distances[:, column] for column, pair in enumerate(compared)}


def _ring_squares(field: np.ndarray, radius: int) -> np.ndarray:
    """Return the squared distances of all interior positions to their rings.

    Args:
        field: float64 (rows, columns, weights).
        radius: Chebyshev distance in positions, with at least one interior position.

    Returns:
        Float64 (8·radius, interior rows, interior columns): the whole grid shifted by each offset of the ring,
        compared at once.
    """
    rows, columns = field.shape[:2]
    inner_rows, inner_columns = rows - 2 * radius, columns - 2 * radius
    interior = field[radius : radius + inner_rows, radius : radius + inner_columns]
    span = range(2 * radius + 1)
    offsets = [(down, right) for down in span for right in span if radius in (abs(down - radius), abs(right - radius))]
    squares = np.empty((len(offsets), inner_rows, inner_columns))
    for square, (down, right) in zip(squares, offsets, strict=True):
        difference = interior - field[down : down + inner_rows, right : right + inner_columns]
        np.einsum("ijw,ijw->ij", difference, difference, out=square)
    return squares


def distance_key(radius: int, measure: DistanceMeasure) -> str:
    """Return the name of a kernel distance in `medians.json`: `distance_radius_1`, `cosine_distance_radius_1`."""
    return f"{'' if measure == 'euclidean' else measure + '_'}distance_radius_{radius}"
