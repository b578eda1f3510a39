"""Translation: each image is shifted by its own random offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeconv.augmentations import AUGMENTATIONS, Augmentation, Strength
from freeconv.images import check_images, shift

if TYPE_CHECKING:
    import numpy as np


def translate(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by its own random offset (paper figure 2).

    Shifts are continuous and uniform in ±level·height and ±level·width (see `shift`).

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: largest shift as a share of the image's size, ≥ 0.
        rng: draws (dy, dx) for each image.

    Returns:
        float32 of the same shape, within the range of the input.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    check_images(images, level)
    return shift(images, rng.uniform(-level, level, (len(images), 2)) * images.shape[1:3])


def exactly(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Return images shifted to the left by exactly `level` · width; arguments as for `translate`."""
    import numpy as np

    return shift(images, np.tile([0, -level * images.shape[2]], (len(images), 1)))


AUGMENTATIONS.add(
    Augmentation(
        name="translate",
        apply=translate,
        strength=Strength(default=0.25, text="Largest shift as a share of the image's size, each way."),
        order=1,
        title="translation",
        level_title="Translation\n(share of image size)",
        metric_title="Translated",
        level_text="Levels of translation: largest shift as a share of the image's size, each way, 0 ≤ level < 1.",
        default_levels=(0.0, 0.2, 0.4),
        exactly=exactly,
        drawing="Translation: the image is shifted.",
        figure="2",
        moved={"horizontal_shift_acc": 1, "vertical_shift_acc": 1},
    )
)
