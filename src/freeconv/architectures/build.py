"""A list of layers as a Keras model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from freeconv.architectures.layers import Dense, Layer, Settings, Shape, named
from freeconv.architectures.sizes import shapes

BATCH_LAST = (1, 2, 3, 0)
BATCH_FIRST = (3, 0, 1, 2)


def build(layers: Sequence[Layer], shape: Sequence[int], classes: int, network: str, settings: Settings) -> keras.Model:
    """Return an untrained network: its layers, and class scores as logits.

    Args:
        layers: of the network, without the logits.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        network: its name.
        settings: what its layers have in common.

    Returns:
        A model from images (batch, height, width, channels) float32 in [0, 1] to logits (batch, classes).

    Raises:
        FreeconvError: the images are too small for the layers.
    """
    inputs = keras.Input(shape)
    outputs, axes = inputs, "batch-first"
    every = [*named(layers), ("logits", Dense(classes, activation=None))]
    for (name, layer), before in zip(every, shapes(layers, tuple(shape), network), strict=True):
        outputs, axes = _in_order(outputs, before, axes, layer.axes)
        axis = {"batch-last": 2, "batch-first": 3, "flat": 1}[axes]
        outputs = layer.keras_layer(before, name, settings, axis)(outputs)
    return keras.Model(inputs, outputs, name=network)


def _in_order(tensor: Any, shape: Shape, axes: str, wanted: str) -> tuple[Any, str]:
    """Return a layer's input with its axes in the order that it takes, and that order (see `Layer`)."""
    if wanted in ("any", axes):
        return tensor, axes
    if wanted == "batch-last":
        return ops.transpose(tensor, BATCH_LAST), wanted
    if wanted == "batch-first":
        return ops.transpose(tensor, BATCH_FIRST), wanted
    # With the batch last the dense layer gets a transposed matrix, and XLA transposes its small products instead of its
    # large kernel (docs/performance.md).
    last = tensor if axes == "batch-last" else ops.transpose(tensor, BATCH_LAST)
    return ops.transpose(ops.reshape(last, (math.prod(shape), -1))), wanted


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Give a network other weights.

    Args:
        model: the network. What is missing of it in a free layer needs no mask here: such weights are zero.
        weights: `<layer>/<variable>` to array, as a run's file holds them below `network`.

    Raises:
        ValueError: the weights are not those of such a network.
    """
    names = [variable.path for variable in model.weights]
    if sorted(names) != sorted(weights):
        raise ValueError(f"`weights` must be those of {names}. Received: {sorted(weights)}")
    model.set_weights([weights[name] for name in names])
