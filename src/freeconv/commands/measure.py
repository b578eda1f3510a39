"""Measures of trained networks beyond the paper's: how much sharing has emerged, and how far recognition moves along.

Definitions, ranges, chance values and sources are in docs/measures.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.seeds import random_stream
from freeconv.storage.csv_files import write_csv
from freeconv.storage.hdf5 import read_h5
from freeconv.study.jobs import MeasureConfig, RunConfig, check_config
from freeconv.vocabulary import DistanceMeasure

if TYPE_CHECKING:  # who reads measures, or measures kernels, need not wait for Keras
    import keras

    from freeconv.layers import FreeConv2D

from freeconv.measures.accuracy import _array, accuracy_by_angle, accuracy_by_shift, free_layers, shared_accuracy
from freeconv.measures.columns import MEASURE_COLUMNS
from freeconv.measures.kernels import distance_by_radius, distance_to_shared, permutation_null, signal_to_noise


def make_measures(
    config: MeasureConfig, run_paths: Sequence[str | Path], data_path: str | Path, path: str | Path
) -> None:
    """Measure the trained networks of one dataset, network, augmentation and level, and write one table of all folds.

    Networks are evaluated in float32 on the images of their held-out folds, by shift and angle on the first
    `config.images` of them. Convolutional networks, and free ones with missing connections, have the accuracies by
    shift and angle only.

    Args:
        config: what to measure.
        run_paths: the runs' files, one per fold of `config.train.fold_indices`, in that order.
        data_path: the dataset's file.
        path: the CSV file to write (see `freeconv.storage.write_csv`), with the columns of `MEASURE_COLUMNS`;
            docs/measures.md lists what they hold.

    Raises:
        FreeconvError: a file is missing, damaged or not the one asked for, or a run was trained on other data.
    """
    from freeconv.architectures.build import set_weights
    from freeconv.data.folds import fold_index
    from freeconv.networks import build_network
    from freeconv.storage.dataset_file import read_dataset
    from freeconv.training.precision import use_precision

    use_precision("float32")
    dataset = read_dataset(data_path)
    runs = config.train.with_files(run_paths)
    for run, run_path in runs:
        _check_run(run, run_path, dataset.sha256)
    variant = config.train.variant
    # One network for all runs: Keras compiles it once.
    model = build_network(variant.kind, dataset.images.shape[1:], dataset.classes, seed=0, layers=variant.layers)
    model.jit_compile = True  # on a processor Keras would not, and free networks take twice as long
    free = free_layers(model) if variant.vcp == 0 else []
    frames = []
    for run, run_path in runs:
        weights, _ = read_h5(run_path, [f"network/{variable.path}" for variable in model.weights])
        set_weights(model, {name.removeprefix("network/"): array for name, array in weights.items()})
        held_out = fold_index(len(dataset.images), run.folds, run.fold)[1]
        images, labels = dataset.images[held_out].astype(np.float32) / 255, dataset.labels[held_out]
        rows = [row for layer in free for row in _kernel_rows(config, run, layer)]
        if free:
            shared = shared_accuracy(model, images, labels)
            rows += [("shared_acc", layer, None, "observed", value) for layer, value in shared.items()]
        chosen = slice(config.images)
        rows += _transformed_rows(config, model, images[chosen], labels[chosen])
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


def _kernel_rows(config: MeasureConfig, run: RunConfig, layer: "FreeConv2D") -> Iterator[tuple]:
    """Yield measure, layer, setting, statistic and value of a free layer's kernels."""
    kernels, grid = _array(layer.kernel), layer.grid(layer.input.shape)
    cell = (run.dataset, run.network, run.augmentation, run.level)
    for measure in get_args(DistanceMeasure):
        distances = distance_by_radius(kernels, grid, measure)
        rng = random_stream(run.seed, "measure", *cell, run.fold, layer.name, measure)
        null = permutation_null(kernels, grid, range(1, len(distances) + 1), rng, config.permutations, measure)
        for distance, (radius, *permuted) in zip(distances, null.itertuples(index=False), strict=True):
            yield f"{measure}_distance", layer.name, radius, "observed", distance
            for statistic, value in zip(("mean", "low", "high"), permuted, strict=True):
                yield f"{measure}_distance", layer.name, radius, f"permuted_{statistic}", value
    for statistic, value in signal_to_noise(kernels)._asdict().items():
        yield "signal_to_noise", layer.name, None, statistic, value
    yield "distance_to_shared", layer.name, None, "observed", distance_to_shared(kernels)


def _transformed_rows(
    config: MeasureConfig, model: "keras.Model", images: np.ndarray, labels: np.ndarray
) -> Iterator[tuple]:
    """Yield measure, layer, setting, statistic and value of the accuracies on shifted and turned images."""
    for direction, values in accuracy_by_shift(model, images, labels, config.shifts).items():
        for share, value in zip(config.shifts, values, strict=True):
            yield f"{direction}_shift_acc", "", share, "observed", value
    for angle, value in zip(config.angles, accuracy_by_angle(model, images, labels, config.angles), strict=True):
        yield "angle_acc", "", angle, "observed", value
