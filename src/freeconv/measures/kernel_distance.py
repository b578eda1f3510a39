"""Distance between kernels at every radius, beside that after kernels have changed places at random."""

from collections.abc import Iterator
from functools import partial

from freeconv.measures import MEASURES, Measure, Row, Trained
from freeconv.vocabulary import DistanceMeasure


def rows(measure: DistanceMeasure, trained: Trained) -> Iterator[Row]:
    """Yield the rows of every free layer: by radius, the distance observed and its permutation null."""
    from freeconv.analysis.kernels import distances_and_null

    for layer in trained.layers:
        rng = trained.stream(layer.name, measure)
        for row in distances_and_null(layer.kernels, layer.grid, rng, trained.settings.permutations, measure):
            yield Row(layer.name, *row)


def kernel_distance(measure: DistanceMeasure, order: int) -> Measure:
    """Return the measure of a kind of distance."""
    return Measure(
        name=f"{measure}_distance",
        measure=partial(rows, measure),
        needs="kernels",
        order=order,
        title=f"{measure.capitalize()} distance between kernels",
        definition="docs/measures.md#kernel-distance-at-every-radius-against-a-permutation-null",
    )


MEASURES.add(kernel_distance("euclidean", 1))
MEASURES.add(kernel_distance("cosine", 2))
