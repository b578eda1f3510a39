"""How a step changes weights: optimizers and schedules of the learning rate.

Optimizers are Keras's, formula by formula. Its own objects cannot be used on a stack under TensorFlow, where
`stateless_apply` is refused; and its Adam makes more passes over the weights. Schedules are Keras's own.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from freeconv.training.state import MOMENTS, State

if TYPE_CHECKING:
    from freeconv.study.jobs import Schedule, TrainSettings

# Adam as in Kingma and Ba 2014 with Keras's defaults: the epsilon outside the bias correction.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

Update = Callable[[State, Sequence[Any], Any], State]  # from a state, gradients and a learning rate


class Rule(NamedTuple):
    """How a step changes the weights.

    Attributes:
        update: takes the state of one network, as `freeconv.training.stack.initial_state` gives it, without the replica
            axis, one gradient per trained weight, and the learning rate; returns the state after the step.
        learning_rate: a number, or a function of the steps done before.
        moments: those parts of the state that the update needs.
    """

    update: Update
    learning_rate: float | Callable[[Any], Any]
    moments: Sequence[str] = MOMENTS

    def rate_at(self, step: Any) -> Any:
        """Return the learning rate after some steps."""
        return self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate


def rule(settings: "TrainSettings", images: int) -> Rule:
    """Return how steps change the weights.

    Args:
        settings: of the runs. Without an optimizer it is Adam, without a schedule the rate is constant.
        images: of the dataset. Schedules count epochs of as many steps as a fold of average size leaves, so that they
            are the same for all folds.
    """
    optimizer = settings.optimizer
    rate: float | Callable[[Any], Any] = settings.learning_rate
    if settings.schedule is not None:
        steps = max(images * (settings.folds - 1) // settings.folds // settings.batch, 1)
        rate = scheduled(settings.learning_rate, settings.schedule, steps)
    if optimizer is None or optimizer.name == "adam":
        return Rule(adam, rate)
    if optimizer.name == "adamw":
        return Rule(partial(decayed, adam, optimizer.weight_decay), rate)
    update = partial(sgd, optimizer.momentum)
    return Rule(partial(decayed, update, optimizer.weight_decay), rate, MOMENTS[:1] if optimizer.momentum else ())


def scheduled(learning_rate: float, schedule: "Schedule", steps: int) -> Callable[[Any], Any]:
    """Return the learning rate as a function of the steps done before.

    Args:
        learning_rate: the base rate.
        schedule: in epochs.
        steps: in an epoch.
    """
    schedules = keras.optimizers.schedules
    rate: Callable[[Any], Any] = lambda _: learning_rate  # noqa: E731
    if schedule.name == "cosine" and schedule.epochs is not None:
        rate = schedules.CosineDecay(learning_rate, schedule.epochs * steps)
    elif schedule.name == "steps":
        rates = [learning_rate * schedule.factor**number for number in range(len(schedule.at) + 1)]
        # Keras's boundaries are the last steps of the rate before
        rate = schedules.PiecewiseConstantDecay([epoch * steps - 1 for epoch in schedule.at], rates)
    if not schedule.warmup:
        return rate
    # linear from the first step, which has 1 / (warm-up steps) of the rate, as in Goyal et al. 2017
    return lambda step: rate(step) * ops.minimum(1.0, (step + 1) / (schedule.warmup * steps))


def adam(state: State, gradients: Sequence[Any], learning_rate: Any) -> State:
    """Return the state after one step of Adam (Kingma and Ba 2014, with the constants that Keras has as defaults).

    Args:
        state: of one network, without the replica axis.
        gradients: one per trained weight.
        learning_rate: the step size.
    """
    step = state["step"] + 1
    rate = learning_rate * ops.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    # The first layer's gradient is computed last. Until then other layers' weights are still read, and XLA would copy
    # them in order to update them before; a rate that depends on that gradient makes all updates wait.
    rate = rate + 0 * ops.reshape(gradients[0], (-1,))[0]
    first = [old + (new - old) * (1 - BETA_1) for old, new in zip(state["first"], gradients, strict=True)]
    second = [old + (new * new - old) * (1 - BETA_2) for old, new in zip(state["second"], gradients, strict=True)]
    weights = [
        weight - rate * one / (ops.sqrt(two) + EPSILON)
        for weight, one, two in zip(state["weights"], first, second, strict=True)
    ]
    return {**state, "weights": weights, "first": first, "second": second, "step": step}


def sgd(momentum: float, state: State, gradients: Sequence[Any], learning_rate: Any) -> State:
    """Return the state after one step of stochastic gradient descent; `first` is the velocity, the rate included."""
    if not momentum:
        moves = [-learning_rate * gradient for gradient in gradients]
        first = state["first"]
    else:
        old = state["first"]
        first = moves = [momentum * one - learning_rate * two for one, two in zip(old, gradients, strict=True)]
    weights = [weight + move for weight, move in zip(state["weights"], moves, strict=True)]
    return {**state, "weights": weights, "first": first, "step": state["step"] + 1}


def decayed(update: Update, decay: float, state: State, gradients: Sequence[Any], learning_rate: Any) -> State:
    """Return the state after a step before which all weights were shortened by the share rate · decay.

    Decoupled weight decay (Loshchilov and Hutter 2019) as in Keras, biases included.
    """
    if not decay:
        return update(state, gradients, learning_rate)
    shortened = [weight - weight * decay * learning_rate for weight in state["weights"]]
    return update({**state, "weights": shortened}, gradients, learning_rate)
