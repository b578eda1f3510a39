"""The paper's networks (Table A.2): convolutional ones and their free counterparts."""

import math
from collections.abc import Sequence

import keras
from keras import ops

from freeconv.configs import Initializer, Network
from freeconv.errors import FreeconvError
from freeconv.layers import FreeConv2D, PatchConv2D
from freeconv.streams import stream_seed

# (filters, kernel size, stride) of the three layers before Dense(1024) and Dense(classes), Table A.2.
ARCHITECTURES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "mnist": ((32, 3, 2), (64, 3, 2), (128, 3, 1)),
    "cifar": ((64, 5, 2), (128, 5, 2), (256, 3, 1)),
}
DENSE_UNITS = 1024


def architecture(shape: Sequence[int]) -> str:
    """Return which architecture of Table A.2 images of `shape` get.

    The rule for other sizes: `"cifar"`, whose larger kernels suit larger images, from 32 × 32 pixels on, `"mnist"`
    below.

    Args:
        shape: (height, width, channels).
    """
    return "cifar" if min(shape[:2]) >= 32 else "mnist"


def build_network(
    network: Network,
    shape: Sequence[int],
    classes: int,
    seed: int,
    initializer: Initializer = "glorot-authors",
    vcp: float = 0.0,
    stacked: bool = False,
    dtype: str = "float32",
) -> keras.Model:
    """Return an untrained network of Table A.2.

    Three (free) convolutions with 'valid' padding and ReLU, a dense layer of 1024 units with ReLU, and the class
    scores as logits. All weights start Glorot-uniform (Xavier-uniform, section A.3), biases at zero.

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
        stacked: whether the network is to be one of many in `freeconv.replicas`; convolutions are then computed as
            matrix products (`PatchConv2D`).
        dtype: dtype policy of the layers (see `freeconv.precision`).

    Returns:
        A model from images (batch, height, width, channels) float32 in [0, 1] to logits (batch, classes). Its first
        convolution is called `conv_1` or `free_1`.

    Raises:
        FreeconvError: the images are too small for three layers.
    """
    layers = ARCHITECTURES[architecture(shape)]
    size, channels = tuple(shape[:2]), shape[2]
    inputs = keras.Input(shape)
    # Free layers work on (height, width, batch, channels): one transposition here and one behind the last of them.
    outputs = ops.transpose(inputs, (1, 2, 0, 3)) if network == "fcn" else inputs
    for number, (filters, kernel, stride) in enumerate(layers, start=1):
        size = tuple((length - kernel) // stride + 1 for length in size)
        if min(size) < 1:
            raise FreeconvError(
                f"network {network}: expected images large enough for three layers (at least 15 × 15 pixels), "
                f"received {shape[0]} × {shape[1]}"
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
                seed=_seed(seed, name, "mask"),
                kernel_initializer=_free_initializer(initializer, kernel, channels, filters, _seed(seed, name)),
                batch_axis=2,
                dtype=dtype,
                name=name,
            )
        outputs = layer(outputs)
        channels = filters
    if network == "fcn":
        outputs = ops.transpose(outputs, (2, 0, 1, 3))
    outputs = keras.layers.Flatten(name="flatten")(outputs)
    for name, units, activation in (("dense", DENSE_UNITS, "relu"), ("logits", classes, None)):
        outputs = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(_seed(seed, name)),
            dtype=dtype,
            name=name,
        )(outputs)
    return keras.Model(inputs, outputs, name=network)


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
