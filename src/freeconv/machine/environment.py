"""What a result may depend on besides its configuration: versions, backend, device."""

import os
import platform
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

import freeconv

# Variables of the environment that can change what TensorFlow and JAX compute.
FLAGS = (
    "XLA_FLAGS",
    "TF_XLA_FLAGS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_DETERMINISTIC_OPS",
    "TF_CUDNN_DETERMINISTIC",
    "NVIDIA_TF32_OVERRIDE",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "JAX_ENABLE_X64",
)

# Vector instructions by their names in /proc/cpuinfo, the widest of each kind of processor first; those for bfloat16.
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sve2": "SVE2", "sve": "SVE", "asimd": "Neon"}
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


def environment() -> dict[str, Any]:
    """Return on what numbers are computed.

    Returns:
        `versions` (package to version), `backend` (of Keras), `device` (its name) and `flags` (those of `FLAGS` that
        are set, with their values).
    """
    backend = keras.backend.backend()
    versions = {
        "freeconv": freeconv.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }
    if backend == "tensorflow":
        import tensorflow as tf

        versions["tensorflow"] = tf.__version__
        gpus = tf.config.list_physical_devices("GPU")
        device = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else processor()
    else:
        import jax

        versions["jax"] = jax.__version__
        first = jax.devices()[0]
        device = processor() if first.platform == "cpu" else first.device_kind
    flags = {name: os.environ[name] for name in FLAGS if os.environ.get(name)}
    return {"versions": versions, "backend": backend, "device": device, "flags": flags}


def processor() -> str:
    """Return the name of the machine's processor with what it computes by, as in `CPU (AMD EPYC, AVX2)`.

    The name alone says too little: virtual machines give different processors the same, and with other vector
    instructions the same program sums in another order, at another speed. Nothing is added where the system does not
    have `/proc/cpuinfo`.
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    of_all = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    flags = of_all.get("flags", of_all.get("Features", "")).split()
    widest = [title for flag, title in VECTORS.items() if flag in flags][:1]
    bfloat16 = ["bfloat16"] if BFLOAT16.intersection(flags) else []
    name = of_all.get("model name") or platform.processor() or platform.machine()
    return f"CPU ({', '.join([name, *widest, *bfloat16])})"
