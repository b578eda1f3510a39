"""A layer between a convolution and a free one: kernels that are mixtures of a few shared ones."""

from typing import Any

import keras
from keras import ops

from freeconv.layers.patch_conv_2d import PatchConv2D


@keras.saving.register_keras_serializable(package="freeconv")
class LowRankConv2D(keras.layers.Layer):
    """A low-rank locally connected layer (Elsayed et al. 2020), with 'valid' padding, channels last and ReLU.

    The kernel of position p is Σᵣ m(p, r) · B(r): shared kernels B, mixed by weights of the position's own. Biases are
    one per position and filter, so that a free layer of the same size can compute all that this one does. Mixing
    weights start at 1/√rank at every position and shared kernels as the initializer draws them, so it starts as a
    convolution, its outputs at the scale of one. Elsayed et al. also normalise mixing
    weights and build them, and biases, from rows and columns; neither is done here.

    Args:
        filters: number of output channels.
        kernel_size: height and width of the kernels.
        strides: down and right.
        rank: number of shared kernels, at least 1.
        products: whether the convolution is computed as a matrix product, which stays one when networks are stacked.
        kernel_initializer: of the shared kernels, drawn as one tensor (height, width, channels, rank · filters).
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        (batch, height, width, channels).

    Output shape:
        (batch, rows, columns, filters).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        rank: int = 1,
        products: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if rank < 1:
            raise ValueError(f"`rank` must be at least 1. Received: {rank=}")
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.rank, self.products = rank, products
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.shared = (PatchConv2D if products else keras.layers.Conv2D)(
            filters * rank,
            kernel_size,
            strides=strides,
            data_format="channels_last",
            use_bias=False,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name="shared",
        )

    def build(self, input_shape: Any) -> None:
        """Create the shared kernels, the mixing weights and the biases."""
        self.shared.build(input_shape)
        rows, columns = self.shared.compute_output_shape((1, *input_shape[1:]))[1:3]
        mixing = keras.initializers.Constant(self.rank**-0.5)
        self.mixing = self.add_weight(name="mixing", shape=(rows, columns, self.rank), initializer=mixing)
        self.bias = self.add_weight(name="bias", shape=(rows, columns, self.filters), initializer="zeros")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return the layer's output for `inputs` (see the class's input and output shapes)."""
        outputs = self.shared(inputs)
        outputs = ops.reshape(outputs, (-1, *outputs.shape[1:3], self.rank, self.filters))
        outputs = ops.sum(outputs * ops.expand_dims(self.mixing, -1), axis=3)
        return ops.relu(outputs + self.bias)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "rank": self.rank,
            "products": self.products,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
