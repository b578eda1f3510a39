"""Locks on files that name their holder. The kernel frees them at any end of the process, also after kill -9."""

import os
import socket
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


def lock_file(path: str | Path, mode: int = 0o644) -> BaseFileLock | None:
    """Lock a file if no other process holds it, and write into it who does.

    Programs that this process starts do not inherit the lock.

    Args:
        path: the file, made if missing, in a folder that exists. It stays when the lock is freed.
        mode: permissions of a file that is made.

    Returns:
        The lock, held until its `release()`, the end of the process or the end of the last reference to it; None if
        another process holds it.

    Raises:
        OSError: the file cannot be made or opened.
    """
    lock = FileLock(path, mode=mode, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    # "r+" does not create: Linux refuses that in folders like /tmp if the file belongs to another user.
    with open(path, "r+") as file:
        file.truncate()
        file.write(f"{os.getpid()} on {socket.gethostname()}\n")
    return lock


def holder(path: str | Path) -> str:
    """Return who holds, or last held, the lock of a file: `4711 on host`; `unknown` if it does not say."""
    try:
        return Path(path).read_text().strip() or "unknown"
    except OSError:
        return "unknown"
