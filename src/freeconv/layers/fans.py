"""Initial kernels of layers that have one for every position."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops
from keras.initializers import Orthogonal, VarianceScaling

FANS = ("position", "keras2")


def for_positions(initializer: Callable, taps: int) -> Callable:
    """Return an initializer of kernels (positions, field, filters) that treats each as a convolution's kernel.

    Keras's initializers take the fans of a weight from its shape, which makes those of a free layer too large by the
    number of positions, and outputs too small by its root. Here the fans are those of one position: `field` inputs and
    `taps · filters` outputs, as for a convolution, and an orthogonal kernel is orthogonal at each position.

    Args:
        initializer: of Keras, or a function of shape and dtype. One that is not Keras's, or whose `input_axes` and
            `output_axes` are set, decides for itself: it is returned as it is.
        taps: number of places in the kernel, `kernel_height · kernel_width`.
    """
    own_call = type(initializer).__call__
    if own_call is Orthogonal.__call__:
        return lambda shape, dtype=None: _orthogonal(initializer, shape, dtype)
    if own_call is VarianceScaling.__call__ and getattr(initializer, "input_axes", None) is None:
        return lambda shape, dtype=None: _scaled(initializer, taps, shape)(shape, dtype)
    return initializer


def _scaled(initializer: Any, taps: int, shape: Sequence[int]) -> VarianceScaling:
    """Return the initializer that draws for `shape` from the distribution that `initializer` has for one position."""
    positions, field, filters = shape
    whole = _divisor(initializer.mode, positions * field, positions * filters)
    scale = initializer.scale * whole / _divisor(initializer.mode, field, taps * filters)
    return VarianceScaling(scale, initializer.mode, initializer.distribution, initializer.seed)


def _divisor(mode: str, fan_in: int, fan_out: int) -> float:
    return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]


def _orthogonal(initializer: Any, shape: Sequence[int], dtype: Any) -> Any:
    """Return orthogonal matrices (positions, field, filters), drawn as `keras.initializers.Orthogonal` draws one."""
    positions, field, filters = shape
    tall = (positions, max(field, filters), min(field, filters))
    q, r = ops.qr(keras.random.normal(tall, seed=initializer.seed, dtype=dtype))
    q = q * ops.expand_dims(ops.sign(ops.diagonal(r, axis1=-2, axis2=-1)), 1)
    return initializer.gain * (ops.transpose(q, (0, 2, 1)) if field < filters else q)
