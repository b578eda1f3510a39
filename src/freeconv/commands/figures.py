"""`freeconv figures`: all figures, from the tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from freeconv.report.figures import (
    SAMPLE_ROWS,
    SHOWN_NETWORKS,
    draw_accuracy,
    draw_distance,
    draw_swap_accuracy,
    draw_vcp,
)
from freeconv.report.measure_figures import draw_sharing, draw_transfer
from freeconv.report.panels import draw_samples, save, style
from freeconv.storage.csv_files import read_table
from freeconv.storage.hdf5 import read_h5
from freeconv.study import grid
from freeconv.study import paths as study_paths
from freeconv.study.jobs import check_config
from freeconv.study.params import Params
from freeconv.vocabulary import trained_as


def make_figures(params: Params, folder: str = study_paths.REPORTS) -> None:
    """Draw all figures of a study, as PNG and SVG: the files of `runs.figure_files`.

    Cells without runs are left out and named in the figure; where there are none at all, it says so.

    Args:
        params: the study. At the paths of `layout` there must be its shards and, of each dataset, the first run of the
            free network that the table `runs` names: it says how many positions layers have.
        folder: where `make_tables` put its tables, and where the folder `figures` goes.

    Raises:
        FreeconvError: a table, a shard or that run is missing or damaged.
    """
    tables = {name: read_table(folder, name) for name in ("accuracy_by_epoch", "distance", "measures", "runs")}
    with style():
        for dataset in params.data.datasets:
            rows = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
            positions = _positions(rows)
            for subject, name in grid.figures(params):
                figure = _draw(params, dataset, subject, name, rows, positions)
                for suffix in ("png", "svg"):
                    save(figure, study_paths.figure_file(folder, dataset, subject, name, suffix))


def _positions(tables: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return how many positions the free layers have that a dataset's tables name; nothing without a free run."""
    study = tables["runs"]
    paths = study.loc[study["network"] == "fcn", "path"]
    layers = {*tables["distance"]["layer"], *tables["measures"]["layer"].dropna()} - {"none", "all"}
    if paths.empty:
        return {}
    arrays, _ = read_h5(paths.iloc[0], [f"network/{layer}/kernel" for layer in layers])
    return {layer: len(arrays[f"network/{layer}/kernel"]) for layer in layers}


def _draw(
    params: Params, dataset: str, subject: Any, name: str, tables: Mapping[str, pd.DataFrame], positions: dict[str, int]
) -> Figure:
    """Draw one of `runs.figures` from the rows of a dataset."""
    networks = [network for network in SHOWN_NETWORKS if network in params.train.networks]
    curves, distances, measures = (tables[table] for table in ("accuracy_by_epoch", "distance", "measures"))
    if subject == "vcp":
        level = float(name.removeprefix("accuracy-"))
        return draw_vcp(curves[(curves["augmentation"] == "translate") & (curves["level"] == level)], params.vcp.levels)
    if name == "swap":
        return draw_swap_accuracy(curves[curves["level"] == 0], networks)
    levels = params.levels(subject)
    if name == "samples":
        return draw_samples(_samples(params, dataset, subject, levels), levels, subject)
    if name == "accuracy":
        return draw_accuracy(curves[curves["augmentation"] == subject], networks, levels, subject)
    if name == "distance":
        return draw_distance(distances[distances["augmentation"] == subject], levels, subject, positions)
    trained = np.where(measures["level"] > 0, subject, "none")
    chosen = measures[(measures["augmentation"] == trained) & measures["level"].isin(levels)]
    if name == "transfer":
        return draw_transfer(chosen, networks, levels, subject)
    return draw_sharing(chosen, levels, subject, positions)


def _samples(params: Params, dataset: str, augmentation: str, levels: list[float]) -> np.ndarray:
    """Read the same few images of different classes from the first shard of every level.

    Returns:
        (images, levels, height, width, channels), of the shards' type: uint8, or floats on the [0, 1] scale.
    """
    columns = []
    for level in levels:
        config = grid.shard_config(params, dataset, trained_as(augmentation, level), level, 0)
        path = study_paths.shard_file(dataset, config.augmentation, level, 0)
        arrays, attributes = read_h5(path)
        check_config(path, attributes.get("config"), config.dump())
        chosen = np.sort(np.unique(arrays["labels"], return_index=True)[1][:SAMPLE_ROWS])
        columns.append(arrays["images"][chosen])
    return np.stack(columns, axis=1)
