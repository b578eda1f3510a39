"""A folder or archive of a user's own: which files it holds, and their content, without writing anything to disk."""

import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from freeconv.datasets import DATASETS
from freeconv.errors import FreeconvError

IMAGE_BYTES = 2**26  # an image's file
EXAMPLES = 10  # names that a message or report gives of many

# What systems and programs leave in folders and archives; compared in lower case. So is every name with a dot first.
HIDDEN = {
    "#recycle",
    "$recycle.bin",
    "@eadir",
    "@recycle",
    "@tmp",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "lost+found",
    "system volume information",
    "thumbs.db",
}

# What the libraries raise for archives that are not what they should be.
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
)

Member = TypeVar("Member")


@dataclass(frozen=True)
class Source:
    """An open folder or archive.

    Attributes:
        path: where it is, for messages.
        files: the visible files' names below it, parts joined by slashes, sorted.
        folders: the visible folders' names, sorted.
        hidden: what is passed over unseen: hidden files, and hidden folders as one name each; sorted.
        reading_order: the files in the order in which reading them is fastest.
        open: opens a file of it; of an archive, what is opened is in memory, at most IMAGE_BYTES or a given limit.
    """

    path: Path
    files: list[str]
    folders: list[str]
    hidden: list[str]
    reading_order: list[str]
    open: Callable[..., BinaryIO]

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield names and contents of images, in the order in which reading them is fastest.

        Raises:
            FreeconvError: a file is larger than IMAGE_BYTES, or the archive is damaged there.
        """
        wanted = set(names)
        for name in self.reading_order:
            if name in wanted:
                with self.open(name) as file:
                    yield name, limited(file, self.path, name)


def existing_source(dataset: str, source: str | Path | None) -> Path:
    """Return the path of a user's folder or archive.

    Raises:
        FreeconvError: none is given, nothing is there, or it is neither a folder nor a regular file.
    """
    if source is None:
        raise FreeconvError(
            f"{dataset}: expected {', '.join(DATASETS)} or a folder of images, received neither; add "
            f"{dataset} to data.folders"
        )
    path = Path(source)
    if not path.exists():
        raise FreeconvError(
            f"{dataset}: expected a folder, zip or tar file of images, received {str(source)!r}, which does not exist; "
            f"correct data.folders.{dataset}"
        )
    if not (path.is_dir() or path.is_file()):
        raise FreeconvError(
            f"{dataset}: expected a folder, zip or tar file of images, received {str(source)!r}, which is "
            f"{_kind(path.stat().st_mode)}; correct data.folders.{dataset}"
        )
    return path


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a folder, zip or tar file (compressed as gzip, bzip2, xz or not).

    Raises:
        FreeconvError: it is damaged or foreign, holds something that is neither a file nor a folder, or names that
            lead out of it.
    """
    try:
        with ExitStack() as stack:
            if path.is_dir():
                yield _folder(path)
            elif not zipfile.is_zipfile(path) and tarfile.is_tarfile(path):
                yield _tar(stack.enter_context(tarfile.open(path)), path)
            else:
                yield _zip(stack.enter_context(zipfile.ZipFile(path)), path)
    except DAMAGE as error:
        raise FreeconvError(
            f"{path}: expected a folder, zip or tar file of readable images, received a damaged or foreign one "
            f"({' '.join(str(error).split())}); replace it"
        ) from error


def limited(file: BinaryIO, path: Path, name: str, limit: int | None = None) -> bytes:
    """Return a file's content, read no further than `limit` bytes, or than an image may be large.

    Raises:
        FreeconvError: there is more.
    """
    limit = IMAGE_BYTES if limit is None else limit
    content = file.read(limit + 1)
    if len(content) > limit:
        raise FreeconvError(
            f"{path}: expected images of at most {limit} bytes, received more in {shown(name)}; remove it"
        )
    return content


def is_hidden(part: str) -> bool:
    """Return whether a file's or folder's name is one that no person gave to an image or class."""
    return part.startswith(".") or part.lower() in HIDDEN


def shown(name: str) -> str:
    """Return a name that fits into one line of UTF-8."""
    return name if name.isprintable() else repr(name)[1:-1]


def listed(names: list[str]) -> str:
    """Return names in words: at most ten, and how many more there are."""
    more = len(names) - EXAMPLES
    return ", ".join(map(shown, names[:EXAMPLES])) + (f" and {more:,} more" if more > 0 else "")


def _folder(root: Path) -> Source:
    """List a folder; links are followed, but never into a loop, and nothing but regular files is opened."""
    files: list[str] = []
    folders: list[str] = []
    hidden: list[str] = []
    special: list[str] = []
    top = root.stat()
    waiting = [("", frozenset({(top.st_dev, top.st_ino)}))]
    while waiting:
        folder, above = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if is_hidden(entry.name):
                    hidden.append(name)
                    continue
                try:
                    status = entry.stat()
                except OSError as error:  # a link to itself, or to nothing
                    special.append(f"{name} ({error.strerror})")
                    continue
                key = (status.st_dev, status.st_ino)
                if stat.S_ISREG(status.st_mode):
                    files.append(name)
                elif not stat.S_ISDIR(status.st_mode):
                    special.append(f"{name} ({_kind(status.st_mode)})")
                elif key in above:
                    special.append(f"{name} (a link to a folder that holds it)")
                else:
                    folders.append(name)
                    waiting.append((name, above | {key}))
    _refuse_special(root, sorted(special))
    files.sort()
    return Source(root, files, sorted(folders), sorted(hidden), files, lambda name, limit=None: open(root / name, "rb"))


def _zip(archive: zipfile.ZipFile, path: Path) -> Source:
    """List a zip file."""

    def opened(name: str, limit: int | None = None) -> BinaryIO:
        with archive.open(members[name]) as file:
            return io.BytesIO(limited(file, path, name, limit))  # type: ignore[arg-type]

    every = archive.infolist()
    members = _members(((info.filename, info) for info in every if not info.is_dir()), path)
    folders = _members(((info.filename, info) for info in every if info.is_dir()), path, repeated=True)
    return _archived(path, members, folders, opened)


def _tar(archive: tarfile.TarFile, path: Path) -> Source:
    """List a tar file; its members are best read in their own order: what is compressed cannot be read backwards."""

    def opened(name: str, limit: int | None = None) -> BinaryIO:
        file = archive.extractfile(members[name])
        assert file is not None  # for none but files are members
        return io.BytesIO(limited(file, path, name, limit))  # type: ignore[arg-type]

    every = archive.getmembers()
    special = [
        f"{info.name} ({'a link' if info.issym() or info.islnk() else 'a device or pipe'})"
        for info in every
        if not (info.isreg() or info.isdir() or any(map(is_hidden, _parts(info.name))))
    ]
    _refuse_special(path, special)
    members = _members(((info.name, info) for info in every if info.isreg()), path)
    folders = _members(((info.name, info) for info in every if info.isdir()), path, repeated=True)
    return _archived(path, members, folders, opened)


def _archived(path: Path, members: Iterable[str], folders: Iterable[str], opened: Callable[..., BinaryIO]) -> Source:
    """Return an archive as a source, hidden members apart, and folders that only their files name among the others."""
    visible: list[str] = []
    hidden: set[str] = set()
    parents: set[str] = set()
    for name in [*members, *folders]:
        parts = name.split("/")
        first = next((index for index, part in enumerate(parts) if is_hidden(part)), None)
        if first is not None:
            hidden.add("/".join(parts[: first + 1]))
        else:
            parents.update("/".join(parts[:end]) for end in range(1, len(parts) + (name in folders)))
            visible += [name] if name in members else []
    return Source(path, sorted(visible), sorted(parents), sorted(hidden), visible, opened)


def _members(members: Iterable[tuple[str, Member]], path: Path, repeated: bool = False) -> dict[str, Member]:
    """Return an archive's members by their names, parts joined by slashes.

    Raises:
        FreeconvError: a name leads out of the archive, or two members have the same and `repeated` does not allow it.
    """
    found: dict[str, Member] = {}
    leaving, twice = [], []
    for raw, member in members:
        parts = _parts(raw)
        name = "/".join(parts)
        if raw[:1] in ("/", "\\") or ".." in parts or re.fullmatch("[A-Za-z]:", parts[0] if parts else ""):
            leaving.append(raw)
        elif name in found and not repeated:
            twice.append(name)
        elif name:
            found[name] = member
    if leaving:
        raise FreeconvError(
            f"{path}: expected names of files inside the archive, received {listed(leaving)}, which "
            f"{'lead' if len(leaving) > 1 else 'leads'} out of it; make the archive anew"
        )
    if twice:
        raise FreeconvError(
            f"{path}: expected one file of each name, received several called {listed(twice)}; make the archive anew"
        )
    return found


def _parts(name: str) -> list[str]:
    """Return the parts of an archive's name; some programs write backslashes, or `./` in front."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _refuse_special(path: Path, special: list[str]) -> None:
    """Refuse what is neither a file nor a folder: reading it may never end."""
    if special:
        raise FreeconvError(
            f"{path}: expected files and folders, received {listed(special)}; remove "
            f"{'them' if len(special) > 1 else 'it'}, or put what is linked in its place"
        )


def _kind(mode: int) -> str:
    """Return in words what a file that is neither regular nor a folder is."""
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
    return next((word for test, word in kinds.items() if test(mode)), "no regular file")
