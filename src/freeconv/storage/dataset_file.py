"""The file of a dataset, read into memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from freeconv.data.folds import kept_for_test
from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN
from freeconv.storage.hdf5 import Array, describe_h5, read_h5
from freeconv.study.jobs import DataConfig, check_config


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


def read_dataset(path: str | Path, config: DataConfig) -> Dataset:
    """Read a dataset as `freeconv fetch` wrote it, and refuse one that is not what `config` says.

    Raises:
        UnreadableError: the file cannot be read at the moment.
        FreeconvError: the file is missing or damaged, was made from another configuration, or is no dataset.
    """
    check_dataset(path, *describe_h5(path), config)
    arrays, attributes = read_h5(path)
    labels = arrays["labels"]
    if labels.min() < 0:
        raise FreeconvError(f"{path}: expected labels from 0, received {labels.min()}; {AGAIN}")
    return Dataset(arrays["images"], labels, int(labels.max()) + 1, attributes["content_sha256"])


def check_dataset(
    path: str | Path, described: Mapping[str, Array], attributes: Mapping[str, Any], config: DataConfig
) -> None:
    """Refuse a dataset's file of other parameters, and one whose arrays are no images with a label each.

    Args:
        path: the file.
        described: what it says of its arrays.
        attributes: its attributes.
        config: what it must have been made from.
    """
    check_config(path, attributes.get("config"), config.dump())
    images, labels = described.get("images"), described.get("labels")
    if (
        images is None
        or labels is None
        or (images.dtype, len(images.shape)) != ("|u1", 4)
        or np.dtype(labels.dtype).kind != "i"
        or labels.shape != images.shape[:1]
        or 0 in images.shape
    ):
        raise FreeconvError(
            f"{path}: expected images, uint8 (n, height, width, channels), with a label each, received "
            f"{ {name: array[:2] for name, array in described.items()} }; {AGAIN}"
        )


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


def read_content(path: str | Path, config: DataConfig) -> DatasetContent:
    """Read what is in a dataset, without its images.

    Raises:
        FreeconvError: as `read_dataset`.
    """
    check_dataset(path, *describe_h5(path), config)
    arrays, attributes = read_h5(path, ["labels"])
    counts = np.bincount(arrays["labels"]).tolist()
    names = attributes.get("classes") or [str(label) for label in range(len(counts))]
    counts += [0] * (len(names) - len(counts))  # a limit may leave none of a class
    if len(counts) != len(names):
        raise FreeconvError(f"{path}: expected labels of {len(names)} classes, received {len(counts)}; {AGAIN}")
    return DatasetContent(dict(zip(names, counts, strict=True)), attributes.get("read", []))
