"""Training of networks, one run per level and fold, and the results file of each run."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from freeconv.checkpoint import (
    SPLIT,
    Checkpoint,
    Result,
    checkpoint_identity,
    checkpoint_key,
    checkpoint_writer,
    delete_checkpoint,
    read_checkpoint,
    result_arrays,
    write_checkpoint,
)
from freeconv.configs import RunConfig, Stack, TrainConfig
from freeconv.environment import environment, has_gpu
from freeconv.errors import FreeconvError
from freeconv.evaluate import evaluation_sets
from freeconv.networks import build_network
from freeconv.precision import use_precision
from freeconv.progress import Progress, run_label
from freeconv.replicas import Replicas, State, compile_replicas, initial_state, on_device
from freeconv.shard import read_shard
from freeconv.storage import read_h5, write_h5
from freeconv.streams import random_stream, stream_seed


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
    start: Checkpoint,
    make_replicas: Callable[[State], Replicas],
    weights: Mapping[str, Sequence[str]],
    recorded: Sequence[str],
    dataset: Dataset,
    shards: Callable[[int], Any],
    progress: Progress,
    save: Callable[[Callable[[], Checkpoint]], None],
) -> list[Result]:
    """Train runs side by side, each on all folds but one, evaluating each on its held-out fold after every epoch.

    Each run is what it would be alone. One that has stopped is carried along, its numbers unused, until at most half of
    the stack is still learning; then the stack is halved. Training that goes on from a checkpoint gives what it would
    have given in one go.

    Args:
        start: where training stands; the results are added to, the state is emptied once it is on the device. The runs
            are alike but for level and fold.
        make_replicas: makes a stack of networks from their state.
        weights: the networks' layers by name, each with the names of its weights.
        recorded: names of the layers whose kernels are kept over the epochs.
        dataset: the un-augmented dataset.
        shards: takes a copy's index and returns the images of that copy on the device: of every level in the stack,
            one level behind the other, in the order of `stack_levels`.
        progress: told of each epoch of each run.
        save: called after every epoch but the last, with a function that returns where training stands.

    Returns:
        The results of all runs, finished.
    """
    results, members = start.results, start.members
    stack = [result.run for result in results]
    for result in results:
        progress(result.run, result.epochs, {}, result.finished)
    if not members:
        return results
    replicas = make_replicas(start.state)
    start.state.clear()
    levels = stack_levels(stack)
    labels = on_device(np.tile(dataset.labels.astype("int32"), len(levels)))
    sets, set_labels, set_rows = _evaluation_arrays(stack, dataset)
    if not results[0].kernels:
        for result, kernels in zip(results, _kernels(replicas, recorded), strict=True):
            result.kernels[0] = kernels
    for epoch in range(max(result.epochs for result in results), stack[0].epochs):
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
        save(partial(_standing, results, members, replicas))
    return results


def _standing(results: list[Result], members: list[int], replicas: Replicas) -> Checkpoint:
    """Return where the training of a stack stands."""
    return Checkpoint(results, members, replicas.state())


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


def _weights_seed(run: RunConfig) -> int:
    """Return the seed of a network's first weights."""
    return stream_seed(run.seed, "weights", *_name(run))


def train(
    config: TrainConfig,
    data_path: str | Path,
    shard_path: Callable[[RunConfig, int], str | Path],
    run_path: Callable[[RunConfig], str | Path],
    checkpoint_path: Callable[[str], str | Path],
    progress: Progress,
    stack: Stack = "auto",
    begin: float | None = None,
    checkpoint_minutes: float = 3.0,
) -> None:
    """Train all runs of a job with one compiled program and write each one's results file.

    A stack that does not fit the device's memory is split, which is told in one line on standard output.

    A job that was killed goes on from its checkpoints when it is started again, which is told likewise: each stack
    from its own, those that had finished without training. They are deleted when all results are written.

    Args:
        config: the job.
        data_path: the dataset's file.
        shard_path: takes a run and a copy's index, returns the shard's file.
        run_path: takes a run, returns its results file.
        checkpoint_path: takes the key of a stack (see `freeconv.checkpoint.checkpoint_key`), returns the file of its
            checkpoint.
        progress: told of each epoch of each run.
        stack: whether runs are trained side by side (`"on"`) or one after another (`"off"`). `"auto"` stacks on a GPU,
            which one small network cannot fill; on a processor it gains nothing.
        begin: when the job began, by `time.perf_counter`; now if None.
        checkpoint_minutes: from one checkpoint to the next, at least; 0 writes one after every epoch.

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
        "images": len(dataset.images),
        "data_sha256": dataset.sha256,
        **environment(),
    }

    def untrained(stack: Sequence[RunConfig]) -> Checkpoint:
        state = initial_state([network(_weights_seed(run)) for run in stack])
        return Checkpoint([Result(run) for run in stack], list(range(len(stack))), state)

    waiting = stacks(list(config.runs()), len(dataset.images), stacked)
    checkpoints = []
    accounted = 0.0  # seconds since `begin` that are some run's
    with ThreadPoolExecutor(max_workers=1) as reader:
        while waiting:
            group = waiting.pop(0)
            identity = checkpoint_identity(group, stacked, dataset.sha256, environment())
            checkpoint = checkpoint_path(checkpoint_key(identity))
            checkpoints.append(checkpoint)
            found = read_checkpoint(checkpoint, identity)
            if found == SPLIT:
                waiting[:0] = halves(group)
                continue
            if found:
                print(f"{_resumed(found.results)} from {checkpoint}", flush=True)
            try:
                start = found or untrained(group)
                before = sum(result.seconds for result in start.results)
                shards = shard_reader(group, dataset, shard_path, reader)
                save = checkpoint_writer(checkpoint, identity, checkpoint_minutes)
                results = train_stack(start, make_replicas, weights, list(recorded), dataset, shards, progress, save)
            except Exception as error:
                if len(group) == 1 or not is_out_of_memory(error):
                    raise
                # From now on the halves count: a job started again must not try the whole stack once more.
                delete_checkpoint(checkpoint)
                write_checkpoint(checkpoint, identity, SPLIT)
                waiting[:0] = halves(group)
                print(
                    f"a stack of {len(group)} runs does not fit the device's memory: split into {len(waiting[0])} and "
                    f"{len(waiting[1])}",
                    flush=True,
                )
                continue
            if found is None or found.members:
                accounted += sum(result.seconds for result in results) - before
                overhead = (time.perf_counter() - begin - accounted) / len(results)
                accounted += overhead * len(results)
                for result in results:
                    result.overhead_seconds = overhead
                write_checkpoint(checkpoint, identity, Checkpoint(results, [], {}))
            for result in results:
                seed = {"weights_seed": _weights_seed(result.run), "stack": len(group)}
                write_run(run_path(result.run), result, {**seed, **about})
    for checkpoint in checkpoints:
        delete_checkpoint(checkpoint)


def _resumed(results: Sequence[Result]) -> str:
    """Return in words where training goes on."""
    others = f" and {len(results) - 1} others" if len(results) > 1 else ""
    where = (
        "had finished, taken"
        if all(result.finished for result in results)
        else f"resumed at epoch {max(result.epochs for result in results)} of {results[0].run.epochs}"
    )
    return f"{run_label(results[0].run)}{others}: {where}"


def write_run(path: str | Path, result: Result, about: dict[str, Any]) -> None:
    """Write a run's results file.

    Args:
        path: the HDF5 file to write: the arrays of `freeconv.checkpoint.result_arrays`; as attributes the
            configuration, `seconds`, `overhead_seconds` and `about`.
        result: the run.
        about: further attributes: `grids`, the rows and columns of positions of each layer of `kernels`, `classes`,
            `images` (their number in the dataset), `weights_seed`, `stack` (how many runs were trained side by side),
            `data_sha256`, `versions`, `backend`, `device`.
    """
    # Trained weights look like noise: compression would take time and save nothing.
    times = {"seconds": result.seconds, "overhead_seconds": result.overhead_seconds}
    write_h5(path, result_arrays(result), {"config": result.run.dump(), **times, **about}, compression="none")


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


def halves(stack: list[RunConfig]) -> list[list[RunConfig]]:
    """Return a stack of at least two runs as two, the first the larger if they differ."""
    half = (len(stack) + 1) // 2
    return [stack[:half], stack[half:]]


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
