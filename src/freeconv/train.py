"""Training of networks, one run per level and fold, and the results file of each run."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from freeconv.configs import METRICS, RunConfig, Stack, TrainConfig
from freeconv.environment import environment, has_gpu
from freeconv.errors import FreeconvError
from freeconv.evaluate import evaluation_sets
from freeconv.networks import build_network
from freeconv.precision import use_precision
from freeconv.progress import Progress
from freeconv.replicas import Replicas, compile_replicas, initial_state, on_device
from freeconv.shard import read_shard
from freeconv.storage import read_h5, write_h5
from freeconv.streams import random_stream, stream_seed

HISTORY = ("train_loss", "val_loss", *METRICS)


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


@dataclass
class Result:
    """What a run has learned so far.

    Attributes:
        run: its configuration.
        history: name (see `HISTORY`) to one value per epoch.
        kernels: epochs done to the recorded layers' kernels then, layer to (positions, kh · kw · channels, filters)
            float32; a convolution has one position.
        network: the trained network's weights, `<layer>/<variable>` to float32.
        seconds: wall time; of runs trained side by side, an equal share.
        best_epoch: the epoch, counted from 1, of the best accuracy on the clean held-out fold.
    """

    run: RunConfig
    history: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in HISTORY})
    kernels: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    network: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0
    best_epoch: int = 0

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history["val_acc"])

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to learn.

        Early stopping is as in the authors' program: after `patience` epochs without a better accuracy on the clean
        held-out fold; the last weights are kept, not the best.
        """
        return self.epochs == self.run.epochs or self.epochs - self.best_epoch >= self.run.patience

    def add(self, row: dict[str, float], seconds: float) -> None:
        """Add an epoch."""
        if row["val_acc"] > max(self.history["val_acc"], default=-1.0):
            self.best_epoch = self.epochs + 1
        for name in HISTORY:
            self.history[name].append(row[name])
        self.seconds += seconds


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


def epoch_batches(run: RunConfig, images: int, epoch: int) -> np.ndarray:
    """Return an epoch's batches: an index (steps, batch) in random order, the incomplete last batch left out.

    floor(n / batch) steps an epoch, as in the authors' program.

    Args:
        run: gives the fold, the batch and the random stream.
        images: number of images in the dataset.
        epoch: epochs done before this one.
    """
    train_index, _ = fold_index(images, run.folds, run.fold)
    steps = len(train_index) // run.batch
    rng = random_stream(run.seed, "train", *_name(run), epoch)
    return rng.permutation(train_index)[: steps * run.batch].reshape(steps, run.batch)


def train_stack(
    stack: Sequence[RunConfig],
    replicas: Replicas,
    weights: Mapping[str, Sequence[str]],
    recorded: Sequence[str],
    dataset: Dataset,
    shards: Callable[[int], Any],
    progress: Progress,
) -> list[Result]:
    """Train runs side by side, each on all folds but one, evaluating each on its held-out fold after every epoch.

    Each run is what it would be alone. One that has stopped is carried along, its numbers unused, until at most half of
    the stack is still learning; then the stack is halved.

    Args:
        stack: the runs, alike but for level and fold.
        replicas: their untrained networks.
        weights: the networks' layers by name, each with the names of its weights.
        recorded: names of the layers whose kernels are kept over the epochs.
        dataset: the un-augmented dataset.
        shards: takes a copy's index and returns the images of that copy on the device: of every level in the stack,
            one level behind the other, in the order of `stack_levels`.
        progress: told of each epoch of each run.
    """
    levels = stack_levels(stack)
    labels = on_device(np.tile(dataset.labels.astype("int32"), len(levels)))
    sets, set_labels, set_rows = _evaluation_arrays(stack, dataset)
    results = [Result(run) for run in stack]
    for result, kernels in zip(results, _kernels(replicas, recorded), strict=True):
        result.kernels[0] = kernels
        progress(result.run, 0, {}, False)
    members = list(range(len(stack)))
    for epoch in range(stack[0].epochs):
        begin = time.perf_counter()
        batches = [
            epoch_batches(stack[member], len(dataset.images), epoch)
            + levels.index(stack[member].level) * len(dataset.images)
            for member in members
        ]
        columns = dict(
            zip(
                ("train_loss", "train_acc"),
                replicas.train(shards(epoch % stack[0].copies), labels, np.stack(batches, axis=1)),
                strict=True,
            )
        )
        for name, images in sets.items():
            losses, columns[name] = replicas.evaluate(images, set_labels, set_rows[members])
            if name == "val_acc":
                columns["val_loss"] = losses
        learning = [position for position, member in enumerate(members) if not results[member].finished]
        seconds = (time.perf_counter() - begin) / len(learning)
        for position in learning:
            results[members[position]].add({name: float(values[position]) for name, values in columns.items()}, seconds)
        finished = [position for position in learning if results[members[position]].finished]
        if finished or (epoch + 1) % stack[0].kernels_every == 0:
            for position, kernels in enumerate(_kernels(replicas, recorded)):
                if position in finished or (position in learning and (epoch + 1) % stack[0].kernels_every == 0):
                    results[members[position]].kernels[epoch + 1] = kernels
        if finished:
            held = {layer: replicas.weights(layer) for layer in weights}
            for position in finished:
                results[members[position]].network = {
                    f"{layer}/{name}": array[position]
                    for layer, names in weights.items()
                    for name, array in zip(names, held[layer], strict=True)
                }
        for position in learning:
            result = results[members[position]]
            progress(
                result.run, epoch + 1, {name: values[-1] for name, values in result.history.items()}, result.finished
            )
        learning = [position for position in learning if position not in finished]
        if not learning:
            break
        if len(learning) <= len(members) // 2:
            replicas, members = replicas.keep(learning), [members[position] for position in learning]
    return results


def stack_levels(stack: Sequence[RunConfig]) -> list[float]:
    """Return the levels of the runs of a stack, in ascending order."""
    return sorted({run.level for run in stack})


def _evaluation_arrays(stack: Sequence[RunConfig], dataset: Dataset) -> tuple[dict[str, Any], Any, np.ndarray]:
    """Return what a stack is evaluated on.

    Returns:
        Name of the accuracy to the images of all folds held out in the stack, on the device; their labels, likewise;
        and the rows of each run's own, (runs, number) with -1 behind those of a smaller fold.
    """
    number = len(dataset.images)
    folds = {run.fold: run for run in stack}
    held_out = {fold: fold_index(number, run.folds, fold)[1] for fold, run in folds.items()}
    parts = [evaluation_sets(dataset.images[held_out[fold]], run) for fold, run in folds.items()]
    sets = {name: on_device(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    labels = np.concatenate([dataset.labels[index] for index in held_out.values()]).astype("int32")
    starts = dict(zip(folds, np.cumsum([0, *(len(index) for index in held_out.values())]), strict=False))
    rows = np.full((len(stack), max(len(index) for index in held_out.values())), -1)
    for position, run in enumerate(stack):
        size = len(held_out[run.fold])
        rows[position, :size] = starts[run.fold] + np.arange(size)
    return sets, on_device(labels), rows


def _kernels(replicas: Replicas, layers: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """Return each replica's kernels of some layers (see `Result.kernels`)."""
    stacked = {layer: replicas.weights(layer)[0] for layer in layers}
    kernels = {
        layer: array if array.ndim == 4 else array.reshape(len(array), 1, -1, array.shape[-1])
        for layer, array in stacked.items()
    }
    number = len(next(iter(kernels.values())))
    return [{layer: array[position] for layer, array in kernels.items()} for position in range(number)]


def _name(run: RunConfig) -> tuple[str | float | int, ...]:
    """Return what tells a run's random streams from those of others.

    Variants of a network start from the same weights and see the same batches, so that comparisons are paired.
    """
    return (run.dataset, run.variant.kind, run.augmentation, run.level, run.fold)


def train(
    config: TrainConfig,
    data_path: str | Path,
    shard_path: Callable[[RunConfig, int], str | Path],
    run_path: Callable[[RunConfig], str | Path],
    progress: Progress,
    stack: Stack = "auto",
    begin: float | None = None,
) -> None:
    """Train all runs of a job with one compiled program and write each one's results file.

    A stack that does not fit the device's memory is split, which is told in one line on standard output.

    Args:
        config: the job.
        data_path: the dataset's file.
        shard_path: takes a run and a copy's index, returns the shard's file.
        run_path: takes a run, returns its results file.
        progress: told of each epoch of each run.
        stack: whether runs are trained side by side (`"on"`) or one after another (`"off"`). `"auto"` stacks on a GPU,
            which one small network cannot fill; on a processor it gains nothing.
        begin: when the job began, by `time.perf_counter`; now if None.

    Raises:
        FreeconvError: a file is missing, broken or from other parameters, a batch is larger than the training folds, or
            the device lacks the precision.
    """
    begin = time.perf_counter() if begin is None else begin
    dtype = use_precision(config.precision)
    dataset = read_dataset(data_path)
    largest = min(len(fold_index(len(dataset.images), config.folds, fold)[0]) for fold in config.fold_indices)
    if config.batch > largest:
        raise FreeconvError(
            f"train.batch: expected at most the {largest} images of the training folds of {config.dataset}, "
            f"received {config.batch}"
        )
    stacked = stack == "on" or (stack == "auto" and has_gpu())

    variant = config.variant

    def network(seed: int) -> keras.Model:
        return build_network(
            variant.kind,
            dataset.images.shape[1:],
            dataset.classes,
            seed,
            config.initializer,
            variant.vcp,
            config.vcp_mask or "connections",
            variant.layers,
            stacked=stacked,
            dtype=dtype,
        )

    model = network(0)
    make_replicas = compile_replicas(model, config.learning_rate)
    weights = {
        layer.name: [variable.name for variable in layer.trainable_variables]
        for layer in model.layers
        if layer.trainable_variables
    }
    recorded = {name: model.get_layer(name) for name in list(weights)[: variant.layers]}
    recorded = {name: recorded[name] for number, name in enumerate(recorded, 1) if number in config.kernel_layers}
    about = {
        "grids": {
            name: list(layer.grid(layer.input.shape)) if variant.kind == "fcn" else [1, 1]
            for name, layer in recorded.items()
        },
        "classes": dataset.classes,
        "data_sha256": dataset.sha256,
        **environment(),
    }
    waiting = stacks(list(config.runs()), len(dataset.images), stacked)
    accounted = 0.0  # seconds since `begin` that are some run's
    with ThreadPoolExecutor(max_workers=1) as reader:
        while waiting:
            group = waiting.pop(0)
            seeds = {run: stream_seed(run.seed, "weights", *_name(run)) for run in group}
            try:
                replicas = make_replicas(initial_state([network(seed) for seed in seeds.values()]))
                shards = shard_reader(group, dataset, shard_path, reader)
                results = train_stack(group, replicas, weights, list(recorded), dataset, shards, progress)
            except Exception as error:
                if len(group) == 1 or not is_out_of_memory(error):
                    raise
                half = (len(group) + 1) // 2
                print(
                    f"a stack of {len(group)} runs does not fit the device's memory: split into {half} and "
                    f"{len(group) - half}",
                    flush=True,
                )
                waiting[:0] = [group[:half], group[half:]]
                continue
            accounted += sum(result.seconds for result in results)
            overhead = (time.perf_counter() - begin - accounted) / len(results)
            accounted += overhead * len(results)
            for result in results:
                seed = {"weights_seed": seeds[result.run], "stack": len(group), "overhead_seconds": overhead}
                write_run(run_path(result.run), result, {**seed, **about})


def write_run(path: str | Path, result: Result, about: dict[str, Any]) -> None:
    """Write a run's results file.

    Args:
        path: the HDF5 file to write: `history/<name>` (epochs,) float32, `kernels/<layer>` (snapshots, positions,
            kh · kw · channels, filters) float32, `kernel_epochs` (snapshots,) int64 and the trained network,
            `network/<layer>/<variable>` float32; as attributes the configuration, `seconds` of training and `about`.
        result: the run.
        about: further attributes: `grids`, the rows and columns of positions of each layer of `kernels`, `classes`,
            `weights_seed`, `stack` (how many runs were trained side by side), `overhead_seconds` (the run's share of
            what its job did besides training), `data_sha256`, `versions`, `backend`, `device`.
    """
    arrays = {f"history/{name}": np.array(values, "float32") for name, values in result.history.items()}
    for layer in result.kernels[0]:
        arrays[f"kernels/{layer}"] = np.stack([kernels[layer] for kernels in result.kernels.values()])
    arrays |= {f"network/{name}": array for name, array in result.network.items()}
    arrays["kernel_epochs"] = np.array(list(result.kernels), "int64")
    # Trained weights look like noise: compression would take time and save nothing.
    write_h5(path, arrays, {"config": result.run.dump(), "seconds": result.seconds, **about}, compression="none")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a backend says that the device has no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in repr(error)


def stacks(runs: Sequence[RunConfig], images: int, stacked: bool) -> list[list[RunConfig]]:
    """Return which runs are trained side by side.

    Args:
        runs: of one job.
        images: number of images in the dataset.
        stacked: whether runs are stacked at all. Only runs with equally many steps an epoch are.
    """
    if not stacked:
        return [[run] for run in runs]
    groups: dict[int, list[RunConfig]] = {}
    for run in runs:
        groups.setdefault(len(fold_index(images, run.folds, run.fold)[0]) // run.batch, []).append(run)
    return list(groups.values())


def shard_reader(
    stack: Sequence[RunConfig],
    dataset: Dataset,
    shard_path: Callable[[RunConfig, int], str | Path],
    reader: ThreadPoolExecutor,
) -> Callable[[int], Any]:
    """Return a function that gives the images of a copy (see `train_stack`), each read while the one before is in use.

    Args:
        stack: the runs.
        dataset: what the shards must have been made from.
        shard_path: takes a run and a copy's index, returns the shard's file.
        reader: reads ahead.
    """
    by_level = {run.level: run for run in stack}
    copies = stack[0].copies
    ahead: dict[int, Future] = {}

    def read(copy_index: int) -> Any:
        parts = [
            read_shard(shard_path(run, copy_index), run.shard(copy_index), dataset.sha256)[0]
            for _, run in sorted(by_level.items())
        ]
        return on_device(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def images(copy_index: int) -> Any:
        current = ahead.pop(copy_index, None) or reader.submit(read, copy_index)
        # With one copy this hands the same images on; with more it reads the next ones.
        following = (copy_index + 1) % copies
        ahead[following] = current if copies == 1 else ahead.get(following) or reader.submit(read, following)
        return current.result()

    return images
