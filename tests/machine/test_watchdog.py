import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from freeconv.errors import FreeconvError
from freeconv.machine import watchdog

FREECONV = Path(sys.executable).with_name("freeconv")
# Jobs and their ancestors: each prints its process number and waits, much longer than a test.
JOB = """
import os, time
from freeconv.machine.watchdog import end_with_owner
end_with_owner()
print("job", os.getpid(), flush=True)
time.sleep(600)
"""
SNAKEMAKE = """
import os, subprocess, sys, time
from freeconv.machine.watchdog import own_jobs
own_jobs()
print("snakemake", os.getpid(), flush=True)
shell = subprocess.Popen(["sh", "-c", '"$0" -c "$1"; true', sys.executable, sys.argv[1]])
print("shell", shell.pid, flush=True)
time.sleep(600)
"""
DVC = """
import os, subprocess, sys, time
print("dvc", os.getpid(), flush=True)
subprocess.Popen([os.environ["SHELL"], "-c", sys.argv[1], sys.executable, *sys.argv[2:]])
time.sleep(600)
"""


@pytest.fixture
def started():
    """Return a function that starts a process and returns the numbers of all that it and its children name."""
    processes, numbers = [], {}

    def start(*command: str, names: int, **environment: str) -> dict[str, int]:
        process = subprocess.Popen(
            [sys.executable, "-c", *command],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        while len(numbers) < names:
            name, number = process.stdout.readline().split()
            numbers[name] = int(number)
        return numbers

    yield start
    for number in numbers.values():
        if is_alive(number):
            os.kill(number, signal.SIGKILL)
    for process in processes:
        process.communicate()


def is_alive(number: int) -> bool:
    """Return whether a process has not ended; one that nobody has waited for has."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_gone(number: int, seconds: float = 2) -> bool:
    """Return whether a process ends in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_alive(number):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("killed", ["snakemake", "shell"])
def test_a_job_ends_when_snakemake_or_its_shell_is_killed(started, killed):
    numbers = started(SNAKEMAKE, JOB, names=3)
    assert not is_gone(numbers["job"], 0.1)
    os.kill(numbers[killed], signal.SIGKILL)
    assert is_gone(numbers["job"])


@pytest.mark.parametrize("shell", ['"$0" -c "$1" "$2"', '"$0" -c "$1" "$2"; true'], ids=["replaced", "kept"])
def test_snakemake_and_its_jobs_end_when_dvc_is_killed(started, shell):
    numbers = started(DVC, shell, SNAKEMAKE, JOB, names=4, SHELL="/bin/sh", DVC_STAGE="train")
    os.kill(numbers["dvc"], signal.SIGKILL)
    assert is_gone(numbers["snakemake"])
    assert is_gone(numbers["job"])


# Snakemake as DVC starts it, slow: it is named before it looks for its DVC.
LATE = SNAKEMAKE.replace("own_jobs()\n", 'print("snakemake", os.getpid(), flush=True); time.sleep(1); own_jobs()\n', 1)
KEPT = '"$0" -c "$1" "$2"; true'  # the shell between DVC and Snakemake lives on, as a child of another process
# Gets the children of a killed DVC, which is in another session.
REAPER = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
print("reaper", os.getpid(), flush=True)
subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], start_new_session=True)
time.sleep(600)
"""
# Process 1 of a container, in the session of all others: kills DVC and fails if Snakemake does not end. It reads what
# to start, so that its own command line does not name DVC.
PROCESS_1 = """
import json, os, signal, subprocess, sys, time
command = [sys.executable, "-c", *json.load(sys.stdin)]
child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
numbers = dict(child.stdout.readline().split() for _ in range(2))
assert os.getpid() == 1 and os.getsid(int(numbers["snakemake"])) == os.getsid(0)
os.kill(child.pid, signal.SIGKILL)
end = time.monotonic() + 10
while os.path.exists(f"/proc/{numbers['snakemake']}/exe"):  # a process that has ended has none
    if time.monotonic() > end:
        sys.exit("Snakemake lives on")
    time.sleep(0.05)
"""


def test_snakemake_ends_when_dvc_was_killed_before_it_could_watch(started):
    numbers = started(REAPER, DVC, KEPT, LATE, JOB, names=3, SHELL="/bin/sh", DVC_STAGE="train")
    os.kill(numbers["dvc"], signal.SIGKILL)
    assert not is_gone(numbers["snakemake"], 0.1)
    assert is_gone(numbers["snakemake"], 10)


UNSHARE = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc"]


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0,
    reason="this machine lets users make no process namespace",
)
def test_snakemake_ends_when_dvc_was_killed_in_a_container_of_one_session():
    """As above; process 1 of the namespace ends all others when it ends."""
    subprocess.run(
        [*UNSHARE, sys.executable, "-c", PROCESS_1],
        input=json.dumps([DVC, KEPT, LATE, JOB]),
        env={**os.environ, "SHELL": "/bin/sh", "DVC_STAGE": "train"},
        text=True,
        check=True,
    )


def job_ends(owner: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [FREECONV, "runs", "--params", "none.yaml"],
        env={**os.environ, watchdog.OWNER: owner},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_whose_owner_is_gone_or_another_does_not_start():
    process = subprocess.Popen(["sleep", "600"])
    owner = watchdog._identity(psutil.Process(process.pid))
    assert job_ends(owner).stderr.startswith("freeconv: error: none.yaml")
    number, start, machine = owner.split(":")
    another = f"{number}:{int(start) - 1}:{machine}"
    process.kill()
    process.wait()
    for gone in (owner, another.replace(number, str(os.getpid()), 1)):
        ended = job_ends(gone)
        assert ended.returncode == -signal.SIGKILL
        assert ended.stderr == "freeconv: ended, because the Snakemake or shell that started it is gone\n"


@pytest.mark.parametrize("owner", ["", "1:1:another-machine"])
def test_a_job_without_an_owner_on_this_machine_runs(owner):
    done = job_ends(owner)
    assert done.returncode == 1
    assert done.stderr.startswith("freeconv: error: none.yaml")


def test_a_job_without_psutil_says_that_it_does_not_end_with_its_owner(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delenv(watchdog.OWNER, raising=False)
    watchdog.end_with_owner()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(watchdog.OWNER, f"1:1:{watchdog._machine()}")
    watchdog.end_with_owner()
    assert capsys.readouterr().err == "freeconv: psutil is not installed: this job does not end with its Snakemake\n"


def test_an_owner_that_is_none_is_refused():
    done = job_ends("4711")
    assert done.returncode == 1
    assert done.stderr.startswith("freeconv: error: FREECONV_OWNER: expected")
    assert done.stderr.count("\n") == 1


def test_there_is_one_live_run_per_folder_and_a_killed_one_does_not_count(project):
    hold = "import sys; from freeconv.machine.watchdog import *; hold_live_run(); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    with pytest.raises(FreeconvError, match=f"no other live run in this folder, received process {process.pid} on "):
        watchdog.hold_live_run()
    process.kill()
    process.communicate()
    watchdog.hold_live_run()
    watchdog._live_run.release()


def write_squeue(project: Path, text: str, code: int = 0) -> None:
    """Write a program that answers as squeue does."""
    programs = project / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "squeue").write_text(f"#!/bin/sh\ncat <<'EOF'\n{text}\nEOF\nexit {code}\n")
    (programs / "squeue").chmod(0o755)


def test_slurm_jobs_of_a_killed_snakemake_are_named(project, monkeypatch):
    monkeypatch.setenv("PATH", f"{project / 'programs'}{os.pathsep}{os.environ['PATH']}")
    lines = [f"12|rule_train_none|{project}", f"13|(null)|{project}", f"14|rule_shard|{project.parent}", "15"]
    write_squeue(project, "\n".join([*lines, f"16|rule_shard_wildcards_a|{project}"]))
    with pytest.raises(FreeconvError, match=f"^{project}: expected no Slurm jobs .*, received 2; .*: scancel 12 16$"):
        watchdog.hold_live_run()
    watchdog._live_run.release()
    write_squeue(project, lines[0], code=1)
    watchdog.hold_live_run()
    assert watchdog.slurm_jobs() == []
    watchdog._live_run.release()


# Holds a folder's live run, with or without a job, as a Snakemake does that works or that hangs.
HOLDER = """
import os, subprocess, sys, time
from freeconv.machine.watchdog import LIVE_RUN, hold_live_run
hold_live_run()
if sys.argv[1] == "works":
    subprocess.Popen(["sleep", "600"])
print("holder", os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("holder", "starting", "hangs"), [("hangs", 0, True), ("works", 0, False), ("hangs", 600, False)]
)
def test_a_second_run_is_told_whether_the_first_one_hangs(started, monkeypatch, tmp_path, holder, starting, hangs):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watchdog, "STARTING", starting)  # seconds in which a Snakemake may not have a job yet
    number = started(HOLDER, holder, names=1)["holder"]
    try:
        with pytest.raises(FreeconvError, match=f"received process {number} on ") as refused:
            watchdog.hold_live_run()
        says = f"it runs no job just now: if it says nothing more for minutes, it hangs: kill -9 {number}"
        assert (says in str(refused.value)) is hangs
    finally:
        for child in psutil.Process(number).children():
            child.kill()
    os.kill(number, signal.SIGKILL)  # what the line says helps
    assert is_gone(number)
    watchdog.hold_live_run()
