"""Locks of processes that are dead, and of such that live."""

import fcntl
import os
import shutil
import subprocess
import sys

import pytest

from freeconv.errors import FreeconvError
from freeconv.machine.gpus import leased_gpu
from tests.faults.writers import WRITERS, contents
from tests.workflow.project import run


def dead_process() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def project_folder(study, tmp_path):
    """Return a copy of the study in which the traces are to be made again, and their file."""
    folder = shutil.copytree(study.folder, tmp_path / "project", symlinks=True)
    path = folder / study.phases["distance"][1][0]
    before = path.read_bytes()
    path.unlink()
    return folder, path, before


@pytest.mark.parametrize("left", ["live-run.lock", "locks"])
def test_what_a_dead_snakemake_left_is_no_obstacle(project_folder, count, left):
    folder, path, before = project_folder
    if left == "locks":  # those that Snakemake itself makes
        (folder / ".snakemake/locks").mkdir(exist_ok=True)
        (folder / ".snakemake/locks/0.input.lock").write_text("data/mnist-5k.h5\n")
        (folder / ".snakemake/locks/0.output.lock").write_text(f"{path.relative_to(folder)}\n")
    else:
        (folder / ".snakemake/live-run.lock").write_text(f"{dead_process()} on here\n")
    done = run("snakemake", "all_distance", cwd=folder)
    assert done.returncode == 0, done.stdout
    changed = path.read_bytes() != before
    count("a lock of a dead process", recovered=not changed, changed=changed)
    assert not changed


def test_a_live_run_is_not_disturbed(project_folder, count):
    folder, path, before = project_folder
    with (folder / ".snakemake/live-run.lock").open("w") as lock:
        lock.write(f"{os.getpid()} on here\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = run("snakemake", "all_distance", cwd=folder)
        assert refused.returncode == 1
        (line,) = [line for line in refused.stdout.splitlines() if line.startswith("freeconv: error: ")]
        assert f"received process {os.getpid()} on here; wait for it or end it" in line
        assert not path.exists()
    done = run("snakemake", "all_distance", cwd=folder)
    assert done.returncode == 0, done.stdout
    changed = path.read_bytes() != before
    count("a lock of a live process", reported=1, recovered=not changed, changed=changed)
    assert not changed


@pytest.mark.representative
def test_leases(tmp_path, monkeypatch, count, capsys):
    monkeypatch.setenv("FREECONV_GPUS", "a,b")
    monkeypatch.setenv("FREECONV_LEASES", str(tmp_path))
    (tmp_path / "a.lock").write_text(f"{dead_process()} on here\n")
    with leased_gpu() as lease:
        assert lease.device == "a"
    count("a lock of a dead process", recovered=1)
    with (tmp_path / "a.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with leased_gpu() as lease:
            assert lease.device == "b"
    count("a lock of a live process", reported=1, recovered=1)


@pytest.mark.representative
@pytest.mark.parametrize("name", ["shard", "distance", "report"])
def test_temporary_files(project, count, name):
    writer = WRITERS[name]
    writer.prepare()
    before = contents(".")
    writer.write()
    made = contents(".")
    new = sorted(made.keys() - before.keys())
    temporary = (project / new[0]).with_name(f".{(project / new[0]).name}.tmp")
    for path in new:
        (project / path).unlink()
    # A dead writer's is written over, a live one's is left alone.
    temporary.write_bytes(b"half of it")
    with temporary.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FreeconvError, match=f"{temporary.name}: expected to be the one writer"):
            writer.write()
        assert temporary.read_bytes() == b"half of it"
    count("a lock of a live process", reported=1, recovered=1)
    writer.write()
    changed = contents(".") != made
    count("a lock of a dead process", recovered=not changed, changed=changed)
    assert not changed
