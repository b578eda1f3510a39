"""What Keras 2's locally connected layers of all ranks have in common."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from keras import ops

from freeconv.layers.base_free_conv import BaseFreeConv, pairs_of

# Arguments of free layers that Keras 2's layers have not.
NOT_OF_KERAS_2 = (
    "dilation_rate",
    "groups",
    "vcp",
    "vcp_mask",
    "connectivity",
    "seed",
    "fans",
    "batch_axis",
    "recompute",
)


class BaseLocallyConnected(BaseFreeConv):
    """Keras 2's locally connected layer of any rank; `LocallyConnected2D` describes arguments, weights and errors.

    Weights are kept in the shapes and orders that Keras 2 has for the same `implementation` and `data_format`, so that
    its files are loaded as they are, and are brought into the free layer's order in `call`.

    Attributes:
        free_conv: the free layer of the same rank.
    """

    free_conv: ClassVar[type[BaseFreeConv]]

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: str | Callable | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            dilation_rate=1,
            groups=1,
            vcp=0.0,
            connectivity=None,
            seed=0,
            fans="keras2",
            batch_axis=0,
            **kwargs,
        )
        if implementation not in (1, 2, 3) or isinstance(implementation, bool):
            raise ValueError(f"The `implementation` argument must be 1, 2 or 3. Received: {implementation=}")
        if self.padding == "causal" or (self.padding != "valid" and implementation == 1):
            raise ValueError(
                f"Invalid border mode for {type(self).__name__} "
                f'(only "valid" is supported if implementation is 1, and "same" otherwise). Received: padding={padding}'
            )
        self.implementation = int(implementation)

    def _kernel_shape(self) -> tuple[int, ...]:
        """Return the shape that Keras 2 gives the kernels."""
        if self.implementation == 1:
            return super()._kernel_shape()
        if self.implementation == 2:
            return (*self._format_order(self._lengths, self._channels), *self._format_order(self._grid, self.filters))
        return (int(self._inside_image().sum()) * self.filters,)

    def _format_order(self, space: tuple[int, ...], channels: int) -> tuple[int, ...]:
        """Return lengths of space and number of channels in the order of `data_format`."""
        return (channels, *space) if self.data_format == "channels_first" else (*space, channels)

    def _kernel_of_positions(self) -> Any:
        """Return the kernels (positions, field, filters) of a free layer, zero outside of the image."""
        if self.implementation == 1:
            if self.data_format == "channels_last":
                return self._kernel
            positions, field, _ = self._kernel.shape
            kernel = ops.reshape(self._kernel, (positions, self._channels, -1, self.filters))
            return ops.reshape(ops.transpose(kernel, (0, 2, 1, 3)), (positions, field, self.filters))
        kernel = ops.take(ops.reshape(self._kernel, (-1,)), ops.convert_to_tensor(self._places_of_weights(), "int32"))
        inside = self._inside_image()
        return kernel if inside.all() else kernel * ops.cast(inside, kernel.dtype)

    def _places_of_weights(self) -> np.ndarray:
        """Return where in the flattened kernels each weight is: ints, (positions, field, filters); 0 outside."""
        inputs, outputs = self._flat_inputs(), self._flat_outputs()
        if self.implementation == 2:
            places = inputs * (math.prod(self._grid) * self.filters) + outputs
            return np.where(self._inside_image(), places, 0)
        # Keras 2 sorts the pairs (output, input) that are connected.
        pairs = outputs * (math.prod(self._lengths) * self._channels) + inputs
        inside = np.broadcast_to(self._inside_image(), pairs.shape)
        return np.where(inside, np.searchsorted(np.sort(pairs[inside]), pairs), 0)

    def _flat_inputs(self) -> np.ndarray:
        """Return the index in a flattened input of what each weight reads: (positions, field, 1)."""
        index = np.zeros((1, 1), int)
        for places, length in zip(self._places(), self._lengths, strict=True):
            index = pairs_of(index * length, np.clip(places, 0, length - 1), np.add)
        channel = np.arange(self._channels)
        if self.data_format == "channels_first":
            index = index[..., None] + channel * math.prod(self._lengths)
        else:
            index = index[..., None] * self._channels + channel
        return index.reshape(index.shape[0], -1, 1)

    def _flat_outputs(self) -> np.ndarray:
        """Return the index in a flattened output of what each weight adds to: (positions, 1, filters)."""
        positions, number = np.arange(math.prod(self._grid))[:, None, None], np.arange(self.filters)
        if self.data_format == "channels_first":
            return positions + number * math.prod(self._grid)
        return positions * self.filters + number

    def _bias_of_positions(self) -> Any:
        """Return the biases, (*grid, filters): with channels first, Keras 2 reads them as (filters, *grid)."""
        if self.data_format == "channels_last":
            return self.bias
        return ops.moveaxis(ops.reshape(self.bias, (self.filters, *self._grid)), 0, self.rank)

    def _pads(self) -> tuple[tuple[int, int], ...]:
        """Return how many zeros are put before and behind the image: Keras 2 centres kernels on every position."""
        if self.padding == "valid":
            return ((0, 0),) * self.rank
        return tuple(
            (size // 2, max((number - 1) * stride + size - length - size // 2, 0))
            for size, number, stride, length in zip(
                self.kernel_size, self._grid, self.strides, self._lengths, strict=True
            )
        )

    def set_weights(self, weights: list[Any]) -> None:
        """Set kernel and bias, in the shapes and orders of Keras 2's layer with the same arguments."""
        super().set_weights(weights)

    def as_free_conv(self) -> BaseFreeConv:
        """Return the built free layer, in its own order of weights, that computes what this layer computes.

        Raises:
            ValueError: the layer is not built, or its padding is not the one that convolutions have: with
                `padding="same"`, Keras 2 centres even kernels and steps above 1 in another way.
        """
        if not self.built:
            raise ValueError("You must build the layer before calling `as_free_conv`.")
        config = {name: value for name, value in self.get_config().items() if name != "implementation"}
        free = self.free_conv(**{**config, "dtype": self.dtype_policy}, fans="keras2")
        free.build((None, *self._format_order(self._lengths, self._channels)))
        if free._pads() != self._pads():
            raise ValueError(
                f"{type(free).__name__} pads {free._pads()} with padding='same', where Keras 2's layer pads "
                f"{self._pads()}. Received: kernel_size={self.kernel_size}, strides={self.strides}"
            )
        bias = [ops.convert_to_numpy(self._bias_of_positions())] if self.use_bias else []
        free.set_weights([ops.convert_to_numpy(self._kernel_of_positions()), *bias])
        return free

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer, those of Keras 2."""
        config = {name: value for name, value in super().get_config().items() if name not in NOT_OF_KERAS_2}
        return {**config, "implementation": self.implementation}
