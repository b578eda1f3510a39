"""The file of a dataset, read into memory."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from freeconv.data.folds import kept_for_test
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


def kept_apart(dataset: Dataset, name: str) -> tuple[Dataset, Dataset]:
    """Return what is trained and held out of a dataset, and what is kept for a test at the end.

    Args:
        dataset: the whole.
        name: its name.
    """
    rest = len(dataset.images) - kept_for_test(name, len(dataset.images))
    return (
        dataset._replace(images=dataset.images[:rest], labels=dataset.labels[:rest]),
        dataset._replace(images=dataset.images[rest:], labels=dataset.labels[rest:]),
    )


class DatasetContent(NamedTuple):
    """What a dataset's file says of its images.

    Attributes:
        counts: images of each class, in the order of the labels.
        notes: of a dataset of the user's own, what was passed over, joined, converted and is suspicious, as
            `freeconv.data.layout.Note` has it.
    """

    counts: dict[str, int]
    notes: list[dict[str, Any]]


def read_content(path: str | Path) -> DatasetContent:
    """Read what is in a dataset, without its images.

    Raises:
        FreeconvError: the file is missing or damaged.
    """
    arrays, attributes = read_h5(path, ["labels"])
    counts = np.bincount(arrays["labels"]).tolist()
    names = attributes.get("classes") or [str(label) for label in range(len(counts))]
    counts += [0] * (len(names) - len(counts))  # a limit may leave none of a class
    return DatasetContent(dict(zip(names, counts, strict=True)), attributes.get("read", []))
