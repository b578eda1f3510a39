"""Folds: which images a run trains on and which it is evaluated on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


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
