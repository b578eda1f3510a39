"""Accuracy after the kernels of free layers are replaced by their mean over positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import keras
    import numpy as np


def shared_accuracy(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the accuracy after the kernels of free layers are replaced by their mean over positions.

    Biases stay as they are, one per position and filter. The network is left as it was.

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.

    Returns:
        `"none"` to the accuracy of the network as it is, the name of each free layer to that after replacing the
        kernels of this layer alone, and `"all"` to that after replacing those of all free layers.
    """
    import numpy as np

    from freeconv.analysis.predictions import accuracy, changing_kernels

    found = {}
    with changing_kernels(model) as own:
        for variant in ("none", *(layer.name for layer in own), "all"):
            for layer, kernels in own.items():
                mean = kernels.mean(axis=0, keepdims=True, dtype=np.float64)
                shared = np.broadcast_to(mean, kernels.shape).astype(kernels.dtype)
                layer.kernel.assign(shared if variant in (layer.name, "all") else kernels)
            found[variant] = accuracy(model, images, labels)
    return found


def rows(trained: Trained) -> Iterator[Row]:
    """Yield a row for no layer replaced, for each free layer, and for all of them."""
    for layer, value in shared_accuracy(trained.model, trained.images, trained.labels).items():
        yield Row(layer, None, "observed", value)


MEASURES.add(
    Measure(
        name="shared_acc",
        measure=rows,
        needs="free layers",
        order=5,
        title="Accuracy with shared kernels",
        definition="docs/measures.md#accuracy-with-shared-kernels",
    )
)
