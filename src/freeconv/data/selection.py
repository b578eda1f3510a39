"""The order of a dataset's images, and a subset of them."""

import numpy as np

from freeconv.seeds import random_stream


def selected(
    images: np.ndarray, labels: np.ndarray, dataset: str, shuffled: bool, limit: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels in the order in which they are stored, at most `limit` of them.

    Args:
        images: (n, height, width, channels) uint8, in the order of the raw files.
        labels: (n,) int64.
        dataset: its name, which names the random streams.
        shuffled: whether images are shuffled, by the stream `("fetch", dataset)`: those of datasets that come sorted
            by class, for folds are contiguous blocks.
        limit: largest number: of a larger dataset a subset, in its order, drawn by the stream `("limit", dataset)`.
        seed: the study's seed.
    """
    if shuffled:
        order = random_stream(seed, "fetch", dataset).permutation(len(labels))
        images, labels = images[order], labels[order]
    if limit is not None and limit < len(labels):
        chosen = np.sort(random_stream(seed, "limit", dataset).choice(len(labels), limit, replace=False))
        images, labels = images[chosen], labels[chosen]
    return images, labels
