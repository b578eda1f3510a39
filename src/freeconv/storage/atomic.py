"""Files that are whole or absent."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeconv.errors import FreeconvError
from freeconv.machine.locks import lock_file

AGAIN = "remove the file and run again"
COMPARED_BYTES = 2**20  # at a time, when a file is read back

# Why the system refuses to write, and what helps.
REFUSALS = {
    errno.ENOSPC: "make room on the disk (freeconv doctor shows how much there is)",
    errno.EDQUOT: "make room in your quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EROFS: "mount the folder for writing",
    errno.EACCES: "change the folder's owner or permissions",
    errno.EPERM: "change the folder's owner or permissions",
}

# Why the system does not let a file be read, and what helps. None of these says anything about its content.
HINDRANCES = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "end programs that hold files open",
    errno.EACCES: "change its owner or permissions",
    errno.EPERM: "change its owner or permissions",
    errno.EAGAIN: "wait for the program that has locked it, or end that",
    errno.EDEADLK: "wait for the program that has locked it, or end that",
    errno.EBUSY: "wait for the program that uses it, or end that",
    errno.ETXTBSY: "wait for the program that uses it, or end that",
    errno.ENOLCK: "set HDF5_USE_FILE_LOCKING=FALSE",
    errno.EIO: "check the disk, keep the file",
    errno.ENXIO: "check the disk, keep the file",
    errno.ENODEV: "check the disk, keep the file",
    errno.ENOMEM: "free memory",
    errno.EINTR: "keep the file",
    errno.ESTALE: "mount the network's file system anew",
    errno.ETIMEDOUT: "wait for the network's file system",
    errno.EHOSTDOWN: "wait for the network's file system",
    errno.EREMOTEIO: "wait for the network's file system",
    errno.ELOOP: "repair the link",
}


class UnreadableError(FreeconvError):
    """A file that cannot be read at the moment: it may be whole, so it is neither removed nor replaced."""


def hindrance(path: str | Path, error: BaseException) -> UnreadableError | None:
    """Return the error of a file that cannot be read at the moment; None if `error` speaks of its content.

    Args:
        path: the file.
        error: what was raised when it was opened or read.
    """
    number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    if number not in HINDRANCES:
        return None
    return UnreadableError(
        f"{path}: expected a file that can be read, received {os.strerror(number)}; {HINDRANCES[number]} and run again"
    )


def check_readable(path: str | Path, kind: str = "a file") -> None:
    """Refuse a file that is missing, is none, or cannot be opened and read at the moment.

    Args:
        path: the file.
        kind: of file that is expected, for the message.

    Raises:
        UnreadableError: it is there and cannot be read.
        FreeconvError: there is no file of that name.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise FreeconvError(f"{path}: expected {kind}, received something else: it is a folder or device")
        with open(path, "rb") as file:
            file.read(1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FreeconvError(f"{path}: expected {kind}, received nothing: the file does not exist") from error
    except OSError as error:
        raise (hindrance(path, error) or _other_hindrance(path, error)) from error


def _other_hindrance(path: str | Path, error: OSError) -> UnreadableError:
    """Return the error of a file that the system does not open for another reason."""
    reason = error.strerror or type(error).__name__
    return UnreadableError(f"{path}: expected a file that can be read, received {reason}; repair that and run again")


def read_bytes(path: str | Path) -> bytes:
    """Return a file's content.

    Raises:
        UnreadableError: the file cannot be read at the moment.
        FreeconvError: the file is missing.
    """
    check_readable(path)
    try:
        return Path(path).read_bytes()
    except (OSError, MemoryError) as error:
        raise (hindrance(path, error) or FreeconvError(f"{path}: expected a file, received {error}")) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8; as `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all.

    It is written under a fixed temporary name beside `path`, flushed to disk, read back, compared and renamed, so
    `path` never holds half a file. Missing folders are made.

    Raises:
        FreeconvError: the file cannot be written, another process is writing it, or the disk holds other content.
    """
    with _temporary(Path(path)) as temporary:
        temporary.write_bytes(content)
        _flush(temporary)
        if not _holds(temporary, memoryview(content)):
            raise FreeconvError(
                f"{path}: expected to read back what was written, received other content; check the disk, and run again"
            )


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Yield a fixed temporary name beside `path`; afterwards the file of that name becomes `path`, or none is left.

    The file is there, locked and of any content. What the system refuses is reported in one line.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_file(temporary, names_holder=False)
        if lock is None:
            raise FreeconvError(
                f"{temporary}: expected to be the one writer, received a file that another process is writing; wait "
                "for it or end it, and run again"
            )
        try:
            yield temporary
            os.replace(temporary, path)
        except BaseException:
            # only now: once it is renamed, a file of that name is another writer's
            temporary.unlink(missing_ok=True)
            raise
        finally:
            lock.release()
    except OSError as error:
        advice = REFUSALS.get(error.errno or 0, "repair that")
        reason = error.strerror or error or type(error).__name__
        raise FreeconvError(f"{path}: expected to write it, received {reason}; {advice} and run again") from error


def _flush(path: Path) -> None:
    """Have a file's content on disk, so that a machine that loses power does not rename an empty one."""
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _holds(path: Path, content: memoryview) -> bool:
    """Return whether a file holds these bytes and no more."""
    with path.open("rb") as file:
        for start in range(0, len(content), COMPARED_BYTES):
            if file.read(COMPARED_BYTES) != content[start : start + COMPARED_BYTES]:
                return False
        return not file.read(1)
