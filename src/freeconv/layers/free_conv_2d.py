"""The free (locally connected) two-dimensional convolution for Keras 3."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="freeconv")
class FreeConv2D(keras.layers.Layer):
    """2D convolution without weight sharing: every output position has a kernel and a bias of its own.

    The layer works like `keras.layers.Conv2D` with `padding="valid"`, except that the weights are not shared
    between positions. It takes the place of Keras 2's `LocallyConnected2D`: weights have the same order and shapes,
    so `set_weights` accepts them directly. It uses `keras.ops` only and runs on every Keras backend.

    With `vcp` > 0 (variable connection patterns, section 4.2 of the paper) each single connection is missing with
    that probability: its weight is zero from the start, never updated, and stays so when the layer is saved and
    loaded.

    Example:
    >>> x = np.random.rand(4, 28, 28, 1)
    >>> y = FreeConv2D(32, 3, strides=2, activation="relu")(x)
    >>> y.shape
    (4, 13, 13, 32)

    Args:
        filters: int, the number of filters of every position.
        kernel_size: int or pair of ints, height and width of the receptive field.
        strides: int or pair of ints, the step between neighbouring positions.
        activation: activation function; none if `None`.
        use_bias: bool, whether every position and filter has a bias.
        vcp: float in [0, 1), the probability that a connection is missing.
        vcp_mask: what is missing: single `"connections"`, or `"inputs"`, units of the layer's input (row, column and
            channel) for all kernels and filters that read them, as in the authors' program.
        seed: int, seed of the missing connections. If `None` a random seed is drawn and kept in the configuration.
        kernel_initializer: initializer of the kernels. On the weights' shape `"glorot_uniform"` multiplies both fans
            by the number of positions, as Keras 2 and so the authors' program did.
        bias_initializer: initializer of the biases.
        kernel_regularizer: optional regularizer of the kernels.
        bias_regularizer: optional regularizer of the biases.
        kernel_constraint: optional constraint of the kernels.
        bias_constraint: optional constraint of the biases.
        batch_axis: 0 or 3, the axis of the batch in inputs and outputs. 0 is Keras's own order; with 3 the order is
            (height, width, channels, batch), in which a chain of free layers needs no transpositions, and the
            activation must be one that takes each number by itself.

    Input shape:
        (batch, height, width, channels), or (height, width, channels, batch) if `batch_axis` is 3.

    Output shape:
        (batch, rows, cols, filters), or (rows, cols, filters, batch) if `batch_axis` is 3, where
        `rows = (height - kernel_height) // stride_height + 1` and likewise for `cols`.

    Weights:
        `kernel` of shape (rows · cols, kernel_height · kernel_width · channels, filters), and `bias` of shape
        (rows, cols, filters). With `vcp` > 0 also `mask`, of the kernel's shape, not trainable: 1 where there is a
        connection.

    Raises:
        ValueError: an argument is out of range, or the input is smaller than the kernel or not of rank 4.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        activation: str | Callable | None = None,
        use_bias: bool = True,
        vcp: float = 0.0,
        vcp_mask: str = "connections",
        seed: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(filters, int) or filters < 1:
            raise ValueError(f"Argument `filters` must be a positive integer. Received: filters={filters}")
        if not 0 <= vcp < 1:
            raise ValueError(f"Argument `vcp` must be at least 0 and below 1. Received: vcp={vcp}")
        if vcp_mask not in ("connections", "inputs"):
            raise ValueError(f'Argument `vcp_mask` must be "connections" or "inputs". Received: vcp_mask={vcp_mask!r}')
        if batch_axis not in (0, 3):
            raise ValueError(f"Argument `batch_axis` must be 0 or 3. Received: batch_axis={batch_axis}")
        self.filters = filters
        self.kernel_size = _pair(kernel_size, "kernel_size")
        self.strides = _pair(strides, "strides")
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.vcp = vcp
        self.vcp_mask = vcp_mask
        self.seed = seed if seed is not None else keras.random.SeedGenerator().get_config()["seed"]
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.batch_axis = batch_axis

    def build(self, input_shape: Sequence[Any]) -> None:
        """Create the weights for inputs of `input_shape` (see the class's input shape)."""
        rows, cols = self.grid(input_shape)
        _, _, channels = self._image(input_shape)
        shape = (rows * cols, self.kernel_size[0] * self.kernel_size[1] * channels, self.filters)
        initializer = self.kernel_initializer
        if self.vcp > 0:
            connected = self._connected(input_shape, shape)
            self.mask = self.add_weight(
                name="mask", shape=shape, dtype="uint8", initializer=lambda *_, **__: connected, trainable=False
            )

            def initializer(shape: Sequence[int], dtype: Any = None) -> Any:
                return self.kernel_initializer(shape, dtype) * ops.cast(connected, dtype)

        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(rows, cols, self.filters),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _connected(self, input_shape: Sequence[Any], shape: tuple[int, int, int]) -> np.ndarray:
        """Return which weights of kernels of `shape` there are, a bool array, drawn from the seed."""
        rng = np.random.default_rng(self.seed)
        if self.vcp_mask == "connections":
            return rng.random(shape) >= self.vcp
        units = rng.random((*self._image(input_shape), 1)) >= self.vcp
        fields = self._receptive_fields(units, *self.grid(input_shape))
        return np.repeat(ops.convert_to_numpy(fields).reshape(shape[0], shape[1], 1), shape[2], axis=2)

    def call(self, inputs: Any) -> Any:
        """Return the layer's output for `inputs` (see the class's input and output shapes)."""
        rows, cols = self.grid(inputs.shape)
        fields = self._receptive_fields(ops.moveaxis(inputs, self.batch_axis, 3), rows, cols)
        fields = ops.reshape(fields, (rows * cols, self.kernel.shape[1], -1))
        kernel = self.kernel
        if self.vcp > 0:
            kernel = kernel * ops.cast(self.mask, kernel.dtype)
        # One batched product: position p has (filters, field) × (field, batch). In this order the backward products
        # need no copy with swapped axes either (docs/performance.md).
        outputs = ops.einsum("pkf,pkb->pfb", kernel, fields)
        outputs = ops.reshape(outputs, (rows, cols, self.filters, -1))
        if self.use_bias:
            outputs = outputs + ops.expand_dims(self.bias, 3)
        return self.activation(ops.moveaxis(outputs, 3, self.batch_axis))

    def _receptive_fields(self, inputs: Any, rows: int, cols: int) -> Any:
        """Return what each position sees, (rows, cols, kh · kw · channels, batch).

        Inputs are (height, width, channels, batch). One strided slice per place in the kernel:
        `ops.image.extract_patches` would multiply by an identity kernel.
        """
        kernel_height, kernel_width = self.kernel_size
        stride_height, stride_width = self.strides
        return ops.concatenate(
            [
                inputs[
                    i : i + (rows - 1) * stride_height + 1 : stride_height,
                    j : j + (cols - 1) * stride_width + 1 : stride_width,
                ]
                for i in range(kernel_height)
                for j in range(kernel_width)
            ],
            axis=2,
        )

    def _image(self, input_shape: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return height, width and channels of inputs of `input_shape`."""
        height, width, channels = (size for axis, size in enumerate(input_shape) if axis != self.batch_axis)
        return height, width, channels

    def grid(self, input_shape: Sequence[Any]) -> tuple[int, int]:
        """Return the numbers of output positions (rows, cols) for inputs of `input_shape`.

        Raises:
            ValueError: `input_shape` has not four axes, or the image is smaller than the kernel or of unknown size.
        """
        if len(input_shape) != 4:
            raise ValueError(f"FreeConv2D needs inputs of rank 4. Received: input_shape={tuple(input_shape)}")
        image = self._image(input_shape)
        if None in image:
            raise ValueError(
                "FreeConv2D has weights for every position and needs to know height, width and channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        rows, cols = (
            (length - kernel) // stride + 1
            for length, kernel, stride in zip(image, self.kernel_size, self.strides, strict=False)
        )
        if min(rows, cols) < 1:
            raise ValueError(
                f"FreeConv2D needs images at least as large as its kernel_size={self.kernel_size}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return rows, cols

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the output for inputs of `input_shape`."""
        shape: list[int | None] = [*self.grid(input_shape), self.filters]
        shape.insert(self.batch_axis, input_shape[self.batch_axis])
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "vcp": self.vcp,
            "vcp_mask": self.vcp_mask,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "batch_axis": self.batch_axis,
        }


def _pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """Return an argument that may be one positive integer or two as two."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(item, int) and item > 0 for item in pair):
        raise ValueError(f"Argument `{name}` must be a positive integer or two. Received: {name}={value}")
    return pair
