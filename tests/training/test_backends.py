"""What computes with Keras runs on JAX as it does on TensorFlow: the same tests, in a process with that backend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="this is the process with that backend")
def test_jax():
    tests = [
        "layers/test_free_conv_2d.py",
        "architectures",
        "training/test_stack.py",
        "training/test_layers_with_state.py",
        "commands/test_train.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-n0", *(str(TESTS / name) for name in tests)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
