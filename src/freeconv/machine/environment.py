"""What a result may depend on besides its configuration: versions, backend, device."""

import platform
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

import freeconv


def environment() -> dict[str, Any]:
    """Return `versions` (package to version), `backend` (of Keras) and `device` (its name)."""
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
    return {"versions": versions, "backend": backend, "device": device}


def processor() -> str:
    """Return the name of the machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"CPU ({names[0] if names else platform.processor() or platform.machine()})"
