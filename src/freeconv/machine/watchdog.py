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
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeconv.errors import FreeconvError

if TYPE_CHECKING:
    import psutil
    from filelock import BaseFileLock

OWNER = "FREECONV_OWNER"
LIVE_RUN = Path(".snakemake/live-run.lock")
STARTING = 20  # seconds in which a live run need not have a job yet
POLL = 0.2  # seconds; a look takes 0.1 ms

_live_run: "BaseFileLock | None" = None  # the reference keeps the lock
_live_folder: int | None = None


def own_jobs() -> None:
    """Make this process the owner of all `freeconv` processes that it starts: they end when it ends.

    If a stage of DVC started this process, it ends in turn when that DVC ends.
    """
    import psutil

    this = psutil.Process()
    os.environ[OWNER] = _identity(this)
    if "DVC_STAGE" not in os.environ:
        return
    try:
        dvc = _parent(this)
        # DVC runs a stage's command in the user's shell.
        if dvc and dvc[0].name() == Path(os.environ.get("SHELL") or "/bin/sh").name:
            dvc += _parent(dvc[0])
        if any(map(_is_reaper, dvc)):
            _end("the DVC")
    except (psutil.NoSuchProcess, ProcessLookupError):
        _end("the DVC")
    _end_with(dvc, "the DVC")


def end_with_owner() -> None:
    """End this process when its owner or its parent ends, at once if the owner already has; do nothing without one.

    The owner is what FREECONV_OWNER names: `<process>:<its start>:<machine>`. One on another machine, or in another
    container, cannot be watched and counts as none. Without psutil nothing is watched, which is said on standard error.

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
    try:
        import psutil
    except ImportError:
        print("freeconv: psutil is not installed: this job does not end with its Snakemake", file=sys.stderr)
        return
    who = "the Snakemake or shell"
    try:
        processes = [psutil.Process(int(number)), *_parent(psutil.Process())]
    except psutil.NoSuchProcess:
        _end(who)
    if _identity(processes[0]) != owner:  # the system gives numbers of ended processes again
        _end(who)
    _end_with(processes, who)


def hold_live_run() -> None:
    """Hold the locks of the one live run of the current folder, until this process ends.

    One is the folder itself, which stays locked when it is renamed and when `.snakemake` is deleted; the other is a
    file that names the holder.

    Raises:
        FreeconvError: another process holds one, or Slurm still has jobs of an earlier run in this folder.
    """
    from freeconv.machine.locks import holder, lock_file, lock_folder

    global _live_run, _live_folder
    LIVE_RUN.parent.mkdir(exist_ok=True)
    _release_folder()
    _live_folder = lock_folder(".")
    _live_run = lock_file(LIVE_RUN) if _live_folder is not None else None
    if _live_run is None:
        _release_folder()
        raise FreeconvError(
            f"{LIVE_RUN}: expected no other live run in this folder, received process {holder(LIVE_RUN)}; wait for it "
            f"or end it (snakemake -n works meanwhile){_idle(holder(LIVE_RUN))}"
        )
    if jobs := slurm_jobs():
        raise FreeconvError(
            f"{Path.cwd()}: expected no Slurm jobs of an earlier run in this folder, received {len(jobs)}; wait until "
            f"they have ended or end them: scancel {' '.join(jobs)}"
        )


def _release_folder() -> None:
    """Release the lock of a folder that this process holds, if it does."""
    global _live_folder
    if _live_folder is not None and _live_folder >= 0:
        os.close(_live_folder)
    _live_folder = None


def _idle(holder: str) -> str:
    """Return what to do about a holder that may hang, as it runs no job; empty if it does or is not known here."""
    import psutil

    number, _, host = holder.partition(" on ")
    if not number.isdigit() or host != socket.gethostname():
        return ""
    try:
        process = psutil.Process(int(number))
        if process.children() or time.time() - process.create_time() < STARTING:
            return ""
    except psutil.Error:
        return ""
    return f"; it runs no job just now: if it says nothing more for minutes, it hangs: kill -9 {number}"


def end_gracefully(scheduler: Any) -> None:
    """Let SIGTERM end a Snakemake after its running jobs without a chance to hang, and a second Ctrl-C end it at once.

    Snakemake 9.27 answers SIGTERM with a function that waits for a lock which the interrupted code may hold, for ever
    (docs/snakemake-sigterm.md). In a thread of its own the function waits while that code goes on.

    Args:
        scheduler: Snakemake's, in the main thread.
    """
    import psutil

    def terminate(*_: Any) -> None:
        threading.Thread(target=scheduler.exit_gracefully, name="SIGTERM", daemon=True).start()

    def interrupt(*_: Any) -> None:
        signal.signal(signal.SIGINT, end_at_once)
        for job in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                job.terminate()
        raise KeyboardInterrupt  # Snakemake waits for its jobs and says so

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)


def end_at_once(*_: Any) -> None:
    """End this process without a traceback, as a handler of Ctrl-C; its jobs end with it."""
    with suppress(OSError):
        os.write(2, b"freeconv: ended by Ctrl-C\n")
    os._exit(130)


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
        return []  # a cluster that does not answer
    jobs = [line.split("|", 2) for line in text.splitlines() if line.count("|") >= 2]
    return [number for number, comment, folder in jobs if comment.startswith("rule_") and _is_here(folder)]


def _is_here(folder: str) -> bool:
    """Return whether a folder is the current one."""
    try:
        return Path(folder.strip()).samefile(Path.cwd())
    except OSError:
        return False


def _end_with(processes: "Sequence[psutil.Process]", who: str) -> None:
    """End this process when the first of others ends, in a thread that looks; `who` they are, for the message."""

    def wait() -> None:
        while all(map(_is_alive, processes)):
            time.sleep(POLL)
        _end(who)

    threading.Thread(target=wait, name="owner", daemon=True).start()


def _end(who: str) -> None:
    """End this process at once, saying why if someone can read it."""
    with suppress(OSError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"freeconv: ended, because {who} that started it is gone\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def _is_alive(process: "psutil.Process") -> bool:
    """Return whether a process has not ended; one that nobody has waited for (a zombie) has."""
    import psutil

    # Not psutil's wait, which goes on for a zombie.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _parent(process: "psutil.Process") -> "list[psutil.Process]":
    """Return the process that started another; none if that one is outside this container."""
    import psutil

    number = process.ppid()
    return [psutil.Process(number)] if number else []


def _is_reaper(process: "psutil.Process") -> bool:
    """Return whether a process is not DVC or its shell, but the reaper that inherits the children of a killed DVC.

    Mostly that is a process of another session. In a container all may be one session; there it is process 1, unless
    that is the DVC itself.
    """
    import psutil

    if os.getsid(process.pid) != os.getsid(0):
        return True
    try:
        return process.pid == 1 and not any("dvc" in word for word in process.cmdline())
    except psutil.AccessDenied:
        return False


def _identity(process: "psutil.Process") -> str:
    """Return what tells a process from all others: number, start in hundredths of a second since boot, machine."""
    import psutil

    # Both times move with the clock, so their difference does not.
    return f"{process.pid}:{round(100 * (process.create_time() - psutil.boot_time()))}:{_machine()}"


def _machine() -> str:
    """Return what tells this boot of this machine, and this container's process numbers, from others."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""
