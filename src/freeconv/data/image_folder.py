"""Datasets of the user's own: folders and archives of images or IDX files (docs/datasets.md)."""

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from freeconv.data.decoding import Header, RefusedImageError, damaged, decode, largest_value, read_header, used_bits
from freeconv.data.idx import IdxFiles, idx_files, idx_shape, read_idx
from freeconv.data.layout import Layout, Note, lay_out, note
from freeconv.data.sources import EXAMPLES, Source, open_source, shown
from freeconv.datasets import Images
from freeconv.errors import FreeconvError

COPIES = 2  # of the images that are in memory at a time: as read, and in the order in which they are stored


class Reading(NamedTuple):
    """A dataset of the user's own.

    Attributes:
        images: its images, in the order of their names, or in that of the IDX files.
        notes: what was passed over, joined, converted, and what is suspicious.
    """

    images: Images
    notes: list[Note]


class ImageCount(NamedTuple):
    """How much a folder or archive holds, before anything is decoded.

    Attributes:
        images: their number.
        shape: (height, width, channels) of the first; in colour if only others are, that is not known.
        classes: number of classes.
    """

    images: int
    shape: tuple[int, ...]
    classes: int


def read_images(path: Path, memory: int | None = None) -> Reading:
    """Read a folder or archive of images of one size, or of IDX files.

    Args:
        path: a folder, zip or tar file; how it may be laid out says `freeconv.data.layout.lay_out`. Nothing of an
            archive is written to disk.
        memory: how many bytes may be used.

    Returns:
        The images, grayscale if all of them are stored so, else RGB, and what is to be known about them.

    Raises:
        FreeconvError: no images, one class only, images that are damaged, of unequal sizes or of kinds that are not
            read (the first ten are named), more images than fit the memory, or a source that `open_source` refuses.
    """
    with open_source(path) as source:
        names = idx_files(source)
        return _read_idx(source, names, memory) if names else _read_files(source, lay_out(source), memory)


def count_images(path: Path, shape: tuple[int, ...] | None = None) -> ImageCount:
    """Count the images of a folder or archive.

    Args:
        path: as for `read_images`.
        shape: of the images, if it is known; else the header of one is read.

    Raises:
        FreeconvError: as of `read_images`, but for what only the images' content shows.
    """
    with open_source(path) as source:
        names = idx_files(source)
        if names:
            count, height, width = idx_shape(source, names)
            return ImageCount(count, (height, width, 1), len(np.unique(read_idx(source, names)[1])))
        layout = lay_out(source)
        if shape is None:
            first = layout.names[0]
            try:
                with source.open(first) as file:
                    header = read_header(file)
            except RefusedImageError as error:
                raise _refusal(path, {first: error}) from error
            shape = (header.height, header.width, 1 if header.gray else 3)
        return ImageCount(len(layout.names), shape, len(set(layout.classes.values())))


def folder_sha256(path: Path) -> str:
    """Return a hash of the names and bytes of the files that `read_images` reads of a folder.

    Raises:
        FreeconvError: there are none, or as of `open_source`.
    """
    digest = hashlib.sha256()
    with open_source(path) as source:
        for name in idx_files(source) or lay_out(source).names:
            with source.open(name) as file:
                digest.update(json.dumps([name, (path / name).stat().st_size]).encode())
                while block := file.read(2**20):
                    digest.update(block)
    return digest.hexdigest()


def _read_idx(source: Source, names: IdxFiles, memory: int | None) -> Reading:
    """Read IDX files: train, then test."""
    count, height, width = idx_shape(source, names)
    _check_memory(source.path, (count, height, width, 1), memory)
    images, labels = read_idx(source, names)
    found, indices = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        raise FreeconvError(
            f"{source.path}: expected images of at least two classes, received only {found.tolist()}; replace "
            f"{names.train_labels}"
        )
    classes = tuple(str(label) for label in found)
    others = [name for name in source.files if name not in names]
    notes = [
        note("read", "IDX files, train, then test", list(names)),
        *([note("passed over", "files beside the IDX files", others)] if others else []),
        *([note("passed over", "hidden files and folders", source.hidden)] if source.hidden else []),
    ]
    return Reading(Images(images[..., None], indices.astype(np.int64), classes), notes)


def _read_files(source: Source, layout: Layout, memory: int | None) -> Reading:
    """Read images: the headers of all, then the content of all."""
    problems: dict[str, RefusedImageError] = {}
    headers = _headers(source, layout.names, problems)
    size = _common_size(headers)
    problems |= _unequal(headers, size)
    gray = all(header.gray for header in headers.values())
    shape = (len(layout.names), *size, 1 if gray else 3)
    _check_memory(source.path, shape, memory)
    bits = _used_bits(source, headers, problems)
    whole = not problems
    images = np.empty(shape if whole else (0, *shape[1:]), np.uint8)
    index = {name: position for position, name in enumerate(layout.names)}
    rules: dict[str, list[str]] = defaultdict(list)
    for name, content in source.contents(headers.keys() - problems.keys()):
        try:
            decoded = decode(content, bits)
            if decoded.pixels.ndim == 3 and headers[name].gray:
                raise damaged()  # what the header says is not what the rest says
            if decoded.pixels.shape[:2] != size:
                raise _of_other_size(decoded.pixels.shape[:2], size, _first_of_size(headers, size))
        except RefusedImageError as error:
            problems[name] = error
            continue
        pixels = decoded.pixels[..., None] if decoded.pixels.ndim == 2 else decoded.pixels
        if whole:
            images[index[name]] = pixels
        for rule in decoded.rules:
            rules[rule].append(name)
        if pixels.shape[2] < shape[3]:
            rules["gray to RGB, beside images in colour"].append(name)
    if problems:
        raise _refusal(source.path, {name: problems[name] for name in sorted(problems)})
    classes = tuple(sorted(set(layout.classes.values())))
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[layout.classes[name]] for name in layout.names], np.int64)
    notes = [
        *layout.notes,
        *(note("converted", rule, sorted(found)) for rule, found in rules.items()),
        *_suspicious(images, layout),
    ]
    return Reading(Images(images, labels, classes), notes)


def _headers(source: Source, names: list[str], problems: dict[str, RefusedImageError]) -> dict[str, Header]:
    """Return the headers of images in the order of `names`; what is no image is added to `problems`."""
    found = {}
    wanted = set(names)
    for name in source.reading_order:
        if name not in wanted:
            continue
        try:
            with source.open(name) as file:
                found[name] = read_header(file)
        except RefusedImageError as error:
            problems[name] = error
    if not found:
        raise _refusal(source.path, {name: problems[name] for name in names})
    return {name: found[name] for name in names if name in found}


def _common_size(headers: Mapping[str, Header]) -> tuple[int, int]:
    """Return the height and width that most images have; of equally many, those of the first."""
    return Counter((header.height, header.width) for header in headers.values()).most_common(1)[0][0]


def _first_of_size(headers: Mapping[str, Header], size: tuple[int, int]) -> str:
    """Return the first image of a size."""
    return next(name for name, header in headers.items() if (header.height, header.width) == size)


def _unequal(headers: Mapping[str, Header], size: tuple[int, int]) -> dict[str, RefusedImageError]:
    """Return what is wrong with the images of another size."""
    first = _first_of_size(headers, size)
    return {
        name: _of_other_size((header.height, header.width), size, first)
        for name, header in headers.items()
        if (header.height, header.width) != size
    }


def _of_other_size(received: tuple[int, ...], size: tuple[int, int], first: str) -> RefusedImageError:
    """Return what is wrong with an image of another size."""
    expected = f"images of one size, {size[0]} x {size[1]} (as {shown(first)})"
    return RefusedImageError(expected, f"{received[0]} x {received[1]} in", "resize or remove it")


def _check_memory(path: Path, shape: tuple[int, ...], memory: int | None) -> None:
    """Refuse more images than fit the memory."""
    needed = COPIES * math.prod(shape)
    if memory is not None and needed > memory:
        count, *size = shape
        raise FreeconvError(
            f"{path}: expected images that fit {memory / 1e9:.1f} GB of free memory, received {count:,} of "
            f"{' x '.join(map(str, size))}, which need {needed / 1e9:.1f} GB; make them smaller or fewer"
        )


def _used_bits(source: Source, headers: Mapping[str, Header], problems: dict[str, RefusedImageError]) -> int:
    """Return how many bits the 16-bit values of a dataset use: one number, so that no image is lighter than another."""
    largest = 0
    for name, content in source.contents(name for name, header in headers.items() if header.deep):
        try:
            largest = max(largest, largest_value(content))
        except RefusedImageError as error:
            problems.setdefault(name, error)
    return used_bits(largest)


def _refusal(path: Path, problems: Mapping[str, RefusedImageError]) -> FreeconvError:
    """Return the error that names images that are not read: all at once, the first ten by name."""
    if len(problems) == 1:
        ((name, error),) = problems.items()
        return FreeconvError(
            f"{path}: expected {error.expected}, received {error.received} {shown(name)}; {error.advice}"
        )
    first = [
        f"{shown(name)} ({error.received.removesuffix(' in').removesuffix(',')})"
        for name, error in list(problems.items())[:EXAMPLES]
    ]
    more = f" and {len(problems) - len(first):,} more" if len(problems) > len(first) else ""
    return FreeconvError(
        f"{path}: expected images of one size that can be read, received {len(problems):,} others: {', '.join(first)}"
        f"{more}; replace or remove them"
    )


def _suspicious(images: np.ndarray, layout: Layout) -> list[Note]:
    """Return warnings of images of one value only, and of equal images in several classes."""
    constant, equal = [], []
    first: dict[bytes, dict[str, str]] = defaultdict(dict)
    for name, image in zip(layout.names, images, strict=True):
        if image.min() == image.max():
            constant.append(name)
        alike = first[hashlib.sha256(image.tobytes()).digest()]
        label = layout.classes[name]
        equal += [f"{other} = {name}" for of, other in alike.items() if of != label]
        alike.setdefault(label, name)
    return [
        *([note("warning", "images of one value only", constant)] if constant else []),
        *([note("warning", "equal images in different classes", equal)] if equal else []),
    ]
