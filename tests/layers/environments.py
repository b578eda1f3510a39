"""The layers' tests in environments that have nothing but the package and one backend: `make test-environments`.

Each backend gets a virtual environment of its own, into which pip installs this folder, the backend, pytest and
hypothesis; nothing of the study. A requirement may name a version: `torch==2.13.0`.

    python -m tests.layers.environments [tensorflow] [jax] [torch]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "jax", "torch")


def backend_of(requirement: str) -> str:
    """Return the Keras backend that a requirement installs.

    Raises:
        SystemExit: it is none of Keras's.
    """
    name = re.split(r"[\[<>=!~ ]", requirement)[0]
    if name not in BACKENDS:
        sys.exit(f"expected one of {', '.join(BACKENDS)}, with or without a version; received {requirement!r}")
    return name


def run_tests(requirement: str, folder: Path) -> int:
    """Make an environment in `folder` with one backend, run the layers' tests in it and return pytest's exit code."""
    python = folder / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    needed = [str(ROOT), requirement, "pytest", "hypothesis"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *needed], check=True)
    installed = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], stdout=subprocess.PIPE, text=True)
    print(f"{requirement}: {len(installed.stdout.splitlines())} packages", flush=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    options = [
        "-q",
        "--override-ini=addopts=",
        "--override-ini=filterwarnings=ignore",
        "-p",
        "no:cacheprovider",
        "--noconftest",
    ]
    return subprocess.run(
        [python, "-m", "pytest", *options, "tests/layers"],
        cwd=ROOT,
        env={**environment, "KERAS_BACKEND": backend_of(requirement), "TF_CPP_MIN_LOG_LEVEL": "3"},
    ).returncode


def main() -> None:
    """Run the tests for each backend named; exit code 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirements", nargs="*", default=BACKENDS, metavar="backend")
    requirements = parser.parse_args().requirements
    names = [backend_of(requirement) for requirement in requirements]
    codes = {}
    for name, requirement in zip(names, requirements, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            codes[name] = run_tests(requirement, Path(folder))
    print(", ".join(f"{name}: {'failed' if code else 'passed'}" for name, code in codes.items()))
    sys.exit(any(codes.values()))


if __name__ == "__main__":
    main()
