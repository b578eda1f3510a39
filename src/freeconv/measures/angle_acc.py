"""Accuracy on images that are all turned alike about their centre."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import keras
    import numpy as np


def accuracy_by_angle(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, angles: Sequence[float]
) -> np.ndarray:
    """Return the accuracy on images that are all turned alike about their centre.

    Bilinear, with the nearest edge pixel from outside (`freeconv.images.turn`), about the image's centre.

    Args:
        model: from images to logits (n, classes).
        images: (n, height, width, channels) float32 in [0, 1].
        labels: (n,) int.
        angles: in degrees, counter-clockwise positive.

    Returns:
        The accuracies, float64 (angles,).
    """
    import numpy as np

    from freeconv.analysis.predictions import accuracy
    from freeconv.images import turn

    return np.array([accuracy(model, turn(images, np.full(len(images), angle)), labels) for angle in angles])


def rows(trained: Trained) -> Iterator[Row]:
    """Yield a row for every angle that images are turned by."""
    angles = trained.settings.angles
    for angle, value in zip(angles, accuracy_by_angle(trained.model, *trained.moved(), angles), strict=True):
        yield Row("", angle, "observed", value)


MEASURES.add(
    Measure(
        name="angle_acc",
        measure=rows,
        order=8,
        title="Accuracy by angle",
        definition="docs/measures.md#accuracy-as-a-curve",
    )
)
