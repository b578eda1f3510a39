"""Whether the folder and the machine are such that a run can work there; what is not is said in one line, before it."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from freeconv.errors import FreeconvError

NOTES = Path(".snakemake/metadata")
# Where Snakemake, and what it starts, writes; those that are there have to be writable.
FOLDERS = (".", ".snakemake", ".snakemake/log", ".snakemake/iocache", ".snakemake/incomplete", str(NOTES))
# What DVC records, or their parents.
RECORDED = ("data", "results", "reports", ".snakemake")
TEMPORARY = 2**20  # bytes of room that Snakemake's own temporary files and shells' need
FULL = (errno.ENOSPC, errno.EDQUOT)


def check_place() -> None:
    """Refuse to work where it could only fail.

    Raises:
        FreeconvError: the current folder or Snakemake's cannot be written, its notes cannot be read, there is no room
            for temporary files, or DVC runs a stage whose outputs are behind a link.
    """
    for folder in filter(os.path.isdir, FOLDERS):
        _check_writable(folder)
    unreadable = next((file for file in _notes() if not os.access(file, os.R_OK)), None)
    if unreadable is not None:
        raise FreeconvError(
            f"{unreadable}: expected Snakemake's notes to be readable, received one that is not; ask its owner to run "
            "snakemake or chmod -R a+r .snakemake, or work in a clone of your own"
        )
    _check_temporary()
    linked = next((name for name in RECORDED if Path(name).is_symlink()), None)
    if linked and "DVC_STAGE" in os.environ:
        raise FreeconvError(
            f"{linked}: expected a folder, as DVC records nothing behind links, received a link to "
            f"{Path(linked).readlink()}; run snakemake without DVC, or keep the whole clone on that disk"
        )


def _check_writable(folder: str) -> None:
    """Refuse a folder in which no file can be made."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno in FULL:
            return  # the jobs say so, with the file that does not fit
        raise FreeconvError(
            f"{Path(folder).resolve()}: expected a folder that can be written, received one that cannot "
            f"({error.strerror}); change its owner or permissions, or work in a clone of your own"
        ) from error


def _check_temporary() -> None:
    """Refuse a folder for temporary files that is not there or full."""
    named = os.environ.get("TMPDIR")
    if named and not Path(named).is_dir():
        raise FreeconvError(f"TMPDIR: expected a folder, received {named}, which is none; make it or unset TMPDIR")
    try:
        with tempfile.TemporaryFile(dir=named or None) as file:
            file.write(bytes(TEMPORARY))
            file.flush()
    except OSError as error:
        where = f"TMPDIR ({named})" if named else "temporary files"
        raise FreeconvError(
            f"{where}: expected room for {TEMPORARY // 2**20} MB, received none ({error.strerror}); make room, or set "
            "TMPDIR to another folder"
        ) from error


def _notes() -> Iterator[Path]:
    """Yield the files of Snakemake's notes."""
    for folder, _, files in os.walk(NOTES):
        yield from (Path(folder, name) for name in files)


def linked_notes() -> list[Path]:
    """Return those of Snakemake's notes that are links into DVC's cache (`cache.type: symlink` or `hardlink`)."""
    return [file for file in _notes() if file.is_symlink() or file.stat().st_nlink > 1]


def own_notes() -> list[Path]:
    """Put copies in place of notes that are links into DVC's cache, as Snakemake writes its notes in place.

    Returns:
        The files that were links.
    """
    linked = linked_notes()
    for file in linked:
        copy = file.with_name(f".{file.name}.copy")
        shutil.copyfile(file, copy)
        copy.replace(file)
    return linked


def closed_notes() -> list[Path]:
    """Return those of Snakemake's notes that others may not read although they may read new files of this user."""
    return [file for file in _notes() if not file.is_symlink() and _open_mode(file) != _mode(file)]


def open_notes() -> None:
    """Let all who may read a new file of this user read Snakemake's notes, which it makes for its user alone."""
    for file in closed_notes():
        file.chmod(_open_mode(file))


def _mode(file: Path) -> int:
    """Return a file's permissions."""
    return file.stat().st_mode & 0o777


def _open_mode(file: Path) -> int:
    """Return a file's permissions and, added, those to read that this process's mask leaves to new files."""
    return _mode(file) | (0o444 & ~_mask())


def _mask() -> int:
    """Return the mask of this process for permissions of new files."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
