"""Accuracy on images that are all shifted to the right or left alike."""

from collections.abc import Iterator

from freeconv.analysis.predictions import accuracy_by_shift
from freeconv.measures import MEASURES, Measure, Row, Trained


def horizontal_shift_acc(trained: Trained) -> Iterator[Row]:
    """Yield a row for every share that images are shifted by."""
    shares = trained.settings.shifts
    accuracies = accuracy_by_shift(trained.model, *trained.moved(), shares, "horizontal")
    for share, value in zip(shares, accuracies, strict=True):
        yield Row("", share, "observed", value)


MEASURES.add(
    Measure(
        name="horizontal_shift_acc",
        measure=horizontal_shift_acc,
        order=6,
        title="Accuracy by horizontal shift",
        definition="docs/measures.md#accuracy-as-a-curve",
    )
)
