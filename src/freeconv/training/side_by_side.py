"""Runs that are trained side by side: their batches, what they are evaluated on, and what is recorded of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from freeconv.data.batches import epoch_batches
from freeconv.data.evaluation_sets import evaluation_sets
from freeconv.data.folds import fold_index
from freeconv.training.stack import Replicas, on_device
from freeconv.training.state import Checkpoint, Result, State

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

    Attributes:
        results: what each run has learned so far.
        run: one of the runs.
    """

    def __init__(
        self,
        start: Checkpoint,
        make_replicas: Callable[[State], Replicas],
        images: np.ndarray,
        labels: np.ndarray,
        recorded: Sequence[str],
        stored: Sequence[str],
    ) -> None:
        self.results, self._members = start.results, start.members
        self._replicas = make_replicas(start.state)
        start.state.clear()
        runs = [result.run for result in self.results]
        self.run = runs[0]
        self._number = len(images)
        self._levels = stack_levels(runs)
        self._labels = on_device(np.tile(labels.astype("int32"), len(self._levels)))
        self._sets, self._set_labels, self._set_rows = _evaluation_arrays(runs, images, labels)
        self._recorded, self._stored = recorded, stored
        if not self.results[0].kernels:
            for result, kernels in zip(self.results, self._kernels(), strict=True):
                result.kernels[0] = kernels

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return max(result.epochs for result in self.results)

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
        return {"train_loss": losses, "train_acc": accuracies}

    def evaluate(self) -> dict[str, np.ndarray]:
        """Evaluate each run on its held-out fold; return numbers as `train` does."""
        numbers = {}
        for name, images in self._sets.items():
            losses, numbers[name] = self._replicas.evaluate(images, self._set_labels, self._set_rows[self._members])
            if name == "val_acc":
                numbers["val_loss"] = losses
        return numbers

    def record(self, numbers: Mapping[str, np.ndarray], seconds: float) -> list[Result]:
        """Add an epoch to the runs that have not finished, and return their results.

        Args:
            numbers: what `train` and `evaluate` returned.
            seconds: that the epoch took.
        """
        learned = {place: result for place, result in enumerate(self._in_stack()) if not result.finished}
        for place, result in learned.items():
            result.add({name: float(values[place]) for name, values in numbers.items()}, seconds / len(learned))
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
        learning = [place for place, result in enumerate(self._in_stack()) if not result.finished]
        if learning and len(learning) <= len(self._members) // 2:
            self._replicas = self._replicas.keep(learning)
            self._members = [self._members[place] for place in learning]


def stack_levels(stack: Sequence[RunConfig]) -> list[float]:
    """Return the levels of the runs of a stack, in ascending order."""
    return sorted({run.level for run in stack})


def _evaluation_arrays(
    stack: Sequence[RunConfig], images: np.ndarray, labels: np.ndarray
) -> tuple[dict[str, Any], Any, np.ndarray]:
    """Return what a stack is evaluated on.

    Returns:
        Name of the accuracy to the images of all folds held out in the stack, on the device; their labels, likewise;
        and the rows of each run's own, (runs, number) with -1 behind those of a smaller fold.
    """
    folds = {run.fold: run for run in stack}
    held_out = {fold: fold_index(len(images), run.folds, fold)[1] for fold, run in folds.items()}
    parts = [
        evaluation_sets(images[held_out[fold]], run.dataset, run.folds, fold, run.evaluate, run.forms, run.seed)
        for fold, run in folds.items()
    ]
    sets = {name: on_device(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    set_labels = np.concatenate([labels[index] for index in held_out.values()]).astype("int32")
    starts = dict(zip(folds, np.cumsum([0, *(len(index) for index in held_out.values())]), strict=False))
    rows = np.full((len(stack), max(len(index) for index in held_out.values())), -1)
    for position, run in enumerate(stack):
        size = len(held_out[run.fold])
        rows[position, :size] = starts[run.fold] + np.arange(size)
    return sets, on_device(set_labels), rows
