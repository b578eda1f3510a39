"""The free (locally connected) three-dimensional convolution for Keras 3."""

from typing import ClassVar

import keras

from freeconv.layers.base_free_conv import BaseFreeConv


@keras.saving.register_keras_serializable(package="freeconv")
class FreeConv3D(BaseFreeConv):
    """3D convolution without weight sharing: every output position has a kernel and a bias of its own.

    `keras.layers.Conv3D` with its arguments in its order, and `FreeConv2D` in three dimensions: arguments that are not
    `Conv3D`'s, missing connections, weights and errors are described there.

    Example:
    >>> x = np.random.rand(4, 7, 8, 9, 2)
    >>> y = FreeConv3D(5, 3)(x)
    >>> y.shape
    (4, 5, 6, 7, 5)

    Args:
        filters: int, the number of filters of every position.
        kernel_size: int or triple of ints, the lengths of the receptive field.
        strides: int or triple of ints, the steps between neighbouring positions.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; the one that Keras is set to if `None`.
        dilation_rate: int or triple of ints, the steps between neighbouring places in a receptive field.
        groups: as for `FreeConv2D`, and so are all that follow.
        batch_axis: 0 or 4.

    Input shape:
        (batch, depth, height, width, channels), or (batch, channels, depth, height, width) if `data_format` is
        `"channels_first"`.

    Output shape:
        (batch, planes, rows, cols, filters), in the order of the inputs.

    Weights:
        `kernel` of shape (planes · rows · cols, kernel_size's product · channels / groups, filters), `bias` of shape
        (planes, rows, cols, filters).
    """

    rank: ClassVar[int] = 3
