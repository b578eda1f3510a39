"""What trained networks say of images, and the layers and weights they say it with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from freeconv.images import shift

if TYPE_CHECKING:  # who reads the names of measures need not wait for Keras
    import keras

    from freeconv.layers.free_conv_2d import FreeConv2D

BATCH = 250


def accuracy(model: "keras.Model", images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images that a network classifies rightly.

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.
    """
    return int(np.sum(predicted_classes(model, images) == labels)) / len(images)


def predicted_classes(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Return the class that a network gives each image.

    Images go through in batches of one size, the last one padded, so that Keras compiles the network once.

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].

    Returns:
        int64 (n,).
    """
    batch = min(BATCH, len(images))
    found = []
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        padded = np.concatenate([some, np.zeros((batch - len(some), *some.shape[1:]), some.dtype)])
        found.append(np.argmax(np.asarray(model.predict_on_batch(padded))[: len(some)], axis=1))
    return np.concatenate(found)


def tested_accuracies(model: "keras.Model", sets: Mapping[str, np.ndarray], labels: np.ndarray) -> dict[str, float]:
    """Return a trained network's accuracies on images that were kept apart.

    Args:
        model: from images to logits (n, classes).
        sets: name of an accuracy to images (see `freeconv.data.evaluation_sets.evaluation_sets`).
        labels: (n,) int.

    Returns:
        `test_acc` on images as they are, `test_<name>` on the others.
    """
    found = {}
    for name, images in sets.items():
        scaled = images.astype(np.float32) / (255 if images.dtype == np.uint8 else 1)
        found["test_acc" if name == "val_acc" else f"test_{name}"] = accuracy(model, scaled, labels)
    return found


def accuracy_by_shift(
    model: "keras.Model",
    images: np.ndarray,
    labels: np.ndarray,
    shares: Sequence[float],
    direction: Literal["horizontal", "vertical"],
) -> np.ndarray:
    """Return the accuracy on images that are all shifted alike, along one axis.

    Shifts are those of training: bilinear, with the nearest edge pixel from outside (`freeconv.images.shift`).

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.
        shares: shifts as shares of the image's width or height; right and down are positive.
        direction: `"horizontal"` or `"vertical"`.

    Returns:
        The accuracies, float64 (shares,).
    """
    return np.array([accuracy(model, shifted(images, share, direction), labels) for share in shares])


def shifted(images: np.ndarray, share: float, direction: Literal["horizontal", "vertical"]) -> np.ndarray:
    """Return images that are all shifted alike along one axis, by a share of their width or height."""
    height, width = images.shape[1:3]
    pixels = (0, share * width) if direction == "horizontal" else (share * height, 0)
    return shift(images, np.tile(np.array(pixels, float), (len(images), 1)))


@contextmanager
def changing_kernels(model: "keras.Model") -> "Iterator[dict[FreeConv2D, np.ndarray]]":
    """Give the free layers of a network and their kernels, (positions, K, filters); put these back at the end."""
    own = {layer: array_of(layer.kernel) for layer in free_layers(model)}
    try:
        yield own
    finally:
        for layer, kernels in own.items():
            layer.kernel.assign(kernels)


def free_layers(model: "keras.Model") -> "list[FreeConv2D]":
    """Return the free layers of a network, the first one first."""
    from freeconv.layers.free_conv_2d import FreeConv2D

    return [layer for layer in model.layers if isinstance(layer, FreeConv2D)]


def array_of(variable: Any) -> np.ndarray:
    """Return a variable of any Keras backend as a NumPy array that later assignments leave alone."""
    from keras import ops

    return np.array(ops.convert_to_numpy(variable))
