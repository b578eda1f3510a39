"""Accuracy after the kernels of free layers are replaced by mixtures of few."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import keras
    import numpy as np


def of_rank(kernels: np.ndarray, rank: int) -> np.ndarray:
    """Return the nearest kernels, by least squares, that are mixtures of `rank` kernels: the singular values cut off.

    Args:
        kernels: float array (positions, K, filters).
        rank: at least 1. From min(positions, K · filters) on nothing changes but for rounding.

    Returns:
        Kernels of the same shape and dtype.

    Raises:
        ValueError: the shape is another, or the rank below 1.
    """
    import numpy as np

    from freeconv.analysis.kernels import by_position

    if rank < 1:
        raise ValueError(f"`rank` must be at least 1. Received: {rank=}")
    left, values, right = np.linalg.svd(by_position(kernels), full_matrices=False)
    mixed = (left[:, :rank] * values[:rank]) @ right[:rank]
    return mixed.reshape(kernels.shape).astype(kernels.dtype)


def accuracy_by_rank(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Return the accuracy after the kernels of all free layers are replaced by `of_rank`.

    Biases stay as they are, one per position and filter. The network is left as it was.

    Args:
        model: from images to logits (n, classes), with a free layer.
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.

    Returns:
        Rank to accuracy: 1, 2, 4, 8, … below the highest full rank of the layers, and that. Layers with a lower full
        rank than asked for stay as they are.
    """
    from freeconv.analysis.predictions import accuracy, changing_kernels

    found = {}
    with changing_kernels(model) as own:
        full = max(min(len(kernels), kernels[0].size) for kernels in own.values())
        ranks = [*(2**power for power in range(full.bit_length()) if 2**power < full), full]
        for rank in ranks:
            for layer, kernels in own.items():
                layer.kernel.assign(of_rank(kernels, rank) if rank < min(len(kernels), kernels[0].size) else kernels)
            found[rank] = accuracy(model, images, labels)
    return found


def rows(trained: Trained) -> Iterator[Row]:
    """Yield a row for every rank."""
    for rank, value in accuracy_by_rank(trained.model, trained.images, trained.labels).items():
        yield Row("all", rank, "observed", value)


MEASURES.add(
    Measure(
        name="rank_acc",
        measure=rows,
        needs="free layers",
        order=10,
        title="Accuracy with kernels of low rank",
        definition="docs/measures.md#accuracy-with-kernels-of-low-rank",
    )
)
