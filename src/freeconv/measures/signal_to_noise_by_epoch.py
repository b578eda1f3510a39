"""How large weights are beside their scatter over positions, in the course of training."""

from collections.abc import Iterator

from freeconv.measures import MEASURES, Measure, Row, Trained
from freeconv.measures.signal_to_noise import signal_to_noise


def rows(trained: Trained) -> Iterator[Row]:
    """Yield median and quartiles for every free layer and epoch whose kernels were recorded."""
    for layer, (epochs, kernels) in trained.snapshots.items():
        for epoch, then in zip(epochs.tolist(), kernels, strict=True):
            for statistic, value in signal_to_noise(then)._asdict().items():
                yield Row(layer, epoch, statistic, value)


MEASURES.add(
    Measure(
        name="signal_to_noise_by_epoch",
        measure=rows,
        needs="snapshots",
        order=11,
        title="Weight signal-to-noise ratio by epoch",
        definition="docs/measures.md#weight-signal-to-noise-ratio",
    )
)
