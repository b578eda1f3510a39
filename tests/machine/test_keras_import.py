import json
import os
import subprocess
import sys

import pytest

from freeconv.machine.keras_import import SETTINGS, THREADS, installed_versions

SCRIPT = """
import json, os, sys
from freeconv.machine.keras_import import import_keras
import_keras(threads={threads})
packages = ["jax", "matplotlib", "pandas", "sklearn"]
imported = [name for name in packages if name in sys.modules]
import keras
import pandas, sklearn
print(json.dumps([keras.backend.backend(), imported, dict(os.environ), pandas.DataFrame([1]).shape]))
print(json.dumps([keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()]))
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
    assert json.loads(done.stdout.splitlines()[-1]) == ["float32", 1e-7, "channels_last"]
    return json.loads(done.stdout.splitlines()[-2])


def test_packages_that_no_job_uses_are_not_imported_and_can_be_imported_later(tmp_path):
    backend, packages, environment, shape = imported(tmp_path, 3, TF_CPP_MIN_LOG_LEVEL="1", KERAS_BACKEND="tensorflow")
    assert (backend, packages, shape) == ("tensorflow", [], [1, 1])
    assert {environment[name] for name in THREADS} == {"3"}
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "1"  # the user's own
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


@pytest.mark.parametrize("config", [None, '{"backend": "tensorflow"}'], ids=["variable", "variable before file"])
def test_jax_is_imported_where_it_is_the_backend(tmp_path, config):
    pytest.importorskip("jax")
    backend, packages, environment, _ = imported(tmp_path, config=config, KERAS_BACKEND="jax")
    assert (backend, packages) == ("jax", ["jax"])
    assert not set(THREADS) & set(environment)


@pytest.mark.parametrize(
    ("config", "variables"),
    [
        ('{"floatx": "float16", "epsilon": 0.01, "image_data_format": "channels_first"}', {}),
        ('{"backend": "jax"}', {}),
        ("{ no JSON", {}),
        ('{"backend": "no-such-backend", "floatx": "int7"}', {}),
        (None, {"KERAS_MAX_EPOCHS": "many", "KERAS_MAX_STEPS_PER_EPOCH": "1"}),
        (None, {"KERAS_NNX_ENABLED": "true"}),
    ],
)
def test_neither_the_file_of_keras_nor_its_variables_decide_anything(tmp_path, config, variables):
    backend, _, environment, _ = imported(tmp_path, config=config, **variables)
    assert backend == "tensorflow"
    assert not [name for name in environment if name.startswith("KERAS_") and name != "KERAS_BACKEND"]
    assert (tmp_path / "keras/keras.json").exists() == (config is not None)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_installed_versions_name_the_backend_and_import_nothing(monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert installed_versions().startswith(f"{backend}, keras ")
    code = (
        "import sys; from freeconv.machine.keras_import import installed_versions; installed_versions();"
        "print({'keras', 'numpy', 'jax'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
