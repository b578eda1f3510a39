"""Files that are whole or absent."""

import errno
import os
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


def read_bytes(path: str | Path) -> bytes:
    """Return a file's content.

    Raises:
        FreeconvError: the file is missing or cannot be read.
    """
    if not Path(path).is_file():
        raise FreeconvError(f"{path}: expected a file, received nothing: the file does not exist")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FreeconvError(
            f"{path}: expected a file that can be read, received {error.strerror}; change its owner or permissions"
        ) from error


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
