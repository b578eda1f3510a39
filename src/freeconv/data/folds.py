"""Folds: which images a run trains on and which it is evaluated on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

OFFICIAL_TEST = {("mnist", 70_000): 10_000, ("cifar10", 60_000): 10_000}
TEST_SHARE = 6  # of other datasets, one image in so many


def kept_for_test(dataset: str, images: int) -> int:
    """Return how many of a dataset's images, the last ones, are for a test at the end where one is asked for.

    Of MNIST and CIFAR-10, whole, these are the official test images; of all others, and of a part of these, a sixth.

    Args:
        dataset: its name.
        images: their number.
    """
    return OFFICIAL_TEST.get((dataset, images), images // TEST_SHARE)


def fold_index(images: int, folds: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of training and held-out images.

    Folds are contiguous blocks in the dataset's order, as scikit-learn's unshuffled `KFold` makes them (authors'
    program).

    Args:
        images: number of images in the dataset.
        folds: number of folds.
        fold: which one is held out, counted from 0.
    """
    import numpy as np

    held_out = np.array_split(np.arange(images), folds)[fold]
    return np.setdiff1d(np.arange(images), held_out), held_out


def held_out_images(images: int, folds: int, fold: int) -> int:
    """Return the number of images of a fold (see `fold_index`)."""
    return images // folds + (fold < images % folds)
