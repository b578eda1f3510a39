"""How far the output of each convolution, free or not, is from moving along with its input."""

from collections.abc import Iterator

from freeconv.measures import MEASURES, Measure, Row, Trained


def rows(trained: Trained) -> Iterator[Row]:
    """Yield the rows of every convolution, free or not."""
    from freeconv.analysis.equivariance import equivariance_errors

    images, _ = trained.moved()
    for layer, statistic, value in equivariance_errors(trained.model, images, trained.stream("equivariance_error")):
        yield Row(layer, None, statistic, value)


MEASURES.add(
    Measure(
        name="equivariance_error",
        measure=rows,
        order=15,
        title="Equivariance error",
        definition="docs/measures.md#equivariance-error",
    )
)
