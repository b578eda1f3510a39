"""Training of networks, one run per level and fold, and the results file of each run."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from freeconv.architectures.layers import convolutional, named
from freeconv.commands.progress import Progress, run_label
from freeconv.data.batches import weights_seed
from freeconv.data.folds import fold_index
from freeconv.errors import FreeconvError
from freeconv.layers import FreeConv2D
from freeconv.machine.environment import environment, has_gpu
from freeconv.networks import build_network, network_layers
from freeconv.storage.checkpoint_file import (
    checkpoint_identity,
    checkpoint_key,
    checkpoint_writer,
    delete_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from freeconv.storage.dataset_file import Dataset, read_dataset
from freeconv.storage.run_file import write_run
from freeconv.storage.shard_file import read_shard
from freeconv.study.jobs import RunConfig, TrainConfig, TrainSettings
from freeconv.training.loop import train_stack
from freeconv.training.precision import use_precision
from freeconv.training.stack import compile_replicas, initial_state, on_device
from freeconv.training.state import SPLIT, Checkpoint, Result
from freeconv.vocabulary import Stack


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
    recorded = {name: model.get_layer(name) for name in recorded_layers(config, dataset.images.shape[1:])}
    about = {
        "grids": {
            name: list(layer.grid(layer.input.shape)) if isinstance(layer, FreeConv2D) else [1, 1]
            for name, layer in recorded.items()
        },
        "classes": dataset.classes,
        "images": len(dataset.images),
        "data_sha256": dataset.sha256,
        **environment(),
    }

    def untrained(stack: Sequence[RunConfig]) -> Checkpoint:
        state = initial_state([network(weights_seed(run)) for run in stack])
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
                seed = {"weights_seed": weights_seed(result.run), "stack": len(group)}
                write_run(run_path(result.run), result, {**seed, **about})
    for checkpoint in checkpoints:
        delete_checkpoint(checkpoint)


def recorded_layers(config: TrainSettings, shape: Sequence[int]) -> list[str]:
    """Return the names of the (free) convolutions whose kernels are kept over the epochs."""
    layers = named(network_layers(config.variant.kind, shape, config.variant.layers))
    names = [name for name, layer in layers if convolutional(layer)]
    return [name for number, name in enumerate(names, 1) if number in config.kernel_layers]


def _resumed(results: Sequence[Result]) -> str:
    """Return in words where training goes on."""
    others = f" and {len(results) - 1} others" if len(results) > 1 else ""
    where = (
        "had finished, taken"
        if all(result.finished for result in results)
        else f"resumed at epoch {max(result.epochs for result in results)} of {results[0].run.epochs}"
    )
    return f"{run_label(results[0].run)}{others}: {where}"


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
