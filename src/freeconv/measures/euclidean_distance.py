"""Euclidean distance between kernels at every radius, beside that after kernels have changed places at random."""

from collections.abc import Iterator

from freeconv.analysis.kernels import distances_and_null
from freeconv.measures import MEASURES, Measure, Row, Trained


def euclidean_distance(trained: Trained) -> Iterator[Row]:
    """Yield the rows of every free layer: by radius, the distance observed and its permutation null."""
    for layer in trained.layers:
        rng = trained.stream(layer.name, "euclidean")
        null = distances_and_null(layer.kernels, layer.grid, rng, trained.settings.permutations, "euclidean")
        for radius, statistic, value in null:
            yield Row(layer.name, radius, statistic, value)


MEASURES.add(
    Measure(
        name="euclidean_distance",
        measure=euclidean_distance,
        needs="kernels",
        order=1,
        title="Euclidean distance between kernels",
        definition="docs/measures.md#kernel-distance-at-every-radius-against-a-permutation-null",
    )
)
