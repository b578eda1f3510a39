"""Locks on files that name their holder. The kernel frees them at any end of the process, also after kill -9."""

import errno
import os
import socket
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout, lock_descriptor

# What the system answers where a file system has no locks: there it is on the user that only one Snakemake runs.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


class _RenamedError(Exception):
    """A file was renamed after it was opened and before it was locked, as a writer does that is done with it."""


def lock_file(path: str | Path, mode: int | None = None, names_holder: bool = True) -> BaseFileLock | None:
    """Lock a file if no other process holds it, and write into it who does.

    Programs that this process starts do not inherit the lock.

    Args:
        path: the file, made if missing, in a folder that exists. It stays when the lock is freed.
        mode: permissions of a file that is made; None for what the process's mask leaves.
        names_holder: whether the file's content becomes the holder's name; else it is left alone.

    Returns:
        The lock, held until its `release()`, the end of the process or the end of the last reference to it; None if
        another process holds it. On a file system without locks it is not held.

    Raises:
        OSError: the file cannot be made, opened or written.
    """

    def check_and_name(descriptor: int) -> None:
        # filelock notices a file that was deleted meanwhile, but not one that was renamed.
        if not _has_name(descriptor, path):
            raise _RenamedError
        if names_holder:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode())

    mode = -1 if mode is None else mode  # filelock's value for none
    lock = FileLock(path, mode=mode, thread_local=False, fallback_to_soft=False, on_acquired=check_and_name)
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        except _RenamedError:
            continue
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        return lock


def _has_name(descriptor: int, path: str | Path) -> bool:
    """Return whether an open file is the one of a name."""
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def lock_folder(path: str | Path) -> int | None:
    """Lock a folder itself, whatever becomes of its name and of the files in it, if no other process holds it.

    Returns:
        A descriptor that holds the lock until it is closed or the process ends; -1 on a file system on which folders
        cannot be locked; None if another process holds it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if lock_descriptor(descriptor, blocking=False):
            return descriptor
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (*NO_LOCKS, errno.EBADF):  # NFS locks only what is open for writing
            raise
        return -1
    os.close(descriptor)
    return None


def is_held(path: str | Path) -> bool:
    """Return whether a process holds the lock of a file; False if there is no such file or it cannot be opened."""
    try:
        with open(path, "r+b") as file:  # nothing is written
            return not lock_descriptor(file.fileno(), blocking=False)
    except OSError:
        return False


def holder(path: str | Path) -> str:
    """Return who holds, or last held, the lock of a file: `4711 on host`; `unknown` if it does not say."""
    try:
        return Path(path).read_text().strip() or "unknown"
    except OSError:
        return "unknown"
