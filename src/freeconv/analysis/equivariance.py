"""How far the output of each convolution, free or not, is from moving along with its input."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from freeconv.analysis.predictions import BATCH, array_of, free_layers

if TYPE_CHECKING:  # who reads the names of measures need not wait for Keras
    import keras

    from freeconv.layers.free_conv_2d import FreeConv2D

WAYS = ((1, 0), (-1, 0), (0, 1), (0, -1))  # steps of a grid, down and right


class Place(NamedTuple):
    """Where a layer stands in a network.

    Attributes:
        layer: the Keras layer.
        strides: its own, down and right.
        pixels: of the image for one step of its output, down and right.
    """

    layer: Any
    strides: tuple[int, int]
    pixels: tuple[int, int]


def places(model: "keras.Model") -> list[Place]:
    """Return the layers with weights and strides, in the order of a network that is a list of layers."""
    found, pixels = [], (1, 1)
    for layer in model.layers:
        strides = getattr(layer, "strides", None)
        if strides is None:
            continue
        down, right = strides if isinstance(strides, Sequence) else (strides, strides)
        pixels = (pixels[0] * down, pixels[1] * right)
        if layer.weights:  # pooling has strides, too
            found.append(Place(layer, (down, right), pixels))
    return found


def moved(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return arrays (n, height, width, …) moved by whole steps; what comes in from outside repeats the edge."""
    rows, columns = (np.arange(size) for size in images.shape[1:3])
    return images[:, np.clip(rows - down, 0, rows[-1])][:, :, np.clip(columns - right, 0, columns[-1])]


def overlap(before: np.ndarray, after: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Return of two outputs (n, rows, columns, filters) what should be equal if the second is the first one moved."""

    def ends(step: int, size: int) -> tuple[slice, slice]:
        return slice(max(-step, 0), size - max(step, 0)), slice(max(step, 0), size - max(-step, 0))

    (from_row, to_row), (from_column, to_column) = (
        ends(step, size) for step, size in zip((down, right), before.shape[1:3], strict=True)
    )
    return before[:, from_row, from_column], after[:, to_row, to_column]


def error(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return √(Σ‖a − b‖² / Σ(‖a‖² + ‖b‖²)) over pairs of arrays that should be equal.

    Returns:
        In [0, √2]: 0 if they are equal, 1 if they have nothing to do with each other; NaN if all are zero.
    """
    apart = size = 0.0
    for one, other in pairs:
        one, other = one.astype(np.float64), other.astype(np.float64)
        apart += float(np.sum((one - other) ** 2))
        size += float(np.sum(one**2) + np.sum(other**2))
    return float(np.sqrt(apart / size)) if size > 0 else float("nan")


def equivariance_errors(
    model: "keras.Model", images: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[str, str, float]]:
    """Yield how far the output of each convolution, free or not, is from moving along with its input.

    The input is moved by one step of the layer's grid in each of four ways. Compared are those positions whose whole
    receptive field stays within the image, so the result is 0 for convolutions without padding. The network is left as
    it was.

    Args:
        model: a list of layers, from images to logits.
        images: (n, height, width, channels) float32.
        rng: draws the exchange of kernels.

    Yields:
        Layer, statistic and `error`: `through`, of the network from the image to the layer's output; `own`, of the
        layer alone, its own input being moved; `exchanged`, of free layers, as `own` after kernels, with their biases,
        have changed places at random: what to expect if it did not matter which kernel is where.
    """
    for place in places(model):
        name = place.layer.name
        yield name, "through", error(_through(model, place, images))
        yield name, "own", error(_own(model, place, images))
        if place.layer in free_layers(model):
            with _exchanged(place.layer, rng):
                yield name, "exchanged", error(_own(model, place, images))


def _through(model: "keras.Model", place: Place, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the layer's outputs, moved, beside those of moved images."""
    import keras

    to_layer = keras.Model(model.input, place.layer.output)
    for some in _batches(images):
        before = _of(place.layer, to_layer(some))
        for way in WAYS:
            after = _of(place.layer, to_layer(moved(some, way[0] * place.pixels[0], way[1] * place.pixels[1])))
            yield overlap(before, after, *way)


def _own(model: "keras.Model", place: Place, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the layer's outputs, moved, beside those of its own inputs moved."""
    import keras

    to_input = keras.Model(model.input, place.layer.input)
    for some in _batches(images):
        inputs = _of(place.layer, to_input(some))
        before = _layer(place.layer, inputs)
        for way in WAYS:
            after = _layer(place.layer, moved(inputs, way[0] * place.strides[0], way[1] * place.strides[1]))
            yield overlap(before, after, *way)


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yield images in batches."""
    for start in range(0, len(images), BATCH):
        yield images[start : start + BATCH]


def _of(layer: Any, tensor: Any) -> np.ndarray:
    """Return a layer's input or output as an array with the batch first."""
    return np.moveaxis(array_of(tensor), getattr(layer, "batch_axis", 0), 0)


def _layer(layer: Any, inputs: np.ndarray) -> np.ndarray:
    """Return a layer's output for an input with the batch first, likewise."""
    return _of(layer, layer(np.moveaxis(inputs, 0, getattr(layer, "batch_axis", 0))))


@contextmanager
def _exchanged(layer: "FreeConv2D", rng: np.random.Generator) -> Iterator[None]:
    """Exchange the kernels of a free layer, with their biases, at random; put them back at the end."""
    order = rng.permutation(layer.kernel.shape[0])
    variables = [layer.kernel, *([layer.bias] if layer.use_bias else [])]
    own = [array_of(variable) for variable in variables]
    try:
        for variable, array in zip(variables, own, strict=True):
            variable.assign(array.reshape(len(order), -1)[order].reshape(array.shape))
        yield
    finally:
        for variable, array in zip(variables, own, strict=True):
            variable.assign(array)
