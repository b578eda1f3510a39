"""Words that every part of the study uses: kinds of settings, names of accuracies, levels and cells."""

from typing import Literal, NamedTuple

DistanceMeasure = Literal["euclidean", "cosine"]
Compression = Literal["zstd", "gzip", "none"]
Precision = Literal["float32", "tf32", "bfloat16"]
Stack = Literal["auto", "on", "off"]
# What becomes of runs of other versions or another backend: they are used and named, or trained anew.
Versions = Literal["warn", "rerun"]
Initializer = Literal["glorot-authors", "glorot-position"]
Aggregate = Literal["all-epochs", "final", "best"]
Mask = Literal["connections", "inputs"]


class Cell(NamedTuple):
    """What one row of a table stands for: the runs of all folds."""

    dataset: str
    augmentation: str
    level: float
    network: str


def level_text(level: float) -> str:
    """Return a level as it appears in file names: `0`, `0.2`, `0.99`."""
    return f"{level:g}"


def trained_as(augmentation: str, level: float) -> str:
    """Return the augmentation under which a level is trained: `none` for level 0."""
    return augmentation if level > 0 else "none"
