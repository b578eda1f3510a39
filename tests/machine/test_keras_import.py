import json
import os
import subprocess
import sys

import pytest

from freeconv.machine.keras_import import SETTINGS, THREADS

SCRIPT = """
import json, os, sys
from freeconv.machine.keras_import import import_keras
import_keras(threads={threads})
packages = ["jax", "matplotlib", "pandas", "sklearn"]
imported = [name for name in packages if name in sys.modules]
import keras
import pandas, sklearn
print(json.dumps([keras.backend.backend(), imported, dict(os.environ), pandas.DataFrame([1]).shape]))
"""


def imported(tmp_path, threads=0, config=None, **environment):
    """Return backend, imported packages and the environment after `import_keras` in a process of its own."""
    home = tmp_path / "keras"
    home.mkdir()
    if config is not None:
        (home / "keras.json").write_text(config)
    own = {name: value for name, value in os.environ.items() if name not in {*SETTINGS, *THREADS, "KERAS_BACKEND"}}
    command = [sys.executable, "-c", SCRIPT.format(threads=threads)]
    done = subprocess.run(
        command, env={**own, "KERAS_HOME": str(home), **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_packages_that_no_job_uses_are_not_imported_and_can_be_imported_later(tmp_path):
    backend, packages, environment, shape = imported(tmp_path, 3, TF_CPP_MIN_LOG_LEVEL="1", KERAS_BACKEND="tensorflow")
    assert (backend, packages, shape) == ("tensorflow", [], [1, 1])
    assert {environment[name] for name in THREADS} == {"3"}
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "1"  # the user's own
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


@pytest.mark.parametrize(
    ("config", "variables"),
    [
        (None, {"KERAS_BACKEND": "jax"}),
        ('{"backend": "jax"}', {}),
        ('{"backend": "tensorflow"}', {"KERAS_BACKEND": "jax"}),
    ],
    ids=["variable", "file", "variable before file"],
)
def test_jax_is_imported_where_it_is_the_backend(tmp_path, config, variables):
    pytest.importorskip("jax")
    backend, packages, environment, _ = imported(tmp_path, config=config, **variables)
    assert (backend, packages) == ("jax", ["jax"])
    assert not set(THREADS) & set(environment)
