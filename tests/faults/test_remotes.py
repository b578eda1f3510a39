"""A DVC remote: pushes and pulls killed at any moment, and objects that are damaged or belong to another study."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.study import paths
from tests.workflow.project import dvc, git, is_quiet, planned, project_environment, run

RUN = paths.run_file("mnist-5k", "fcn", "translate", 0.2, 0)


@pytest.fixture(scope="module")
def recorded(study, tmp_path_factory):
    """Return the study's project as `dvc repro` has recorded it in Git, with an empty remote."""
    folder = tmp_path_factory.mktemp("remotes") / "project"
    shutil.copytree(study.folder, folder, symlinks=True)
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Start", cwd=folder)
    dvc("repro", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Run", cwd=folder)
    add_remote(folder, folder.parent / "remote")
    return folder


@pytest.fixture(scope="module")
def pushed(recorded):
    """Return the project, its remote, to which all has been pushed, and the seconds that it took.

    Tests must not change them.
    """
    begin = time.monotonic()
    dvc("push", cwd=recorded)
    return recorded, recorded.parent / "remote", time.monotonic() - begin


def add_remote(folder: Path, remote: Path) -> None:
    """Make a folder the remote of a project."""
    dvc("remote", "add", "--local", "--force", "--default", "storage", str(remote), cwd=folder)


def cloned(folder: Path, remote: Path, clone: Path) -> Path:
    """Return a new clone of a project that has a remote."""
    git("clone", "-q", str(folder), str(clone), cwd=folder)
    add_remote(clone, remote)
    return clone


def object_of(folder: Path, remote: Path, path: str) -> Path:
    """Return the file of a remote that holds a file of a project."""
    name = hashlib.md5((folder / path).read_bytes(), usedforsecurity=False).hexdigest()
    return remote / "files/md5" / name[:2] / name[2:]


def killed_until_done(command: str, folder: Path, seconds: float) -> int:
    """Kill a command of DVC, which takes some seconds, at later and later moments; return how often."""
    kills = 0
    for moment in np.linspace(0.3, 0.9, 7):
        process = subprocess.Popen(
            ["dvc", command], cwd=folder, env=project_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        try:
            process.wait(timeout=moment * seconds)
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    return kills


# A push that is killed when DVC has written down a part of what it would push: at which of its notes.
KILLED = """
import os, sys
from dvc_data.index.index import DataIndex
commit, notes = DataIndex.commit, []
def commit_and_die(index):
    commit(index)
    notes.append(index)
    if len(notes) == {note}:
        os._exit(9)
DataIndex.commit = commit_and_die
from dvc.cli import main
sys.exit(main(["push"]))
"""


def forget(folder: Path) -> None:
    """Remove what a killed DVC has left, with the command of docs/sharing.md."""
    (command,) = re.findall(r"^(python -c .*)$", (folder / "docs/sharing.md").read_text(), re.MULTILINE)
    done = run("sh", "-c", command, cwd=folder)
    assert done.returncode == 0, done.stdout


def push(folder: Path) -> None:
    """Push as docs/sharing.md says after a push that was killed."""
    dvc("push", cwd=folder)
    if run("dvc", "status", "--cloud", "--quiet", cwd=folder).returncode:
        forget(folder)
        dvc("push", cwd=folder)
    dvc("status", "--cloud", "--quiet", cwd=folder)


def files(folder: Path) -> set[Path]:
    """Return the files below a folder."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def changed_files(recorded: Path, clone: Path) -> list[Path]:
    """Return the files of a project that a clone does not have as they are."""
    return [
        path
        for top in ("data", "results", "reports")
        for path in (recorded / top).rglob("*")
        if path.is_file() and path.read_bytes() != (clone / path.relative_to(recorded)).read_bytes()
    ]


def test_a_push_that_was_killed(pushed, tmp_path, count):
    """At random moments, and at each note that DVC makes of what it has collected."""
    recorded, whole, seconds = pushed
    folder = shutil.copytree(recorded, tmp_path / "project", symlinks=True)
    complete, kills = 0, killed_until_done("push", folder, seconds)
    assert kills > 1
    for note in (2, 3, 4, 5, 6):
        remote = tmp_path / f"remote-{note}"
        add_remote(folder, remote)
        kills += run("python", "-c", KILLED.format(note=note), cwd=folder).returncode == 9
        push(folder)
        complete += files(remote) == files(whole)
    count("kill -9 of dvc push", kills, recovered=kills if complete == 5 else 0)
    assert complete == 5
    clone = cloned(recorded, remote, tmp_path / "clone")
    dvc("pull", cwd=clone)
    assert changed_files(recorded, clone) == []
    assert is_quiet(clone)


def test_a_pull_that_was_killed(pushed, tmp_path, count):
    recorded, remote, seconds = pushed
    clone = cloned(recorded, remote, tmp_path / "clone")
    kills = killed_until_done("pull", clone, seconds)
    assert kills > 1
    forget(clone)
    dvc("pull", cwd=clone)
    changed = changed_files(recorded, clone)
    count("kill -9 of dvc pull", kills, recovered=kills, changed=len(changed))
    assert changed == []
    assert is_quiet(clone)


# DVC, killed when it has written down a half of a commit's outputs, knows of no other afterwards.
HALF = """
import os
import dvc.repo.index
load = dvc.repo.index._load_data_from_outs
def load_half_and_die(index, prefix, outs):
    load(index, prefix, list(outs)[:5])
    index.commit()
    os._exit(9)
dvc.repo.index._load_data_from_outs = load_half_and_die
from dvc.cli import main
main(["checkout"])
"""


def test_the_way_back_after_a_dvc_that_was_killed(pushed, tmp_path, count):
    recorded, remote, _ = pushed
    clone = cloned(recorded, remote, tmp_path / "clone")
    dvc("pull", cwd=clone)
    forget(clone)
    assert run("python", "-c", HALF, cwd=clone).returncode == 9
    for path in ("results", "reports/tables"):
        shutil.rmtree(clone / path)
    done = run("freeconv", "checkout", cwd=clone)
    assert done.returncode == 0, done.stdout
    changed = changed_files(recorded, clone)
    count("kill -9 of dvc checkout", recovered=not changed, changed=len(changed))
    assert changed == []
    assert is_quiet(clone)


def damaged(path: Path) -> str:
    """Flip a bit in the middle; return what is said of the file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "damaged"


def of_other_data(path: Path) -> str:
    """Make a run's file one of other images, with hashes that are right; return what is said of the file."""
    arrays, attributes = read_h5(path)
    own = ("arrays", "content_sha256", "compression", "attributes_sha256")
    about = {name: value for name, value in attributes.items() if name not in own}
    write_h5(path, arrays, {**about, "data_sha256": "0" * 64}, "none")
    return "data"


def of_another_seed(path: Path) -> str:
    """Make a run's file one of another seed, with hashes that are right; return what is said of the file."""
    arrays, attributes = read_h5(path)
    own = ("arrays", "content_sha256", "compression", "attributes_sha256")
    about = {name: value for name, value in attributes.items() if name not in own}
    write_h5(path, arrays, {**about, "config": {**about["config"], "seed": 7}}, "none")
    return "seed"


def cut_off(path: Path) -> str:
    """Leave half of a file; return what is said of the file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "damaged"


@pytest.mark.parametrize("change", [damaged, cut_off, of_other_data, of_another_seed])
def test_an_object_that_is_not_what_was_pushed(pushed, tmp_path, count, change):
    """Whoever reads what was pulled names it, and no table is made of it; a right object makes the clone whole."""
    recorded, remote, _ = pushed
    remote = shutil.copytree(remote, tmp_path / "remote")
    stored = object_of(recorded, remote, RUN)
    right = stored.read_bytes()
    stored.chmod(0o644)
    said = change(stored)
    assert stored.read_bytes() != right
    clone = cloned(recorded, remote, tmp_path / "clone")
    pulled = run("dvc", "pull", cwd=clone)
    if (clone / RUN).exists():
        found = run("freeconv", "doctor", cwd=clone)
        assert found.returncode == 1, found.stdout
        assert [line for line in found.stdout.splitlines() if RUN in line and said in line], found.stdout
        if change is not damaged:  # which is where tables do not read
            assert run("freeconv", "tables", "params.yaml", cwd=clone).returncode == 1
    else:
        assert pulled.returncode != 0
    # The right object is back: what was pulled is removed, from DVC's cache, too, and pulled again.
    stored.write_bytes(right)
    (clone / RUN).unlink(missing_ok=True)
    object_of(recorded, clone / ".dvc/cache", RUN).unlink(missing_ok=True)
    dvc("pull", cwd=clone)
    same = (clone / RUN).read_bytes() == (recorded / RUN).read_bytes()
    count("an object of a remote that is another", reported=1, recovered=same, changed=not same)
    assert same
    assert planned(clone) == {}
