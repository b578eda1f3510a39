"""No augmentation: images as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeconv.augmentations import AUGMENTATIONS, Augmentation
from freeconv.images import check_images

if TYPE_CHECKING:
    import numpy as np


def none(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Return the images as they are: the un-augmented training of the paper.

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: ignored but for its check, ≥ 0.
        rng: not used.

    Returns:
        The same array.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    check_images(images, level)
    return images


AUGMENTATIONS.add(
    Augmentation(
        name="none",
        apply=none,
        levels=False,
        order=0,
        title="no augmentation",
        level_title="Level",
    )
)
