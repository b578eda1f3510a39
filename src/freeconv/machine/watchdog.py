"""How long a run lasts: one live Snakemake per folder, and no job outlives the Snakemake that started it.

Snakemake starts a job as a shell that starts `freeconv`. A Snakemake that is killed leaves both behind, and they would
go on writing while the next Snakemake makes the same files. So Snakemake names itself in the environment, and each job
ends itself, as with kill -9, when that process or the shell is gone. What it was writing is a hidden temporary file,
which the next job overwrites.
"""

import os
import select
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from freeconv.errors import FreeconvError

if TYPE_CHECKING:
    from filelock import BaseFileLock


OWNER = "FREECONV_OWNER"


LIVE_RUN = Path(".snakemake/live-run.lock")


_live_run: "BaseFileLock | None" = None  # the reference keeps the lock


def own_jobs() -> None:
    """Make this process the owner of all `freeconv` processes that it starts: they end when it ends.

    If a stage of DVC started this process, it ends in turn when that DVC ends.
    """
    os.environ[OWNER] = _identity(os.getpid())
    if "DVC_STAGE" in os.environ:
        parent = os.getppid()
        dvc = [parent]
        if _stat(parent)[:1] == [Path(os.environ.get("SHELL") or "/bin/sh").name]:
            dvc.append(int(_stat(parent)[2]))  # DVC runs a stage's command in the user's shell
        if any(_is_reaper(process) for process in dvc):
            _end("the DVC")
        _end_with(dvc, "the DVC")


def end_with_owner() -> None:
    """End this process when its owner or its parent ends, at once if the owner already has; do nothing without one.

    The owner is what FREECONV_OWNER names: `<process>:<its start>:<machine>`. One on another machine, or in another
    container, cannot be watched and counts as none.

    Raises:
        FreeconvError: FREECONV_OWNER is not what `own_jobs` writes.
    """
    owner = os.environ.get(OWNER)
    if not owner:
        return
    number, _, rest = owner.partition(":")
    if not number.isdigit() or ":" not in rest:
        raise FreeconvError(
            f"{OWNER}: expected <process>:<start>:<machine> as Snakemake sets it, received {owner!r}; unset it"
        )
    if owner.rpartition(":")[2] != _machine():
        return
    _end_with([int(number), os.getppid()], "the Snakemake or shell", owner)


def hold_live_run() -> None:
    """Hold the lock of the one live run of the current folder, until this process ends.

    Raises:
        FreeconvError: another process holds it, or Slurm still has jobs of an earlier run in this folder.
    """
    from freeconv.machine.locks import holder, lock_file

    global _live_run
    LIVE_RUN.parent.mkdir(exist_ok=True)
    _live_run = lock_file(LIVE_RUN)
    if _live_run is None:
        raise FreeconvError(
            f"{LIVE_RUN}: expected no other live run in this folder, received process {holder(LIVE_RUN)}; wait for it "
            "or end it (snakemake -n works meanwhile)"
        )
    if jobs := slurm_jobs():
        raise FreeconvError(
            f"{Path.cwd()}: expected no Slurm jobs of an earlier run in this folder, received {len(jobs)}; wait until "
            f"they have ended or end them: scancel {' '.join(jobs)}"
        )


def slurm_jobs() -> list[str]:
    """Return the numbers of this user's Slurm jobs that Snakemake submitted from the current folder and left behind.

    They outlive a Snakemake that was killed with -9, and the next one would submit the same work again. Snakemake's
    plugin for Slurm writes the rule into a job's comment.
    """
    if not shutil.which("squeue"):
        return []
    command = ["squeue", "--me", "--noheader", "--format=%i|%k|%Z"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []  # programs of a cluster that cannot be asked
    jobs = [line.split("|", 2) for line in text.splitlines() if line.count("|") >= 2]
    return [number for number, comment, folder in jobs if comment.startswith("rule_") and _is_here(folder)]


def _is_here(folder: str) -> bool:
    """Return whether a folder is the current one."""
    try:
        return Path(folder.strip()).samefile(Path.cwd())
    except OSError:
        return False


def _end_with(processes: list[int], who: str, owner: str | None = None) -> None:
    """End this process when the first of others ends, in a thread that waits.

    Args:
        processes: numbers; 0 and 1, which never end, are left out.
        who: what they are, for the message.
        owner: what the first process must be, by `_identity`: the system gives numbers of ended processes again.
    """
    processes = [process for process in processes if process > 1]
    if hasattr(os, "pidfd_open"):
        watched = []
        try:
            for process in processes:
                watched.append(os.pidfd_open(process))
        except ProcessLookupError:
            _end(who)
        gone = select.poll()
        for process in watched:
            gone.register(process, select.POLLIN)

        def wait() -> None:
            gone.poll()
            _end(who)
    else:

        def wait() -> None:
            while all(_is_alive(process) for process in processes):
                time.sleep(1)
            _end(who)

    # After the processes were opened, so what is compared is what is watched.
    if owner is not None and _identity(processes[0]) != owner:
        _end(who)
    threading.Thread(target=wait, name="owner", daemon=True).start()


def _end(who: str) -> None:
    """End this process at once, saying why if someone can read it."""
    with suppress(OSError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"freeconv: ended, because {who} that started it is gone\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def _is_alive(process: int) -> bool:
    """Return whether a process of this number has not ended."""
    if stat := _stat(process):
        return stat[1] != "Z"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _is_reaper(process: int) -> bool:
    """Return whether a process is not DVC or its shell, but the reaper that inherits the children of a killed DVC.

    Mostly that is a process of another session. In a container all may be one session; there it is process 1, unless
    that is the DVC itself.
    """
    try:
        if os.getsid(process) != os.getsid(0):
            return True
    except ProcessLookupError:
        return True
    return process == 1 and not _names_dvc(Path("/proc/1/cmdline"))


def _names_dvc(command_line: Path) -> bool:
    """Return whether a command line is one of DVC; True if it cannot be read."""
    try:
        return b"dvc" in command_line.read_bytes()
    except OSError:
        return True


def _identity(process: int) -> str:
    """Return what tells a process from all others: number, start in ticks since boot, machine."""
    stat = _stat(process)
    return f"{process}:{stat[20] if stat else ''}:{_machine()}"


def _machine() -> str:
    """Return what tells this boot of this machine, and this container's process numbers, from others."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""


def _stat(process: int) -> list[str]:
    """Return name, state, parent and further fields of /proc/<process>/stat (man 5 proc); empty if there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return []
    # The name, in parentheses, may itself hold spaces and parentheses.
    name, _, rest = text.partition("(")[2].rpartition(")")
    return [name, *rest.split()]
