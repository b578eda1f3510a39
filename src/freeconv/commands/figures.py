"""`freeconv figures`: all figures and the numbers behind them, from the tables."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from freeconv.analysis.authors import DATASET as AUTHORS_DATASET
from freeconv.analysis.authors import authors_envelope
from freeconv.datasets import DATASETS, paper_dataset
from freeconv.errors import FreeconvError
from freeconv.networks import network_sizes
from freeconv.report.distance_rows import in_percent, with_spread
from freeconv.report.figures import SAMPLE_ROWS, draw_accuracy, draw_distance, draw_swap_accuracy, draw_vcp
from freeconv.report.forest_rows import forest_rows
from freeconv.report.gallery import draw_gallery, kernel_size, kernel_table
from freeconv.report.measure_figures import (
    TRANSFER_PANELS,
    by_level,
    distance_by_radius,
    draw_distance_by_radius,
    draw_distance_to_shared,
    draw_shared_accuracy,
    draw_signal_to_noise,
    draw_transfer,
    signal_to_noise,
)
from freeconv.report.network_figures import draw_networks, network_rows
from freeconv.report.panels import draw_samples, image_of, style
from freeconv.report.summary_figures import draw_answer, draw_claims
from freeconv.report.titles import free_first
from freeconv.storage.archive_parts import ArchivedKernels, kernels_of
from freeconv.storage.archive_source import Archive
from freeconv.storage.atomic import write_bytes, write_text
from freeconv.storage.csv_files import read_table
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.run_file import read_kernels
from freeconv.storage.shard_file import read_shard
from freeconv.study import grid, paths
from freeconv.study.jobs import RunConfig
from freeconv.study.params import Params
from freeconv.vocabulary import trained_as

TABLES = ("accuracy_by_epoch", "claims", "compared", "dataset", "distance", "history", "measures")


class Drawn(NamedTuple):
    """A figure to be drawn in several sizes, and the numbers behind it; None for images."""

    table: pd.DataFrame | None
    draw: Callable[[], Figure]


class Source(NamedTuple):
    """What the figures of one dataset are made from.

    Attributes:
        params: the study.
        dataset: which one.
        tables: those of `TABLES`, its rows.
        positions: network to layer to number of positions.
        authors: between which values the authors' runs lie, beside MNIST.
        chance: the accuracy of guessing, where the number of classes is known.
        archive: where kernels are, if not in the runs' files.
    """

    params: Params
    dataset: str
    tables: Mapping[str, pd.DataFrame]
    positions: Mapping[str, Mapping[str, int]]
    authors: pd.DataFrame | None
    chance: float | None
    archive: Archive | None


def make_figures(params: Params, folder: str = paths.REPORTS, archive: Archive | None = None) -> list[str]:
    """Draw all figures of a study, and write the numbers behind them: the files of `grid.figure_files`.

    Cells without runs are left out and named in the figure; where there are none at all, it says so.

    Args:
        params: the study. At the paths of `paths` there must be its first shards, and the runs of
            `grid.kernel_run_files`.
        folder: where `make_tables` put its tables, and where the folder `figures` goes.
        archive: what the tables were made from, if not from runs: then nothing is read of shards, and figures of images
            are left out.

    Returns:
        Names of the figures that are left out.

    Raises:
        FreeconvError: a table, shard or run is missing or damaged.
    """
    tables = {name: read_table(folder, name) for name in TABLES}
    left_out: list[str] = []
    for dataset in params.data.datasets:
        source = _source(params, dataset, tables, archive)
        for subject, name in grid.figures(params):
            if name == "samples" and archive is not None:
                left_out.append(f"{dataset}-{subject}-{name}")
                continue
            _write(params, folder, (dataset, subject, name), _figure(source, subject, name))
    return left_out


def _write(params: Params, folder: str, labels: tuple[str, str, str], drawn: Drawn) -> None:
    """Write a figure in all formats and sizes, and its numbers."""
    if drawn.table is not None:
        text = drawn.table.to_csv(index=False, float_format="%.6g")
        write_text(paths.figure_file(folder, *labels, "csv"), text)
    for width, kinds in groupby(grid.figure_kinds(params), key=lambda kind: kind[0]):
        with style(width, params.report.figures.font):
            figure = drawn.draw()
            for _, suffix in kinds:
                write_bytes(paths.figure_file(folder, *labels, suffix, width), image_of(figure, suffix))


def _source(params: Params, dataset: str, tables: Mapping[str, pd.DataFrame], archive: Archive | None) -> Source:
    """Return what the figures of a dataset are made from."""
    rows = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
    free = grid.free_networks(params)
    positions = _positions(params, dataset) if archive is None else archive.positions(dataset, free)
    authors = authors_envelope() if paper_dataset(dataset) == AUTHORS_DATASET else None
    return Source(params, dataset, rows, positions, authors, chance(dataset, rows["dataset"]), archive)


def chance(dataset: str, classes: pd.DataFrame) -> float | None:
    """Return the accuracy of guessing; None where the number of classes is not known.

    Args:
        dataset: which one.
        classes: its rows of the table `dataset`.
    """
    count = len(DATASETS[dataset].classes) if dataset in DATASETS else int((classes["kind"] == "class").sum())
    return 1 / count if count else None


def _positions(params: Params, dataset: str) -> dict[str, dict[str, int]]:
    """Return how many positions the layers of the free networks have on a dataset: network to layer to number."""
    shape = _image_shape(params, dataset)
    return {
        # of the logits, which depend on the classes, there is one position
        network: {layer: size.positions for layer, size in network_sizes(network, shape, classes=1).items()}
        for network in grid.free_networks(params)
    }


def _image_shape(params: Params, dataset: str) -> tuple[int, ...]:
    """Return the shape of a dataset's images, from its first shard."""
    augmentation, levels = next(iter(grid.trained_levels(params).items()))
    arrays, _ = describe_h5(paths.shard_file(dataset, augmentation, levels[0], 0))
    return arrays["images"].shape[1:]


def _figure(source: Source, subject: str, name: str) -> Drawn:
    """Return one of `grid.figures`."""
    params, tables, guess = source.params, source.tables, source.chance
    networks = free_first(params.train.networks)
    curves = tables["accuracy_by_epoch"]
    if subject == "claims":
        rows = forest_rows(tables["claims"], _first(source.positions.get("fcn", {})))
        return Drawn(rows, partial(draw_claims, rows))
    if subject == "vcp":
        level = float(name.removeprefix("accuracy-"))
        shares = dict(zip(grid.vcp_networks(params), params.vcp.levels, strict=True))
        rows = curves[(curves["augmentation"] == "translate") & (curves["level"] == level)]
        rows = rows[rows["network"].isin(list(shares))]
        return Drawn(rows, partial(draw_vcp, rows, shares, guess))
    if name == "swap":
        rows = curves[(curves["level"] == 0) & curves["metric"].isin(["swap_acc", "val_acc"])]
        rows = rows.drop_duplicates(["network", "metric", "epoch"])
        return Drawn(rows, partial(draw_swap_accuracy, rows, networks, source.authors, guess))
    levels = params.levels(subject)
    if name == "samples":
        images = _samples(params, source.dataset, subject, levels)
        return Drawn(None, partial(draw_samples, images, levels, subject))
    if name == "answer":
        compared = tables["compared"].drop(columns=["table", "protocol"])
        rows = compared[(compared["augmentation"] == subject) & (compared["metric"] == "translate_acc")]
        return Drawn(rows, partial(draw_answer, rows, networks, subject, chance=guess))
    if name == "accuracy":
        rows = curves[curves["augmentation"] == subject]
        return Drawn(rows, partial(draw_accuracy, rows, networks, levels, subject, source.authors, guess))
    if name == "distance":  # the table has the traces of the FCN alone
        positions = source.positions.get("fcn", {})
        rows = tables["distance"][tables["distance"]["augmentation"] == subject]
        rows = in_percent(with_spread(rows, tables["history"]), positions)
        return Drawn(rows, partial(draw_distance, rows, levels, subject, positions, source.authors))
    if name == "kernels":
        rows = _kernels(source, subject)
        return Drawn(rows, partial(draw_gallery, rows))
    return _measured(source, subject, name, networks)


def _first(positions: Mapping[str, int]) -> int | None:
    """Return the number of positions of the first layer, if it is known."""
    return next(iter(positions.values()), None)


def _measured(source: Source, subject: str, name: str, networks: list[str]) -> Drawn:
    """Return a figure of measures of trained networks."""
    levels, measures = source.params.levels(subject), source.tables["measures"]
    trained = np.where(measures["level"] > 0, subject, "none")
    chosen = measures[(measures["augmentation"] == trained) & measures["level"].isin(levels)]
    if name == "transfer":
        rows = chosen[chosen["measure"].isin(TRANSFER_PANELS)]
        return Drawn(rows, partial(draw_transfer, rows, networks, levels, subject))
    if name == "networks":
        curves = source.tables["accuracy_by_epoch"]
        rows = network_rows(curves[curves["augmentation"] == subject], chosen)
        first = {network: count for network, its in source.positions.items() if (count := _first(its))}
        return Drawn(rows, partial(draw_networks, rows, networks, levels, subject, first))
    free = networks[0]
    of_free = chosen[chosen["network"] == free]
    figures: dict[str, Callable[[], tuple[pd.DataFrame, Callable[..., Figure], list[Any]]]] = {
        "distance-by-radius": lambda: (distance_by_radius(of_free), draw_distance_by_radius, [levels, subject]),
        "signal-to-noise": lambda: (signal_to_noise(of_free), draw_signal_to_noise, [subject]),
        "distance-to-shared": lambda: (
            by_level(of_free, "distance_to_shared"),
            draw_distance_to_shared,
            [subject, source.positions[free]],
        ),
        "shared-accuracy": lambda: (by_level(of_free, "shared_acc"), draw_shared_accuracy, [subject]),
    }
    rows, draw, others = figures[name]()
    return Drawn(rows, partial(draw, rows, *others))


def _kernels(source: Source, augmentation: str) -> pd.DataFrame:
    """Return first kernels of the free network's first run at some levels, as the archive keeps them.

    Levels whose run is missing or damaged are left out: `freeconv tables` says what is wrong with it.
    """
    found, size = {}, ((0, 0), (0, 0))
    for level, run in grid.kernel_runs(source.params, source.dataset, augmentation):
        with suppress(FreeconvError):
            kept, grids, channels = _first_kernels(source, run)
            layer, values = next(iter(kept.layers.items()))
            found[level] = (kept.epochs, values)
            rows, columns = grids[layer]
            size = (rows, columns), kernel_size(values.shape[2], channels)
    return kernel_table(found, *size)


def _first_kernels(source: Source, run: RunConfig) -> tuple[ArchivedKernels, Mapping[str, Sequence[int]], int]:
    """Return a run's first kernels, the grids of its layers, and the channels of its images."""
    if source.archive is not None:
        return source.archive.kernels(run)
    arrays, attributes = read_kernels(run, grid.run_file(run), source.params.train.epochs)
    channels = _image_shape(source.params, source.dataset)[-1]
    return kernels_of((run.train_seed, run.fold), arrays), attributes["grids"], channels


def _samples(params: Params, dataset: str, augmentation: str, levels: list[float]) -> np.ndarray:
    """Read the same few images of different classes from the first shard of every level.

    Returns:
        (images, levels, height, width, channels), of the shards' type: uint8, or floats on the [0, 1] scale.
    """
    columns = []
    for level in levels:
        config = grid.shard_config(params, dataset, trained_as(augmentation, level), level, 0)
        path = paths.shard_file(dataset, config.augmentation, level, 0)
        images, labels = read_shard(path, config)
        chosen = np.sort(np.unique(labels, return_index=True)[1][:SAMPLE_ROWS])
        columns.append(images[chosen])
    return np.stack(columns, axis=1)
