"""Where training stands: what runs have learned so far, and all that the rest of the training depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from freeconv.augmentations import metrics

if TYPE_CHECKING:
    from freeconv.study.jobs import RunConfig

State = dict[str, Any]  # of the networks of a stack (see `freeconv.training.stack.initial_state`)


def history_names(evaluated: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all that a run records after each epoch (see `freeconv.augmentations.metrics`)."""
    return ("train_loss", "val_loss", *metrics(evaluated))


@dataclass
class Result:
    """What a run has learned so far.

    Attributes:
        run: its configuration.
        history: name (see `history_names`) to one value per epoch.
        kernels: epochs done to the recorded layers' kernels then, layer to (positions, kh · kw · channels, filters)
            float32; a convolution has one position.
        network: the trained network's weights, `<layer>/<variable>` to float32, with what layers keep beside them, as
            moving averages; none before the run has finished.
        seconds: wall time of training; of runs trained side by side, an equal share.
        overhead_seconds: the run's share of what its job did besides training; of a job that was killed and started
            again, only of what it did since.
        best_epoch: the epoch, counted from 1, of the best accuracy on the clean held-out fold.
    """

    run: RunConfig
    history: dict[str, list[float]] = field(default_factory=dict)
    kernels: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    network: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0
    overhead_seconds: float = 0.0
    best_epoch: int = 0

    def __post_init__(self) -> None:
        for name in history_names(self.run.evaluate):
            self.history.setdefault(name, [])

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

    @property
    def last(self) -> dict[str, float]:
        """What was recorded after the last epoch; only after there was one."""
        return {name: values[-1] for name, values in self.history.items()}

    def add(self, row: dict[str, float], seconds: float) -> None:
        """Add an epoch."""
        if row["val_acc"] > max(self.history["val_acc"], default=-1.0):
            self.best_epoch = self.epochs + 1
        for name, values in self.history.items():
            values.append(row[name])
        self.seconds += seconds


class Checkpoint(NamedTuple):
    """Where the training of a stack stands after an epoch.

    Attributes:
        results: of every run of the stack; none if the stack did not fit the device's memory and was split.
        members: the runs, as positions in `results`, whose networks are left in the stack; none once all have finished.
        state: of these networks (see `freeconv.training.stack.initial_state`); empty once all have finished.
    """

    results: list[Result]
    members: list[int]
    state: State


SPLIT = Checkpoint([], [], {})
