"""Snakemake and DVC killed with -9 again and again, at any moment, until the study is done."""

import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.faults.test_disk import same
from tests.workflow.project import planned, project_environment, run

MADE = ("data", "results", "reports", ".snakemake", "logs", "checkpoints")


@pytest.fixture
def project(study, tmp_path):
    """Return a copy of the study's project, in which nothing has been made."""
    folder = shutil.copytree(study.folder, tmp_path / "project", symlinks=True)
    for name in MADE:
        shutil.rmtree(folder / name, ignore_errors=True)
    run("git", "init", "-q", cwd=folder)
    return folder


@pytest.mark.parametrize("command", [("snakemake",), ("dvc", "repro")], ids=" ".join)
def test_killed_until_it_is_done(study, project, count, command):
    rng = np.random.default_rng(len(command))
    kills = 0
    for _ in range(6):
        with open(project / "output.txt", "w") as output:
            process = subprocess.Popen(
                command,
                cwd=project,
                env={**project_environment(), "FREECONV_GPUS": ""},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            process.wait(timeout=rng.uniform(3, 15))
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    time.sleep(1)  # what the killed one left ends by itself; then, without any flag:
    done = run(*command, cwd=project)
    assert done.returncode == 0, done.stdout[-5000:]
    assert kills > 2
    assert planned(project) == {}
    assert not [path for path in project.rglob(".*.tmp") if ".snakemake" not in path.parts]
    results = [path for _, outputs in study.phases.values() for path in outputs if path.startswith(("data", "results"))]
    changed = [path for path in results if not same(path, project / path, study.folder / path)]
    count(f"kill -9 of {' '.join(command)}", kills, recovered=kills, changed=len(changed))
    assert changed == []
    if command[0] == "dvc":
        assert "up to date" in run("dvc", "status", cwd=project).stdout
