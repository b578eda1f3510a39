"""Training of networks, one run per level and fold, and the results file of each run."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from freeconv.architectures.build import get_weights, set_weights, weight_variables
from freeconv.architectures.layers import convolutional, named
from freeconv.commands.progress import Progress, run_label
from freeconv.data.batches import weights_seed
from freeconv.data.folds import fold_index
from freeconv.errors import FreeconvError
from freeconv.layers.free_conv_2d import FreeConv2D
from freeconv.machine.environment import environment
from freeconv.networks import NETWORKS, build_network, network_layers
from freeconv.storage.checkpoint_file import (
    checkpoint_identity,
    checkpoint_key,
    checkpoint_writer,
    delete_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from freeconv.storage.dataset_file import Dataset, read_dataset
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.run_file import read_network, write_run
from freeconv.storage.shard_file import read_shard
from freeconv.study.jobs import RunConfig, TrainConfig
from freeconv.training.loop import train_runs
from freeconv.training.precision import has_gpu, use_precision
from freeconv.training.side_by_side import SideBySide
from freeconv.training.stack import compile_replicas, initial_state, is_out_of_memory, on_device
from freeconv.training.state import SPLIT, Checkpoint, Result
from freeconv.vocabulary import Stack

RunPath = Callable[[RunConfig], str | Path]
ShardPath = Callable[[RunConfig, int], str | Path]
CheckpointPath = Callable[[str], str | Path]


def train(
    config: TrainConfig,
    data_path: str | Path,
    shard_path: ShardPath,
    run_path: RunPath,
    checkpoint_path: CheckpointPath,
    progress: Progress,
    stack: Stack = "auto",
    begin: float | None = None,
    checkpoint_minutes: float = 3.0,
) -> None:
    """Train all runs of a job with one compiled program and write each one's results file.

    A stack that does not fit the device's memory is split, which is reported in one line on standard output.

    A job that was killed goes on from its checkpoints when it is started again, which is reported likewise: each stack
    from its own, those that had finished without training. They are deleted when all results are written.

    Args:
        config: the job.
        data_path: the dataset's file.
        shard_path: takes a run and a copy's index, returns the shard's file.
        run_path: takes a run, returns its results file; that of its parent must be there (see `RunConfig.parent`).
        checkpoint_path: takes the key of a stack (see `checkpoint_key`), returns the file of its checkpoint.
        progress: called after each epoch of each run.
        stack: whether runs are trained side by side (`"on"`) or one after another (`"off"`). `"auto"` stacks on a GPU,
            which one small network cannot fill; on a processor it gains nothing.
        begin: when the job began, by `time.perf_counter`; now if None.
        checkpoint_minutes: from one checkpoint to the next, at least; 0 writes one after every epoch.

    Raises:
        FreeconvError: a file is missing, broken or from other parameters, a batch is larger than the training folds, or
            the device lacks the precision.
    """
    clock = _Clock(time.perf_counter() if begin is None else begin)
    dtype = use_precision(config.precision)
    dataset = read_dataset(data_path)
    _check_batch(config, len(dataset.images))
    networks = _Networks(config, dataset, dtype, stack == "on" or (stack == "auto" and has_gpu()), run_path)
    checkpoints: list[_CheckpointFile] = []
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting = stacks(list(config.runs()), len(dataset.images), networks.stacked)
        while waiting:
            runs = waiting.pop(0)
            checkpoints.append(_CheckpointFile(runs, networks, checkpoint_path, checkpoint_minutes))
            shard = shard_reader(runs, dataset, shard_path, reader)
            results = _results(runs, networks, checkpoints[-1], shard, progress, clock)
            if results is None:
                waiting[:0] = halves(runs)
                continue
            for result in results:
                write_run(run_path(result.run), result, {**networks.about(result.run), "stack": len(runs)})
    for checkpoint in checkpoints:
        delete_checkpoint(checkpoint.path)


def _check_batch(config: TrainConfig, images: int) -> None:
    """Refuse batches that the training folds of a dataset of that many images cannot fill."""
    largest = min(len(fold_index(images, config.folds, fold)[0]) for fold in config.fold_indices)
    if config.batch > largest:
        raise FreeconvError(
            f"train.batch: expected at most the {largest} images of the training folds of {config.dataset}, "
            f"received {config.batch}"
        )


class _Networks:
    """The networks of a job: how they are made, and what is kept of them.

    Args:
        config: the job.
        dataset: what it trains on.
        dtype: dtype policy of the layers.
        stacked: whether the networks are of the form that is trained side by side.
        run_path: takes a run, returns its results file.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, dtype: str, stacked: bool, run_path: RunPath) -> None:
        self.config, self.dataset, self.dtype, self.stacked, self.run_path = config, dataset, dtype, stacked, run_path
        self.environment = environment()
        model = self._built(0)
        self.make_replicas = compile_replicas(model, config.learning_rate)
        self.stored = list(weight_variables(model))
        self.grids = {
            name: list(layer.grid(layer.input.shape)) if isinstance(layer, FreeConv2D) else [1, 1]
            for name, layer in ((name, model.get_layer(name)) for name in self._recorded_layers())
        }

    def _built(self, seed: int) -> keras.Model:
        """Return a network with random weights."""
        variant = self.config.variant
        return build_network(
            variant.kind,
            self.dataset.images.shape[1:],
            self.dataset.classes,
            seed,
            self.config.initializer,
            variant.vcp,
            self.config.vcp_mask or "connections",
            variant.layers,
            stacked=self.stacked,
            dtype=self.dtype,
        )

    def _recorded_layers(self) -> list[str]:
        """Return the names of the (free) convolutions whose kernels are kept over the epochs."""
        variant = self.config.variant
        layers = named(network_layers(variant.kind, self.dataset.images.shape[1:], variant.layers))
        names = [name for name, layer in layers if convolutional(layer)]
        return [name for number, name in enumerate(names, 1) if number in self.config.kernel_layers]

    def untrained(self, run: RunConfig) -> keras.Model:
        """Return a run's network before training: with random weights, or with what it inherits from its parent."""
        model, parent = self._built(weights_seed(run)), run.parent()
        if parent is not None:
            trained = read_network(parent, self.run_path(parent), self.dataset.sha256)
            set_weights(model, NETWORKS[run.variant.kind].inherit(trained, get_weights(model)))
        return model

    def parent_sha256(self, run: RunConfig) -> str | None:
        """Return the content of the file that a run's first weights are from; None if these are random."""
        parent = run.parent()
        return None if parent is None else describe_h5(self.run_path(parent))[1]["content_sha256"]

    def about(self, run: RunConfig) -> dict[str, Any]:
        """Return attributes of a run's file (see `write_run`)."""
        parent = self.parent_sha256(run)
        return {
            "weights_seed": weights_seed(run),
            "grids": self.grids,
            "classes": self.dataset.classes,
            "images": len(self.dataset.images),
            "data_sha256": self.dataset.sha256,
            **({} if parent is None else {"parent_sha256": parent}),
            **self.environment,
        }


class _CheckpointFile:
    """The checkpoint of a stack of runs."""

    def __init__(
        self, runs: Sequence[RunConfig], networks: _Networks, checkpoint_path: CheckpointPath, minutes: float
    ) -> None:
        parents = [sha256 for sha256 in map(networks.parent_sha256, runs) if sha256 is not None]
        self.identity = checkpoint_identity(
            runs, networks.stacked, networks.dataset.sha256, networks.environment, parents
        )
        self.path = checkpoint_path(checkpoint_key(self.identity))
        self.minutes = minutes

    def read(self) -> Checkpoint | None:
        """Return where training stands; None if it has not begun."""
        return read_checkpoint(self.path, self.identity)

    def write(self, checkpoint: Checkpoint) -> None:
        """Write where training stands."""
        write_checkpoint(self.path, self.identity, checkpoint)

    def writer(self) -> Callable[[Callable[[], Checkpoint]], None]:
        """Return a function to be called after every epoch (see `checkpoint_writer`)."""
        return checkpoint_writer(self.path, self.identity, self.minutes)


class _Clock:
    """Time of a job that is no run's: it is shared by the runs of the stack that was trained last."""

    def __init__(self, begin: float) -> None:
        self._accounted = begin

    def overhead(self, trained: float, runs: int) -> float:
        """Return each run's share of the time since the last call, in seconds.

        Args:
            trained: seconds of that time that were training.
            runs: number of runs.
        """
        now = time.perf_counter()
        share = (now - self._accounted - trained) / runs
        self._accounted = now
        return share


def _results(
    runs: list[RunConfig],
    networks: _Networks,
    checkpoint: _CheckpointFile,
    shard: Callable[[int], Any],
    progress: Progress,
    clock: _Clock,
) -> list[Result] | None:
    """Return the results of a stack of runs, from its checkpoint on; None if it must be split to fit the device."""
    found = checkpoint.read()
    if found == SPLIT:
        return None
    if found:
        print(f"{_resumed(found.results)} from {checkpoint.path}", flush=True)
    before = sum(result.seconds for result in found.results) if found else 0.0
    try:
        start = found or _untrained(runs, networks)
        results = _trained(start, networks, shard, progress, checkpoint)
    except Exception as error:
        if len(runs) == 1 or not is_out_of_memory(error):
            raise
        _split(runs, checkpoint)
        return None
    if found is None or found.members:
        overhead = clock.overhead(sum(result.seconds for result in results) - before, len(results))
        for result in results:
            result.overhead_seconds = overhead
        checkpoint.write(Checkpoint(results, [], {}))
    return results


def _untrained(runs: Sequence[RunConfig], networks: _Networks) -> Checkpoint:
    """Return where the training of a stack stands before its first epoch."""
    state = initial_state([networks.untrained(run) for run in runs])
    return Checkpoint([Result(run) for run in runs], list(range(len(runs))), state)


def _trained(
    start: Checkpoint,
    networks: _Networks,
    shard: Callable[[int], Any],
    progress: Progress,
    checkpoint: _CheckpointFile,
) -> list[Result]:
    """Return the results of a stack of runs, trained from where it stands to its end."""
    for result in start.results:
        progress(result.run, result.epochs, {}, result.finished)
    if start.members:
        images, labels = networks.dataset.images, networks.dataset.labels
        runs = SideBySide(start, networks.make_replicas, images, labels, list(networks.grids), networks.stored)
        train_runs(
            runs,
            shard,
            lambda result: progress(result.run, result.epochs, result.last, result.finished),
            checkpoint.writer(),
        )
    return start.results


def _split(runs: list[RunConfig], checkpoint: _CheckpointFile) -> None:
    """Record and report that a stack is trained in halves."""
    # From now on the halves count: a job started again must not try the whole stack once more.
    delete_checkpoint(checkpoint.path)
    checkpoint.write(SPLIT)
    first, second = halves(runs)
    print(
        f"a stack of {len(runs)} runs does not fit the device's memory: split into {len(first)} and {len(second)}",
        flush=True,
    )


def _resumed(results: Sequence[Result]) -> str:
    """Return in words where training goes on."""
    others = f" and {len(results) - 1} others" if len(results) > 1 else ""
    where = (
        "had finished, taken"
        if all(result.finished for result in results)
        else f"resumed at epoch {max(result.epochs for result in results)} of {results[0].run.epochs}"
    )
    return f"{run_label(results[0].run)}{others}: {where}"


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
    shard_path: ShardPath,
    reader: ThreadPoolExecutor,
) -> Callable[[int], Any]:
    """Return a function that gives the images of a copy (see `SideBySide.train`), read while those before are in use.

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
