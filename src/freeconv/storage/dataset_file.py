"""The file of a dataset, read into memory."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from freeconv.storage.hdf5 import read_h5


class Dataset(NamedTuple):
    """A dataset in memory.

    Attributes:
        images: (n, height, width, channels) uint8.
        labels: (n,) int64.
        classes: number of classes.
        sha256: hash of the content.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: int
    sha256: str


def read_dataset(path: str | Path) -> Dataset:
    """Read a dataset as `freeconv fetch` wrote it."""
    arrays, attributes = read_h5(path)
    labels = arrays["labels"]
    return Dataset(arrays["images"], labels, int(labels.max()) + 1, attributes["content_sha256"])
