"""CIFAR-10, binary version: the five training batches, then the test batch, as in the authors' program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from freeconv.datasets import DATASETS, RAW_BYTES, BuiltinDataset, Images
from freeconv.errors import FreeconvError

if TYPE_CHECKING:
    import numpy as np

FILES = {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}
CIFAR10_BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_SHAPE = (3, 32, 32)


def read(files: Mapping[str, Path]) -> Images:
    """Return the images of the official archive; errors as of `cifar10_batches`."""
    import numpy as np

    (path,) = files.values()
    batches = cifar10_batches(path)
    records = np.concatenate([batches[batch] for batch in CIFAR10_BATCHES])
    return Images(
        images=np.ascontiguousarray(records[:, 1:].reshape(-1, *CIFAR10_SHAPE).transpose(0, 2, 3, 1)),
        labels=records[:, 0].astype(np.int64),
        classes=CIFAR10_CLASSES,
    )


def cifar10_batches(path: Path) -> dict[str, np.ndarray]:
    """Return the records of each batch in CIFAR-10's archive, without writing anything to disk.

    Returns:
        Batch name to uint8 of shape (n, 3073): the label, then red, green and blue, each row by row.

    Raises:
        FreeconvError: the archive is damaged, holds a member that points out of it, lacks a batch, or a batch is not
            whole records with labels below 10.
    """
    import tarfile
    import zlib

    import numpy as np

    batches = {}
    width = 1 + math.prod(CIFAR10_SHAPE)
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                member = tarfile.data_filter(member, ".")  # refuses members that point out of the archive
                name = PurePosixPath(member.name).name
                # only files: tarfile would follow a link to another member
                stream = archive.extractfile(member) if name in CIFAR10_BATCHES and member.isreg() else None
                if stream is None:
                    continue
                content = stream.read(RAW_BYTES + 1)
                records = np.frombuffer(content[: len(content) // width * width], np.uint8).reshape(-1, width)
                if len(content) % width or not len(content) or records[:, 0].max() >= len(CIFAR10_CLASSES):
                    raise FreeconvError(
                        f"{path}: expected records of {width} bytes with labels below 10 in {name}, received "
                        f"{len(content)} bytes of something else; replace it with the official file"
                    )
                batches[name] = records
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise FreeconvError(
            f"{path}: expected a tar.gz archive, received a damaged or unsafe one ({error}); replace it with the "
            "official file"
        ) from error
    if missing := [name for name in CIFAR10_BATCHES if name not in batches]:
        raise FreeconvError(
            f"{path}: expected the batches {', '.join(CIFAR10_BATCHES)}, received none called {', '.join(missing)}; "
            "replace it with the official file"
        )
    return batches


DATASETS.add(
    BuiltinDataset(
        name="cifar10",
        read=read,
        files=FILES,
        sites=("https://www.cs.toronto.edu/~kriz/",),
        source="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        licence='none stated; cite Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images"',
        images=60_000,
        shape=(32, 32, 3),
        classes=CIFAR10_CLASSES,
        paper="cifar10",
        order=3,
    )
)
