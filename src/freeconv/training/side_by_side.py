"""Runs that are trained side by side: their batches, what they are evaluated on, and what is recorded of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from freeconv.data.batches import epoch_batches
from freeconv.data.evaluation_sets import clean_sample, evaluation_sets
from freeconv.data.folds import fold_index
from freeconv.training.optimizers import rule
from freeconv.training.stack import Replicas, on_device
from freeconv.training.state import Checkpoint, Result, State, Variables, halved, kept_state

if TYPE_CHECKING:
    from freeconv.study.jobs import RunConfig


class SideBySide:
    """Runs that are trained side by side, each on all folds but one, and each as it would be alone.

    One that has finished is carried along, its numbers unused, until at most half of the stack is still learning; then
    the stack is halved.

    Args:
        start: where training stands; the results are added to, the state is emptied once it is on the device. The runs
            are alike but for level and fold, and not all have finished.
        make_replicas: makes a stack of networks from their state.
        images: the un-augmented dataset, (n, height, width, channels) uint8.
        labels: (n,) integers.
        recorded: names of the layers whose kernels are kept over the epochs.
        stored: names of the weights that are kept of a trained network, `<layer>/<variable>`.
        variables: names of all its variables, if what more epochs need is to be kept, too; else None.

    Attributes:
        results: what each run has learned so far.
        run: one of the runs.
        epochs: epochs done.
        asked: the epochs that the runs are to have.
    """

    def __init__(
        self,
        start: Checkpoint,
        make_replicas: Callable[[State], Replicas],
        images: np.ndarray,
        labels: np.ndarray,
        recorded: Sequence[str],
        stored: Sequence[str],
        variables: Variables | None = None,
    ) -> None:
        self.results, self._members = start.results, start.members
        self._replicas = make_replicas(start.state)
        start.state.clear()
        runs = [result.run for result in self.results]
        self.run, self.asked = runs[0], self.results[0].asked
        self._number = len(images)
        self._levels = stack_levels(runs)
        self._labels = on_device(np.tile(labels.astype("int32"), len(self._levels)))
        self._sets = _evaluation_arrays(runs, images, labels)
        self._clean, self._clean_labels, self._clean_rows = _clean_arrays(runs, images, labels)
        self._recorded, self._stored, self._variables = recorded, stored, variables
        self.epochs = max(result.epochs for result in self._in_stack() if not result.finished)
        if not self.epochs and not self.results[0].kernels:
            for result, kernels in zip(self.results, self._kernels(), strict=True):
                result.kernels[0] = kernels

    @property
    def finished(self) -> bool:
        """Whether all runs have finished."""
        return all(result.finished for result in self.results)

    def batches(self, epoch: int) -> np.ndarray:
        """Return an epoch's batches, (steps, runs, batch), as an index into the images of all levels (see `train`)."""
        runs = [result.run for result in self._in_stack()]
        batches = [
            epoch_batches(run, self._number, epoch) + self._levels.index(run.level) * self._number for run in runs
        ]
        return np.stack(batches, axis=1)

    def train(self, images: Any, batches: np.ndarray) -> dict[str, np.ndarray]:
        """Make the training steps of an epoch.

        Args:
            images: on the device, those of every level, one level behind the other, in ascending order.
            batches: as `batches` gives them.

        Returns:
            Name of a column of the history to one number per run in the stack.
        """
        losses, accuracies = self._replicas.train(images, self._labels, batches)
        last_step = (self.epochs + 1) * len(batches) - 1
        rate = float(rule(self.run, self._number).rate_at(last_step))
        steps, rates = (np.full(len(self._members), value) for value in (len(batches), rate))
        return {"train_loss": losses, "train_acc": accuracies, "steps": steps, "learning_rate": rates}

    def evaluate(self) -> dict[str, np.ndarray]:
        """Evaluate each run on its held-out fold, and on training images as they are; return numbers as `train`."""
        _, clean = self._replicas.evaluate(self._clean, self._clean_labels, self._clean_rows[self._members])
        numbers = {"clean_train_acc": clean}
        for name, (images, labels, rows) in self._sets.items():
            losses, numbers[name] = self._replicas.evaluate(images, labels, rows[self._members])
            if name == "val_acc":
                numbers |= {"val_loss": losses, **self._replicas.metrics(images, labels, rows[self._members])}
        return numbers

    def record(self, numbers: Mapping[str, np.ndarray], seconds: float, cpu_seconds: float) -> list[Result]:
        """Add an epoch to the runs that have not finished, and return their results.

        Args:
            numbers: what `train` and `evaluate` returned.
            seconds: that the epoch took.
            cpu_seconds: of the processor, that it took.
        """
        self.epochs += 1
        learned = {place: result for place, result in enumerate(self._in_stack()) if not result.finished}
        for place, result in learned.items():
            row = {name: float(values[place]) for name, values in numbers.items()}
            result.add({**row, "cpu_seconds": cpu_seconds / len(learned)}, seconds / len(learned))
        self._keep_weights(learned)
        self._halve()
        return list(learned.values())

    def checkpoint(self) -> Checkpoint:
        """Return where training stands."""
        return Checkpoint(self.results, self._members, self._replicas.state())

    def _in_stack(self) -> list[Result]:
        """Return the results of the runs whose networks are in the stack, in its order."""
        return [self.results[member] for member in self._members]

    def _keep_weights(self, learned: Mapping[int, Result]) -> None:
        """Keep kernels every few epochs and when a run has finished, and then its whole network, too."""
        finished = {place: result for place, result in learned.items() if result.finished}
        due = learned if self.epochs % self.run.kernels_every == 0 else finished
        if due:
            kernels = self._kernels()
            for place, result in due.items():
                result.kernels[result.epochs] = kernels[place]
        if finished:
            weights = self._replicas.weights(self._stored)
            for place, result in finished.items():
                result.network = {name: array[place] for name, array in weights.items()}
            self._keep_state(finished)

    def _keep_state(self, finished: Mapping[int, Result]) -> None:
        """Keep what more epochs of runs need that have finished and can go on."""
        resumable = {place: result for place, result in finished.items() if not result.stopped_early}
        if self._variables and resumable:
            state = self._replicas.state()
            for place, result in resumable.items():
                result.state = kept_state(state, place, self._variables, self._stored)

    def _kernels(self) -> list[dict[str, np.ndarray]]:
        """Return the kernels of the recorded layers of each run in the stack (see `Result.kernels`)."""
        stacked = self._replicas.weights(f"{layer}/kernel" for layer in self._recorded)
        kernels = {
            layer: array if array.ndim == 4 else array.reshape(len(array), 1, -1, array.shape[-1])
            for layer, array in zip(self._recorded, stacked.values(), strict=True)
        }
        return [{layer: array[place] for layer, array in kernels.items()} for place in range(len(self._members))]

    def _halve(self) -> None:
        """Go on with the runs that have not finished, if these are at most half of the stack."""
        learning = [member for member in self._members if not self.results[member].finished]
        left = halved(self._members, learning)
        if left != self._members:
            self._replicas = self._replicas.keep([self._members.index(member) for member in left])
            self._members = left


def stack_levels(stack: Sequence[RunConfig]) -> list[float]:
    """Return the levels of the runs of a stack, in ascending order."""
    return sorted({run.level for run in stack})


def _evaluation_arrays(
    stack: Sequence[RunConfig], images: np.ndarray, labels: np.ndarray
) -> dict[str, tuple[Any, Any, np.ndarray]]:
    """Return what a stack is evaluated on.

    Returns:
        Name of the accuracy to the images of all folds held out in the stack, on the device; their labels, likewise;
        and the rows of each run's own, (runs, number) with -1 behind those of a smaller fold.
    """
    limit = stack[0].evaluate_images
    folds = {run.fold: run for run in stack}
    held_out = {fold: fold_index(len(images), run.folds, fold)[1] for fold, run in folds.items()}
    parts = [
        evaluation_sets(images[held_out[fold]], run.dataset, run.folds, fold, run.evaluate, run.forms, run.seed, limit)
        for fold, run in folds.items()
    ]
    of_all = _labels_and_rows(stack, held_out, labels)
    of_first = of_all
    if limit is not None:
        of_first = _labels_and_rows(stack, {fold: index[:limit] for fold, index in held_out.items()}, labels)
    return {
        name: (on_device(np.concatenate([part[name] for part in parts])), *(of_all if name == "val_acc" else of_first))
        for name in parts[0]
    }


def _labels_and_rows(
    stack: Sequence[RunConfig], index: Mapping[int, np.ndarray], labels: np.ndarray
) -> tuple[Any, np.ndarray]:
    """Return the labels of the images of all folds, on the device, and the rows of each run's own (see `_rows`)."""
    chosen = np.concatenate([labels[of_fold] for of_fold in index.values()]).astype("int32")
    return on_device(chosen), _rows(stack, index)


def _clean_arrays(stack: Sequence[RunConfig], images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any, np.ndarray]:
    """Return the training images that a stack is evaluated on as they are, labels and rows, as `_evaluation_arrays`."""
    index = {}
    for run in stack:
        train_index, _ = fold_index(len(images), run.folds, run.fold)
        index[run.fold] = clean_sample(train_index, run.dataset, run.folds, run.fold, run.seed)
    chosen = np.concatenate(list(index.values()))
    return on_device(images[chosen]), on_device(labels[chosen].astype("int32")), _rows(stack, index)


def _rows(stack: Sequence[RunConfig], index: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return the rows of each run's own among the images of all folds, one fold behind the other.

    Args:
        stack: the runs.
        index: fold to its images.

    Returns:
        (runs, number) with -1 behind those of a smaller fold.
    """
    starts = dict(zip(index, np.cumsum([0, *(len(of_fold) for of_fold in index.values())]), strict=False))
    rows = np.full((len(stack), max(len(of_fold) for of_fold in index.values())), -1)
    for position, run in enumerate(stack):
        size = len(index[run.fold])
        rows[position, :size] = starts[run.fold] + np.arange(size)
    return rows
