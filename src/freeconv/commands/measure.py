"""Measures of trained networks: reads runs, measures what was trained, writes a table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.measures import MEASURE_COLUMNS, MEASURES, Run, Settings, measured, network_to_measure, restored
from freeconv.storage.atomic import AGAIN
from freeconv.storage.csv_files import write_csv
from freeconv.storage.dataset_file import kept_apart, read_dataset
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.run_file import TrainedLongerError, check_trained_on, read_kernels, read_network
from freeconv.study.jobs import MeasureConfig, RunConfig
from freeconv.study.paths import fold_name


def make_measures(
    config: MeasureConfig, run_paths: Sequence[str | Path], data_path: str | Path, path: str | Path
) -> None:
    """Measure the trained networks of one dataset, network, augmentation and level, and write one table of all folds.

    Networks are evaluated in float32 on the images of their held-out folds, by shift and angle on the first
    `config.images` of them. Convolutional networks, and free ones with missing connections, have only those of
    `config.measures` that need no free layers.

    Args:
        config: what to measure.
        run_paths: the runs' files, one per run of `config.train`, in that order.
        data_path: the dataset's file.
        path: the CSV file to write (see `freeconv.storage.csv_files.write_csv`), with the columns of
            `MEASURE_COLUMNS`; docs/measures.md lists what they hold.

    Raises:
        FreeconvError: a file is missing, damaged or not the one asked for, a run was trained on other data, or has
            fewer epochs than asked for.

    A run that was trained longer cannot be measured, as its network after the epochs asked for is not stored: it is
    reported in one line on standard output, and the first line of the file names its fold below `left_out`.
    """
    dataset = read_dataset(data_path, config.train.data())
    if config.train.test:
        dataset, _ = kept_apart(dataset, config.train.dataset)
    networks, left_out = _networks(config, run_paths, dataset.sha256)
    made_from = [describe_h5(run_path)[1]["content_sha256"] for run_path in run_paths]
    variant = config.train.variant
    model = network_to_measure(variant.kind, dataset.images.shape[1:], dataset.classes, variant.layers)
    frames = [pd.DataFrame(columns=list(MEASURE_COLUMNS))]
    for run, run_path, weights in networks:
        snapshots = _snapshots(config, run, run_path)
        try:
            trained = restored(
                model, weights, dataset.images, dataset.labels, _identity(run), _settings(config), snapshots
            )
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise FreeconvError(
                f"{run_path}: expected weights of such a network, received others ({reason}); {AGAIN}"
            ) from error
        rows = measured(config.measures, trained)
        frames.append(pd.DataFrame(rows, columns=list(MEASURE_COLUMNS[6:])).assign(fold=run.fold, seed=run.train_seed))
    frame = pd.concat(frames if len(frames) == 1 else frames[1:]).assign(**config.train.labels())
    about = {"made_from": made_from, **({"left_out": left_out} if left_out else {})}
    write_csv(path, frame[list(MEASURE_COLUMNS)], {**config.dump(), **about})


def _networks(
    config: MeasureConfig, run_paths: Sequence[str | Path], data_sha256: str
) -> tuple[list[tuple[RunConfig, str | Path, dict[str, np.ndarray]]], list[str]]:
    """Return the runs that can be measured, each with file and trained network, and the folds of the others."""
    networks, left_out = [], []
    runs = config.train.with_files(run_paths)
    for run, run_path in runs:
        check_trained_on(run, run_path, data_sha256)
    for run, run_path in runs:
        try:
            networks.append((run, run_path, read_network(run, run_path, data_sha256, config.train.epochs)))
        except TrainedLongerError as error:
            print(f"left out: {error}", flush=True)
            left_out.append(fold_name(run.fold, run.train_seed))
    return networks, left_out


def _snapshots(config: MeasureConfig, run: RunConfig, run_path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the kernels that were recorded in training, as `measures.Trained` has them, if a measure needs them."""
    if all(MEASURES[name].needs != "snapshots" for name in config.measures):
        return {}
    arrays, _ = read_kernels(run, run_path, config.train.epochs)
    epochs = arrays.pop("kernel_epochs")
    return {name.removeprefix("kernels/"): (epochs, kernels) for name, kernels in arrays.items()}


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
