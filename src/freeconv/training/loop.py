"""The training loop: epochs of batches, an evaluation after each, until nothing is left to learn."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from freeconv.commands.progress import Progress
from freeconv.data.batches import epoch_batches
from freeconv.data.evaluation_sets import evaluation_sets
from freeconv.data.folds import fold_index
from freeconv.storage.dataset_file import Dataset
from freeconv.study.jobs import RunConfig
from freeconv.training.stack import Replicas, State, on_device
from freeconv.training.state import Checkpoint, Result


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
    parts = [
        evaluation_sets(dataset.images[held_out[fold]], run.dataset, run.folds, fold, run.evaluate, run.forms, run.seed)
        for fold, run in folds.items()
    ]
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
