"""Checks of layers' arguments, which take what Keras's convolutions take and answer in Keras's words."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np


def positive_integer(value: Any, name: str) -> int:
    """Return a positive integer of any kind (Python's, NumPy's) as Python's.

    Raises:
        ValueError: it is none.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a strictly positive integer. Received: {name}={value}"
        )
    return number


def positive_integers(value: Any, number: int, name: str) -> tuple[int, ...]:
    """Return one positive integer, or `number` of them in any sequence, as a tuple of `number`.

    Raises:
        ValueError: it is neither.
    """
    values = tuple(value) if isinstance(value, Iterable) and not _is_scalar(value) else (value,) * number
    try:
        integers = tuple(operator.index(item) for item in values)
    except TypeError:
        integers = ()
    if len(integers) != number or min(integers) < 1:
        expected = "a positive integer" if number == 1 else f"a positive integer or a tuple of {number}"
        raise ValueError(f"The `{name}` argument must be {expected}. Received: {name}={value}")
    return integers


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or np.ndim(value) == 0


def one_of(value: Any, names: Sequence[str], name: str) -> str:
    """Return a string that is one of `names`, in lower case.

    Raises:
        ValueError: it is none.
    """
    text = value.lower() if isinstance(value, str) else value
    if text not in names:
        raise ValueError(f"The `{name}` argument must be one of {tuple(names)}. Received: {name}={value!r}")
    return text


def image_data_format(value: str | None) -> str:
    """Return the order of an image's axes; for `None`, the one that Keras is set to.

    Raises:
        ValueError: it is no order.
    """
    if value is None:
        return keras.config.image_data_format()
    return one_of(value, ("channels_last", "channels_first"), "data_format")


def probability_below_one(value: Any, name: str) -> float:
    """Return a number in [0, 1).

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, (str, bytes)) or np.ndim(value) != 0 or value is None or not 0 <= value < 1:
        raise ValueError(f"Argument `{name}` must be at least 0 and below 1. Received: {name}={value!r}")
    return float(value)


def seed_or_new(value: Any) -> int:
    """Return a seed; for `None` a new one, which follows `keras.utils.set_random_seed`.

    Raises:
        ValueError: it is no integer, or negative.
    """
    if value is None:
        return int(keras.initializers.RandomUniform().seed)
    try:
        seed = operator.index(value)
    except TypeError:
        seed = -1
    if seed < 0:
        raise ValueError(f"Argument `seed` must be a non-negative integer or `None`. Received: seed={value!r}")
    return seed
