"""Noise near the border."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeconv.augmentations import AUGMENTATIONS, Augmentation, Strength
from freeconv.images import add_noise, check_form

if TYPE_CHECKING:
    import numpy as np

EDGE_PIXELS = 5
FORMS = ("border", "authors")


def edge_noise(images: np.ndarray, level: float, rng: np.random.Generator, form: str = "border") -> np.ndarray:
    """Add Gaussian noise to the border of every image (paper appendix B.1).

    Args:
        images: float32 of shape (n, height, width, 1 or 3); images of up to 10 pixels a side are border throughout.
        level: standard deviation of the noise, on the [0, 1] scale of the images, ≥ 0.
        rng: draws one normal number for each value, used or not, the same numbers for both forms.
        form: `"border"`: the pixels within 5 pixels of the border, the text's definition. `"authors"`: the top and
            bottom 5 rows over the full width. The authors' program zeroes [5:-5, 5:-5] of the noise of a batch (n,
            height, width, channels): images and rows where rows and columns are meant. So the first and last 5 images
            of each of its batches (4 % of a batch of 256, 8 % of one of 128) got noise in all pixels, too. That is
            left out here: images are augmented before it is known which of them will begin or end a batch.

    Returns:
        float32 of the same shape, of any range where there is noise.

    Raises:
        ValueError: `images`, `level` or `form` is not as described.
    """
    check_form(form, FORMS)
    noisy = add_noise(images, level, rng)
    inner = slice(EDGE_PIXELS, -EDGE_PIXELS)
    columns = inner if form == "border" else slice(None)
    noisy[:, inner, columns] = images[:, inner, columns]
    return noisy


AUGMENTATIONS.add(
    Augmentation(
        name="edge_noise",
        apply=edge_noise,
        forms=FORMS,
        unclipped=True,
        strength=Strength(
            default=0.15,
            text="Standard deviation of noise in the 5-pixel border, on the [0, 1] scale.",
        ),
        order=4,
        title="edge noise",
        level_title="Edge noise\n(standard deviation)",
        metric_title="Edge noise",
        level_text="Levels of noise in the 5-pixel border: standard deviation on the [0, 1] scale, 0 ≤ level < 1.",
        form_text="Where edge noise is: `border`, the 5 pixels of the border, as the text says; `authors`, the top "
        "and bottom 5 rows, as in the authors' program.",
        drawing="Edge noise: noise on pixels near the border only, its standard deviation on the [0, 1] scale being "
        "the level.",
        figure="B.1",
    )
)
