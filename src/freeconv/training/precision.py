"""The numbers that networks are computed in."""

import keras

from freeconv.errors import FreeconvError
from freeconv.vocabulary import Precision


def use_precision(precision: Precision) -> str:
    """Set how exactly float32 matrices are multiplied, and return the dtype policy that layers get.

    Args:
        precision: `"float32"`; `"tf32"`, float32 whose products are rounded to 10 bits of mantissa on a GPU's tensor
            cores; `"bfloat16"`, float32 weights and bfloat16 products and activations (mixed precision).

    Raises:
        FreeconvError: the device has no such numbers.
    """
    if precision == "tf32" and not has_gpu():
        raise FreeconvError(
            "train.precision: expected float32 or bfloat16 on a machine without a GPU, received 'tf32'; "
            "only a GPU's tensor cores compute with it"
        )
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    else:
        import jax

        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "float32")
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"


def has_gpu() -> bool:
    """Return whether the backend computes on a GPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    import jax

    return jax.devices()[0].platform == "gpu"
