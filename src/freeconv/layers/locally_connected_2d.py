"""Keras 2's two-dimensional locally connected layer for Keras 3."""

from typing import ClassVar

import keras

from freeconv.layers.base_free_conv import BaseFreeConv
from freeconv.layers.base_locally_connected import BaseLocallyConnected
from freeconv.layers.free_conv_2d import FreeConv2D


@keras.saving.register_keras_serializable(package="freeconv")
class LocallyConnected2D(BaseLocallyConnected):
    """Keras 2's `LocallyConnected2D`, with its signature, its weights, and its numbers.

    For models that are there: their `.h5` files are loaded as they are, and `set_weights` takes what the old layer's
    `get_weights` gave (docs/migrating.md). For new models take `FreeConv2D`, whose kernels start as a convolution's.

    Example:
    >>> model = keras.models.load_model("old.h5", custom_objects={"LocallyConnected2D": LocallyConnected2D})

    Args:
        filters: int, the number of filters of every position.
        kernel_size: int or pair of ints, height and width of the receptive field.
        strides: int or pair of ints, the step between neighbouring positions.
        padding: `"valid"`, or, with implementation 2 or 3, `"same"`. As in Keras 2, the latter centres a kernel at each
            place `position · stride`, which with an even kernel or a step above 1 is not what convolutions do.
        data_format: `"channels_last"` or `"channels_first"`; the one that Keras is set to if `None`.
        activation: activation function; none if `None`.
        use_bias: bool, whether every position and filter has a bias.
        kernel_initializer: initializer of the kernels, which takes fans from the weights' shape, as in Keras 2.
        bias_initializer: initializer of the biases.
        kernel_regularizer: optional regularizer of the kernels.
        bias_regularizer: optional regularizer of the biases.
        activity_regularizer: optional regularizer of the output.
        kernel_constraint: optional constraint of the kernels.
        bias_constraint: optional constraint of the biases.
        implementation: 1, 2 or 3, how the kernels are kept: see "Weights". All of them compute in the same way here;
            2 and 3 first gather the kernels, so `as_free_conv` makes a faster layer of them.
        **kwargs: of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Input shape:
        (batch, height, width, channels), or (batch, channels, height, width) if `data_format` is `"channels_first"`.

    Output shape:
        (batch, rows, cols, filters), or (batch, filters, rows, cols) if `data_format` is `"channels_first"`.

    Weights:
        `kernel`: with implementation 1 of shape (rows · cols, kernel_height · kernel_width · channels, filters), the
        second axis in the order (kernel_height, kernel_width, channels), or (channels, kernel_height, kernel_width) if
        `data_format` is `"channels_first"`; with 2 of the shape of an input and an output, (height, width, channels,
        rows, cols, filters) or (channels, height, width, filters, rows, cols), where only weights inside of receptive
        fields count; with 3 a vector of the weights inside, sorted by output and input. `bias`: (rows, cols, filters),
        which Keras 2, and so this layer, reads as (filters, rows, cols) if `data_format` is `"channels_first"`.

    Raises:
        ValueError: an argument is out of range, or the input is not of the rank and size needed.
    """

    rank: ClassVar[int] = 2
    free_conv: ClassVar[type[BaseFreeConv]] = FreeConv2D
