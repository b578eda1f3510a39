"""How often the class that a network gives an image stays when the image is moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from freeconv.measures import MEASURES, Measure, Row, Trained

if TYPE_CHECKING:
    import numpy as np


def kept(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Return the share of predictions that stay, and that of predictions that have nothing to do with each other.

    Args:
        before: predicted classes, int (n,).
        after: of the same images, moved.

    Returns:
        The share of equal ones; and Σ p·q over classes, p and q being the shares of a class before and after, which is
        what independent predictions of the same frequencies would have in common. Both in [0, 1].
    """
    import numpy as np

    classes = 1 + max(before.max(), after.max())
    shares = [np.bincount(predicted, minlength=classes) / len(predicted) for predicted in (before, after)]
    return float(np.mean(before == after)), float(shares[0] @ shares[1])


def rows(trained: Trained) -> Iterator[Row]:
    """Yield for every shift and angle how many predictions stay, and how many would by chance."""
    import numpy as np

    from freeconv.analysis.predictions import predicted_classes, shifted
    from freeconv.images import turn

    images, _ = trained.moved()
    before = predicted_classes(trained.model, images)
    moves = [
        *(("right", share, shifted(images, share, "horizontal")) for share in trained.settings.shifts),
        *(("down", share, shifted(images, share, "vertical")) for share in trained.settings.shifts),
        *(("angle", angle, turn(images, np.full(len(images), angle))) for angle in trained.settings.angles),
    ]
    for way, setting, moved in moves:
        same, chance = kept(before, predicted_classes(trained.model, moved))
        yield Row("", setting, way, same)
        yield Row("", setting, f"{way}_chance", chance)


MEASURES.add(
    Measure(
        name="prediction_kept",
        measure=rows,
        order=14,
        title="Predictions that stay when the image moves",
        definition="docs/measures.md#predictions-that-stay",
    )
)
