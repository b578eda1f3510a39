"""The locked packages are the same with CUDA's libraries and without."""

import re
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def locked(name: str) -> dict[str, str]:
    """Return what a lock file says of each package: version, markers and hashes."""
    parts = re.split(r"^(?=[a-z0-9])", (PROJECT / name).read_text(), flags=re.MULTILINE)
    return {part.partition("==")[0]: part for part in parts if "==" in part}


def test_cuda_adds_libraries_of_nvidia_and_changes_nothing():
    plain, cuda = locked("requirements.lock"), locked("requirements-cuda.lock")
    assert len(plain) > 100
    assert plain.items() <= cuda.items()
    added = cuda.keys() - plain.keys()
    assert "nvidia-cudnn-cu12" in added
    assert all(name.startswith("nvidia-") for name in added)


def test_a_machine_with_an_nvidia_gpu_gets_them(tmp_path):
    def setup() -> str:
        return subprocess.run(
            [shutil.which("make"), "--dry-run", "--always-make", "setup"],
            cwd=PROJECT,
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "--require-hashes --compile-bytecode --requirement requirements.lock\n" in setup()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert "--require-hashes --compile-bytecode --requirement requirements-cuda.lock\n" in setup()


def made(folder, *targets) -> str:
    """Return what make does in a copy of the project in which setup was run."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-cuda.lock"):
        shutil.copy(PROJECT / name, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv/installed").touch()
    command = [shutil.which("make"), "--dry-run", *targets]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_setup_always_puts_versions_right_and_other_targets_do_not_wait_for_it(tmp_path):
    done = made(tmp_path, "setup")
    assert "--requirement requirements" in done
    assert "Nothing to be done" not in done
    for target in ("test", "lint", "demo"):
        shutil.rmtree(tmp_path / ".venv")
        assert "--requirement" not in made(tmp_path, target)


def test_packages_of_the_users_own_stay(tmp_path):
    done = made(tmp_path, "setup")
    assert "uv pip sync" not in done  # which removes them
    assert "--exact" not in done
    assert "test ! -f requirements-local.txt || " in done
