"""Many networks in one compiled program, on the TensorFlow and JAX backends of Keras.

One program trains a stack of independent networks of the same kind, its replicas; a single network is a stack of one.
Every weight has a leading replica axis, and each replica learns what it would have learned alone. The steps take images
as they are stored (uint8, or float16 where noise leaves [0, 1]) and normalise them in the compiled program; batches are
gathered by index from arrays that stay on the device.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from freeconv.errors import FreeconvError
from freeconv.metrics import Metric
from freeconv.training.optimizers import Rule, adam
from freeconv.training.state import MOMENTS, State

EVALUATE_BATCH = 1000


class Replicas(NamedTuple):
    """What can be done with a stack of networks whose steps are compiled; the networks' state stays inside.

    Attributes:
        train: takes images, labels (both from `on_device`) and an index (steps, replicas, batch) into them; makes one
            training step per entry and returns mean loss and mean accuracy over the steps, (replicas,) float64, each
            measured before its step's update.
        evaluate: takes images, labels and an index (replicas, number), -1 where a replica has fewer images than others;
            returns mean loss and accuracy, (replicas,).
        metrics: takes what `evaluate` takes; returns further metrics by name, (replicas,).
        weights: takes names of weights, `<layer>/<variable>`, and returns these as NumPy arrays by name, each with a
            leading replica axis.
        keep: takes positions in the stack and returns a stack of these replicas as they are, which goes on in place of
            this one.
        state: returns what these replicas go on from, as `initial_state` gives it.
    """

    train: Callable[[Any, Any, np.ndarray], tuple[np.ndarray, np.ndarray]]
    evaluate: Callable[[Any, Any, np.ndarray], tuple[np.ndarray, np.ndarray]]
    metrics: Callable[[Any, Any, np.ndarray], dict[str, np.ndarray]]
    weights: Callable[[Iterable[str]], dict[str, np.ndarray]]
    keep: Callable[[Sequence[int]], "Replicas"]
    state: Callable[[], State]


def on_device(array: np.ndarray) -> Any:
    """Return an array as a tensor of the backend's default device."""
    return ops.convert_to_tensor(array)


def initial_state(models: Sequence[keras.Model], moments: Sequence[str] = MOMENTS) -> State:
    """Return the state before the first step of a stack of networks: weights, zero moments and zero steps.

    Args:
        models: the networks.
        moments: those that the optimizer has (see `freeconv.training.optimizers.Rule`); others are empty.

    Returns:
        `weights`, `first` and `second` moments and `fixed` (what no gradient changes: masks of missing connections,
        and what layers with a state change themselves, as moving averages and random generators) as lists of arrays
        (replicas, …), and `step` (replicas,) float32.
    """

    def stacked(name: str) -> list[np.ndarray]:
        groups = zip(*(getattr(model, name) for model in models), strict=True)
        return [np.stack([ops.convert_to_numpy(variable) for variable in group]) for group in groups]

    weights = stacked("trainable_variables")
    return {
        "weights": weights,
        **{name: [np.zeros_like(weight) for weight in weights] if name in moments else [] for name in MOMENTS},
        "fixed": stacked("non_trainable_variables"),
        "step": np.zeros(len(models), "float32"),
    }


def compile_replicas(
    model: keras.Model, rule: Rule | float, metrics: Sequence[Metric] = ()
) -> Callable[[State], Replicas]:
    """Return the function that makes a stack from a state, trained by cross-entropy.

    States of the same number of replicas share one compiled program.

    Args:
        model: from images float32 in [0, 1] to logits; gives the computation, its own weights are not used.
        rule: how a step changes the weights; Adam at this learning rate if it is a number.
        metrics: those that `Replicas.metrics` computes.

    Raises:
        FreeconvError: the Keras backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend not in BACKENDS:
        raise FreeconvError(f"KERAS_BACKEND: expected tensorflow or jax, received {backend}; set the variable")
    gradient, compiled = BACKENDS[backend]
    train_one, evaluate_one = _steps(model, rule if isinstance(rule, Rule) else Rule(adam, rule), gradient)
    programs = compiled(train_one, updates=True), compiled(evaluate_one, updates=False)
    measures = {metric: compiled(_parts(model, metric), updates=False) for metric in metrics}
    groups = {"weights": model.trainable_variables, "fixed": model.non_trainable_variables}
    places = {
        variable.path: (group, place) for group, variables in groups.items() for place, variable in enumerate(variables)
    }
    return lambda state: _stack(*programs, measures, places, state)


def _steps(model: keras.Model, rule: Rule, gradient: Callable) -> tuple[Callable, Callable]:
    """Return a training step and an evaluation step of one network, neither compiled."""

    def losses_and_correct(state: State, weights: Any, images: Any, labels: Any, rows: Any, training: bool) -> Any:
        batch, batch_labels = normalised(ops.take(images, rows, axis=0)), ops.take(labels, rows, axis=0)
        logits, fixed = model.stateless_call(weights, state["fixed"], batch, training=training)
        logits = ops.cast(logits, "float32")
        losses = keras.losses.sparse_categorical_crossentropy(batch_labels, logits, from_logits=True)
        best = ops.top_k(logits, 1)[1][..., 0]  # unlike argmax, TensorFlow can map it over replicas as one operation
        correct = ops.cast(ops.equal(best, ops.cast(batch_labels, best.dtype)), "float32")
        return losses, correct, fixed

    def train_one(state: State, images: Any, labels: Any, rows: Any) -> tuple[State, Any]:
        def loss(weights: Any) -> tuple[Any, Any]:
            losses, correct, fixed = losses_and_correct(state, weights, images, labels, rows, training=True)
            return ops.mean(losses), (ops.stack([ops.sum(losses), ops.sum(correct)]), fixed)

        gradients, (sums, fixed) = gradient(loss, state["weights"])
        return {**rule.update(state, gradients, rule.rate_at(state["step"])), "fixed": fixed}, sums

    def evaluate_one(state: State, images: Any, labels: Any, rows: Any, weight: Any) -> tuple[State, Any]:
        losses, correct, _ = losses_and_correct(state, state["weights"], images, labels, rows, training=False)
        return state, ops.stack([ops.sum(losses * weight), ops.sum(correct * weight)])

    return train_one, evaluate_one


def _parts(model: keras.Model, metric: Metric) -> Callable:
    """Return the function of one network that sums a metric's parts over images, not compiled."""

    def parts_one(state: State, images: Any, labels: Any, rows: Any, weight: Any) -> tuple[State, Any]:
        batch = normalised(ops.take(images, rows, axis=0))
        logits, _ = model.stateless_call(state["weights"], state["fixed"], batch, training=False)
        parts = metric.parts(ops.cast(logits, "float32"), ops.take(labels, rows, axis=0))
        return state, ops.sum(parts * weight[:, None], axis=0)

    return parts_one


def _stack(
    train_program: "Program",
    evaluate_program: "Program",
    measures: Mapping[Metric, "Program"],
    places: Mapping[str, tuple[str, int]],
    start: State,
) -> Replicas:
    """Return a stack of networks that go on from a state.

    Args:
        train_program: compiled training step.
        evaluate_program: compiled evaluation step.
        measures: further metrics, each with its compiled step.
        places: names of weights to where they are in a state.
        start: the state, as `initial_state` gives it.
    """
    number = len(start["step"])
    state = train_program.hold(keras.tree.map_structure(lambda array: array[0], start) if number == 1 else start)

    def train(images: Any, labels: Any, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums = ops.zeros((number, 2))
        for rows in index.astype("int32"):
            sums = sums + train_program.run(state, (images, labels), (on_device(rows),))
        means = ops.convert_to_numpy(sums).astype("float64") / (index.shape[0] * index.shape[2])
        return means[:, 0], means[:, 1]

    def summed(program: "Program", images: Any, labels: Any, index: np.ndarray) -> np.ndarray:
        sums: Any = 0.0
        for rows in padded_batches(index, EVALUATE_BATCH):
            counts = on_device((rows >= 0).astype("float32"))
            sums = sums + program.run(state, (images, labels), (on_device(np.maximum(rows, 0)), counts))
        return ops.convert_to_numpy(sums).astype("float64")

    def evaluate(images: Any, labels: Any, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        means = summed(evaluate_program, images, labels, index) / (index >= 0).sum(axis=1, keepdims=True)
        return means[:, 0], means[:, 1]

    def metrics(images: Any, labels: Any, index: np.ndarray) -> dict[str, np.ndarray]:
        numbers = (index >= 0).sum(axis=1).tolist()
        sums = {metric: summed(program, images, labels, index) for metric, program in measures.items()}
        return {metric.name: np.array(list(map(metric.value, of, numbers))) for metric, of in sums.items()}

    def weights(names: Iterable[str]) -> dict[str, np.ndarray]:
        held = train_program.value(state)
        return {name: _with_axis(held[places[name][0]][places[name][1]], number) for name in names}

    def now() -> State:
        return keras.tree.map_structure(lambda array: _with_axis(array, number), train_program.value(state))

    def keep(positions: Sequence[int]) -> Replicas:
        kept = keras.tree.map_structure(lambda array: array[positions], now())
        return _stack(train_program, evaluate_program, measures, places, kept)

    return Replicas(train, evaluate, metrics, weights, keep, now)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a backend says that the device has no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in repr(error)


def padded_batches(index: np.ndarray, largest: int) -> np.ndarray:
    """Return an index (replicas, number) cut into equal batches (steps, replicas, batch) int32, -1 for the padding.

    One batch size means one compiled program; batches are as large as `largest` allows.
    """
    replicas, number = index.shape
    steps = -(-number // largest)
    batch = -(-number // steps)
    padded = np.pad(index, ((0, 0), (0, steps * batch - number)), constant_values=-1)
    return padded.astype("int32").reshape(replicas, steps, batch).transpose(1, 0, 2)


def normalised(images: Any) -> Any:
    """Return stored images as float32 on the [0, 1] scale: uint8 is divided by 255, floats are taken as they are."""
    scale = 1 / 255 if keras.backend.standardize_dtype(images.dtype) == "uint8" else 1.0
    return ops.cast(images, "float32") * scale


class Program(NamedTuple):
    """One compiled function of a stack's state.

    Attributes:
        hold: takes a state of NumPy arrays, without the replica axis if there is one replica, and puts it on the
            device.
        run: takes a held state, arguments that all replicas share and arguments with a leading replica axis; replaces
            the state by the function's first result and returns the second, (replicas, …).
        value: returns a held state's arrays.
    """

    hold: Callable[[State], Any]
    run: Callable[[Any, tuple, tuple], Any]
    value: Callable[[Any], State]


def _on_each(function: Callable, mapped: Callable) -> Callable:
    """Return `function` of one network as a function of a stack.

    The state of a stack of one is held without a replica axis and nothing is mapped, so that it costs what a single
    network costs.

    Args:
        function: takes a state, shared arguments and own ones.
        mapped: takes a function and its argument and maps it over the leading axes.
    """

    def stacked(state: State, shared: tuple, own: tuple) -> Any:
        if len(state["step"].shape) == 0:
            state, result = function(state, *shared, *(array[0] for array in own))
            return state, result[None]
        return mapped(lambda pair: function(pair[0], *shared, *pair[1]), (state, own))

    return stacked


def _with_axis(array: Any, number: int) -> np.ndarray:
    """Return a held array of `number` replicas with its replica axis, as a NumPy array."""
    array = np.array(ops.convert_to_numpy(array))
    return array[None] if number == 1 else array


def _tensorflow_gradient(loss: Callable, weights: Sequence[Any]) -> tuple[Sequence[Any], Any]:
    """Return the gradients of `loss(weights)[0]` and `loss(weights)[1]`."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(weights)
        value, other = loss(weights)
    return tape.gradient(value, weights), other


def _tensorflow_compiled(function: Callable, updates: bool) -> Program:
    """Return a function compiled by XLA under TensorFlow; the state is held in variables and updated in place."""
    import tensorflow as tf

    # random draws of layers are made one replica after the other, which TensorFlow would warn of
    stacked = _on_each(function, partial(tf.vectorized_map, warn=False))

    @tf.function(jit_compile=True)
    def program(state: State, shared: tuple, own: tuple) -> Any:
        new, result = stacked(keras.tree.map_structure(tf.convert_to_tensor, state), shared, own)
        if updates:
            keras.tree.map_structure(lambda variable, value: variable.assign(value), state, new)
        return result

    def hold(state: State) -> Any:
        return keras.tree.map_structure(tf.Variable, state)

    return Program(hold, program, lambda state: state)


def _jax_gradient(loss: Callable, weights: Sequence[Any]) -> tuple[Sequence[Any], Any]:
    """Return the gradients of `loss(weights)[0]` and `loss(weights)[1]`."""
    import jax

    return jax.grad(loss, has_aux=True)(weights)


def _jax_compiled(function: Callable, updates: bool) -> Program:
    """Return a function compiled by JAX; the state's memory is given to the next state."""
    import jax

    stacked = _on_each(function, lambda one, pair: jax.vmap(one)(pair))

    def program(state: State, shared: tuple, own: tuple) -> Any:
        new, result = stacked(state, shared, own)
        return (new, result) if updates else result

    compiled = jax.jit(program, donate_argnums=0 if updates else ())

    def run(held: list[State], shared: tuple, own: tuple) -> Any:
        if not updates:
            return compiled(held[0], shared, own)
        held[0], result = compiled(held[0], shared, own)
        return result

    return Program(lambda state: [keras.tree.map_structure(jax.numpy.array, state)], run, lambda held: held[0])


BACKENDS = {"tensorflow": (_tensorflow_gradient, _tensorflow_compiled), "jax": (_jax_gradient, _jax_compiled)}
