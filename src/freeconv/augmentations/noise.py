"""Noise on every pixel (paper appendix B.2); as in the authors' program the result is not clipped."""

from freeconv.augmentations import AUGMENTATIONS, Augmentation, Strength
from freeconv.images import add_noise

AUGMENTATIONS.add(
    Augmentation(
        name="noise",
        apply=add_noise,
        unclipped=True,
        strength=Strength(default=0.15, text="Standard deviation of noise on the [0, 1] scale."),
        order=3,
        title="noise",
        level_title="Noise\n(standard deviation)",
        metric_title="Noise",
        level_text="Levels of noise: standard deviation on the [0, 1] scale, 0 ≤ level < 1.",
        drawing="Noise on all pixels, its standard deviation on the [0, 1] scale being the level.",
        figure="B.2",
    )
)
