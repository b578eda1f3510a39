"""A synthetic study: the files that training would have written, with made-up but plausible numbers."""

import numpy as np

from freeconv import layout, runs
from freeconv.distance import make_traces
from freeconv.params import Params, check_params
from freeconv.storage import write_h5

GRID = (9, 9)
SMALL = {
    "aug": {"translate": [0, 0.2, 0.4], "rotate": [0, 0.1]},
    "train": {"folds": 3, "epochs": 4},
}


def small_params(**sections) -> Params:
    """Return parameters of a small study, sections replaced as given."""
    return check_params({**SMALL, **sections})


def history(run, epochs: int) -> dict[str, np.ndarray]:
    """Return made-up histories that differ by network, level and fold."""
    epoch = np.arange(1, epochs + 1)
    rng = np.random.default_rng([run.fold, int(100 * run.level), len(run.augmentation), run.network == "fcn"])
    penalty = 0.02 * (run.network == "fcn")
    tops = {
        "train_acc": 0.999 - 0.1 * run.level,
        "val_acc": 0.98 - 0.02 * run.level,
        "translate_acc": 0.37 + 0.6 * min(1, run.level / 0.3) * (run.augmentation == "translate"),
        "rotate_acc": 0.8,
        "noise_acc": 0.9,
        "edge_noise_acc": 0.95,
        "swap_acc": 0.5 - 0.15 * (run.network == "fcn"),
    }
    values = {
        name: (top - penalty) * (1 - 0.7 * np.exp(-0.7 * epoch)) + rng.normal(0, 0.004, epochs)
        for name, top in tops.items()
    }
    losses = {name: np.exp(-0.3 * epoch) for name in ("train_loss", "val_loss")}
    return {f"history/{name}": value.astype("float32") for name, value in {**values, **losses}.items()}


def kernels(run, epochs: int, grid=GRID, weights: int = 9, filters: int = 4) -> np.ndarray:
    """Return made-up kernels that drift together under translation and apart without it."""
    rng = np.random.default_rng([run.fold, int(100 * run.level), 7])
    count = grid[0] * grid[1]
    untrained = rng.uniform(-1, 1, (count, weights, filters))
    place = np.stack(np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij"), -1).reshape(count, 2)
    smooth = np.einsum("pd,dkf->pkf", place / max(grid) - 0.5, rng.normal(size=(2, weights, filters)))
    shared = rng.normal(size=(1, weights, filters)) + smooth
    drift = shared * (run.level > 0) * (0.5 + run.level) + rng.normal(size=untrained.shape) * (run.level == 0)
    bias = np.exp(rng.normal(size=(count, 1, 1))) * (run.level == 0)
    snapshots = [untrained + (1 - np.exp(-0.3 * epoch)) * (drift + bias * untrained) for epoch in range(epochs + 1)]
    return np.array(snapshots, dtype="float32")


def write_run(run, epochs: int, arrays=None, config=None, grid=GRID) -> None:
    """Write one run's file; `arrays` and `config` replace what would be made up."""
    grid = grid if run.network == "fcn" else (1, 1)
    write_h5(
        layout.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold),
        {
            **history(run, epochs),
            "kernels": kernels(run, epochs, grid),
            "kernel_epochs": np.arange(epochs + 1),
            **(arrays or {}),
        },
        {
            "config": run.dump() if config is None else config,
            "grid": list(grid),
            "layer": "free_1" if run.network == "fcn" else "conv_1",
            "versions": {"keras": "3.12.0", "numpy": "2.4.0"},
            "device": "a made-up processor",
            "backend": "tensorflow",
            "seconds": 12.5 + run.fold,
            "overhead_seconds": 2.5,
            "data_sha256": "0" * 64,
        },
        compression="none",
    )


def write_runs(params: Params, epochs=None, grid=GRID) -> None:
    """Write all runs of a study; `epochs` takes a run and returns how many it has."""
    for run in runs.runs(params):
        write_run(run, run.epochs if epochs is None else epochs(run), grid=grid)


def write_traces(params: Params) -> None:
    """Write all kernel-distance traces of a study from its runs."""
    for dataset in params.data.datasets:
        for augmentation, levels in runs.trained_levels(params).items():
            for level in levels if "fcn" in params.train.networks else []:
                config = runs.distance_config(params, dataset, "fcn", augmentation, level)
                paths = [layout.run_file(dataset, "fcn", augmentation, level, fold) for fold in config.fold_indices]
                make_traces(config, paths, layout.distance_file(dataset, "fcn", augmentation, level))


def write_shards(params: Params, channels: int = 1) -> None:
    """Write all shards of a study: a bright square that moves with the level."""
    for dataset in params.data.datasets:
        for augmentation, levels in runs.trained_levels(params).items():
            for level in levels:
                images = np.zeros((12, 28, 28, channels), "uint8")
                start = int(10 * level)
                images[:, 8 + start : 16 + start, 8:16] = 255
                arrays = {"images": images, "labels": np.arange(12, dtype="int64") % 4}
                config = runs.shard_config(params, dataset, augmentation, level, 0)
                write_h5(layout.shard_file(dataset, augmentation, level, 0), arrays, {"config": config.dump()}, "none")


def write_study(params: Params) -> None:
    """Write everything that tables, figures and report read."""
    write_runs(params)
    write_traces(params)
    write_shards(params)


def medians_of(values) -> float:
    """Return the median of the pooled values of several arrays, without NumPy's median."""
    pooled = sorted(float(value) for array in values for value in array)
    middle = len(pooled) // 2
    return pooled[middle] if len(pooled) % 2 else (pooled[middle - 1] + pooled[middle]) / 2
