"""The free (locally connected) two-dimensional convolution for Keras 3."""

from typing import ClassVar

import keras

from freeconv.layers.base_free_conv import BaseFreeConv


@keras.saving.register_keras_serializable(package="freeconv")
class FreeConv2D(BaseFreeConv):
    """2D convolution without weight sharing: every output position has a kernel and a bias of its own.

    The layer works like `keras.layers.Conv2D`, with its arguments in its order, except that the weights are not shared
    between positions. It takes the place of Keras 2's `LocallyConnected2D`: weights have the same order and shapes, so
    `set_weights` accepts them directly (see there for `data_format="channels_first"`). It uses `keras.ops` only and
    runs on every Keras backend.

    With `vcp` > 0 (variable connection patterns, section 4.2 of the paper) each single connection is missing with
    that probability: its weight is zero from the start, never updated, and stays so when the layer is saved and
    loaded. `connectivity` says which connections there are.

    Example:
    >>> x = np.random.rand(4, 28, 28, 1)
    >>> y = FreeConv2D(32, 3, strides=2, activation="relu")(x)
    >>> y.shape
    (4, 13, 13, 32)

    Args:
        filters: int, the number of filters of every position.
        kernel_size: int or pair of ints, height and width of the receptive field.
        strides: int or pair of ints, the step between neighbouring positions.
        padding: `"valid"`, no padding, or `"same"`, zeros around the image, evenly, so that with `strides=1` there are
            as many positions as places in the image.
        data_format: `"channels_last"` or `"channels_first"`, the order of axes of inputs and outputs. If `None`, the
            one that Keras is set to.
        dilation_rate: int or pair of ints, the step between neighbouring places in a receptive field.
        groups: int, number of groups into which the input's channels are split; each is read by `filters / groups`
            filters.
        activation: activation function; none if `None`.
        use_bias: bool, whether every position and filter has a bias.
        kernel_initializer: initializer of the kernels.
        bias_initializer: initializer of the biases.
        kernel_regularizer: optional regularizer of the kernels.
        bias_regularizer: optional regularizer of the biases.
        activity_regularizer: optional regularizer of the output.
        kernel_constraint: optional constraint of the kernels; zero weights stay zero where connections are missing.
        bias_constraint: optional constraint of the biases.
        vcp: float in [0, 1), the probability that a connection is missing.
        vcp_mask: what is missing: single `"connections"`, or `"inputs"`, units of the layer's input (row, column and
            channel) for all kernels and filters that read them, as in the authors' program.
        connectivity: optional array of zeros and ones that broadcasts to the kernels' shape (positions, field,
            filters), or a function of three integer arrays, position, field and filter, that gives one: which
            connections there are, beside `vcp`. A function must be known to Keras to be loaded again
            (`keras.saving.register_keras_serializable`).
        seed: int, seed of the missing connections. If `None` one is drawn and kept in the configuration.
        fans: the numbers of inputs and outputs that Keras's initializers of kernels scale with: `"position"`, those
            of one position, as a convolution's; or `"keras2"`, those taken from the weights' shape, which multiplies
            both by the number of positions, as Keras 2's layer and so the authors' program did.
        batch_axis: 0 or 3, the axis of the batch in inputs and outputs. 0 is Keras's own order; with 3 the order is
            (height, width, channels, batch), in which a chain of free layers needs no transpositions, and the
            activation must be one that takes each number by itself.
        recompute: bool, whether the receptive fields are computed again in the backward pass (`keras.remat`) instead of
            being kept for it, which take as much memory as `kernel_height · kernel_width / (stride · stride)` inputs.
        **kwargs: of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Input shape:
        (batch, height, width, channels), or (batch, channels, height, width) if `data_format` is `"channels_first"`;
        with `batch_axis=3` the same without the batch, which is last.

    Output shape:
        (batch, rows, cols, filters), in the order of the inputs, with rows and cols as for `keras.layers.Conv2D`.

    Weights:
        `kernel` of shape (rows · cols, kernel_height · kernel_width · channels / groups, filters), and `bias` of shape
        (rows, cols, filters), whatever `data_format` is; `bias` is `None` without. With missing connections also
        `mask`, of the kernel's shape, not trainable: 1 where there is a connection; else it is `None`.

    Raises:
        ValueError: an argument is out of range; the input is smaller than the kernel, of unknown size, not of rank 4,
            or of another size than the one that the layer was built for.
    """

    rank: ClassVar[int] = 2
