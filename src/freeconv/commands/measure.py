"""Measures of trained networks: reads runs, measures what was trained, writes a table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.measures import MEASURE_COLUMNS, Run, Settings, measured, network_to_measure, restored
from freeconv.storage.csv_files import write_csv
from freeconv.storage.dataset_file import read_dataset
from freeconv.storage.hdf5 import read_h5
from freeconv.study.jobs import MeasureConfig, RunConfig, check_config


def make_measures(
    config: MeasureConfig, run_paths: Sequence[str | Path], data_path: str | Path, path: str | Path
) -> None:
    """Measure the trained networks of one dataset, network, augmentation and level, and write one table of all folds.

    Networks are evaluated in float32 on the images of their held-out folds, by shift and angle on the first
    `config.images` of them. Convolutional networks, and free ones with missing connections, have only those of
    `config.measures` that need no free layers.

    Args:
        config: what to measure.
        run_paths: the runs' files, one per fold of `config.train.fold_indices`, in that order.
        data_path: the dataset's file.
        path: the CSV file to write (see `freeconv.storage.csv_files.write_csv`), with the columns of
            `MEASURE_COLUMNS`; docs/measures.md lists what they hold.

    Raises:
        FreeconvError: a file is missing, damaged or not the one asked for, or a run was trained on other data.
    """
    dataset = read_dataset(data_path)
    runs = config.train.with_files(run_paths)
    for run, run_path in runs:
        _check_run(run, run_path, dataset.sha256)
    variant = config.train.variant
    model = network_to_measure(variant.kind, dataset.images.shape[1:], dataset.classes, variant.layers)
    frames = []
    for run, run_path in runs:
        weights, _ = read_h5(run_path, [f"network/{variable.path}" for variable in model.weights])
        weights = {name.removeprefix("network/"): array for name, array in weights.items()}
        trained = restored(model, weights, dataset.images, dataset.labels, _identity(run), _settings(config))
        rows = measured(config.measures, trained)
        frames.append(pd.DataFrame(rows, columns=list(MEASURE_COLUMNS[5:])).assign(fold=run.fold))
    write_csv(path, pd.concat(frames).assign(**config.train.labels())[list(MEASURE_COLUMNS)], config.dump())


def _check_run(run: RunConfig, run_path: str | Path, data_sha256: str) -> None:
    """Refuse a run that is not the one asked for, or was trained on other data than will be evaluated."""
    _, attributes = read_h5(run_path, [])
    check_config(run_path, attributes.get("config"), run.dump())
    if attributes.get("data_sha256") != data_sha256:
        raise FreeconvError(
            f"{run_path}: expected a run on data with SHA-256 {data_sha256}, received one on "
            f"{attributes.get('data_sha256')}; remove the file and run again"
        )


def _identity(run: RunConfig) -> Run:
    """Return what measures know of a run."""
    return Run(
        dataset=run.dataset,
        network=run.network,
        augmentation=run.augmentation,
        level=run.level,
        folds=run.folds,
        fold=run.fold,
        seed=run.seed,
        vcp=run.variant.vcp,
    )


def _settings(config: MeasureConfig) -> Settings:
    """Return what measures know of the parameters."""
    return Settings(config.shifts, config.angles, config.permutations, config.images)
