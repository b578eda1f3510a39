"""Measures of trained networks, one file each or each pair: how much sharing has emerged, how recognition moves along.

Definitions, ranges, chance values and sources of the built-in ones are in docs/measures.md. docs/extending.md shows how
to add one, in this folder or from outside the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from freeconv.registry import Registry, shown
from freeconv.seeds import random_stream

if TYPE_CHECKING:  # who reads the names of measures need not wait for these
    import keras
    import numpy as np

Needs = Literal["kernels", "free layers", "snapshots", "network"]


class Row(NamedTuple):
    """One number of a measure.

    Attributes:
        layer: name of the layer that it is about; empty if about the whole network.
        setting: what it was measured at: a radius, share or angle; None where there is no such thing.
        statistic: which number of the measure: `observed`, `median`.
        value: the number.
    """

    layer: str
    setting: float | None
    statistic: str
    value: float


# Of tables of measures: the run, the measure, and its row.
MEASURE_COLUMNS = ("dataset", "augmentation", "level", "network", "fold", "seed", "measure", *Row._fields)


class Run(NamedTuple):
    """The run that a network was trained in.

    Attributes:
        dataset: name.
        network: name.
        augmentation: name.
        level: of the augmentation, at least 0.
        folds: number of folds.
        fold: the one that was held out, counted from 0.
        seed: the study's.
        vcp: share of missing connections of free layers, in [0, 1).
    """

    dataset: str
    network: str
    augmentation: str
    level: float
    folds: int
    fold: int
    seed: int
    vcp: float


class Settings(NamedTuple):
    """The parameters of the built-in measures, as in `measure` of params.yaml.

    Attributes:
        shifts: shares of the image's size, right and down positive.
        angles: degrees, counter-clockwise positive.
        permutations: number of random reassignments of kernels to positions, at least 1.
        images: largest number of held-out images that are moved, the first ones; all of them if None.
    """

    shifts: Sequence[float]
    angles: Sequence[float]
    permutations: int
    images: int | None


class FreeLayer(NamedTuple):
    """A free layer of a trained network.

    Attributes:
        name: `free_1`.
        kernels: float32 (positions, K, filters), positions row by row, K = kernel height · width · channels.
        grid: rows and columns of positions.
    """

    name: str
    kernels: np.ndarray
    grid: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network, and what it is measured on.

    Attributes:
        model: the Keras model, from images to logits (n, classes). A measure that changes it must restore it.
        layers: its free layers, the first one first; none if connections are missing, whose zeros would count as
            weights.
        images: the run's held-out images, float32 (n, height, width, channels) in [0, 1].
        labels: their classes, int64 (n,).
        run: which run it is of.
        settings: parameters.
        snapshots: of the free layers that were recorded in training, the epochs, int (snapshots,), and the kernels
            then, float32 (snapshots, positions, K, filters); nothing unless a measure needs them.
    """

    model: keras.Model
    layers: tuple[FreeLayer, ...]
    images: np.ndarray
    labels: np.ndarray
    run: Run
    settings: Settings
    snapshots: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def stream(self, *name: str | int | float) -> np.random.Generator:
        """Return the random stream called `name` of this network: the same one whenever it is measured."""
        run = self.run
        cell = (run.dataset, run.network, run.augmentation, run.level)
        return random_stream(run.seed, "measure", *cell, run.fold, *name)

    def moved(self) -> tuple[np.ndarray, np.ndarray]:
        """Return those images that are moved, and their labels: the first ones (see `Settings`)."""
        return self.images[: self.settings.images], self.labels[: self.settings.images]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of trained networks.

    Attributes:
        name: as in parameters and tables: lower-case letters, digits and `_`.
        measure: takes a trained network, yields its rows.
        needs: what a network must have; of others the measure is left out. `"kernels"`: free layers, whose kernels
            alone are measured, and every row is about one of them; `"snapshots"`: likewise, and those that were
            recorded in training; `"free layers"`: these, and images; `"network"`: nothing, any network can be measured.
        order: place in lists.
        title: for readers: `Weight signal-to-noise ratio`.
        definition: where the definition is: a page and its section.
    """

    name: str
    measure: Callable[[Trained], Iterable[Row]]
    needs: Needs = "network"
    order: int = shown(100)
    title: str = shown()
    definition: str = shown("")


MEASURES: Registry[Measure] = Registry("measure", __name__)


def network_to_measure(network: str, shape: Sequence[int], classes: int, layers: int | None) -> keras.Model:
    """Return the network that trained weights are restored into, computed in float32 whatever it was trained in.

    Args:
        network: name of a registered network.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        layers: number of (free) convolutions, the first ones; all if None.

    Raises:
        FreeconvError: there is no such network, or the images are too small for it.
    """
    from freeconv.networks import build_network
    from freeconv.training.precision import use_precision

    use_precision("float32")
    model = build_network(network, shape, classes, seed=0, layers=layers)
    model.jit_compile = True  # on a processor Keras would not, and free networks take twice as long
    return model


def restored(
    model: keras.Model,
    weights: Mapping[str, np.ndarray],
    images: np.ndarray,
    labels: np.ndarray,
    run: Run,
    settings: Settings,
    snapshots: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
) -> Trained:
    """Return a trained network: weights restored, with the images that its run held out.

    Args:
        model: made by `network_to_measure`; one for all runs, so Keras compiles it once.
        weights: `<layer>/<variable>` to array.
        images: of the whole dataset, uint8 (n, height, width, channels).
        labels: int64 (n,).
        run: which run the weights are of.
        settings: parameters of measures.
        snapshots: as in `Trained`.

    Raises:
        ValueError: the weights are not those of such a network.
    """
    from freeconv.analysis.predictions import free_layers
    from freeconv.architectures.build import set_weights
    from freeconv.data.folds import fold_index

    set_weights(model, weights)
    held_out = fold_index(len(images), run.folds, run.fold)[1]
    free = free_layers(model) if run.vcp == 0 else []
    return Trained(
        model=model,
        layers=tuple(_free_layer(layer) for layer in free),
        images=images[held_out].astype("float32") / 255,
        labels=labels[held_out],
        run=run,
        settings=settings,
        snapshots=snapshots if free and snapshots else {},
    )


def measured(names: Iterable[str], trained: Trained) -> list[tuple[Any, ...]]:
    """Measure a trained network.

    Args:
        names: of the measures; those whose needs the network does not meet are left out.
        trained: the network.

    Returns:
        Rows of the last columns of `MEASURE_COLUMNS`, from `measure` on: first those of kernels, layer by layer and in
        each layer by measure, then the others; measures in the order of `names`.

    Raises:
        FreeconvError: there is no such measure.
    """
    members = [member for member in map(MEASURES.__getitem__, names) if trained.layers or member.needs == "network"]
    rows = {member.name: [(member.name, *row) for row in member.measure(trained)] for member in members}
    of_layers = ("kernels", "snapshots")
    of_kernels = [row for member in members if member.needs in of_layers for row in rows[member.name]]
    places = [layer.name for layer in trained.layers]
    of_kernels.sort(key=lambda row: places.index(row[1]) if row[1] in places else len(places))  # a stable sort
    return of_kernels + [row for member in members if member.needs not in of_layers for row in rows[member.name]]


def _free_layer(layer: Any) -> FreeLayer:
    """Return what is measured of a free layer of a model."""
    from freeconv.analysis.predictions import array_of

    rows, columns = layer.grid(layer.input.shape)
    return FreeLayer(layer.name, array_of(layer.kernel), (rows, columns))
