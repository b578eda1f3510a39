"""The held-out fold as each accuracy sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from freeconv.augmentations import AUGMENTATIONS, metric
from freeconv.images import swap_quadrants
from freeconv.seeds import random_stream

if TYPE_CHECKING:
    import numpy as np

CLEAN_IMAGES = 2000


def evaluation_sets(
    images: np.ndarray,
    dataset: str,
    folds: int,
    fold: int,
    strengths: Mapping[str, float],
    forms: Mapping[str, str],
    seed: int,
    limit: int | None = None,
) -> dict[str, np.ndarray]:
    """Return the held-out images as each accuracy sees them.

    They are drawn once per dataset and fold and are the same for all networks, levels and epochs, so that comparisons
    between runs are paired.

    Args:
        images: of the fold, (n, height, width, channels) uint8.
        dataset: its name; with the next two, names the random streams.
        folds: number of folds.
        fold: which one.
        strengths: augmentation to how strong it is, in its own unit (see `freeconv.augmentations.Strength`).
        forms: augmentation to its form, of those that have several.
        seed: the study's seed.
        limit: largest number of images that are changed, the first ones; all if None.

    Returns:
        Name of the accuracy to images: all as they are, the first ones changed by each augmentation, and with
        quadrants swapped. uint8, or float16 where values leave [0, 1].
    """
    scaled = images[:limit].astype("float32") / 255
    sets = {"val_acc": images}
    for name in sorted(strengths, key=lambda name: AUGMENTATIONS[name].order):
        member = AUGMENTATIONS[name]
        assert member.strength is not None
        rng = random_stream(seed, "evaluate", dataset, folds, fold, name)
        form = {"form": forms[name]} if name in forms else {}
        changed = member.apply(scaled, strengths[name] / member.strength.per_level, rng, **form)
        sets[metric(name)] = changed.astype("float16") if member.unclipped else _stored(changed)
    return {**sets, "swap_acc": _stored(swap_quadrants(scaled))}


def clean_sample(train_index: np.ndarray, dataset: str, folds: int, fold: int, seed: int) -> np.ndarray:
    """Return which training images accuracy is measured on as they are: the same in all epochs and runs of a fold.

    Args:
        train_index: the images of the training folds, (n,).
        dataset: its name; with the next two, names the random stream.
        folds: number of folds.
        fold: the one that is held out.
        seed: the study's seed.

    Returns:
        At most `CLEAN_IMAGES` of them, in their order.
    """
    import numpy as np

    if len(train_index) <= CLEAN_IMAGES:
        return train_index
    rng = random_stream(seed, "clean", dataset, folds, fold)
    return np.sort(rng.choice(train_index, CLEAN_IMAGES, replace=False))


def _stored(values: np.ndarray) -> np.ndarray:
    """Return images on the [0, 1] scale as uint8."""
    import numpy as np

    return np.rint(values * 255).astype("uint8")
