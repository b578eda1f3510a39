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


def weight_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the variables that make a trained network what it is, by name: `conv_1/kernel`, `norm_1/moving_mean`.

    Left out is what is drawn from the seed and never changes: the masks of missing connections.
    """
    return {variable.path: variable for variable in model.weights if keras.backend.is_float_dtype(str(variable.dtype))}


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Return a network's weights, `<layer>/<variable>` to array, as a run's file holds them below `network`."""
    return {name: ops.convert_to_numpy(variable) for name, variable in weight_variables(model).items()}


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Give a network other weights; connections that are missing in it stay missing.

    Args:
        model: the network.
        weights: as `get_weights` returns them.

    Raises:
        ValueError: the weights are not those of such a network.
    """
    variables = weight_variables(model)
    if sorted(variables) != sorted(weights):
        raise ValueError(f"`weights` must be those of {sorted(variables)}. Received: {sorted(weights)}")
    for layer in model.layers:
        # free layers set weights of missing connections to zero
        layer.set_weights([weights.get(variable.path, ops.convert_to_numpy(variable)) for variable in layer.weights])
