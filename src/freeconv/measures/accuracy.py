"""Accuracies of trained networks: with shared kernels, on shifted and on turned images (docs/measures.md)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from freeconv.images import shift, turn

if TYPE_CHECKING:  # who reads measures, or measures kernels, need not wait for Keras
    import keras

    from freeconv.layers import FreeConv2D


BATCH = 250


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


def _array(variable: Any) -> np.ndarray:
    """Return a variable of any Keras backend as a NumPy array that later assignments leave alone."""
    from keras import ops

    return np.array(ops.convert_to_numpy(variable))
