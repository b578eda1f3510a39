"""MNIST: train, then test, 70,000 images in the official order, as in the authors' program."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from freeconv.datasets import DATASETS, DIGITS, RAW_BYTES, BuiltinDataset, Images
from freeconv.errors import FreeconvError

if TYPE_CHECKING:
    import numpy as np

IDX_UINT8 = 0x08
FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def read(files: Mapping[str, Path]) -> Images:
    """Return the images of the four official files.

    Raises:
        FreeconvError: a file is not what it should be, or there are not as many labels as images.
    """
    import numpy as np

    arrays = {name: parse_idx(path, axes=3 if "images" in name else 1) for name, path in files.items()}
    images, labels = (
        np.concatenate([arrays[name] for name in arrays if kind in name]) for kind in ("images", "labels")
    )
    if len(images) != len(labels):
        raise FreeconvError(f"mnist: expected as many labels as images, {len(images)}, received {len(labels)}")
    return Images(images[..., None], labels.astype(np.int64), DIGITS)


def parse_idx(path: Path, axes: int) -> np.ndarray:
    """Return the uint8 array in a gzip-compressed IDX file.

    Raises:
        FreeconvError: the file is not gzip or too large, or as of `idx_array`.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(RAW_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise FreeconvError(
            f"{path}: expected a gzip file, received a damaged or foreign one ({error}); replace it with the official "
            "file"
        ) from error
    return idx_array(content, str(path), axes)


def idx_header(content: bytes, name: str, axes: int) -> tuple[int, ...]:
    """Return the sizes in the header of an IDX file (format: end of yann.lecun.com/exdb/mnist).

    Args:
        content: the file's, or its beginning.
        name: the file's, for the message.
        axes: how many the array must have.

    Raises:
        FreeconvError: the magic number is not that of uint8 with `axes` axes.
    """
    import numpy as np

    magic, start = bytes([0, 0, IDX_UINT8, axes]), 4 + 4 * axes
    if content[:4] != magic or len(content) < start:
        raise FreeconvError(
            f"{name}: expected an IDX file with the magic number {magic.hex()}, received {content[:4].hex() or 'none'}"
            "; replace it with the official file"
        )
    return tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))


def idx_array(content: bytes, name: str, axes: int) -> np.ndarray:
    """Return the uint8 array in an IDX file.

    Args:
        content: the file's, unpacked.
        name: the file's, for the message.
        axes: how many the array must have.

    Raises:
        FreeconvError: as of `idx_header`, or the length is not that of the sizes in the header.
    """
    import numpy as np

    shape, start = idx_header(content, name, axes), 4 + 4 * axes
    if len(content) - start != math.prod(shape):
        raise FreeconvError(
            f"{name}: expected {math.prod(shape)} bytes of data for the sizes {shape} in its header, received "
            f"{len(content) - start}; replace it with the official file"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


DATASETS.add(
    BuiltinDataset(
        name="mnist",
        read=read,
        files=FILES,
        sites=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        source="http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)",
        images=70_000,
        shape=(28, 28, 1),
        classes=DIGITS,
        paper="mnist",
        order=2,
    )
)
