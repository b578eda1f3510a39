import json
import os
import subprocess
import sys

import pytest

from freeconv.machine.keras_import import SETTINGS, THREADS

SCRIPT = """
import json, os, sys
from freeconv.backend import import_keras
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


@pytest.mark.parametrize(("level", "kept"), [(None, ["a warning\n"]), ("0", None)], ids=["ours", "the user's"])
def test_notices_of_tensorflow_are_held_back_and_nothing_else(tmp_path, level, kept):
    """A module in the place of Keras writes as TensorFlow does."""
    (tmp_path / "keras.py").write_text(
        "import os\n"
        "os.write(2, b'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n')\n"
        "os.write(2, b'I0000 00:00:1795379163.021254   27983 port.cc:153] oneDNN custom operations are on.\\n')\n"
        "os.write(2, b'a warning\\n')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    done = subprocess.run(
        [sys.executable, "-c", "from freeconv.backend import import_keras; import_keras()"],
        env={**environment, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines(keepends=True)
    assert lines == kept if kept is not None else len(lines) == 3


def test_keras_is_imported_without_a_folder_for_temporary_files(tmp_path):
    """As on a full disk."""
    (tmp_path / "keras.py").write_text("print('imported')\n")
    script = "import tempfile; tempfile.tempdir = '/no/such/folder'\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "from freeconv.backend import import_keras; import_keras()"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("imported\n", "")
