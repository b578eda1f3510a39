"""Distances between the kernels of a free layer: do they come to share their weights by themselves?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from freeconv.analysis.distance import TRACE_COLUMNS, distances_by_epoch, largest_radius
from freeconv.errors import FreeconvError
from freeconv.storage.csv_files import write_csv
from freeconv.storage.run_file import check_data_sha256, read_kernels
from freeconv.study.jobs import DistanceConfig, RunConfig


def make_traces(config: DistanceConfig, run_paths: Sequence[str | Path], path: str | Path) -> None:
    """Write the kernel distances of one network, augmentation and level, by fold, radius, measure and epoch.

    Args:
        config: what to compute.
        run_paths: the runs' files, one per run of `config.train`, in that order.
        path: the CSV file to write (see `freeconv.storage.write_csv`). Columns: dataset,
            augmentation, level, network, fold, seed, layer, radius (positions), measure, epoch (0 is the untrained
            network), distance.

    Raises:
        FreeconvError: a run is missing, damaged or not the one asked for, runs are of different data, or a radius does
            not fit its grid.
    """
    frames = [_trace(config, *run) for run in config.train.with_files(run_paths)]
    for run_path, (_, attributes) in zip(run_paths, frames, strict=True):
        check_data_sha256(run_path, attributes, frames[0][1]["data_sha256"])
    frame = pd.concat([of_run for of_run, _ in frames])
    made_from = [attributes["content_sha256"] for _, attributes in frames]
    write_csv(path, frame, {**config.dump(), "made_from": made_from})


def _trace(config: DistanceConfig, run: RunConfig, run_path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the rows of one run, and the attributes of its file."""
    arrays, attributes = read_kernels(run, run_path, config.train.epochs)
    frames = []
    for layer, (rows, columns) in attributes["grids"].items():
        largest = largest_radius((rows, columns))
        if layer.endswith("_1") and max(config.radii) > largest:
            raise FreeconvError(
                f"{run_path}: expected distance.radii up to {largest} on {rows} × {columns} positions of {layer}, "
                f"received {max(config.radii)}; choose smaller radii"
            )
        distances = distances_by_epoch(arrays[f"kernels/{layer}"], (rows, columns), config.radii, config.measures)
        for (radius, measure), values in distances.items():
            labels = {"layer": layer, "radius": radius, "measure": measure}
            frames.append(pd.DataFrame({**labels, "epoch": arrays["kernel_epochs"], "distance": values}))
    frame = pd.concat(frames).assign(**config.train.labels(), fold=run.fold, seed=run.train_seed)
    return frame[list(TRACE_COLUMNS)], attributes
