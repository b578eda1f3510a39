"""Whole runs that are killed and started again."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from freeconv.machine.watchdog import OWNER
from freeconv.study import grid
from freeconv.study.params import load_params
from tests.workflow.project import copy_project, plan, planned, project_environment, run

TARGET = ("all_train", "--cores", "2")
LOG = "logs/train/mnist-5k/cnn/none.log"


@pytest.fixture
def folder(tmp_path):
    """Return a project with one network to train."""
    one = {"networks": ["cnn"], "held_out": [0], "epochs": 3, "batch": 200}
    return copy_project(tmp_path / "project", train=one, aug={"translate": [0], "copies": 1}, data={"limit": 1000})


def start(folder: Path) -> subprocess.Popen:
    """Start Snakemake, with its output in a file and without the log of an earlier training."""
    (folder / LOG).unlink(missing_ok=True)
    with open(folder / "output.txt", "w") as output:
        return subprocess.Popen(
            ["snakemake", *TARGET],
            cwd=folder,
            # Devices of the machine that the tests run on do not matter here.
            env={**project_environment(), "FREECONV_GPUS": ""},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def jobs_of(snakemake: int) -> list[int]:
    """Return the live processes that a Snakemake owns."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        # empty once a process has ended
        if f"{OWNER}={snakemake}:".encode() in environment and process.name != str(snakemake):
            found.append(int(process.name))
    return found


def stopped_job(folder: Path, snakemake: subprocess.Popen, text: str) -> int:
    """Return the number of the process that trains, stopped, so that it cannot finish, when its log holds a text."""
    while not (folder / LOG).exists() or text not in (folder / LOG).read_text():
        assert snakemake.poll() is None, (folder / "output.txt").read_text()
        time.sleep(0.02)
    (trains,) = [
        job
        for job in jobs_of(snakemake.pid)
        if re.search(rb"python[^\0]*\0[^\0]*freeconv\0train\0", Path(f"/proc/{job}/cmdline").read_bytes())
    ]
    os.kill(trains, signal.SIGSTOP)
    return trains


def test_a_killed_run_recovers_by_itself_and_is_alone_in_its_folder(folder):
    first = start(folder)
    training = stopped_job(folder, first, "epoch 1/3")

    # While it runs: no second run, which has touched nothing; but a dry run.
    before = {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*")}
    second = run("snakemake", *TARGET, cwd=folder)
    assert second.returncode == 1
    (line,) = [line for line in second.stdout.splitlines() if "freeconv" in line]
    assert line.startswith("freeconv: error: .snakemake/live-run.lock: expected no other live run in this folder, ")
    assert f"received process {first.pid} on " in line
    assert "Traceback" not in second.stdout
    assert {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*")} == before
    assert set(planned(folder, "all_train")) == {"train_none", "all_train"}

    # Snakemake killed: its jobs end.
    os.kill(training, signal.SIGCONT)
    first.kill()
    first.wait()
    end = time.monotonic() + 2
    while (left := jobs_of(first.pid)) and time.monotonic() < end:
        time.sleep(0.02)
    assert left == []
    assert not list((folder / "results/train").rglob("*.h5"))

    # Started again, without any flag, and its job killed: Snakemake fails and names the log.
    again = start(folder)
    os.kill(stopped_job(folder, again, "on the CPU"), signal.SIGKILL)
    assert again.wait() == 1
    output = (folder / "output.txt").read_text()
    (line,) = [line for line in output.splitlines() if line.startswith("freeconv: error: ")]
    assert line.startswith("freeconv: error: mnist-5k cnn none: ended without an error, as a killed job does; ")
    assert f"(log: {LOG}" in line
    assert not list((folder / "results/train").rglob("*.h5"))

    # Started again: done.
    done = run("snakemake", *TARGET, cwd=folder)
    assert done.returncode == 0, done.stdout[-5000:]
    for path in grid.run_files(load_params(folder / "params.yaml")):
        assert (folder / path).stat().st_size > 0, path
    assert not list(folder.rglob("*.tmp"))
    assert planned(folder, "all_train") == {}


@pytest.mark.parametrize("where", ["params.yaml", "--configfile"])
def test_parameters_that_run_code_are_refused(folder, where):
    template = f"__use_yte__: true\nseed: ?__import__('pathlib').Path({str(folder / 'ran')!r}).touch()\n"
    if where == "params.yaml":
        (folder / "params.yaml").write_text(template)
        options = ()
    else:
        (folder / "more.yaml").write_text(template)
        options = ("--configfile", "more.yaml")
    done = plan(folder, *options)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "freeconv" in line]
    assert re.fullmatch(
        r"freeconv: error: \S*\.yaml: expected parameters, received a template that can run code; .*", line
    )
    # Snakemake reads the files of --configfile before the Snakefile: their code has run, but the run ends there.
    assert (folder / "ran").exists() == (where == "--configfile")
