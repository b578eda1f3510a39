"""Which connections of a free layer there are, when that is an argument."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np


def given_connections(connectivity: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return which weights of kernels of `shape` (positions, field, filters) there are, a bool array.

    Args:
        connectivity: an array that broadcasts to `shape`, or a function of three integer arrays, position, field and
            filter, that gives one.
        shape: of the kernels.

    Raises:
        ValueError: it does not broadcast, or holds anything but zeros and ones.
    """
    array = np.asarray(connectivity(*np.ogrid[tuple(map(slice, shape))]) if callable(connectivity) else connectivity)
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise ValueError(
            "The `connectivity` argument must hold zeros and ones, or false and true. "
            f"Received: connectivity={connectivity}"
        )
    try:
        return np.broadcast_to(array.astype(bool), shape)
    except ValueError:
        raise ValueError(
            f"The `connectivity` argument must broadcast to the kernel's shape {shape} (positions, field, filters). "
            f"Received: an array of shape {array.shape}"
        ) from None


def as_connectivity(connectivity: Any) -> np.ndarray | Callable | None:
    """Return the argument `connectivity`, from its configuration if that is what it is.

    Raises:
        ValueError: it is neither an array, a function, a configuration, nor `None`.
    """
    if connectivity is None or callable(connectivity):
        return connectivity
    if isinstance(connectivity, dict) and "bits" in connectivity:
        bits = np.frombuffer(base64.b64decode(connectivity["bits"]), "uint8")
        shape = tuple(connectivity["shape"])
        return np.unpackbits(bits, count=int(np.prod(shape, dtype=int))).reshape(shape)
    if isinstance(connectivity, dict):
        return keras.saving.deserialize_keras_object(connectivity)
    array = None if isinstance(connectivity, (str, bytes)) else np.asarray(connectivity)
    if array is None or array.dtype.kind not in "biuf":
        raise ValueError(
            "The `connectivity` argument must be an array or a function of position, field and filter. "
            f"Received: connectivity={connectivity!r}"
        )
    return array


def as_configuration(connectivity: np.ndarray | Callable | None) -> Any:
    """Return the argument `connectivity` as something that JSON takes: an array has a bit for each connection."""
    if connectivity is None:
        return None
    if callable(connectivity):
        return keras.saving.serialize_keras_object(connectivity)
    bits = np.packbits(np.asarray(connectivity, bool))
    return {"bits": base64.b64encode(bits.tobytes()).decode(), "shape": list(connectivity.shape)}


def random_connections(
    seed: int,
    vcp: float,
    shape: tuple[int, ...],
    units: Sequence[int] | None = None,
    seen: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Return which weights of kernels of `shape` there are, a bool array, drawn from the seed.

    Args:
        seed: of the draw.
        vcp: probability that a connection is missing.
        shape: of the kernels, (positions, field, filters).
        units: if units of the layer's input are missing, for all kernels that read them, and not single connections:
            the shape of one input.
        seen: what kernels see of an array of `units`: (positions, field, groups).
    """
    rng = np.random.default_rng(seed)
    if units is None or seen is None:
        return rng.random(shape) >= vcp
    fields = seen(rng.random(tuple(units)) >= vcp)
    return np.repeat(fields, shape[2] // fields.shape[2], axis=2)
