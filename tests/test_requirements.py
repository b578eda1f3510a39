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

    assert "--require-hashes --compile-bytecode requirements.lock\n" in setup()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert "--require-hashes --compile-bytecode requirements-cuda.lock\n" in setup()
