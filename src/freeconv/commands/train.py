"""Training of networks, one run per level and fold, and the results file of each run."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from freeconv.analysis.predictions import tested_accuracies
from freeconv.architectures.build import get_weights, set_weights, weight_variables
from freeconv.architectures.layers import convolutional, named
from freeconv.commands.growth import RunPath, continued, found_results, from_results, trained_beside, trained_together
from freeconv.commands.progress import Progress, run_label
from freeconv.data.batches import weights_seed
from freeconv.data.evaluation_sets import evaluation_sets
from freeconv.data.folds import fold_index
from freeconv.errors import FreeconvError
from freeconv.layers.free_conv_2d import FreeConv2D
from freeconv.machine.environment import environment
from freeconv.measures import network_to_measure
from freeconv.metrics import metrics_named
from freeconv.networks import NETWORKS, build_network, network_layers
from freeconv.storage.checkpoint_file import (
    checkpoint_identity,
    checkpoint_key,
    checkpoint_writer,
    delete_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from freeconv.storage.dataset_file import Dataset, kept_apart, read_dataset
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.run_file import read_network, renew, write_run
from freeconv.storage.shard_file import read_shard
from freeconv.study import paths
from freeconv.study.code import train_code
from freeconv.study.jobs import RunConfig, TrainConfig
from freeconv.training.loop import train_runs
from freeconv.training.optimizers import rule
from freeconv.training.precision import has_gpu, use_precision
from freeconv.training.side_by_side import SideBySide
from freeconv.training.stack import compile_replicas, initial_state, is_out_of_memory, on_device
from freeconv.training.state import SPLIT, Checkpoint, Result, Variables
from freeconv.vocabulary import Stack, Versions

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
    threads: int = 0,
    attic: str | Path = paths.ATTIC,
    versions: Versions = "warn",
) -> None:
    """Train the runs of a job with one compiled program until each has the epochs asked for, and write their files.

    Files of runs that have them, or stopped early, are left as they are; shorter runs are continued and missing ones
    trained. Files that are damaged or of other runs are moved to the attic, which is reported in one line each.

    A continued run equals one that was trained in one go bit for bit, on the same machine with the same versions and
    threads; elsewhere it goes on, too, and its file says where.

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
        threads: of the processor, in use; all of them if 0.
        attic: folder of files that are moved away (see `freeconv.storage.run_file.to_attic`).
        versions: whether runs of other versions, or of another backend, are used (`"warn"`) or trained anew
            (`"rerun"`).

    Raises:
        FreeconvError: a file is missing, broken or from other parameters, a batch is larger than the training folds, or
            the device lacks the precision.
    """
    clock = _Clock(time.perf_counter() if begin is None else begin)
    dtype = use_precision(config.precision)
    dataset, test = read_dataset(data_path, config.data()), None
    if config.test:
        dataset, test = kept_apart(dataset, config.dataset)
    _check_batch(config, len(dataset.images))
    stacked = stack == "on" or (stack == "auto" and has_gpu())
    networks = _Networks(config, dataset, dtype, stacked, run_path, threads or os.cpu_count() or 1)
    found = found_results(
        config, run_path, networks.about, attic, networks.environment if versions == "rerun" else None
    )
    _leave_complete(found, run_path, progress)
    if not all(result.finished for result in found):
        print("\n".join(networks.lines()), flush=True)
    finished = [
        (stack, _CheckpointFile([result.run for result in stack], networks, checkpoint_path, checkpoint_minutes))
        for stack in trained_together([result for result in found if result.finished])
    ]
    # one that is further than the files is of a job for more epochs, which goes on from it
    checkpoints = [checkpoint for stack, checkpoint in finished if not checkpoint.further(stack)]
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting = stacks([result for result in found if not result.finished], len(dataset.images), stacked)
        while waiting:
            missing = waiting.pop(0)
            starts = _Starts(missing, found, networks, checkpoint_path, checkpoint_minutes)
            checkpoints += starts.checkpoints
            shards = partial(shard_reader, dataset=dataset, shard_path=shard_path, reader=reader)
            results = _results(starts, networks, shards, progress, clock)
            if results is None:
                waiting[:0] = halves(missing)
                continue
            for result in results:
                tested = {} if test is None else {"test": networks.tested(result, test)}
                write_run(run_path(result.run), result, {**networks.about(result.run), **tested})
                print(f"{run_label(result.run)}: {result.epochs} epochs in {run_path(result.run)}", flush=True)
    for checkpoint in checkpoints:
        delete_checkpoint(checkpoint.path)


def _leave_complete(found: Sequence[Result], run_path: RunPath, progress: Progress) -> None:
    """Leave the files of complete runs as they are, and report them."""
    complete = [result for result in found if result.finished]
    for result in complete:
        renew(run_path(result.run))
        progress(result.run, result.epochs, {}, True)
    if complete:
        print(f"{len(complete)} of {len(found)} runs are complete and left as they are", flush=True)


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
        threads: of the processor, in use.
    """

    def __init__(
        self, config: TrainConfig, dataset: Dataset, dtype: str, stacked: bool, run_path: RunPath, threads: int
    ) -> None:
        self.config, self.dataset, self.dtype, self.stacked, self.run_path = config, dataset, dtype, stacked, run_path
        self.environment = {**environment(), "threads": threads}
        self._plain: keras.Model | None = None
        model = self._built(0)
        self.rule = rule(config, len(dataset.images))
        self.make_replicas = compile_replicas(model, self.rule, metrics_named(config.evaluate_metrics))
        self.layers = [
            f"  {layer.name}, {type(layer).__name__} {_sizes(layer.output.shape)}: {layer.count_params():,} weights"
            for layer in model.layers
            if layer.weights
        ]
        self.stored = list(weight_variables(model))
        self.variables = Variables(
            [variable.path for variable in model.trainable_variables],
            [variable.path for variable in model.non_trainable_variables],
            self.rule.moments,
        )
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

    def lines(self) -> list[str]:
        """Return what the job trains, on what and with what, a line each, for whoever reads its log or debugs it."""
        config, images = self.config, len(self.dataset.images)
        held_out = images - len(fold_index(images, config.folds, config.fold_indices[0])[0])
        versions = ", ".join(f"{name} {version}" for name, version in self.environment["versions"].items())
        together = "side by side" if self.stacked else "one after another"
        shape = _sizes(self.dataset.images.shape[1:])
        steps = _steps(next(config.runs()), images)
        return [
            f"{self.environment['device']}, threads: {self.environment['threads']}, {self.dtype}, runs {together}",
            versions,
            f"{config.dataset}: {images:,} images of {shape}, {self.dataset.classes} classes, {held_out:,} held out; "
            f"{steps} steps of {config.batch} images an epoch",
            f"{config.network}, learning rate {config.learning_rate:g}:",
            *self.layers,
        ]

    def untrained(self, run: RunConfig) -> keras.Model:
        """Return a run's network before training: with random weights, or with what it inherits from its parent."""
        model, parent = self._built(weights_seed(run)), run.parent()
        if parent is not None:
            trained = read_network(parent, self.run_path(parent), self.dataset.sha256, self.config.epochs)
            set_weights(model, NETWORKS[run.variant.kind].inherit(trained, get_weights(model)))
        return model

    def tested(self, result: Result, test: Dataset) -> dict[str, float]:
        """Return the accuracies of a trained network on images that were kept apart, by name; computed in float32."""
        run, config = result.run, self.config
        if self._plain is None:
            shape, variant = test.images.shape[1:], config.variant
            self._plain = network_to_measure(variant.kind, shape, test.classes, variant.layers)
            use_precision(config.precision)
        set_weights(self._plain, result.network)
        # the same images for all runs of the study: no fold has this number
        sets = evaluation_sets(test.images, run.dataset, run.folds, run.folds, run.evaluate, run.forms, run.seed)
        return tested_accuracies(self._plain, sets, test.labels)

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
            "code": train_code(run),
            **({} if parent is None else {"parent_sha256": parent}),
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

    def read(self, asked: int) -> Checkpoint | None:
        """Return where training is, of runs that are to have so many epochs; None if it has not begun."""
        return read_checkpoint(self.path, self.identity, asked)

    def further(self, stack: Sequence[Result]) -> bool:
        """Return whether the checkpoint has more epochs of a run than its file."""
        found = self.read(stack[0].asked)
        if found is None or found == SPLIT:
            return False
        return any(result.epochs > done.epochs for result, done in zip(found.results, stack, strict=False))

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


class _Starts:
    """Where the training of a stack of runs can begin: from checkpoints, from the runs' files, or anew.

    Args:
        missing: where the runs are by their files, all after the same number of epochs.
        found: where all runs of the job are by their files.
        networks: the networks of the job.
        checkpoint_path: takes the key of a stack, returns the file of its checkpoint.
        minutes: from one checkpoint to the next, at least.
    """

    def __init__(
        self,
        missing: Sequence[Result],
        found: Sequence[Result],
        networks: "_Networks",
        checkpoint_path: CheckpointPath,
        minutes: float,
    ) -> None:
        self.missing, self.networks = list(missing), networks
        images = len(networks.dataset.images)
        steps = _steps(missing[0].run, images)
        complete = [result for result in found if result.finished and _steps(result.run, images) == steps]
        beside = trained_beside(missing, complete, [result.run for result in found]) if networks.stacked else []
        self.stacks = [beside, self.missing] if len(beside) > len(self.missing) else [self.missing]
        self.checkpoints = [
            _CheckpointFile([result.run for result in stack], networks, checkpoint_path, minutes)
            for stack in self.stacks
        ]

    def best(self) -> tuple[Checkpoint, "_CheckpointFile", bool]:
        """Return where training begins, the checkpoint to write, and whether training begins from one."""
        for checkpoint in self.checkpoints:
            found = checkpoint.read(self.missing[0].asked)
            if found == SPLIT and checkpoint is self.checkpoints[-1]:
                return found, checkpoint, True
            if found not in (None, SPLIT) and self._usable(found):
                return self._with_members(found), checkpoint, True
        done = self.missing[0].epochs
        for stack, checkpoint in zip(self.stacks, self.checkpoints, strict=True):
            others = [result for result in stack if result.finished]
            if done and all(result.stopped_early and result.epochs <= done for result in others):
                networks = self.networks
                return continued(stack, networks.run_path, networks.variables, networks.environment), checkpoint, False
        return _untrained(self.missing, self.networks), self.checkpoints[-1], False

    def _usable(self, found: Checkpoint) -> bool:
        """Return whether training can go on from a checkpoint, and it is further than the runs' files."""
        learning = [result for result in found.results if not result.finished]
        done = max(result.epochs for result in found.results)
        if done < self.missing[0].epochs:
            return False
        if learning and not found.members:  # from when fewer epochs were asked for
            return all(result.state for result in learning)
        return all(result.network or result in learning or result.run not in self._runs() for result in found.results)

    def _with_members(self, found: Checkpoint) -> Checkpoint:
        """Return a checkpoint of runs that had finished and have not with the epochs that are asked for now."""
        if found.members or all(result.finished for result in found.results):
            return found
        return from_results(found.results, self.networks.variables)

    def _runs(self) -> list[RunConfig]:
        """Return the runs that are to be trained."""
        return [result.run for result in self.missing]


def _results(
    starts: _Starts, networks: _Networks, shards: Callable[[list[RunConfig]], Any], progress: Progress, clock: _Clock
) -> list[Result] | None:
    """Return the results of a stack of runs, from where it can begin on; None if it must be split to fit the device."""
    start, checkpoint, resumed = starts.best()
    if start == SPLIT:
        return None
    if resumed:
        print(f"{_resumed(start.results)} from {checkpoint.path}", flush=True)
    before = sum(result.seconds for result in start.results)
    finished = all(result.finished for result in start.results)
    try:
        shard = shards([result.run for result in start.results])
        results = _trained(start, networks, shard, progress, checkpoint)
    except Exception as error:
        if len(starts.missing) == 1 or not is_out_of_memory(error):
            raise
        _split(starts.missing, checkpoint)
        return None
    runs = [result.run for result in starts.missing]
    missing = [result for result in results if result.run in runs]
    if not finished:
        overhead = clock.overhead(sum(result.seconds for result in results) - before, len(missing))
        for result in missing:
            result.overhead_seconds += overhead
        checkpoint.write(Checkpoint(results, [], {}))
    for result in missing:
        result.stack = len(results)
    return missing


def _untrained(stack: Sequence[Result], networks: _Networks) -> Checkpoint:
    """Return where the training of a stack is before its first epoch."""
    state = initial_state([networks.untrained(result.run) for result in stack], networks.rule.moments)
    begin = [{"epoch": 0, **networks.environment}]
    results = [Result(result.run, result.asked, environments=list(begin)) for result in stack]
    return Checkpoint(results, list(range(len(stack))), state)


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
        variables = networks.variables if networks.config.resumable else None
        runs = SideBySide(
            start, networks.make_replicas, images, labels, list(networks.grids), networks.stored, variables
        )
        train_runs(
            runs,
            shard,
            lambda result: progress(result.run, result.epochs, result.last, result.finished),
            checkpoint.writer(),
        )
    return start.results


def _split(stack: list[Result], checkpoint: _CheckpointFile) -> None:
    """Record and report that a stack is trained in halves."""
    # From now on the halves count: a job started again must not try the whole stack once more.
    delete_checkpoint(checkpoint.path)
    checkpoint.write(SPLIT)
    first, second = halves(stack)
    print(
        f"a stack of {len(stack)} runs does not fit the device's memory: split into {len(first)} and {len(second)}",
        flush=True,
    )


def _resumed(results: Sequence[Result]) -> str:
    """Return in words where training goes on."""
    others = f" and {len(results) - 1} others" if len(results) > 1 else ""
    where = (
        "had finished, taken"
        if all(result.finished for result in results)
        else f"resumed at epoch {max(result.epochs for result in results)} of {results[0].asked}"
    )
    return f"{run_label(results[0].run)}{others}: {where}"


def stacks(results: Sequence[Result], images: int, stacked: bool) -> list[list[Result]]:
    """Return which runs are trained side by side.

    Args:
        results: where runs of one job are that are to be trained.
        images: number of images in the dataset.
        stacked: whether runs are stacked at all. Only runs with equally many steps an epoch and equally many epochs
            done are.
    """
    if not stacked:
        return [[result] for result in results]
    groups: dict[tuple[int, int], list[Result]] = {}
    for result in results:
        groups.setdefault((_steps(result.run, images), result.epochs), []).append(result)
    return list(groups.values())


def _steps(run: RunConfig, images: int) -> int:
    """Return how many steps an epoch of a run has on a dataset of that many images."""
    return len(fold_index(images, run.folds, run.fold)[0]) // run.batch


def _sizes(shape: Sequence[int | None]) -> str:
    """Return a shape in words, without the axis of any number of images: `28 × 28 × 1`."""
    return " × ".join(str(size) for size in shape if size is not None)


def halves(stack: list[Result]) -> list[list[Result]]:
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
            # without images that are kept apart
            read_shard(shard_path(run, copy_index), run.shard(copy_index), dataset.sha256)[0][: len(dataset.images)]
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
