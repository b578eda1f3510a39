"""What networks are lists of: layers, each with its size, which is known without Keras, and the Keras layer it becomes.

A layer of one's own is a class like these, written anywhere (docs/extending.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from freeconv.seeds import stream_seed

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]  # of one input without the batch: (height, width, channels), or (units,)


class Size(NamedTuple):
    """The size of one layer's weights; shared kernels and dense layers have one position.

    Attributes:
        positions: with a kernel and biases of their own.
        inputs: of a kernel.
        outputs: of a kernel, each with a bias.
        others: number of weights besides.
    """

    positions: int
    inputs: int
    outputs: int
    others: int = 0

    @property
    def kernel(self) -> int:
        """Number of weights without biases."""
        return self.positions * self.inputs * self.outputs

    @property
    def weights(self) -> int:
        """Number of weights: those of the kernels, a bias for every position and output, and others."""
        return self.kernel + self.positions * self.outputs + self.others


class Settings(NamedTuple):
    """What the Keras layers of one network have in common.

    Attributes:
        seed: seed of the initial weights and of what is random in layers.
        initializer: limits of free layers: `"glorot-authors"` takes the fans from the weights' shape, which multiplies
            both by the number of positions, as the authors' program (Keras 2) did; `"glorot-position"` takes the fans
            of one position, so limits equal a convolution's.
        vcp: probability that a connection of a free layer is missing.
        vcp_mask: whether single `"connections"` are missing, or `"inputs"`, units of a layer's input for all kernels.
        stacked: whether the network is to be one of many in `freeconv.training.stack`.
        dtype: dtype policy of the layers (see `freeconv.training.precision`).
    """

    seed: int
    initializer: str = "glorot-authors"
    vcp: float = 0.0
    vcp_mask: str = "connections"
    stacked: bool = False
    dtype: str = "float32"

    def seed_of(self, *name: str) -> int:
        """Return the 31-bit seed of what is called `name`: Keras takes no longer ones on every backend."""
        return stream_seed(self.seed, *name) % 2**31


class Layer(Protocol):
    """A layer of a network.

    Attributes:
        prefix: what its name begins with: `free` for `free_1`.
        axes: the order of axes that it takes: `"batch-first"`, (batch, height, width, channels); `"batch-last"`,
            (height, width, channels, batch), in which chains of free layers need no transpositions; `"any"` of the
            two; or `"flat"`, (batch, units).
    """

    prefix: ClassVar[str]
    axes: ClassVar[str]

    def output(self, shape: Shape) -> Shape:
        """Return the shape of one output for an input of `shape`, batch left out."""

    def size(self, shape: Shape) -> Size | None:
        """Return the size of the weights for an input of `shape`; None for a layer without kernels."""

    def keras_layer(self, shape: Shape, name: str, settings: Settings, axis: int) -> "keras.layers.Layer":
        """Return the Keras layer.

        Args:
            shape: of one input, batch left out.
            name: the layer's.
            settings: those of the network.
            axis: which axis of the input the channels or units are on.
        """


def glorot_limit(kernel: int, channels: int, filters: int) -> float:
    """Return the limit of Glorot-uniform weights of one kernel × kernel convolution."""
    return math.sqrt(6 / (kernel * kernel * (channels + filters)))


@dataclass(frozen=True)
class Convolution:
    """A convolution with 'valid' padding and ReLU."""

    filters: int
    kernel: int
    stride: int = 1
    prefix: ClassVar[str] = "conv"
    axes: ClassVar[str] = "batch-first"

    def output(self, shape: Shape) -> Shape:
        """Return (rows, columns, filters); rows or columns below 1 where the image is too small."""
        rows, columns = ((length - self.kernel) // self.stride + 1 for length in shape[:2])
        return rows, columns, self.filters

    def size(self, shape: Shape) -> Size:
        """Return the size of the shared kernels."""
        return Size(1, self.kernel * self.kernel * shape[2], self.filters)

    def keras_layer(self, shape: Shape, name: str, settings: Settings, axis: int) -> "keras.layers.Layer":
        """Return a `Conv2D`; in a stack, the same as matrix products."""
        import keras

        from freeconv.layers.patch_conv_2d import PatchConv2D

        return (PatchConv2D if settings.stacked else keras.layers.Conv2D)(
            self.filters,
            self.kernel,
            strides=self.stride,
            data_format="channels_last",  # whatever Keras's global setting is
            activation="relu",
            kernel_initializer=keras.initializers.GlorotUniform(settings.seed_of(name)),
            dtype=settings.dtype,
            name=name,
        )


@dataclass(frozen=True)
class Free(Convolution):
    """A free convolution, a kernel of its own at every position, with 'valid' padding and ReLU."""

    prefix: ClassVar[str] = "free"
    axes: ClassVar[str] = "batch-last"

    def size(self, shape: Shape) -> Size:
        """Return the size of the kernels of all positions."""
        rows, columns, _ = self.output(shape)
        return super().size(shape)._replace(positions=rows * columns)

    def keras_layer(self, shape: Shape, name: str, settings: Settings, axis: int) -> "keras.layers.Layer":
        """Return a `FreeConv2D`."""
        from freeconv.layers.free_conv_2d import FreeConv2D

        return FreeConv2D(
            self.filters,
            self.kernel,
            strides=self.stride,
            activation="relu",
            vcp=settings.vcp,
            vcp_mask=settings.vcp_mask,
            seed=settings.seed_of(name, "mask"),
            kernel_initializer=self._initializer(settings, shape[2], settings.seed_of(name)),
            fans="keras2",  # as the authors' program; see `_initializer` for the other rule
            data_format="channels_last",  # whatever Keras's global setting is
            batch_axis=3,
            dtype=settings.dtype,
            name=name,
        )

    def _initializer(self, settings: Settings, channels: int, seed: int) -> Any:
        """Return the initializer of the kernels (see `Settings`)."""
        import keras

        if settings.initializer == "glorot-authors":
            return keras.initializers.GlorotUniform(seed)
        limit = glorot_limit(self.kernel, channels, self.filters)
        return keras.initializers.RandomUniform(-limit, limit, seed)


@dataclass(frozen=True)
class LowRank:
    """A convolution with 'valid' padding and ReLU whose kernel at each position is a mixture of `rank` shared ones.

    Its kernels are not numbered and recorded as those of convolutions are: how much they share is settled beforehand.
    """

    filters: int
    kernel: int
    stride: int = 1
    rank: int = 1
    prefix: ClassVar[str] = "lowrank"
    axes: ClassVar[str] = "batch-first"

    def output(self, shape: Shape) -> Shape:
        """Return (rows, columns, filters); rows or columns below 1 where the image is too small."""
        return Convolution(self.filters, self.kernel, self.stride).output(shape)

    def size(self, shape: Shape) -> Size:
        """Return the size of the shared kernels, with the weights of the mixtures and the biases of all positions.

        Raises:
            ValueError: the rank is above that of a layer with kernels of their own at every position.
        """
        rows, columns, _ = self.output(shape)
        inputs = self.kernel * self.kernel * shape[2]
        full = min(rows * columns, inputs * self.filters)
        if self.rank > full and min(rows, columns) > 0:
            raise ValueError(f"a rank of at most {full}, that of a free layer, received {self.rank}")
        biases = (rows * columns - self.rank) * self.filters  # beside those that the size of kernels counts
        return Size(1, inputs, self.rank * self.filters, rows * columns * self.rank + biases)

    def keras_layer(self, shape: Shape, name: str, settings: Settings, axis: int) -> "keras.layers.Layer":
        """Return a `LowRankConv2D`; in a stack, the same as matrix products."""
        import keras

        from freeconv.architectures.low_rank_conv_2d import LowRankConv2D

        limit = glorot_limit(self.kernel, shape[2], self.filters)
        return LowRankConv2D(
            self.filters,
            self.kernel,
            self.stride,
            self.rank,
            products=settings.stacked,
            kernel_initializer=keras.initializers.RandomUniform(-limit, limit, settings.seed_of(name)),
            dtype=settings.dtype,
            name=name,
        )


@dataclass(frozen=True)
class Dense:
    """A dense layer; images are flattened before the first one."""

    units: int
    activation: str | None = "relu"
    prefix: ClassVar[str] = "dense"
    axes: ClassVar[str] = "flat"

    def output(self, shape: Shape) -> Shape:
        """Return (units,)."""
        return (self.units,)

    def size(self, shape: Shape) -> Size:
        """Return the size of the weights."""
        return Size(1, math.prod(shape), self.units)

    def keras_layer(self, shape: Shape, name: str, settings: Settings, axis: int) -> "keras.layers.Layer":
        """Return a `Dense` layer."""
        import keras

        return keras.layers.Dense(
            self.units,
            activation=self.activation,
            kernel_initializer=keras.initializers.GlorotUniform(settings.seed_of(name)),
            dtype=settings.dtype,
            name=name,
        )


@dataclass(frozen=True)
class BatchNormalization:
    """Normalisation of each channel or unit over the batch, with moving averages for evaluation."""

    momentum: float = 0.99
    prefix: ClassVar[str] = "norm"
    axes: ClassVar[str] = "any"

    def output(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def size(self, shape: Shape) -> Size:
        """Return the size of scale, offset, and both moving averages, written as one kernel of 3 with a bias."""
        return Size(1, 3, shape[-1])

    def keras_layer(self, shape: Shape, name: str, settings: Settings, axis: int) -> "keras.layers.Layer":
        """Return a `BatchNormalization` layer."""
        import keras

        return keras.layers.BatchNormalization(axis, momentum=self.momentum, dtype=settings.dtype, name=name)


@dataclass(frozen=True)
class Dropout:
    """Units left out at random, anew in each step."""

    rate: float
    prefix: ClassVar[str] = "dropout"
    axes: ClassVar[str] = "any"

    def output(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def size(self, shape: Shape) -> None:
        """Return None: there are no weights."""
        return

    def keras_layer(self, shape: Shape, name: str, settings: Settings, axis: int) -> "keras.layers.Layer":
        """Return a `Dropout` layer."""
        import keras

        return keras.layers.Dropout(self.rate, seed=settings.seed_of(name), dtype=settings.dtype, name=name)


def convolutional(layer: Layer) -> bool:
    """Return whether a layer has kernels that see a part of the image: such layers are numbered and recorded."""
    return isinstance(layer, Convolution)


def first_convolutions(layers: Sequence[Layer], number: int | None) -> list[Layer]:
    """Return layers without the convolutions (free or not) behind the first `number`; all layers if None."""
    kept: list[Layer] = []
    for layer in layers:
        if number is None or not convolutional(layer) or sum(map(convolutional, kept)) < number:
            kept.append(layer)
    return kept


def named(layers: Sequence[Layer]) -> list[tuple[str, Layer]]:
    """Return layers with their names: `conv_1`, `free_2`, `dense`, `dense_2`, `norm_1`.

    Convolutions are counted together, free or not, others by prefix; the first dense layer has no number.
    """
    counts: dict[str, int] = {}
    found = []
    for layer in layers:
        group = "convolution" if convolutional(layer) else layer.prefix
        counts[group] = number = counts.get(group, 0) + 1
        found.append((layer.prefix if layer.prefix == "dense" and number == 1 else f"{layer.prefix}_{number}", layer))
    return found
