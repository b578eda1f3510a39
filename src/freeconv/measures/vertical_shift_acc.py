"""Accuracy on images that are all shifted down or up alike."""

from collections.abc import Iterator

from freeconv.analysis.predictions import accuracy_by_shift
from freeconv.measures import MEASURES, Measure, Row, Trained


def vertical_shift_acc(trained: Trained) -> Iterator[Row]:
    """Yield a row for every share that images are shifted by."""
    shares = trained.settings.shifts
    accuracies = accuracy_by_shift(trained.model, *trained.moved(), shares, "vertical")
    for share, value in zip(shares, accuracies, strict=True):
        yield Row("", share, "observed", value)


MEASURES.add(
    Measure(
        name="vertical_shift_acc",
        measure=vertical_shift_acc,
        order=7,
        title="Accuracy by vertical shift",
        definition="docs/measures.md#accuracy-as-a-curve",
    )
)
