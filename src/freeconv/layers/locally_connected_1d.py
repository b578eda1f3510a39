"""Keras 2's one-dimensional locally connected layer for Keras 3."""

from typing import ClassVar

import keras

from freeconv.layers.base_free_conv import BaseFreeConv
from freeconv.layers.base_locally_connected import BaseLocallyConnected
from freeconv.layers.free_conv_1d import FreeConv1D


@keras.saving.register_keras_serializable(package="freeconv")
class LocallyConnected1D(BaseLocallyConnected):
    """Keras 2's `LocallyConnected1D`, with its signature, its weights, and its numbers.

    `LocallyConnected2D` describes arguments, weights and errors; here there is one axis of space.

    Example:
    >>> model = keras.models.load_model("old.h5", custom_objects={"LocallyConnected1D": LocallyConnected1D})

    Input shape:
        (batch, steps, channels), or (batch, channels, steps) if `data_format` is `"channels_first"`.

    Output shape:
        (batch, positions, filters), or (batch, filters, positions) if `data_format` is `"channels_first"`.

    Weights:
        `kernel`: with implementation 1 of shape (positions, kernel_size · channels, filters), with 2 (steps, channels,
        positions, filters) or (channels, steps, filters, positions), with 3 a vector. `bias`: (positions, filters).
    """

    rank: ClassVar[int] = 1
    free_conv: ClassVar[type[BaseFreeConv]] = FreeConv1D
