"""The paper's networks (Table A.2): convolutional ones and their free counterparts."""

import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from freeconv.architectures import ARCHITECTURES, DENSE_UNITS, architecture
from freeconv.configs import Initializer, Mask, RunConfig
from freeconv.errors import FreeconvError
from freeconv.layers import FreeConv2D, PatchConv2D
from freeconv.streams import stream_seed
from freeconv.variants import LAYERS, Kind


def build_network(
    network: Kind,
    shape: Sequence[int],
    classes: int,
    seed: int,
    initializer: Initializer = "glorot-authors",
    vcp: float = 0.0,
    vcp_mask: Mask = "connections",
    layers: int = LAYERS,
    stacked: bool = False,
    dtype: str = "float32",
) -> keras.Model:
    """Return an untrained network of Table A.2.

    Three (or fewer) (free) convolutions with 'valid' padding and ReLU, a dense layer of 1024 units with ReLU, and the
    class scores as logits. All weights start Glorot-uniform (Xavier-uniform, section A.3), biases at zero.

    Args:
        network: `"cnn"` for convolutions, `"fcn"` for free convolutions.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: seed of the initial weights and of the missing connections.
        initializer: limits of the free layers. `"glorot-authors"` takes the fans from the weights' shape, which
            multiplies both by the number of positions, as the authors' program (Keras 2) did: limits come out
            4.83, 3.83 and 2.55 times smaller than a convolution's on MNIST. `"glorot-position"` takes the fans of
            one position, so limits equal the convolution's.
        vcp: probability that a connection of a free layer is missing.
        vcp_mask: whether single `"connections"` are missing, or `"inputs"`, units of a layer's input for all its
            kernels.
        layers: number of (free) convolutions, the first ones of Table A.2 (the search of Table A.1).
        stacked: whether the network is to be one of many in `freeconv.replicas`; convolutions are then computed as
            matrix products (`PatchConv2D`).
        dtype: dtype policy of the layers (see `freeconv.precision`).

    Returns:
        A model from images (batch, height, width, channels) float32 in [0, 1] to logits (batch, classes). Its first
        convolution is called `conv_1` or `free_1`.

    Raises:
        FreeconvError: the images are too small for the layers.
    """
    size, channels = tuple(shape[:2]), shape[2]
    inputs = keras.Input(shape)
    # Free layers work on (height, width, channels, batch).
    outputs = ops.transpose(inputs, (1, 2, 3, 0)) if network == "fcn" else inputs
    for number, (filters, kernel, stride) in enumerate(ARCHITECTURES[architecture(shape)][:layers], start=1):
        size = tuple((length - kernel) // stride + 1 for length in size)
        if min(size) < 1:
            raise FreeconvError(
                f"network {network}: expected images large enough for {layers} layers (at least 15 × 15 pixels for "
                f"three), received {shape[0]} × {shape[1]}"
            )
        if network == "cnn":
            name = f"conv_{number}"
            layer = (PatchConv2D if stacked else keras.layers.Conv2D)(
                filters,
                kernel,
                strides=stride,
                activation="relu",
                kernel_initializer=keras.initializers.GlorotUniform(_seed(seed, name)),
                dtype=dtype,
                name=name,
            )
        else:
            name = f"free_{number}"
            layer = FreeConv2D(
                filters,
                kernel,
                strides=stride,
                activation="relu",
                vcp=vcp,
                vcp_mask=vcp_mask,
                seed=_seed(seed, name, "mask"),
                kernel_initializer=_free_initializer(initializer, kernel, channels, filters, _seed(seed, name)),
                batch_axis=3,
                dtype=dtype,
                name=name,
            )
        outputs = layer(outputs)
        channels = filters
    if network == "cnn":
        outputs = ops.transpose(outputs, (1, 2, 3, 0))
    # With the batch last the dense layer gets a transposed matrix, and XLA transposes its small products instead of its
    # large kernel (docs/performance.md).
    outputs = ops.transpose(ops.reshape(outputs, (math.prod(outputs.shape[:3]), -1)))
    for name, units, activation in (("dense", DENSE_UNITS, "relu"), ("logits", classes, None)):
        outputs = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(_seed(seed, name)),
            dtype=dtype,
            name=name,
        )(outputs)
    return keras.Model(inputs, outputs, name=network)


def restore_network(
    config: RunConfig, shape: Sequence[int], classes: int, weights: Mapping[str, np.ndarray]
) -> keras.Model:
    """Return a trained network.

    Missing connections need no mask here: their weights are zero.

    Args:
        config: what was trained.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        weights: `<layer>/<variable>` to array, as a run's file holds them below `network`.

    Raises:
        ValueError: the weights are not those of such a network.
    """
    variant = config.variant
    model = build_network(variant.kind, shape, classes, seed=0, layers=variant.layers)
    set_weights(model, weights)
    return model


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Give a network other weights (see `restore_network`)."""
    names = [variable.path for variable in model.weights]
    if sorted(names) != sorted(weights):
        raise ValueError(f"`weights` must be those of {names}. Received: {sorted(weights)}")
    model.set_weights([weights[name] for name in names])


def _seed(seed: int, *name: str) -> int:
    """Return the 31-bit seed of one layer's weights: Keras takes no longer ones on every backend."""
    return stream_seed(seed, *name) % 2**31


def _free_initializer(
    initializer: Initializer, kernel: int, channels: int, filters: int, seed: int
) -> keras.initializers.Initializer:
    """Return the initializer of a free layer's kernels (see `build_network`)."""
    if initializer == "glorot-authors":
        return keras.initializers.GlorotUniform(seed)
    limit = math.sqrt(6 / (kernel * kernel * (channels + filters)))
    return keras.initializers.RandomUniform(-limit, limit, seed)
