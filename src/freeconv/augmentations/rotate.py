"""Rotation: each image is turned by its own random angle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeconv.augmentations import AUGMENTATIONS, Augmentation, Strength
from freeconv.images import CENTERS, check_form, check_images, turn

if TYPE_CHECKING:
    import numpy as np


def rotate(images: np.ndarray, level: float, rng: np.random.Generator, form: str = "center") -> np.ndarray:
    """Rotate each image by its own random angle (paper appendix B.4, table B.3).

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: largest angle as a share of 360°, ≥ 0.
        rng: draws one angle for each image, the same numbers for both forms.
        form: `"center"`: angles are continuous and uniform in ±360·level degrees, counter-clockwise if positive,
            about the image's centre. `"keras-2018"`: as the authors' program had it from the Keras of its time;
            uniform in ± int(360·level) degrees (so ±36 at level 0.1, ±356 at 0.99, and ±251 at 0.7, where the product
            is a rounding error below 252), clockwise if positive, about the point that `turn` describes.

    Returns:
        float32 of the same shape, within the range of the input.

    Raises:
        ValueError: `images`, `level` or `form` is not as described.
    """
    check_images(images, level)
    check_form(form, CENTERS)
    if form == "keras-2018":
        largest = int(360 * level)
        return turn(images, -rng.uniform(-largest, largest, len(images)), form)
    return turn(images, rng.uniform(-360 * level, 360 * level, len(images)))


def exactly(images: np.ndarray, level: float, rng: np.random.Generator, form: str = "center") -> np.ndarray:
    """Return images turned clockwise by exactly `level` · 360°; arguments as for `rotate`."""
    import numpy as np

    return turn(images, np.full(len(images), -360 * level), form)


AUGMENTATIONS.add(
    Augmentation(
        name="rotate",
        apply=rotate,
        forms=CENTERS,
        strength=Strength(default=45.0, highest=180.0, per_level=360.0, text="Largest angle in degrees, each way."),
        order=2,
        title="rotation",
        level_title="Rotation\n(share of 360°)",
        metric_title="Rotated",
        level_text="Levels of rotation: largest angle as a share of 360°, each way, 0 ≤ level < 1.",
        form_text="What images turn about: `center`, their centre; `keras-2018`, the point one pixel off, in whole "
        "degrees of largest angle, as in the release of Keras that the authors used.",
        exactly=exactly,
        drawing="Rotation: the image is turned.",
        figure="B.4",
        moved={"angle_acc": 360},
    )
)
