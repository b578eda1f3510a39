"""The free (locally connected) one-dimensional convolution for Keras 3."""

from typing import ClassVar

import keras

from freeconv.layers.base_free_conv import BaseFreeConv


@keras.saving.register_keras_serializable(package="freeconv")
class FreeConv1D(BaseFreeConv):
    """1D convolution without weight sharing: every output position has a kernel and a bias of its own.

    `keras.layers.Conv1D` with its arguments in its order, and `FreeConv2D` in one dimension: arguments that are not
    `Conv1D`'s, missing connections, weights and errors are described there. With `padding="causal"` zeros are put
    before the first step only, so that no output depends on a later step.

    Example:
    >>> x = np.random.rand(4, 10, 8)
    >>> y = FreeConv1D(32, 3, activation="relu")(x)
    >>> y.shape
    (4, 8, 32)

    Args:
        filters: int, the number of filters of every position.
        kernel_size: int or tuple of one, the lengths of the receptive field.
        strides: int or tuple of one, the steps between neighbouring positions.
        padding: `"valid"`, `"same"` or `"causal"`.
        data_format: `"channels_last"` or `"channels_first"`; the one that Keras is set to if `None`.
        dilation_rate: int or tuple of one, the steps between neighbouring places in a receptive field.
        groups: as for `FreeConv2D`, and so are all that follow.
        batch_axis: 0 or 2.

    Input shape:
        (batch, steps, channels), or (batch, channels, steps) if `data_format` is `"channels_first"`.

    Output shape:
        (batch, positions, filters), in the order of the inputs.

    Weights:
        `kernel` of shape (positions, kernel_size · channels / groups, filters), `bias` of shape (positions, filters).
    """

    rank: ClassVar[int] = 1
