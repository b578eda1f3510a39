"""Keras imported for a job: its backend's settings from the environment, and no package that a job does not use."""

import os
import sys
from contextlib import suppress

from freeconv.errors import FreeconvError

# What TensorFlow and JAX read when they are imported: few messages, and of a GPU's memory no more than is needed.
# TensorFlow 2.21 prints a few lines before it reads its level.
SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}

# How many threads TensorFlow, and XLA's own pool under JAX (NPROC), use.
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")

# Keras imports these where they are installed, for adapters that no job uses; TensorFlow Lite imports JAX. Together
# they are a third of the time that `import keras` takes.
UNUSED = ("matplotlib", "pandas", "sklearn")

DEFAULT_BACKEND = "tensorflow"
# In which Keras finds no file with settings, and can make none.
NO_FOLDER = "/dev/null/keras"


def import_keras(threads: int = 0) -> None:
    """Import Keras as a job needs it, in this process, which must not have imported it before.

    Settings of TensorFlow and JAX that the environment holds already are respected. Of Keras's own, KERAS_BACKEND
    chooses the backend (TensorFlow if it is not set); other KERAS_ variables and `~/.keras/keras.json`, which would
    change or end a run unseen, are not read.

    Args:
        threads: processor threads to use; all of them if 0.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if threads:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
    for name in [name for name in os.environ if name.startswith("KERAS_")]:
        if name != "KERAS_BACKEND":
            del os.environ[name]
    backend = os.environ.setdefault("KERAS_BACKEND", DEFAULT_BACKEND)
    os.environ["KERAS_HOME"] = NO_FOLDER
    unused = [*UNUSED, *(["jax"] if backend == "tensorflow" else [])]
    hidden = [name for name in unused if name not in sys.modules]
    modules: dict = sys.modules  # a name that stands for None is a package that is not installed, for `import`
    modules.update(dict.fromkeys(hidden))
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name == "keras":
            raise
        raise FreeconvError(
            f"KERAS_BACKEND: expected a backend that is installed, received {backend} without the package "
            f"{error.name}; install it, or set KERAS_BACKEND=tensorflow or jax"
        ) from error
    except ValueError as error:
        raise FreeconvError(
            f"KERAS_BACKEND: expected tensorflow or jax, received {backend}: {' '.join(str(error).split())}; correct it"
        ) from error
    finally:
        for name in hidden:
            del modules[name]
        del os.environ["KERAS_HOME"]


def installed_versions() -> str:
    """Return the backend that a job will take, and the versions of what computes numbers; nothing is imported."""
    from importlib import metadata  # it takes as long as all else that planning imports of Python's own

    backend = os.environ.get("KERAS_BACKEND") or DEFAULT_BACKEND
    found = []
    for package in ("keras", "numpy", backend):
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return ", ".join([backend, *found])
