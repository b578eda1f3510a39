"""Which files of a folder or archive are images, of which class, and what is passed over."""

from collections import defaultdict
from pathlib import PurePosixPath
from typing import NamedTuple

from freeconv.data.sources import EXAMPLES, Source, listed, shown
from freeconv.errors import FreeconvError

SUFFIXES = (
    ".bmp",
    ".dib",
    ".gif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".png",
    ".pnm",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
# Parts of a dataset, which cross-validation joins; compared in lower case.
PARTS = ("train", "val", "valid", "validation", "test")


class Note(NamedTuple):
    """Something to know about how a dataset was read.

    Attributes:
        kind: `read`, `passed over`, `converted` or `warning`.
        what: in words.
        number: of how many files or classes it holds.
        first: the first ten of them.
    """

    kind: str
    what: str
    number: int
    first: list[str]

    def text(self) -> str:
        """Return the note as one line."""
        names = listed(self.first)
        rest = self.number - len(self.first)
        return f"{self.kind}: {self.what}: {self.number:,} ({names}{f' and {rest:,} more' if rest > 0 else ''})"


def note(kind: str, what: str, names: list[str]) -> Note:
    """Return a note about files or classes."""
    return Note(kind, what, len(names), [shown(name) for name in names[:EXAMPLES]])


class Layout(NamedTuple):
    """The images of a dataset.

    Attributes:
        names: their files', sorted.
        classes: the class of each name.
        notes: what was passed over, joined or found in deeper folders.
    """

    names: list[str]
    classes: dict[str, str]
    notes: list[Note]


def lay_out(source: Source) -> Layout:
    """Find the images of a dataset and their classes.

    A class is a folder directly below the source, or below the one folder that it holds, or below the parts `train`,
    `val`, `valid`, `validation` and `test`, which are joined. Images in a class's subfolders belong to the class.

    Raises:
        FreeconvError: no images, images of one class only, or parts beside folders of classes.
    """
    images = [name for name in source.files if name.lower().endswith(SUFFIXES)]
    root = _root(source, images)
    below = [name for name in images if name.startswith(root)]
    parts = _parts(source, root, below)
    classes: dict[str, str] = {}
    stray: list[str] = []
    deeper: list[str] = []
    for name in images:
        inside = name.removeprefix(root).split("/")
        if parts:
            inside = inside[1:] if inside[0] in parts else []
        if not name.startswith(root) or len(inside) < 2:
            stray.append(name)
            continue
        classes[name] = shown(inside[0])
        deeper += [name] if len(inside) > 2 else []
    if not classes:
        raise FreeconvError(
            f"{source.path}: expected images train/<class>/*.png or .jpg, or <class>/*.png or .jpg, received none"
            f"{f' there, but {listed(stray)}' if stray else ''}; arrange the images in one folder a class"
        )
    empty = _empty_classes(source, root, parts, set(classes.values()))
    _check_classes(source, classes, empty)
    notes = [
        *([note("read", "parts that are joined", [f"{root}{part}" for part in parts])] if len(parts) > 1 else []),
        *([note("read", "images in deeper folders, as of the class above", deeper)] if deeper else []),
        *([note("passed over", "images outside a class's folder", stray)] if stray else []),
        *([note("passed over", "classes without images", empty)] if empty else []),
        *_foreign([name for name in source.files if not name.lower().endswith(SUFFIXES)]),
        *([note("passed over", "hidden files and folders", source.hidden)] if source.hidden else []),
    ]
    return Layout(list(classes), classes, notes)


def _root(source: Source, images: list[str]) -> str:
    """Return the folder whose folders are classes or parts, with a slash behind it; empty for the source itself.

    It is one level deeper where the source holds a single folder, and that one no images but in folders of its own: as
    archives of a whole folder do.
    """
    root = ""
    while True:
        inside = [name.removeprefix(root) for name in source.folders if name.startswith(root)]
        top = {name.split("/")[0] for name in inside}
        if len(top) != 1:
            return root
        lower = f"{root}{top.pop()}/"
        depths = {name.removeprefix(lower).count("/") for name in images if name.startswith(lower)}
        if not depths or 0 in depths:
            return root
        root = lower


def _parts(source: Source, root: str, images: list[str]) -> list[str]:
    """Return the parts that hold folders of classes.

    Raises:
        FreeconvError: there are other folders of images beside them, or parts that hold images without classes alone.
    """
    depths: dict[str, set[int]] = defaultdict(set)
    for name in images:
        inside = name.removeprefix(root).split("/")
        if len(inside) > 1:
            depths[inside[0]].add(len(inside))
    named = [folder for folder in depths if folder.lower() in PARTS]
    parts = sorted(folder for folder in named if max(depths[folder]) > 2)
    others = sorted(depths.keys() - set(named))
    if parts and others:
        raise FreeconvError(
            f"{source.path}: expected the classes either in {listed(parts)} or beside, received images in "
            f"{listed(others)}, too; move them, or rename a class that is called {parts[0]}"
        )
    if named and not parts and not others:
        raise FreeconvError(
            f"{source.path}: expected images train/<class>/*.png or .jpg, received images directly in "
            f"{listed(sorted(named))}; arrange them in one folder a class"
        )
    return parts


def _empty_classes(source: Source, root: str, parts: list[str], classes: set[str]) -> list[str]:
    """Return the folders beside those of classes that hold no image that is read."""
    found = []
    for name in source.folders:
        inside = name.removeprefix(root).split("/") if name.startswith(root) else []
        if parts and inside:
            inside = inside[1:] if inside[0] in parts else []
        if len(inside) == 1 and shown(inside[0]) not in classes:
            found.append(name)
    return found


def _check_classes(source: Source, classes: dict[str, str], empty: list[str]) -> None:
    """Refuse images of one class only."""
    if len(set(classes.values())) < 2:
        name, only = next(iter(classes.items()))
        beside = f"; without images that are read: {listed(empty)}" if empty else ""
        raise FreeconvError(
            f"{source.path}: expected images of at least two classes, received only {only!r} (as in {shown(name)}"
            f"{beside}); add a folder for each class"
        )


def _foreign(names: list[str]) -> list[Note]:
    """Return a note for each suffix that is no image's."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[PurePosixPath(name).suffix.lower() or "no suffix"].append(name)
    return [note("passed over", f"files of other kinds, {shown(key)}", groups[key]) for key in sorted(groups)]
