"""IDX files of a user's own: Fashion-MNIST, KMNIST, EMNIST and others under MNIST's four file names."""

import gzip
import math
import zlib
from collections import defaultdict
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np

from freeconv.data.sources import Source, listed
from freeconv.datasets.mnist import idx_array, idx_header
from freeconv.errors import FreeconvError

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
GZIP = b"\x1f\x8b"
HEADER_BYTES = 16
IDX_BYTES = 2**30  # of an archive's member: EMNIST's largest has 547 MB


class IdxFiles(NamedTuple):
    """The four files' names in a source, in the order of `NAMES`."""

    train_images: str
    train_labels: str
    test_images: str
    test_labels: str


def idx_files(source: Source) -> IdxFiles | None:
    """Return the four IDX files of a source, packed by gzip or not; None if it holds none.

    Raises:
        FreeconvError: some of the four are missing, or several folders hold them.
    """
    folders: dict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(source.files, reverse=True):  # a file that is not packed comes last, and wins
        path = PurePosixPath(name)
        # some download sites write a dot for the last hyphen but one
        kind = path.name.removesuffix(".gz").replace(".idx", "-idx")
        if kind in NAMES:
            folders[str(path.parent)][kind] = name
    if not folders:
        return None
    if len(folders) > 1:
        raise FreeconvError(
            f"{source.path}: expected IDX files in one folder, received some in {listed(sorted(folders))}; name one of "
            "these folders in data.folders"
        )
    (found,) = folders.values()
    if missing := [name for name in NAMES if name not in found]:
        raise FreeconvError(
            f"{source.path}: expected the four IDX files {', '.join(NAMES)}, packed by gzip or not, received none "
            f"called {', '.join(missing)}; add what is missing"
        )
    return IdxFiles(*(found[name] for name in NAMES))


def idx_shape(source: Source, names: IdxFiles) -> tuple[int, int, int]:
    """Return the number of images and their height and width, as the headers say.

    Raises:
        FreeconvError: a file is no IDX file of images, or the two differ in the images' size.
    """
    train, test = (_header(source, name, 3) for name in (names.train_images, names.test_images))
    if train[1:] != test[1:]:
        raise FreeconvError(
            f"{source.path}: expected images of one size, {train[1]} x {train[2]} (as {names.train_images}), received "
            f"{test[1]} x {test[2]} in {names.test_images}; replace one of the two"
        )
    return train[0] + test[0], train[1], train[2]


def read_idx(source: Source, names: IdxFiles) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, uint8 (n, height, width), and labels, uint8 (n,), of train, then test.

    Raises:
        FreeconvError: a file is damaged, or there are not as many labels as images.
    """
    images = [_array(source, name, 3) for name in (names.train_images, names.test_images)]
    labels = [_array(source, name, 1) for name in (names.train_labels, names.test_labels)]
    for image_name, label_name, some, theirs in zip(names[::2], names[1::2], images, labels, strict=True):
        if len(some) != len(theirs):
            raise FreeconvError(
                f"{source.path}: expected as many labels as images, {len(some)} in {image_name}, received "
                f"{len(theirs)} in {label_name}; replace one of the two"
            )
    return np.concatenate(images), np.concatenate(labels)


def _header(source: Source, name: str, axes: int) -> tuple[int, ...]:
    """Return the sizes that an IDX file's header says."""
    with source.open(name, IDX_BYTES) as file:
        return idx_header(_unpacked(file, HEADER_BYTES, f"{source.path}/{name}"), f"{source.path}/{name}", axes)


def _array(source: Source, name: str, axes: int) -> np.ndarray:
    """Return the array of an IDX file, read no further than its header says."""
    length = 4 + 4 * axes + math.prod(_header(source, name, axes))
    with source.open(name, IDX_BYTES) as file:
        return idx_array(_unpacked(file, length + 1, f"{source.path}/{name}"), f"{source.path}/{name}", axes)


def _unpacked(file: BinaryIO, length: int, name: str) -> bytes:
    """Return the first bytes of a file, unpacked if gzip has packed it."""
    packed = file.read(2) == GZIP
    file.seek(0)
    try:
        return (gzip.GzipFile(fileobj=file) if packed else file).read(length)
    except (EOFError, OSError, zlib.error) as error:
        raise FreeconvError(
            f"{name}: expected an IDX file, packed by gzip or not, received a damaged one ({error}); replace it"
        ) from error
