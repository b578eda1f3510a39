"""Measures of trained networks beyond the paper's: how much sharing has emerged, and how far recognition moves along.

Definitions, ranges, chance values and sources are in docs/measures.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from freeconv.augment import shift, turn
from freeconv.configs import DistanceMeasure, MeasureConfig, RunConfig, check_config
from freeconv.distance import kernel_distance, largest_radius
from freeconv.errors import FreeconvError
from freeconv.storage import read_h5, write_csv
from freeconv.streams import random_stream

if TYPE_CHECKING:  # who reads measures, or measures kernels, need not wait for Keras
    import keras

    from freeconv.layers import FreeConv2D

BATCH = 250

MEASURE_COLUMNS = (
    "dataset",
    "augmentation",
    "level",
    "network",
    "fold",
    "measure",
    "layer",
    "setting",
    "statistic",
    "value",
)


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


def accuracy(model: "keras.Model", images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images that a network classifies rightly.

    Images go through in batches of one size, the last one padded, so that Keras compiles the network once.

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.
    """
    batch = min(BATCH, len(images))
    hits = 0
    for start in range(0, len(images), batch):
        some, their_labels = images[start : start + batch], labels[start : start + batch]
        padded = np.concatenate([some, np.zeros((batch - len(some), *some.shape[1:]), some.dtype)])
        logits = np.asarray(model.predict_on_batch(padded))[: len(some)]
        hits += int(np.sum(np.argmax(logits, axis=1) == their_labels))
    return hits / len(images)


def shared_accuracy(model: "keras.Model", images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the accuracy after the kernels of free layers are replaced by their mean over positions.

    Biases stay as they are, one per position and filter. The network is left as it was.

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.

    Returns:
        `"none"` to the accuracy of the network as it is, the name of each free layer to that after replacing the
        kernels of this layer alone, and `"all"` to that after replacing those of all free layers.
    """
    layers = free_layers(model)
    own = {layer.name: _array(layer.kernel) for layer in layers}
    mean = {name: kernels.mean(axis=0, keepdims=True, dtype=np.float64) for name, kernels in own.items()}
    variants = {"none": [], **{name: [name] for name in own}, "all": list(own)}
    found = {}
    try:
        for variant, replaced in variants.items():
            for layer in layers:
                kernels = own[layer.name]
                shared = np.broadcast_to(mean[layer.name], kernels.shape).astype(kernels.dtype)
                layer.kernel.assign(shared if layer.name in replaced else kernels)
            found[variant] = accuracy(model, images, labels)
    finally:
        for layer in layers:
            layer.kernel.assign(own[layer.name])
    return found


def accuracy_by_shift(
    model: "keras.Model", images: np.ndarray, labels: np.ndarray, shares: Sequence[float]
) -> dict[str, np.ndarray]:
    """Return the accuracy on images that are all shifted alike, along one axis at a time.

    Shifts are those of training: bilinear, with the nearest edge pixel from outside (`freeconv.augment.shift`).

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.
        shares: shifts as shares of the image's width or height; right and down are positive.

    Returns:
        `"horizontal"` and `"vertical"` to the accuracies, float64 (shares,).
    """
    height, width = images.shape[1:3]
    found = {}
    for direction, size in {"horizontal": (0, width), "vertical": (height, 0)}.items():
        shifts = [np.tile(np.multiply(share, size), (len(images), 1)) for share in shares]
        found[direction] = np.array([accuracy(model, shift(images, pixels), labels) for pixels in shifts])
    return found


def accuracy_by_angle(
    model: "keras.Model", images: np.ndarray, labels: np.ndarray, angles: Sequence[float]
) -> np.ndarray:
    """Return the accuracy on images that are all turned alike about their centre.

    Bilinear, with the nearest edge pixel from outside (`freeconv.augment.turn`), about the image's centre.

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.
        angles: in degrees, counter-clockwise positive.

    Returns:
        The accuracies, float64 (angles,).
    """
    return np.array([accuracy(model, turn(images, np.full(len(images), angle)), labels) for angle in angles])


def free_layers(model: "keras.Model") -> "list[FreeConv2D]":
    """Return the free layers of a network, the first one first."""
    from freeconv.layers import FreeConv2D

    return [layer for layer in model.layers if isinstance(layer, FreeConv2D)]


def make_measures(
    config: MeasureConfig, run_paths: Sequence[str | Path], data_path: str | Path, path: str | Path
) -> None:
    """Measure the trained networks of one dataset, network, augmentation and level, and write one table of all folds.

    Networks are evaluated in float32 on the images of their held-out folds, by shift and angle on the first
    `config.images` of them. Convolutional networks, and free ones with missing connections, have the accuracies by
    shift and angle only.

    Args:
        config: what to measure.
        run_paths: the runs' files, one per fold of `config.train.fold_indices`, in that order.
        data_path: the dataset's file.
        path: the CSV file to write (see `freeconv.storage.write_csv`), with the columns of `MEASURE_COLUMNS`;
            docs/measures.md lists what they hold.

    Raises:
        FreeconvError: a file is missing, damaged or not the one asked for, or a run was trained on other data.
    """
    from freeconv.networks import build_network, set_weights
    from freeconv.precision import use_precision
    from freeconv.train import fold_index, read_dataset

    use_precision("float32")
    dataset = read_dataset(data_path)
    runs = config.train.with_files(run_paths)
    for run, run_path in runs:
        _check_run(run, run_path, dataset.sha256)
    variant = config.train.variant
    # One network for all runs: Keras compiles it once.
    model = build_network(variant.kind, dataset.images.shape[1:], dataset.classes, seed=0, layers=variant.layers)
    model.jit_compile = True  # on a processor Keras would not, and free networks take twice as long
    free = free_layers(model) if variant.vcp == 0 else []
    frames = []
    for run, run_path in runs:
        weights, _ = read_h5(run_path, [f"network/{variable.path}" for variable in model.weights])
        set_weights(model, {name.removeprefix("network/"): array for name, array in weights.items()})
        held_out = fold_index(len(dataset.images), run.folds, run.fold)[1]
        images, labels = dataset.images[held_out].astype(np.float32) / 255, dataset.labels[held_out]
        rows = [row for layer in free for row in _kernel_rows(config, run, layer)]
        if free:
            shared = shared_accuracy(model, images, labels)
            rows += [("shared_acc", layer, None, "observed", value) for layer, value in shared.items()]
        chosen = slice(config.images)
        rows += _transformed_rows(config, model, images[chosen], labels[chosen])
        frames.append(pd.DataFrame(rows, columns=list(MEASURE_COLUMNS[5:])).assign(fold=run.fold))
    write_csv(path, pd.concat(frames).assign(**config.train.labels())[list(MEASURE_COLUMNS)], config.dump())


def _check_run(run: RunConfig, run_path: str | Path, data_sha256: str) -> None:
    """Refuse a run that is not the one asked for, or was trained on other data than will be evaluated."""
    _, attributes = read_h5(run_path, [])
    check_config(run_path, attributes.get("config"), run.dump())
    if attributes.get("data_sha256") != data_sha256:
        raise FreeconvError(
            f"{run_path}: expected a run on data with SHA-256 {data_sha256}, received one on "
            f"{attributes.get('data_sha256')}; remove the file and run again"
        )


def _kernel_rows(config: MeasureConfig, run: RunConfig, layer: "FreeConv2D") -> Iterator[tuple]:
    """Yield measure, layer, setting, statistic and value of a free layer's kernels."""
    kernels, grid = _array(layer.kernel), layer.grid(layer.input.shape)
    cell = (run.dataset, run.network, run.augmentation, run.level)
    for measure in get_args(DistanceMeasure):
        distances = distance_by_radius(kernels, grid, measure)
        rng = random_stream(run.seed, "measure", *cell, run.fold, layer.name, measure)
        null = permutation_null(kernels, grid, range(1, len(distances) + 1), rng, config.permutations, measure)
        for distance, (radius, *permuted) in zip(distances, null.itertuples(index=False), strict=True):
            yield f"{measure}_distance", layer.name, radius, "observed", distance
            for statistic, value in zip(("mean", "low", "high"), permuted, strict=True):
                yield f"{measure}_distance", layer.name, radius, f"permuted_{statistic}", value
    for statistic, value in signal_to_noise(kernels)._asdict().items():
        yield "signal_to_noise", layer.name, None, statistic, value
    yield "distance_to_shared", layer.name, None, "observed", distance_to_shared(kernels)


def _transformed_rows(
    config: MeasureConfig, model: "keras.Model", images: np.ndarray, labels: np.ndarray
) -> Iterator[tuple]:
    """Yield measure, layer, setting, statistic and value of the accuracies on shifted and turned images."""
    for direction, values in accuracy_by_shift(model, images, labels, config.shifts).items():
        for share, value in zip(config.shifts, values, strict=True):
            yield f"{direction}_shift_acc", "", share, "observed", value
    for angle, value in zip(config.angles, accuracy_by_angle(model, images, labels, config.angles), strict=True):
        yield "angle_acc", "", angle, "observed", value


def _array(variable: Any) -> np.ndarray:
    """Return a variable of any Keras backend as a NumPy array that later assignments leave alone."""
    from keras import ops

    return np.array(ops.convert_to_numpy(variable))
