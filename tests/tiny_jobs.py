"""A small dataset, easy to learn, its shards, and jobs that train on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from freeconv.architectures.layers import Layer
from freeconv.commands.shard import make_shard
from freeconv.networks import NETWORKS, Network
from freeconv.storage.hdf5 import write_h5
from freeconv.study import grid, paths
from freeconv.study.jobs import TrainConfig
from freeconv.training.state import history_names

COUNT = 61


def config(**other) -> TrainConfig:
    """Return the configuration of a job, values replaced as given."""
    values = {
        "dataset": "tiny",
        "network": "fcn",
        "copies": 2,
        "folds": 3,
        "seed": 0,
        "epochs": 3,
        "patience": 50,
        "batch": 10,
        "learning_rate": 0.001,
        "initializer": "glorot-authors",
        "precision": "float32",
        "vcp_mask": None,
        "kernels_every": 1,
        "kernel_layers": [1],
        "forms": {"edge_noise": "border", "rotate": "center"},
        "evaluate": {"translate": 0.25, "rotate": 45.0, "noise": 0.15, "edge_noise": 0.15},
        "augmentation": "translate",
        "levels": [0.2, 0.4],
        "fold_indices": [0, 2],
    }
    return TrainConfig.model_validate({**values, **other})


@contextmanager
def registered(name: str, *layers: Layer, **other) -> Iterator[None]:
    """Have a network of these layers among those that can be trained."""
    NETWORKS.add(Network(name=name, layers=lambda _: list(layers), title=name, **other))
    try:
        yield
    finally:
        NETWORKS.remove(name)


def write_tiny(folder: Path) -> None:
    """Write the dataset and the shards of `config()`."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, COUNT)
    images = rng.integers(0, 60, (COUNT, 16, 16, 1), dtype="uint8")
    for image, label in zip(images, labels, strict=True):
        image[4:12, 3 + 3 * label : 6 + 3 * label] = 255
    write_h5(data_path(folder), {"images": images, "labels": labels}, data_about())
    for run in config(fold_indices=[0]).runs():
        for copy_index in range(2):
            make_shard(run.shard(copy_index), data_path(folder), shard_path(folder)(run, copy_index))


def data_about(seed: int = 0, dataset: str = "tiny") -> dict:
    """Return what the file of a dataset says of it."""
    return {"dataset": dataset, "config": {"dataset": dataset, "seed": seed, "limit": None}}


def histories(run, epochs: int) -> dict[str, np.ndarray]:
    """Return histories of zeros."""
    return {f"history/{name}": np.zeros(epochs, "float32") for name in history_names(run)}


def run_about(run, epochs: int, data_sha256: str) -> dict:
    """Return what a run's file must say of it."""
    return {
        "config": run.dump(),
        "epochs": epochs,
        "stopped_early": False,
        "classes": 4,
        "images": COUNT,
        "grids": {},
        "data_sha256": data_sha256,
    }


def data_path(folder: Path) -> Path:
    return folder / paths.data_file("tiny")


def shard_path(folder: Path):
    return lambda run, copy_index: folder / paths.shard_file(run.dataset, run.augmentation, run.level, copy_index)


def run_path(folder: Path):
    return lambda run: folder / grid.run_file(run)


def checkpoint_path(folder: Path):
    return lambda key: folder / paths.checkpoint_file(key)
