"""What free (locally connected) convolutions of all ranks have in common."""

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from freeconv.layers import arguments
from freeconv.layers.connectivity import as_configuration, as_connectivity, given_connections, random_connections
from freeconv.layers.fans import FANS, for_positions

VCP_MASKS = ("connections", "inputs")
# What configurations say that were saved when there was no choice.
BEFORE_CHOICE = {"padding": "valid", "data_format": "channels_last", "fans": "keras2"}


class BaseFreeConv(keras.layers.Layer):
    """Convolution of any rank without weight sharing; `FreeConv2D` describes its arguments, weights and errors.

    Inside, the order of axes is (space, channels, batch): there a chain of products needs no copies with swapped axes.

    Attributes:
        rank: number of axes of space.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: str | Callable | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        vcp: float = 0.0,
        vcp_mask: str = "connections",
        connectivity: Any = None,
        seed: int | None = None,
        fans: str = "position",
        batch_axis: int = 0,
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        rank = self.rank
        self.filters = arguments.positive_integer(filters, "filters")
        self.kernel_size = arguments.positive_integers(kernel_size, rank, "kernel_size")
        self.strides = arguments.positive_integers(strides, rank, "strides")
        self.padding = arguments.one_of(padding, ("valid", "same", "causal")[: 3 if rank == 1 else 2], "padding")
        self.data_format = arguments.image_data_format(data_format)
        self.dilation_rate = arguments.positive_integers(dilation_rate, rank, "dilation_rate")
        self.groups = arguments.positive_integer(groups, "groups")
        self.activation = keras.activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer or "glorot_uniform")
        self.bias_initializer = keras.initializers.get(bias_initializer or "zeros")
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self._set_connections(vcp, vcp_mask, connectivity, seed)
        self.fans = arguments.one_of(fans, FANS, "fans")
        self.batch_axis = batch_axis
        self.recompute = bool(recompute)
        self._check_arguments()
        self.input_spec = keras.layers.InputSpec(ndim=rank + 2)

    def _set_connections(self, vcp: float, vcp_mask: str, connectivity: Any, seed: int | None) -> None:
        """Set the arguments that say which connections there are."""
        self.vcp = arguments.probability_below_one(vcp, "vcp")
        self.vcp_mask = arguments.one_of(vcp_mask, VCP_MASKS, "vcp_mask")
        self.connectivity = as_connectivity(connectivity)
        self.seed = arguments.seed_or_new(seed)

    def _check_arguments(self) -> None:
        """Refuse arguments that contradict each other, as Keras's convolutions do."""
        if self.filters % self.groups != 0:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={self.groups}, filters={self.filters}."
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        if isinstance(self.batch_axis, bool) or self.batch_axis not in (0, self.rank + 1):
            raise ValueError(
                f"Argument `batch_axis` must be 0 or {self.rank + 1}. Received: batch_axis={self.batch_axis}"
            )
        self.batch_axis = int(self.batch_axis)

    def build(self, input_shape: Sequence[Any]) -> None:
        """Create the weights for inputs of `input_shape` (see the class's input shape)."""
        grid = self.grid(input_shape)
        *lengths, channels = self._image(input_shape)
        if channels % self.groups != 0:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. "
                f"Received: groups={self.groups}, but the input has {channels} channels (full input shape is "
                f"{tuple(input_shape)})."
            )
        self._grid, self._lengths, self._channels = grid, tuple(lengths), channels
        self._add_weights(input_shape)
        self.input_spec = keras.layers.InputSpec(
            ndim=self.rank + 2,
            axes={axis: size for axis, size in enumerate(input_shape) if axis != self.batch_axis},
        )
        self.built = True

    def _add_weights(self, input_shape: Sequence[Any]) -> None:
        """Create mask, kernel and bias."""
        shape = self._kernel_shape()
        initializer = self.kernel_initializer
        if self.fans == "position":
            initializer = for_positions(initializer, math.prod(self.kernel_size))
        regularizer, constraint = self.kernel_regularizer, self.kernel_constraint
        self.mask = None
        if self.vcp > 0 or self.connectivity is not None:
            connected = self._connected(input_shape, shape)
            self.mask = self.add_weight(
                name="mask", shape=shape, dtype="uint8", initializer=lambda *_, **__: connected, trainable=False
            )
            drawn = initializer

            def initializer(shape: Sequence[int], dtype: Any = None) -> Any:
                return drawn(shape, dtype) * ops.cast(connected, dtype)

            regularizer = regularizer and self._of_connections(regularizer)
            constraint = constraint and _keeping_zeros(constraint)
        self._kernel = self.add_weight(
            name="kernel", shape=shape, initializer=initializer, regularizer=regularizer, constraint=constraint
        )
        self.bias: Any = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(*self._grid, self.filters),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    @property
    def kernel(self) -> Any:
        """The kernels' variable."""
        if not self.built:
            raise AttributeError("You must build the layer before accessing `kernel`.")
        return self._kernel

    def _kernel_shape(self) -> tuple[int, ...]:
        """Return the shape of the kernels, (positions, field, filters)."""
        field = math.prod(self.kernel_size) * (self._channels // self.groups)
        return math.prod(self._grid), field, self.filters

    def _connected(self, input_shape: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
        """Return which weights of kernels of `shape` there are, a bool array."""
        connected = np.ones(shape, bool)
        if self.vcp > 0:
            units = self._image(input_shape) if self.vcp_mask == "inputs" else None
            connected = random_connections(self.seed, self.vcp, shape, units, self._seen)
        if self.connectivity is not None:
            connected = connected & given_connections(self.connectivity, shape)
        return connected

    def _seen(self, units: np.ndarray) -> np.ndarray:
        """Return what kernels see of an array of the shape of one input: (positions, field, groups)."""
        units = ops.convert_to_tensor(units[..., None].astype("uint8"))
        fields = ops.convert_to_numpy(self._receptive_fields(units)) != 0
        fields = fields.reshape(-1, math.prod(self.kernel_size), self.groups, self._channels // self.groups)
        return fields.swapaxes(2, 3).reshape(fields.shape[0], -1, self.groups)

    def _of_connections(self, regularizer: Callable) -> Callable:
        """Return a regularizer that sees missing weights as zeros, so that it has no gradient there."""
        return lambda kernel: regularizer(kernel * ops.cast(self.mask, kernel.dtype))

    def call(self, inputs: Any) -> Any:
        """Return the layer's output for `inputs` (see the class's input and output shapes)."""
        product = keras.remat(self._product) if self.recompute else self._product
        # Reshaped, a variable is a tensor: TensorFlow's `remat` counts the gradient of a variable argument twice.
        kernel = ops.reshape(self._kernel_of_positions(), (math.prod(self._grid), -1, self.filters))
        outputs = product(ops.convert_to_tensor(inputs), kernel)
        if self.use_bias:
            outputs = outputs + ops.expand_dims(self._bias_of_positions(), self.rank + 1)
        return self.activation(_permuted(outputs, tuple(np.argsort(self._inside_order()).tolist())))

    def _inside_order(self) -> tuple[int, ...]:
        """Return which axes of inputs are the axes (space, channels, batch)."""
        others = [axis for axis in range(self.rank + 2) if axis != self.batch_axis]
        if self.data_format == "channels_first":
            others = [*others[1:], others[0]]
        return (*others, self.batch_axis)

    def _kernel_of_positions(self) -> Any:
        """Return the kernels (positions, field, filters), zero where a connection is missing."""
        if self.mask is None:
            return self._kernel
        return self._kernel * ops.cast(self.mask, self._kernel.dtype)

    def _bias_of_positions(self) -> Any:
        """Return the biases, (*grid, filters)."""
        return self.bias

    def _product(self, inputs: Any, kernel: Any) -> Any:
        """Return kernels (positions, field, filters) times what they see of inputs: (*grid, filters, batch).

        One batched product: position p has (filters, field) × (field, batch). In this order the backward products need
        no copy with swapped axes either (docs/performance.md).
        """
        fields = self._receptive_fields(_permuted(inputs, self._inside_order()))
        return ops.reshape(self._products(fields, kernel), (*self._grid, self.filters, -1))

    def _products(self, fields: Any, kernel: Any) -> Any:
        """Return kernels times fields: (positions, filters, batch), or, with groups, its axes with filters split."""
        positions, taps, groups = math.prod(self._grid), math.prod(self.kernel_size), self.groups
        if groups == 1:
            fields = ops.reshape(fields, (positions, taps * self._channels, -1))
            return _product("pkf,pkb->pfb", kernel, fields)
        width = self._channels // groups
        fields = ops.reshape(fields, (positions, taps, groups, width, -1))
        fields = ops.reshape(ops.transpose(fields, (0, 2, 1, 3, 4)), (positions, groups, taps * width, -1))
        kernel = ops.reshape(kernel, (positions, taps * width, groups, self.filters // groups))
        return _product("pkgf,pgkb->pgfb", kernel, fields)

    def _receptive_fields(self, inputs: Any) -> Any:
        """Return what each position sees, (*grid, taps · channels, batch), of inputs (space, channels, batch)."""
        pads = self._pads()
        if np.any(pads):
            inputs = ops.pad(inputs, (*pads, (0, 0), (0, 0)))
        return self._gathered(inputs) if self._gathers() else self._sliced(inputs)

    def _gathers(self) -> bool:
        """Return whether receptive fields are gathered by index; else they are put together from slices.

        Gathering is as fast or faster (docs/performance.md), but for what the study's trainer does, which has the batch
        last and compiles many layers at once by XLA: it makes one copy of the slices, and of their backward pass.
        """
        return self.batch_axis == 0 or keras.backend.backend() == "torch"

    def _sliced(self, inputs: Any) -> Any:
        """Return receptive fields, one strided slice per place in the kernel.

        `ops.image.extract_patches` would multiply by an identity kernel.
        """
        places = (range(0, size * rate, rate) for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True))
        return ops.concatenate(
            [
                inputs[
                    tuple(
                        slice(start, start + (number - 1) * stride + 1, stride)
                        for start, number, stride in zip(starts, self._grid, self.strides, strict=True)
                    )
                ]
                for starts in itertools.product(*places)
            ],
            axis=self.rank,
        )

    def _gathered(self, inputs: Any) -> Any:
        """Return receptive fields, gathered from inputs whose axes of space are flattened into one."""
        index = np.zeros((1, 1), int)
        for places, (before, _), length in zip(self._places(), self._pads(), inputs.shape, strict=False):
            index = pairs_of(index * length, places + before, np.add)
        flat = ops.reshape(inputs, (math.prod(inputs.shape[: self.rank]), self._channels, -1))
        fields = ops.take(flat, ops.convert_to_tensor(index.reshape(-1), "int32"), axis=0)
        return ops.reshape(fields, (*self._grid, index.shape[1] * self._channels, -1))

    def _pads(self) -> tuple[tuple[int, int], ...]:
        """Return how many zeros are put before and behind the image on each axis of space."""
        if self.padding == "valid":
            return ((0, 0),) * self.rank
        if self.padding == "causal":
            return tuple((reach - 1, 0) for reach in self._reach())
        totals = [
            max((number - 1) * stride + reach - length, 0)
            for number, stride, reach, length in zip(
                self._grid, self.strides, self._reach(), self._lengths, strict=True
            )
        ]
        return tuple((total // 2, total - total // 2) for total in totals)

    def _reach(self) -> tuple[int, ...]:
        """Return how many places the kernel reaches over on each axis, dilation included."""
        return tuple((size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True))

    def _image(self, input_shape: Sequence[Any]) -> tuple[Any, ...]:
        """Return the lengths of space and the number of channels of inputs of `input_shape`."""
        return tuple(input_shape[axis] for axis in self._inside_order()[:-1])

    def grid(self, input_shape: Sequence[Any]) -> tuple[int, ...]:
        """Return the numbers of output positions, (rows, cols) in two dimensions, for inputs of `input_shape`.

        Raises:
            ValueError: `input_shape` has not as many axes as needed, or the image is smaller than the kernel or of
                unknown size.
        """
        name = type(self).__name__
        if len(input_shape) != self.rank + 2:
            raise ValueError(f"{name} needs inputs of rank {self.rank + 2}. Received: input_shape={tuple(input_shape)}")
        image = self._image(input_shape)
        if None in image:
            names = ("length",) if self.rank == 1 else ("depth", "height", "width")[-self.rank :]
            raise ValueError(
                f"{name} has weights for every position and needs to know {', '.join(names)} and channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        first = self._reach() if self.padding == "valid" else (1,) * self.rank  # how much of the image the first needs
        numbers = tuple(
            (length - needed) // stride + 1 for length, needed, stride in zip(image, first, self.strides, strict=False)
        )
        if min(numbers) < 1:
            raise ValueError(
                f"Computed output size would be zero or negative: {name} needs images at least as large as its "
                f"kernel_size={self.kernel_size} with dilation_rate={self.dilation_rate}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return numbers

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the output for inputs of `input_shape`."""
        shape: list[int | None] = [None] * (self.rank + 2)
        inside = (*self.grid(input_shape), self.filters, input_shape[self.batch_axis])
        for axis, size in zip(self._inside_order(), inside, strict=True):
            shape[axis] = size
        return tuple(shape)

    def set_weights(self, weights: list[Any]) -> None:
        """Set kernel, bias and mask (where there are any), in the order of `get_weights`.

        Weights of missing connections become zero.

        Args:
            weights: of the shapes that the class's "Weights" lists. The order of a kernel's field is (kernel_height,
                kernel_width, channels) whatever `data_format` is; `field_channels_last` converts a Keras 2 layer's
                kernels whose `data_format` was `"channels_first"`.
        """
        super().set_weights([np.asarray(value) for value in weights])
        self.finalize_state()

    def load_own_variables(self, store: Any) -> None:
        """Load the weights from a file; those of missing connections become zero."""
        super().load_own_variables(store)
        self.finalize_state()

    def finalize_state(self) -> None:
        """Set the weights of missing connections to zero; Keras calls it after loading an `.h5` file."""
        if self.built and self.mask is not None:
            self._kernel.assign(self._kernel * ops.cast(self.mask, self._kernel.dtype))

    @classmethod
    def from_conv(cls, layer: Any, input_shape: Sequence[Any], **arguments: Any) -> "BaseFreeConv":
        """Return the built free layer that computes what a built convolution of Keras computes.

        Args:
            layer: `Conv1D`, `Conv2D` or `Conv3D`, of the class's rank.
            input_shape: shape of the free layer's inputs, batch included.
            **arguments: of the free layer, where they are to be others than the convolution's.

        Raises:
            ValueError: `layer` is no such convolution, or not built.
        """
        conv = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[cls.rank]
        if not isinstance(layer, conv) or not layer.built:
            raise ValueError(f"`from_conv` expects a built {conv.__name__} layer. Received: layer={layer}")
        config = layer.get_config()
        wanted = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
        taken = {name: config[name] for name in wanted & set(config)}
        free = cls(**{**taken, "dtype": layer.dtype_policy, **arguments})
        free.build(input_shape)
        kernel = ops.convert_to_numpy(layer.kernel)
        kernel = np.broadcast_to(kernel.reshape(-1, free.filters), free.kernel.shape)
        bias = [np.broadcast_to(ops.convert_to_numpy(layer.bias), free.bias.shape)] if free.use_bias else []
        mask = [] if free.mask is None else [ops.convert_to_numpy(free.mask)]
        free.set_weights([kernel, *bias, *mask])
        return free

    def shared_kernel(self) -> np.ndarray:
        """Return a convolution's kernel, (*kernel_size, channels / groups, filters): the mean over positions.

        Each weight's mean is over the positions that have the connection: padding and missing connections do not count.
        """
        kernel = ops.convert_to_numpy(self._kernel_of_positions())
        counts = np.broadcast_to(self._inside_image(), kernel.shape)
        if self.mask is not None:
            counts = counts * ops.convert_to_numpy(self.mask)
        mean = (kernel * counts).sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        return mean.astype(kernel.dtype).reshape(*self.kernel_size, self._channels // self.groups, self.filters)

    def _inside_image(self) -> np.ndarray:
        """Return which places of each position's kernel are in the image: bool, (positions, field, 1)."""
        inside = np.ones((1, 1), bool)
        for axis, places in enumerate(self._places()):
            inside = pairs_of(inside, (places >= 0) & (places < self._lengths[axis]), np.logical_and)
        return np.repeat(inside, self._channels // self.groups, axis=1)[..., None]

    def _places(self) -> list[np.ndarray]:
        """Return, for each axis of space, which places of the image kernels read: ints, (grid, kernel_size)."""
        return [
            np.arange(number)[:, None] * stride - before + np.arange(size)[None] * rate
            for number, stride, (before, _), size, rate in zip(
                self._grid, self.strides, self._pads(), self.kernel_size, self.dilation_rate, strict=True
            )
        ]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "vcp": self.vcp,
            "vcp_mask": self.vcp_mask,
            "connectivity": as_configuration(self.connectivity),
            "seed": self.seed,
            "fans": self.fans,
            "batch_axis": self.batch_axis,
            "recompute": self.recompute,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BaseFreeConv":
        """Return the layer of a configuration, also of one saved when padding, order of axes and fans were fixed."""
        saved_before = "batch_axis" in config and "padding" not in config
        return cls(**{**(BEFORE_CHOICE if saved_before else {}), **config})


def field_channels_last(kernel: Any, kernel_size: int | Sequence[int]) -> np.ndarray:
    """Return kernels with fields in the order (space, channels) of kernels whose fields are in (channels, space).

    Keras 2's locally connected layers have the second order where their `data_format` is `"channels_first"`; the shapes
    are equal.

    Args:
        kernel: array (positions, channels · taps, filters).
        kernel_size: the layer's, one integer for each axis of space; a single one for one-dimensional layers.

    Raises:
        ValueError: the field is no multiple of the kernel's size, or `kernel` has not three axes.
    """
    kernel = np.asarray(kernel)
    taps = int(np.prod(kernel_size))
    if kernel.ndim != 3 or kernel.shape[1] % taps:
        raise ValueError(
            f"`kernel` must be of shape (positions, channels · {taps}, filters). Received: an array of shape "
            f"{kernel.shape}"
        )
    positions, field, filters = kernel.shape
    return kernel.reshape(positions, -1, taps, filters).swapaxes(1, 2).reshape(positions, field, filters)


def pairs_of(one: np.ndarray, other: np.ndarray, combined: Callable) -> np.ndarray:
    """Return what all pairs of rows and of columns of two matrices give: (rows · rows, columns · columns)."""
    pairs = combined(one[:, None, :, None], other[None, :, None, :])
    return pairs.reshape(one.shape[0] * other.shape[0], -1)


def _permuted(array: Any, order: tuple[int, ...]) -> Any:
    """Return an array with its axes in another order; as it is, if that is none."""
    return ops.convert_to_tensor(array) if order == tuple(range(len(order))) else ops.transpose(array, order)


def _keeping_zeros(constraint: Callable) -> Callable:
    """Return a constraint that leaves zeros zero, as weights of missing connections are."""
    return lambda kernel: constraint(kernel) * ops.cast(ops.not_equal(kernel, 0), kernel.dtype)


def _product(subscripts: str, kernel: Any, fields: Any) -> Any:
    """Return `einsum`; half precision is summed in float32, as a convolution does.

    TensorFlow's products on processors alone do not by themselves: of float16 never; of bfloat16 where the processor
    has no instructions for it and XLA does not compile them, which here is taken care of for eager calls.
    """
    dtype = keras.backend.standardize_dtype(fields.dtype)
    is_half = dtype == "float16" or (dtype == "bfloat16" and hasattr(fields, "numpy"))
    if not is_half or keras.backend.backend() != "tensorflow" or keras.distribution.list_devices("gpu"):
        return ops.einsum(subscripts, kernel, fields)
    return ops.cast(ops.einsum(subscripts, ops.cast(kernel, "float32"), ops.cast(fields, "float32")), dtype)
