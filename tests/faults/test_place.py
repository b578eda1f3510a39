"""A machine on which a study cannot run says so in one line; signals end it without a traceback and without a hang."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.workflow.project import copy_project, planned, project_environment, run

TINY = {"networks": ["cnn"], "held_out": [0], "epochs": 1, "batch": 20, "folds": 2}
PLACE = "a folder or disk that a run needs is missing, full or read-only"
LEVELS = [0.1, 0.2, 0.3, 0.4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a project of which the data are made."""
    aug = {"translate": LEVELS, "copies": 1}
    folder = copy_project(tmp_path_factory.mktemp("place") / "project", data={"limit": 100}, aug=aug, train=TINY)
    done = run("snakemake", "all_data", cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def error(done):
    """Return the one line in which a command ended."""
    assert done.returncode == 1, done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("freeconv: error: ")]
    return line.removeprefix("freeconv: error: ")


@pytest.mark.parametrize("home", ["/dev/null/none", "/proc", "/no/such/home"])
def test_no_home_is_needed(folder, monkeypatch, count, home):
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert planned(folder, "--forceall", "all_data") == {"fetch": 1, "all_data": 1}
    done = run("snakemake", "--force", "data/mnist-5k.h5", cwd=folder)
    count("a home that is missing or cannot be written", recovered=done.returncode == 0)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.representative
@pytest.mark.parametrize("options", [["-n"], ["all_data"]])
def test_no_folder_for_temporary_files(folder, monkeypatch, count, options):
    monkeypatch.setenv("TMPDIR", "/no/such/folder")
    expected = "TMPDIR: expected a folder, received /no/such/folder, which is none; make it or unset TMPDIR"
    assert error(run("snakemake", *options, cwd=folder)) == expected
    count(PLACE, reported=1)


def mounted(command, folder, before):
    """Run a command in a project after mounts that only it sees."""
    if os.getuid():
        pytest.skip("only root may mount")
    return run("unshare", "--mount", "sh", "-c", f"{before} && cd {folder} && exec {command}", cwd=folder)


@pytest.mark.parametrize("command", ["snakemake -n", "snakemake all_data", "snakemake --forceall -n all_data"])
@pytest.mark.parametrize("notes", [True, False])
def test_a_project_that_cannot_be_written(folder, tmp_path, count, command, notes):
    shutil.copytree(folder, tmp_path / "read-only", symlinks=True)
    if not notes:
        shutil.rmtree(tmp_path / "read-only/.snakemake")
    mount = f"mount --bind {tmp_path}/read-only {tmp_path}/read-only && mount -o remount,bind,ro {tmp_path}/read-only"
    line = error(mounted(command, tmp_path / "read-only", mount))
    assert line.startswith(f"{tmp_path}/read-only: expected a folder that can be written, received one that cannot (")
    count(PLACE, reported=1)


def test_a_full_folder_for_temporary_files(folder, tmp_path, count):
    mount = f"mount -t tmpfs -o size=64k none {tmp_path} && export TMPDIR={tmp_path}"
    line = error(mounted("snakemake all_data", folder, mount))
    assert line.startswith(f"TMPDIR ({tmp_path}): expected room for 1 MB, received none (No space left on device)")
    count(PLACE, reported=1)


@pytest.mark.parametrize("name", ["nonsense", "torch", "Tensorflow", "numpy "])
def test_a_backend_that_is_not_there(folder, monkeypatch, count, name):
    monkeypatch.setenv("KERAS_BACKEND", name)
    if name == "torch":
        pytest.importorskip("keras")
        if shutil.which("python") and run("python", "-c", "import torch", cwd=folder).returncode == 0:
            pytest.skip("torch is installed")
    line = error(run("freeconv", "drawings", "params.yaml", cwd=folder))
    assert line.startswith("KERAS_BACKEND: expected ")
    assert f"received {name}" in line
    count("a backend that is not there", reported=1)


@pytest.mark.representative
def test_notes_are_readable_by_those_who_may_read_the_rest(folder):
    notes = [path for path in (folder / ".snakemake/metadata").rglob("*") if path.is_file()]
    assert notes
    mask = os.umask(0)
    os.umask(mask)
    for path in notes:
        assert path.stat().st_mode & 0o444 == 0o444 & ~mask, path


def started(folder, *command):
    """Start a command in a session of its own, with all it prints in one pipe."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=project_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def until(process, text):
    """Return what a process prints up to a line with a text."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@pytest.mark.parametrize("delay", [0, 0.002, 0.004, 0.008])
def test_sigterm_while_a_job_is_booked_does_not_hang(folder, count, delay):
    shutil.rmtree(folder / "results", ignore_errors=True)
    process = started(folder, "snakemake", "all_shards", "--quiet", "host")
    text = until(process, "Finished jobid")
    time.sleep(delay)
    process.terminate()
    try:
        text += process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert "Traceback" not in text
    again = run("snakemake", "all_shards", cwd=folder)
    count("SIGTERM and Ctrl-C", recovered=again.returncode == 0)
    assert again.returncode == 0


@pytest.mark.parametrize("times", [1, 2, 3])
def test_ctrl_c_prints_no_traceback(folder, count, times):
    shutil.rmtree(folder / "results", ignore_errors=True)
    process = started(folder, "snakemake", "all_train", "--quiet", "host")
    text = until(process, "rule train_translate:")
    for _ in range(times):
        time.sleep(0.3)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    text += process.communicate(timeout=120)[0]
    assert process.returncode != 0
    assert "Traceback" not in text
    logs = [path.read_text() for path in (folder / "logs/train").rglob("*.log")]
    assert not any("Traceback" in log for log in logs)
    count("SIGTERM and Ctrl-C", recovered=1)


@pytest.mark.parametrize("change", ["notes deleted", "folder renamed", "both"])
def test_the_one_live_run_survives(tmp_path, change):
    folder = copy_project(tmp_path / "project", data={"limit": 100}, aug={"translate": [0], "copies": 1}, train=TINY)
    process = started(folder, "snakemake", "all_train", "--quiet", "host")
    try:
        until(process, "rule train_none:")
        os.killpg(process.pid, signal.SIGSTOP)
        if change != "folder renamed":
            shutil.rmtree(folder / ".snakemake")
        if change != "notes deleted":
            folder = folder.rename(tmp_path / "renamed")
        line = error(run("snakemake", "all_train", cwd=Path(folder)))
        assert line.startswith(".snakemake/live-run.lock: expected no other live run in this folder, received process ")
        assert planned(folder, "all_train") != {}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert run("snakemake", "-n", "all_train", cwd=Path(folder)).returncode == 0
