"""A synthetic study: the files that earlier phases would have written, with made-up but plausible numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from freeconv.analysis.kernels import distances_and_null
from freeconv.augmentations import metrics
from freeconv.commands.distance import make_traces
from freeconv.measures import MEASURE_COLUMNS, MEASURES
from freeconv.measures.distance_to_shared import distance_to_shared
from freeconv.measures.signal_to_noise import signal_to_noise
from freeconv.networks import NETWORKS, convolutions
from freeconv.storage.csv_files import write_csv, write_sums
from freeconv.storage.hdf5 import describe_h5, write_h5
from freeconv.study import grid as study_grid
from freeconv.study import paths as study_paths
from freeconv.study.params import Params, check_params, params_model

GRID = (9, 9)
SMALL = {
    "aug": {"translate": [0, 0.2, 0.4], "rotate": [0, 0.1]},
    "train": {"folds": 3, "epochs": 4},
    "measure": {"shifts": [-0.25, 0.0, 0.25], "angles": [-90.0, 0.0, 90.0], "permutations": 20},
}


def small_params(**sections) -> Params:
    """Return parameters of a small study, sections replaced as given."""
    return check_params({**SMALL, **sections})


def parameter_file(**sections) -> str:
    """Return the text of a parameter file: sections as given, the others at their defaults."""
    optional = ("seed", "modules", "study")
    every = {name: {} for name in params_model().model_fields if name not in optional}
    return yaml.safe_dump({"seed": 0, **every, **sections})


def depth(run) -> int:
    """Return the number of (free) convolutions of a run's network."""
    return run.variant.layers or convolutions(run.variant.kind, (28, 28, 1))


def history(run, epochs: int) -> dict[str, np.ndarray]:
    """Return made-up histories of a run's accuracies and losses, which differ by network, level and fold."""
    epoch = np.arange(1, epochs + 1)
    variant = run.variant
    seed = [run.fold + 100 * run.train_seed, int(100 * run.level), len(run.augmentation), variant.kind == "fcn"]
    rng = np.random.default_rng([*seed, *run.network[3:].encode()])
    penalty = 0.02 * (variant.kind == "fcn") + 0.1 * variant.vcp**2 + 0.02 * (3 - depth(run))
    if variant.learning_rate is not None:
        penalty += 0.1 * np.log10(variant.learning_rate / 0.001) ** 2
    tops = {
        "train_acc": 0.999 - 0.1 * run.level,
        "clean_train_acc": 0.999,
        "val_acc": 0.98 - 0.02 * run.level,
        "translate_acc": 0.37 + 0.6 * min(1, run.level / 0.3) * (run.augmentation == "translate"),
        "rotate_acc": 0.8,
        "noise_acc": 0.9,
        "edge_noise_acc": 0.95,
        "swap_acc": 0.5 - 0.15 * (variant.kind == "fcn"),
    }
    values = {
        name: np.clip(
            (tops.get(name, 0.7) - penalty) * (1 - 0.7 * np.exp(-0.7 * epoch)) + rng.normal(0, 0.004, epochs), 0, 1
        )
        for name in metrics(run.evaluate)
    }
    losses = {name: np.exp(-0.3 * epoch) for name in ("train_loss", "val_loss")}
    others = {name: np.ones(epochs) for name in ("learning_rate", "steps", "cpu_seconds")}
    return {f"history/{name}": value.astype("float32") for name, value in {**values, **losses, **others}.items()}


def grids(run, grid=GRID) -> dict[str, tuple[int, int]]:
    """Return layer to grid of positions: that given for the first free layer, about half as wide for each next one."""
    numbers = range(1, depth(run) + 1)
    if not is_free(run):
        return {f"conv_{number}": (1, 1) for number in numbers}
    return {f"free_{number}": tuple(-(-length // 2 ** (number - 1)) for length in grid) for number in numbers}


def is_free(run) -> bool:
    """Return whether a run's network has free layers."""
    return NETWORKS[run.variant.kind].is_free()


def kernels(run, epochs: int, grid=GRID, weights: int = 9, filters: int = 4, layer: int = 1) -> np.ndarray:
    """Return made-up kernels that drift together under translation and apart without it."""
    rng = np.random.default_rng([run.fold, int(100 * run.level), 7, *([layer] if layer > 1 else [])])
    count = grid[0] * grid[1]
    untrained = rng.uniform(-1, 1, (count, weights, filters))
    place = np.stack(np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij"), -1).reshape(count, 2)
    smooth = np.einsum("pd,dkf->pkf", place / max(grid) - 0.5, rng.normal(size=(2, weights, filters)))
    shared = rng.normal(size=(1, weights, filters)) + smooth
    drift = shared * (run.level > 0) * (0.5 + run.level) + rng.normal(size=untrained.shape) * (run.level == 0)
    bias = np.exp(rng.normal(size=(count, 1, 1))) * (run.level == 0)
    snapshots = [untrained + (1 - np.exp(-0.3 * epoch)) * (drift + bias * untrained) for epoch in range(epochs + 1)]
    return np.array(snapshots, dtype="float32")


def write_run(run, epochs: int, arrays=None, config=None, grid=GRID, stopped_early=False) -> None:
    """Write one run's file; `arrays` and `config` replace what would be made up.

    Of the trained network there are the kernels of (free) convolutions only.
    """
    every = {
        (number, layer): kernels(run, epochs, of_layer, layer=number)
        for number, (layer, of_layer) in enumerate(grids(run, grid).items(), 1)
    }
    kept = {layer: snapshots for (number, layer), snapshots in every.items() if number in run.kernel_layers}
    write_h5(
        study_grid.run_file(run),
        {
            **history(run, epochs),
            **{f"kernels/{layer}": snapshots for layer, snapshots in kept.items()},
            **{f"network/{layer}/kernel": snapshots[-1] for (_, layer), snapshots in every.items()},
            "kernel_epochs": np.arange(epochs + 1),
            **(arrays or {}),
        },
        {
            "config": run.dump() if config is None else config,
            "epochs": epochs,
            "stopped_early": stopped_early,
            "grids": {layer: list(of_layer) for layer, of_layer in grids(run, grid).items() if layer in kept},
            "classes": 10,
            "images": 5000,
            "versions": {"keras": "3.12.0", "numpy": "2.4.0"},
            "device": "a made-up processor",
            "backend": "tensorflow",
            "seconds": 12.5 + run.fold,
            "overhead_seconds": 2.5,
            "data_sha256": data_sha256(run.dataset),
        },
        compression="none",
    )


def data_sha256(dataset: str) -> str:
    """Return the identity of a dataset's content; of one that is not there a made-up one."""
    path = study_paths.data_file(dataset)
    return describe_h5(path)[1]["content_sha256"] if Path(path).exists() else "0" * 64


def write_runs(params: Params, epochs=None, grid=GRID) -> None:
    """Write all runs of a study; `epochs` takes a run and returns how many it has."""
    for run, asked in zip(study_grid.runs(params), study_grid.run_epochs(params), strict=True):
        trained = asked if epochs is None else epochs(run)
        write_run(run, trained, grid=grid, stopped_early=trained < asked)


def write_traces(params: Params) -> None:
    """Write all kernel-distance traces of a study from its runs."""
    cells = [
        (dataset, network, augmentation, level)
        for dataset in params.data.datasets
        for network in study_grid.free_networks(params)
        for augmentation, levels in study_grid.trained_levels(params).items()
        for level in levels
    ]
    for cell in cells:
        config = study_grid.distance_config(params, *cell)
        paths = [study_grid.run_file(run) for run in config.train.runs()]
        make_traces(config, paths, study_paths.distance_file(*cell))


def measured(config, run, grid=GRID) -> pd.DataFrame:
    """Return what would be measured of one run: of made-up kernels, and made-up accuracies.

    Accuracy falls with shift and angle, later for networks that were trained with them. Of measures that are not built
    in there is one number.
    """
    rows = []
    for number, (layer, of_layer) in enumerate(grids(run, grid).items() if is_free(run) else (), 1):
        trained = kernels(run, config.train.epochs, of_layer, layer=number)[-1]
        for measure in ("euclidean", "cosine"):
            rng = np.random.default_rng(run.fold)
            null = distances_and_null(trained, of_layer, rng, config.permutations, measure)
            rows += [(f"{measure}_distance", layer, *row) for row in null]
        rows += [
            ("signal_to_noise", layer, None, statistic, value)
            for statistic, value in signal_to_noise(trained)._asdict().items()
        ]
        rows.append(("distance_to_shared", layer, None, "observed", distance_to_shared(trained)))
    if is_free(run):
        emerged = min(1, 0.3 + run.level)
        layers = {"none": 0, **{layer: 0.1 * number for number, layer in enumerate(grids(run), 1)}, "all": 0.5}
        rows += [
            ("shared_acc", layer, None, "observed", 0.95 - lost * (1.2 - emerged) - 0.004 * run.fold)
            for layer, lost in layers.items()
        ]
    reach = {
        "horizontal_shift_acc": 0.1 + run.level * (run.augmentation == "translate"),
        "vertical_shift_acc": 0.1 + 0.9 * run.level * (run.augmentation == "translate"),
        "angle_acc": 30 + 360 * run.level * (run.augmentation == "rotate"),
    }
    for measure, width in reach.items():
        settings = config.angles if measure == "angle_acc" else config.shifts
        rows += [
            (measure, "", setting, "observed", 0.1 + 0.86 / (1 + (setting / width) ** 4) - 0.01 * run.fold)
            for setting in settings
        ]
    built_in = {"euclidean_distance", "cosine_distance", "signal_to_noise", "distance_to_shared", "shared_acc", *reach}
    rows = [row for row in rows if row[0] in config.measures]
    rows += [
        (name, "", None, "observed", 0.5 - 0.01 * run.fold)
        for name in config.measures
        if name not in built_in and (is_free(run) or MEASURES[name].needs == "network")
    ]
    frame = pd.DataFrame(rows, columns=list(MEASURE_COLUMNS[6:])).assign(fold=run.fold, seed=run.train_seed)
    return frame.assign(**config.train.labels())[list(MEASURE_COLUMNS)]


def write_measures(params: Params, grid=GRID) -> None:
    """Write all measures of a study."""
    for path, config in zip(study_grid.measure_files(params), study_grid.measure_configs(params), strict=True):
        runs = list(config.train.runs())
        files = [Path(study_grid.run_file(run)) for run in runs]
        made_from = [describe_h5(file)[1]["content_sha256"] if file.exists() else None for file in files]
        frames = [measured(config, run, grid) for run in runs]
        write_csv(path, pd.concat(frames), {**config.dump(), "made_from": made_from})


def write_shards(params: Params, channels: int = 1) -> None:
    """Write the shards of a study that figures show: a bright square that moves with the level."""
    for dataset in params.data.datasets:
        for augmentation, levels in study_grid.trained_levels(params).items():
            for level in levels:
                images = np.zeros((12, 28, 28, channels), "uint8")
                start = int(10 * level)
                images[:, 8 + start : 16 + start, 8:16] = 255
                arrays = {"images": images, "labels": np.arange(12, dtype="int64") % 4}
                config = study_grid.shard_config(params, dataset, augmentation, level, 0)
                attributes = {"config": config.dump(), "data_sha256": data_sha256(dataset)}
                write_h5(study_paths.shard_file(dataset, augmentation, level, 0), arrays, attributes, "none")


def write_data(dataset: str, shape=(28, 28, 1), labels=(3, 5, 0, 5)) -> np.ndarray:
    """Write a dataset of random images, one for each label, and return them: uint8 (labels, *shape)."""
    images = np.random.default_rng(len(dataset)).integers(0, 256, (len(labels), *shape), dtype="uint8")
    arrays = {"images": images, "labels": np.array(labels)}
    config = {"dataset": dataset, "seed": 0, "limit": None}
    write_h5(study_paths.data_file(dataset), arrays, {"dataset": dataset, "config": config}, "gzip")
    return images


def write_study(params: Params) -> None:
    """Write everything that tables, figures, drawings and report read."""
    for dataset in params.data.datasets:
        write_data(dataset)
    write_runs(params)
    write_traces(params)
    write_measures(params)
    write_shards(params)


def sum_tables(folder: str = "reports") -> None:
    """Write the hashes of tables and metrics that a test has changed, as if they had been made so."""
    tables = [path for path in study_paths.table_files(folder) if path.endswith((".csv", ".json"))]
    summed = [path for path in tables if "/plots/" not in path]
    write_sums(summed, study_paths.sums_file(folder))


def medians_of(values) -> float:
    """Return the median of the pooled values of several arrays, without NumPy's median."""
    pooled = sorted(float(value) for array in values for value in array)
    middle = len(pooled) // 2
    return pooled[middle] if len(pooled) % 2 else (pooled[middle - 1] + pooled[middle]) / 2
