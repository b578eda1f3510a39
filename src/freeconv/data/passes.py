"""An augmented pass over a whole dataset."""

import numpy as np

from freeconv.augmentations import AUGMENTATIONS
from freeconv.seeds import random_stream

PIECE_IMAGES = 4096  # bounds the float32 copies: 50 MB each at 32 × 32 × 3


def augmented_pass(
    images: np.ndarray, dataset: str, augmentation: str, form: str | None, level: float, copy_index: int, seed: int
) -> np.ndarray:
    """Return one augmented pass over a dataset, in the type that a shard stores.

    Args:
        images: (n, height, width, channels) uint8.
        dataset: its name; with the next ones, names the random stream
            `("shard", dataset, augmentation, level, copy_index)`.
        augmentation: how to change images.
        form: which form of it; None if there is only one.
        level: how much.
        copy_index: which pass.
        seed: the study's seed.

    Returns:
        The same shape; uint8 in [0, 255], rounded, or for augmentations that leave [0, 1] float16 on the [0, 1] scale.
    """
    member = AUGMENTATIONS[augmentation]
    rng = random_stream(seed, "shard", dataset, augmentation, level, copy_index)
    forms = {"form": form} if form else {}
    augmented = np.empty(images.shape, np.float16 if member.unclipped else np.uint8)
    for start in range(0, len(images), PIECE_IMAGES):
        piece = slice(start, start + PIECE_IMAGES)
        scaled = images[piece].astype(np.float32) / np.float32(255)
        result = member.apply(scaled, level, rng, **forms)
        augmented[piece] = result if member.unclipped else np.rint(result * 255)
    return augmented
