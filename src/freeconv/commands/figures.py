"""`freeconv figures`: all figures, from the tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from freeconv.analysis.authors import DATASET as AUTHORS_DATASET
from freeconv.analysis.authors import authors_envelope
from freeconv.datasets import paper_dataset
from freeconv.networks import network_sizes
from freeconv.report.figures import SAMPLE_ROWS, draw_accuracy, draw_distance, draw_swap_accuracy, draw_vcp
from freeconv.report.measure_figures import draw_sharing, draw_transfer
from freeconv.report.panels import draw_samples, image_of, style
from freeconv.report.titles import free_first
from freeconv.storage.archive_source import Archive
from freeconv.storage.atomic import write_bytes
from freeconv.storage.csv_files import read_table
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.shard_file import read_shard
from freeconv.study import grid, paths
from freeconv.study.params import Params
from freeconv.vocabulary import trained_as

TABLES = ("accuracy_by_epoch", "distance", "measures")


def make_figures(params: Params, folder: str = paths.REPORTS, archive: Archive | None = None) -> list[str]:
    """Draw all figures of a study, as PNG and SVG: the files of `grid.figure_files`.

    Cells without runs are left out and named in the figure; where there are none at all, it says so.

    Args:
        params: the study. At the paths of `paths` there must be its first shards.
        folder: where `make_tables` put its tables, and where the folder `figures` goes.
        archive: what the tables were made from, if not from runs: then nothing is read of shards, and figures of images
            are left out.

    Returns:
        Names of the figures that are left out.

    Raises:
        FreeconvError: a table or shard is missing or damaged.
    """
    tables = {name: read_table(folder, name) for name in TABLES}
    left_out: list[str] = []
    with style():
        for dataset in params.data.datasets:
            rows = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
            free = grid.free_networks(params)
            positions = _positions(params, dataset) if archive is None else archive.positions(dataset, free)
            for subject, name in grid.figures(params):
                if name == "samples" and archive is not None:
                    left_out.append(f"{dataset}-{subject}-{name}")
                    continue
                figure = _draw(params, dataset, subject, name, rows, positions)
                for suffix in ("png", "svg"):
                    path = paths.figure_file(folder, dataset, subject, name, suffix)
                    write_bytes(path, image_of(figure, suffix))
    return left_out


def _positions(params: Params, dataset: str) -> dict[str, dict[str, int]]:
    """Return how many positions the layers of the free networks have on a dataset: network to layer to number."""
    augmentation, levels = next(iter(grid.trained_levels(params).items()))
    arrays, _ = describe_h5(paths.shard_file(dataset, augmentation, levels[0], 0))
    shape = arrays["images"].shape[1:]
    return {
        # of the logits, which depend on the classes, there is one position
        network: {layer: size.positions for layer, size in network_sizes(network, shape, classes=1).items()}
        for network in grid.free_networks(params)
    }


def _draw(
    params: Params,
    dataset: str,
    subject: str,
    name: str,
    tables: Mapping[str, pd.DataFrame],
    positions: Mapping[str, Mapping[str, int]],
) -> Figure:
    """Draw one of `grid.figures` from the rows of a dataset."""
    networks = free_first(params.train.networks)
    authors = authors_envelope() if paper_dataset(dataset) == AUTHORS_DATASET else None
    curves, distances, measures = (tables[table] for table in TABLES)
    if subject == "vcp":
        level = float(name.removeprefix("accuracy-"))
        curves = curves[(curves["augmentation"] == "translate") & (curves["level"] == level)]
        return draw_vcp(curves, dict(zip(grid.vcp_networks(params), params.vcp.levels, strict=True)))
    if name == "swap":
        return draw_swap_accuracy(curves[curves["level"] == 0], networks, authors)
    levels = params.levels(subject)
    if name == "samples":
        return draw_samples(_samples(params, dataset, subject, levels), levels, subject)
    if name == "accuracy":
        return draw_accuracy(curves[curves["augmentation"] == subject], networks, levels, subject, authors)
    if name == "distance":  # the table has the traces of the FCN alone
        rows = distances[distances["augmentation"] == subject]
        return draw_distance(rows, levels, subject, positions.get("fcn", {}), authors)
    trained = np.where(measures["level"] > 0, subject, "none")
    chosen = measures[(measures["augmentation"] == trained) & measures["level"].isin(levels)]
    if name == "transfer":
        return draw_transfer(chosen, networks, levels, subject)
    free = networks[0]
    return draw_sharing(chosen, free, levels, subject, positions[free])


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
