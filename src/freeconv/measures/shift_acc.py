"""Accuracy on images that are all shifted alike: to the right or left, or down or up."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from freeconv.measures import MEASURES, Measure, Row, Trained

Direction = Literal["horizontal", "vertical"]


def rows(direction: Direction, trained: Trained) -> Iterator[Row]:
    """Yield a row for every share that images are shifted by."""
    from freeconv.analysis.predictions import accuracy_by_shift

    shares = trained.settings.shifts
    accuracies = accuracy_by_shift(trained.model, *trained.moved(), shares, direction)
    for share, value in zip(shares, accuracies, strict=True):
        yield Row("", share, "observed", value)


def shift_acc(direction: Direction, order: int) -> Measure:
    """Return the measure of one direction."""
    return Measure(
        name=f"{direction}_shift_acc",
        measure=partial(rows, direction),
        order=order,
        title=f"Accuracy by {direction} shift",
        definition="docs/measures.md#accuracy-as-a-curve",
    )


MEASURES.add(shift_acc("horizontal", 6))
MEASURES.add(shift_acc("vertical", 7))
