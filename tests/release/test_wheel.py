"""Wheel and sdist, built and used in environments of their own."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BACKEND = os.environ.get("FREECONV_RELEASE_BACKEND", "jax")


def run(*command, **options):
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of sdist and wheel; the wheel is built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """Return the Python of an environment in which nothing but the wheel and a backend are installed."""
    folder = tmp_path_factory.mktemp("environment")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv/bin/python"
    (wheel,) = built.glob("*.whl")
    constraint = ROOT / "requirements.lock"
    run(uv, "pip", "install", "--quiet", "--python", python, "--constraint", constraint, wheel, BACKEND)
    return python


def test_what_is_in_them(built):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"freeconv/layers/free_conv_2d.py", "snakemake_logger_plugin_freeconv/__init__.py"} <= set(names)
    assert {"freeconv/study/claims.yaml", "freeconv/report/templates/index.html.j2"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "Snakefile", "requirements.lock", "params.yaml"} <= packed
    assert not [name for name in packed if name.startswith(("results/", "data/", ".venv", "studies/"))]


def test_the_layer_works_with_keras_and_numpy_alone(python, tmp_path):
    environment = {"PATH": "", "KERAS_BACKEND": BACKEND, "KERAS_HOME": str(tmp_path)}
    said = run(python, ROOT / "tests/release/use_layer.py", cwd=tmp_path, env=environment)
    assert f"freeconv with {BACKEND}: loss" in said
    missing = "import importlib.util as u; print([n for n in ('pandas', 'snakemake', 'typer') if u.find_spec(n)])"
    assert run(python, "-c", missing, cwd=tmp_path).strip() == "[]"


def test_the_command_says_what_it_lacks(python, tmp_path):
    command = python.with_name("freeconv")
    done = subprocess.run([command, "runs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'freeconv[train]'" in done.stderr
    assert done.stderr.count("\n") == 1
