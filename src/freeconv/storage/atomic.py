"""Files that are whole or absent."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from freeconv.errors import FreeconvError

if TYPE_CHECKING:  # training needs no pandas
    pass


AGAIN = "remove the file and run again"


# Why the system refuses to write, and what helps.
REFUSALS = {
    errno.ENOSPC: "make room on the disk (freeconv doctor shows how much there is)",
    errno.EDQUOT: "make room in your quota",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EROFS: "mount the folder for writing",
    errno.EACCES: "change the folder's owner or permissions",
    errno.EPERM: "change the folder's owner or permissions",
}


def _read_bytes(path: Path) -> bytes:
    """Return a file's content."""
    if not path.is_file():
        raise FreeconvError(f"{path}: expected a file, received nothing: the file does not exist")
    try:
        return path.read_bytes()
    except OSError as error:
        raise FreeconvError(
            f"{path}: expected a file that can be read, received {error.strerror}; change its owner or permissions"
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8; as `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all: under a temporary name, then renamed. Missing folders are made.

    Raises:
        FreeconvError: the file cannot be written, or another process is writing it.
    """
    with _temporary(Path(path)) as temporary:
        temporary.write_bytes(content)
        _flush(temporary)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Yield a fixed temporary name beside `path`; afterwards the file of that name becomes `path`, or none is left.

    The file is there, locked and of any content. What the system refuses is told in one line.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(temporary):
            try:
                yield temporary
                os.replace(temporary, path)
            except BaseException:
                # only now: once it is renamed, a file of that name is another writer's
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise FreeconvError(f"{path}: expected to write it, received {_reason(error)}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Make a file if it is missing, and hold its lock, which the kernel frees at any end of the process.

    Raises:
        FreeconvError: another process holds it.
    """
    while True:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FreeconvError(
                    f"{path}: expected to be the one writer, received a file that another process is writing; wait "
                    "for it or end it, and run again"
                ) from error
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
                # a file system without locks: it is on the user that only one Snakemake runs
            if _is_open(path, file.fileno()):
                yield
                return


def _is_open(path: Path, descriptor: int) -> bool:
    """Return whether an open file still has its name: who held its lock before may have renamed or deleted it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _reason(error: OSError) -> str:
    """Return in words why a file cannot be written, and what to do."""
    advice = REFUSALS.get(error.errno or 0, "mend that")
    return f"{error.strerror or error or type(error).__name__}; {advice} and run again"


def _flush(path: Path) -> None:
    """Have a file's content on disk, so that a machine that loses power does not rename an empty one."""
    with path.open("rb") as written:
        os.fsync(written.fileno())
