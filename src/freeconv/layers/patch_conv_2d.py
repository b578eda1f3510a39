"""A convolution as one matrix product, which stays one when many networks are stacked."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="freeconv")
class PatchConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with 'valid' padding, computed as (patches) × (kernel).

    Mapped over a replica axis, a convolution becomes a grouped convolution, for which backends have no fast program; a
    matrix product becomes a batched one. Arguments, weights and results are those of `Conv2D`.

    Example:
    >>> x = np.random.rand(4, 28, 28, 1)
    >>> y = PatchConv2D(32, 3, strides=2, activation="relu")(x)
    >>> y.shape
    (4, 13, 13, 32)

    Input shape:
        (batch, height, width, channels).

    Output shape:
        (batch, rows, cols, filters).

    Raises:
        ValueError: an argument asks for other padding, channels first, dilation or groups.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = (self.padding, self.data_format, self.dilation_rate, self.groups)
        if asked != ("valid", "channels_last", (1, 1), 1):
            raise ValueError(
                "PatchConv2D has 'valid' padding, channels last, no dilation and one group. Received: "
                f"padding={self.padding}, data_format={self.data_format}, dilation_rate={self.dilation_rate}, "
                f"groups={self.groups}"
            )

    def call(self, inputs: Any) -> Any:
        """Return the layer's output for `inputs` (see the class's input and output shapes)."""
        rows, cols = self.compute_output_shape((1, *inputs.shape[1:]))[1:3]
        patches = ops.concatenate(
            [
                inputs[
                    :,
                    i : i + (rows - 1) * self.strides[0] + 1 : self.strides[0],
                    j : j + (cols - 1) * self.strides[1] + 1 : self.strides[1],
                ]
                for i in range(self.kernel_size[0])
                for j in range(self.kernel_size[1])
            ],
            axis=-1,
        )
        kernel = ops.reshape(self.kernel, (-1, self.filters))
        outputs = ops.matmul(ops.reshape(patches, (-1, kernel.shape[0])), kernel)
        outputs = ops.reshape(outputs, (-1, rows, cols, self.filters))
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)
