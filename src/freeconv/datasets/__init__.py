"""Built-in datasets, one file each: where their raw files come from, and what is in them.

Datasets of the user's own need no file here: `data.folders` in params.yaml names folders or archives of images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from freeconv.registry import Registry, shown

if TYPE_CHECKING:
    import numpy as np

# What an official archive may unpack to: a few kilobytes can claim to be gigabytes. The largest file has 47 MB.
RAW_BYTES = 2**27
DIGITS = tuple(str(digit) for digit in range(10))


class Images(NamedTuple):
    """A dataset as read from its raw files.

    Attributes:
        images: uint8 of shape (n, height, width, channels), in [0, 255].
        labels: int64 of shape (n,), in [0, len(classes)).
        classes: the classes' names, in the order of the labels.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BuiltinDataset:
    """A built-in dataset.

    Attributes:
        name: as in parameters and paths.
        read: takes its raw files by name, returns what they hold.
        files: raw files that are downloaded: name to SHA-256, in the order in which they are read.
        packaged: returns the raw file that an installed package ships; None if there are `files`.
        sorted_by_class: whether images come sorted by class; such datasets are shuffled once.
        sites: folders of the download sites, the first tried first; each ends with a slash.
        source: where the raw files come from, or a function that says so.
        licence: under which licence, as far as known.
        images: their number.
        shape: (height, width, channels).
        classes: the classes' names.
        paper: which of the paper's datasets it stands beside: `mnist` or `cifar10`; None for neither.
        order: place in lists.
    """

    name: str
    read: Callable[[Mapping[str, Path]], Images]
    files: Mapping[str, str] = field(default_factory=dict)
    packaged: Callable[[], Path] | None = None
    sorted_by_class: bool = False
    sites: tuple[str, ...] = shown(())
    source: str | Callable[[], str] = shown()
    licence: str = shown()
    images: int = shown()
    shape: tuple[int, int, int] = shown()
    classes: tuple[str, ...]
    paper: str | None = shown(None)
    order: int = shown(100)


DATASETS: Registry[BuiltinDataset] = Registry("dataset", __name__)


def paper_dataset(dataset: str) -> str | None:
    """Return the paper's dataset that one of ours stands beside: `mnist`, `cifar10`, or None.

    Image folders whose name starts with `cifar10`, such as `cifar10-jpeg`, stand beside CIFAR-10.
    """
    if dataset in DATASETS:
        return DATASETS[dataset].paper
    return "cifar10" if dataset.startswith("cifar10") else None
