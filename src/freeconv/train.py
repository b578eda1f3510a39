"""Training of networks, one run per level and fold, and the results file of each run."""

import platform
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras
import numpy as np

import freeconv
from freeconv.augment import edge_noise, noise, rotate, swap_quadrants, translate
from freeconv.configs import METRICS, RunConfig, TrainConfig
from freeconv.errors import FreeconvError
from freeconv.networks import build_network
from freeconv.progress import Progress
from freeconv.shard import read_shard
from freeconv.steps import Steps, compile_steps, on_device
from freeconv.storage import read_h5, write_h5
from freeconv.streams import random_stream, stream_seed

HISTORY = ("train_loss", "val_loss", *METRICS)
CACHED_SHARD_BYTES = 2**30


class Dataset(NamedTuple):
    """A dataset in memory.

    Attributes:
        images: (n, height, width, channels) uint8.
        labels: (n,) int64.
        classes: number of classes.
        sha256: hash of the content.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: int
    sha256: str


class Result(NamedTuple):
    """What a run has learned.

    Attributes:
        history: name (see `HISTORY`) to float32 of shape (epochs,).
        kernels: (snapshots, positions, kh · kw · channels, filters) float32, the first layer's kernels; a convolution
            has one position.
        kernel_epochs: (snapshots,) int64, the epochs after which they were taken, 0 before training.
        seconds: wall time.
    """

    history: dict[str, np.ndarray]
    kernels: np.ndarray
    kernel_epochs: np.ndarray
    seconds: float


def read_dataset(path: str | Path) -> Dataset:
    """Read a dataset as `freeconv fetch` wrote it."""
    arrays, attributes = read_h5(path)
    labels = arrays["labels"]
    return Dataset(arrays["images"], labels, int(labels.max()) + 1, attributes["content_sha256"])


def fold_index(images: int, folds: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of training and held-out images.

    Folds are contiguous blocks in the dataset's order, as scikit-learn's unshuffled `KFold` makes them (authors'
    program).

    Args:
        images: number of images in the dataset.
        folds: number of folds.
        fold: which one is held out, counted from 0.
    """
    held_out = np.array_split(np.arange(images), folds)[fold]
    return np.setdiff1d(np.arange(images), held_out), held_out


def epoch_batches(train_index: np.ndarray, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Return an epoch's batches: an index (steps, batch) in random order, the incomplete last batch left out.

    floor(n / batch) steps an epoch, as in the authors' program.
    """
    steps = len(train_index) // batch
    return rng.permutation(train_index)[: steps * batch].reshape(steps, batch)


def evaluation_sets(images: np.ndarray, config: RunConfig) -> dict[str, np.ndarray]:
    """Return the held-out images as each accuracy sees them.

    The six sets are those of the authors' program. They are drawn once per dataset and fold and are the same for
    all networks, levels and epochs, so that comparisons between runs are paired.

    Args:
        images: (n, height, width, channels) uint8.
        config: gives seed, dataset, fold and the strengths.

    Returns:
        Name of the accuracy to images: uint8, or float16 where noise leaves [0, 1].
    """
    scaled = images.astype("float32") / 255
    strength = config.evaluate

    def rng(name: str) -> np.random.Generator:
        return random_stream(config.seed, "evaluate", config.dataset, config.folds, config.fold, name)

    def stored(values: np.ndarray) -> np.ndarray:
        return np.rint(values * 255).astype("uint8")

    return {
        "val_acc": images,
        "translate_acc": stored(translate(scaled, strength.translate, rng("translate"))),
        "rotate_acc": stored(rotate(scaled, strength.rotate / 360, rng("rotate"))),
        "noise_acc": noise(scaled, strength.noise, rng("noise")).astype("float16"),
        "edge_noise_acc": edge_noise(scaled, strength.edge_noise, rng("edge_noise")).astype("float16"),
        "swap_acc": stored(swap_quadrants(scaled)),
    }


def train_run(
    config: RunConfig,
    steps: Steps,
    initial_weights: list[np.ndarray],
    first_layer: str,
    dataset: Dataset,
    shard: Callable[[int], Any],
    progress: Progress,
) -> Result:
    """Train one network on all folds but one, evaluating it on the held-out fold after each epoch.

    Early stopping as in the authors' program: after `patience` epochs without a better accuracy on the clean
    held-out fold; the last weights are kept, not the best.

    Args:
        config: the run.
        steps: compiled steps of the network.
        initial_weights: the weights to start from.
        first_layer: name of the layer whose kernels are recorded.
        dataset: the un-augmented dataset.
        shard: takes a copy's index, returns its images on the device.
        progress: told the state before training and after each epoch.
    """
    begin = time.perf_counter()
    train_index, held_out = fold_index(len(dataset.images), config.folds, config.fold)
    sets = {name: on_device(images) for name, images in evaluation_sets(dataset.images[held_out], config).items()}
    labels = on_device(dataset.labels.astype("int32"))
    held_out_labels = on_device(dataset.labels[held_out].astype("int32"))
    run_name = (config.dataset, config.network, config.augmentation, config.level, config.fold)
    steps.start(initial_weights)
    kernels = {0: _kernels(steps, first_layer)}
    history: dict[str, list[float]] = {name: [] for name in HISTORY}
    best_epoch = 0
    progress(config, 0, {})
    for epoch in range(config.epochs):
        batches = epoch_batches(train_index, config.batch, random_stream(config.seed, "train", *run_name, epoch))
        train_loss, train_acc = steps.train(shard(epoch % config.copies), labels, batches)
        row = {"train_loss": train_loss, "train_acc": train_acc}
        for name, images in sets.items():
            loss, row[name] = steps.evaluate(images, held_out_labels)
            if name == "val_acc":
                row["val_loss"] = loss
        for name in HISTORY:
            history[name].append(row[name])
        if (epoch + 1) % config.kernels_every == 0:
            kernels[epoch + 1] = _kernels(steps, first_layer)
        progress(config, epoch + 1, row)
        if row["val_acc"] > max(history["val_acc"][:-1], default=-1.0):
            best_epoch = epoch
        if epoch - best_epoch >= config.patience:
            break
    kernels[len(history["val_acc"])] = _kernels(steps, first_layer)
    return Result(
        {name: np.array(values, "float32") for name, values in history.items()},
        np.stack(list(kernels.values())),
        np.array(list(kernels), "int64"),
        time.perf_counter() - begin,
    )


def _kernels(steps: Steps, layer: str) -> np.ndarray:
    """Return a layer's kernels as (positions, kh · kw · channels, filters); a convolution has one position."""
    kernel = steps.weights(layer)[0]
    return kernel if kernel.ndim == 3 else kernel.reshape(1, -1, kernel.shape[-1])


def train(
    config: TrainConfig,
    data_path: str | Path,
    shard_path: Callable[[RunConfig, int], str | Path],
    run_path: Callable[[RunConfig], str | Path],
    progress: Progress,
) -> None:
    """Train all runs of a job, one after another with one compiled program, and write each one's results file.

    Args:
        config: the job.
        data_path: the dataset's file.
        shard_path: takes a run and a copy's index, returns the shard's file.
        run_path: takes a run, returns its results file.
        progress: told of each epoch.

    Raises:
        FreeconvError: a file is missing, broken or from other parameters, or a batch is larger than the training
            folds.
    """
    dataset = read_dataset(data_path)
    largest = min(len(fold_index(len(dataset.images), config.folds, fold)[0]) for fold in config.fold_indices)
    if config.batch > largest:
        raise FreeconvError(
            f"train.batch: expected at most the {largest} images of the training folds of {config.dataset}, "
            f"received {config.batch}"
        )
    shape = dataset.images.shape[1:]
    model = build_network(config.network, shape, dataset.classes, 0, config.initializer)
    steps = compile_steps(model, config.learning_rate)
    first_layer = next(layer for layer in model.layers if layer.name.endswith("_1"))
    for run, shard in _runs_with_shards(config, dataset, shard_path):
        seed = stream_seed(run.seed, "weights", run.dataset, run.network, run.augmentation, run.level, run.fold)
        initial = build_network(run.network, shape, dataset.classes, seed, run.initializer)
        result = train_run(run, steps, initial.get_weights(), first_layer.name, dataset, shard, progress)
        write_h5(
            run_path(run),
            {
                **{f"history/{name}": values for name, values in result.history.items()},
                "kernels": result.kernels,
                "kernel_epochs": result.kernel_epochs,
            },
            {
                "config": run.dump(),
                "weights_seed": seed,
                "layer": first_layer.name,
                "grid": list(first_layer.grid(first_layer.input.shape)) if config.network == "fcn" else [1, 1],
                "seconds": result.seconds,
                "data_sha256": dataset.sha256,
                **environment(),
            },
            compression="none",
        )


def _runs_with_shards(
    config: TrainConfig, dataset: Dataset, shard_path: Callable[[RunConfig, int], str | Path]
) -> Iterator[tuple[RunConfig, Callable[[int], Any]]]:
    """Yield each run with a function that returns the images of a copy; folds of a level share what was read."""
    cached = max(1, CACHED_SHARD_BYTES // dataset.images.nbytes)
    shard: Callable[[int], Any]
    level = None
    for run in config.runs():
        if run.level != level:
            level, first = run.level, run

            @lru_cache(maxsize=cached)
            def shard(copy_index: int, first: RunConfig = first) -> Any:
                images, _ = read_shard(shard_path(first, copy_index), first.shard(copy_index), dataset.sha256)
                return on_device(images)

        yield run, shard


def environment() -> dict[str, Any]:
    """Return what a result may depend on besides its configuration: versions, backend, device."""
    backend = keras.backend.backend()
    versions = {
        "freeconv": freeconv.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }
    if backend == "tensorflow":
        import tensorflow as tf

        versions["tensorflow"] = tf.__version__
        devices = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        device = devices[0].get("device_name", "GPU") if devices else _processor()
    else:
        import jax

        versions["jax"] = jax.__version__
        first = jax.devices()[0]
        device = _processor() if first.platform == "cpu" else first.device_kind
    return {"versions": versions, "backend": backend, "device": device}


def _processor() -> str:
    """Return the name of the machine's processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"CPU ({names[0] if names else platform.processor() or platform.machine()})"
