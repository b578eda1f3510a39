"""Where training stands: what runs have learned so far, and all that the rest of the training depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from freeconv.augmentations import metrics

if TYPE_CHECKING:
    import numpy as np

    from freeconv.study.jobs import RunConfig, TrainSettings

State = dict[str, Any]  # of the networks of a stack (see `freeconv.training.stack.initial_state`)
MOMENTS = ("first", "second")
LATER = ("clean_train_acc", "learning_rate", "steps", "cpu_seconds")  # of the history, not in files of before


def history_names(run: TrainSettings) -> tuple[str, ...]:
    """Return the names of all that a run records after each epoch.

    Returns:
        Losses; accuracies (see `freeconv.augmentations.metrics`); further metrics, if any; `learning_rate`; `steps` of
        the epoch; and `cpu_seconds`, processor time that it took, of runs trained side by side an equal share.
    """
    accuracies = metrics(run.evaluate)
    return ("train_loss", "val_loss", *accuracies, *run.evaluate_metrics, "learning_rate", "steps", "cpu_seconds")


@dataclass
class Result:
    """What a run has learned so far.

    Attributes:
        run: its configuration.
        asked: the epochs that it is to have, unless it stops early.
        history: name (see `history_names`) to one value per epoch.
        kernels: epochs done to the recorded layers' kernels then, layer to (positions, kh · kw · channels, filters)
            float32; a convolution has one position.
        network: the trained network's weights, `<layer>/<variable>` to float32, with what layers keep beside them, as
            moving averages; none before the run has finished.
        state: what else more epochs need (see `kept_state`); none before the run has finished, if it stopped early, or
            if it is not to be kept.
        seconds: wall time of training; of runs trained side by side, an equal share.
        overhead_seconds: the run's share of what its job did besides training; of a job that was killed and started
            again, only of what it did since.
        best_epoch: the epoch, counted from 1, of the best accuracy on the clean held-out fold.
        environments: on what it was trained, as `freeconv.machine.environment.environment` says it, each with `epoch`,
            the epochs done before: the first one, and others where it went on elsewhere.
        stack: how many runs were trained side by side, as the run's file says; 0 without one.
    """

    run: RunConfig
    asked: int
    history: dict[str, list[float]] = field(default_factory=dict)
    kernels: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    network: dict[str, np.ndarray] = field(default_factory=dict)
    state: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0
    overhead_seconds: float = 0.0
    best_epoch: int = 0
    environments: list[dict[str, Any]] = field(default_factory=list)
    stack: int = 0

    def __post_init__(self) -> None:
        for name in history_names(self.run):
            self.history.setdefault(name, [])

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history["val_acc"])

    @property
    def stopped_early(self) -> bool:
        """Whether there was no better accuracy for so long that more epochs change nothing.

        Early stopping is as in the authors' program: after `patience` epochs without a better accuracy on the clean
        held-out fold; the last weights are kept, not the best.
        """
        return self.epochs - self.best_epoch >= self.run.patience

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to learn."""
        return self.epochs >= self.asked or self.stopped_early

    @property
    def last(self) -> dict[str, float]:
        """What was recorded after the last epoch; only after there was one."""
        return {name: values[-1] for name, values in self.history.items()}

    def add(self, row: dict[str, float], seconds: float) -> None:
        """Add an epoch."""
        import numpy as np

        # as stored, so that a run that is continued from its file compares the same numbers
        if np.float32(row["val_acc"]) > max(map(np.float32, self.history["val_acc"]), default=-1.0):
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


class Variables(NamedTuple):
    """Names of a network's variables, in the order of a `State`: those that are trained, and the others.

    Attributes:
        weights: trained.
        fixed: others.
        moments: which the optimizer has of each trained one.
    """

    weights: Sequence[str]
    fixed: Sequence[str]
    moments: Sequence[str] = MOMENTS


def kept_state(state: State, place: int, variables: Variables, stored: Iterable[str]) -> dict[str, np.ndarray]:
    """Return what more epochs of one network need beside its weights.

    Args:
        state: of a stack.
        place: the network's, in the stack.
        variables: their names.
        stored: names of those that are kept of a trained network anyway.

    Returns:
        `first/<variable>` and `second/<variable>`, the optimizer's moments, those that it has; `fixed/<position>`, what
        is not trained and not stored, as random generators, whose names Keras counts through; and `step`, float32 (),
        the steps done.
    """
    kept = {
        f"{moment}/{name}": array[place]
        for moment in variables.moments
        for name, array in zip(variables.weights, state[moment], strict=True)
    }
    fixed = enumerate(zip(variables.fixed, state["fixed"], strict=True))
    kept |= {f"fixed/{number}": array[place] for number, (name, array) in fixed if name not in set(stored)}
    return {**kept, "step": state["step"][place]}


def continued_state(members: Sequence[Result], variables: Variables) -> State:
    """Return the state from which finished runs go on, as a stack.

    Args:
        members: with `network` and `state`.
        variables: names of their variables.

    Raises:
        KeyError: a run lacks one of them.
    """
    import numpy as np

    def stacked(names: Iterable[str]) -> list[np.ndarray]:
        return [np.stack([arrays[name] for arrays in held]) for name in names]

    held = [{**member.network, **member.state} for member in members]
    fixed = [name if name in held[0] else f"fixed/{number}" for number, name in enumerate(variables.fixed)]
    return {
        "weights": stacked(variables.weights),
        **{
            moment: stacked(f"{moment}/{name}" for name in variables.weights) if moment in variables.moments else []
            for moment in MOMENTS
        },
        "fixed": stacked(fixed),
        "step": np.stack([arrays["step"] for arrays in held]),
    }


def members_left(results: Sequence[Result], epochs: int) -> list[int]:
    """Return the positions of the runs whose networks are left in a stack after some epochs.

    One that has stopped early is carried along until at most half of the stack is still learning; then the stack is
    halved.

    Args:
        results: of the stack's runs; those with fewer epochs than `epochs` have stopped early.
        epochs: done.
    """
    members = list(range(len(results)))
    for epoch in range(1, epochs + 1):
        learning = [place for place in members if not (results[place].stopped_early and results[place].epochs <= epoch)]
        members = halved(members, learning)
    return members


def halved(members: list[int], learning: list[int]) -> list[int]:
    """Return the members of a stack that go on: those that learn, if these are at most half of it."""
    return learning if learning and len(learning) <= len(members) // 2 else members
