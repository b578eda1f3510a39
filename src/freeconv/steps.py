"""Compiled training and evaluation steps of one network, on the TensorFlow and JAX backends of Keras.

The steps take images as they are stored (uint8, or float16 where noise leaves [0, 1]) and normalise them in the
compiled program; a batch is gathered by index from the whole array, which stays on the device.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from freeconv.errors import FreeconvError

EVALUATE_BATCH = 1000


class Steps(NamedTuple):
    """What can be done with a network whose steps are compiled; the network's state stays inside.

    Attributes:
        start: takes initial weights (a list as `keras.Model.get_weights` gives it) and clears the optimizer.
        train: takes images, labels (both from `on_device`) and an index (steps, batch); makes one training step per
            row and returns mean loss and mean accuracy over them, each measured before its step's update.
        evaluate: takes images and labels (both from `on_device`); returns mean loss and accuracy.
        weights: returns the weights of the layer of a name, as NumPy arrays.
    """

    start: Callable[[list[np.ndarray]], None]
    train: Callable[[Any, Any, np.ndarray], tuple[float, float]]
    evaluate: Callable[[Any, Any], tuple[float, float]]
    weights: Callable[[str], list[np.ndarray]]


def on_device(array: np.ndarray) -> Any:
    """Return an array as a tensor of the backend's default device."""
    return ops.convert_to_tensor(array)


def compile_steps(model: keras.Model, learning_rate: float) -> Steps:
    """Return the compiled steps of a network: cross-entropy and Adam with Keras's defaults.

    Args:
        model: images float32 in [0, 1] to logits.
        learning_rate: of Adam.

    Raises:
        FreeconvError: the Keras backend is neither TensorFlow nor JAX.
    """
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow":
        train_step, evaluate_step, sync = _tensorflow_steps(model, optimizer)
    elif keras.backend.backend() == "jax":
        train_step, evaluate_step, sync = _jax_steps(model, optimizer)
    else:
        raise FreeconvError(
            f"KERAS_BACKEND: expected tensorflow or jax, received {keras.backend.backend()}; set the variable"
        )

    def start(weights: list[np.ndarray]) -> None:
        model.set_weights(weights)
        for variable in optimizer.variables:
            if variable is not optimizer.learning_rate:
                variable.assign(ops.zeros(variable.shape, variable.dtype))
        sync(start=True)

    def train(images: Any, labels: Any, index: np.ndarray) -> tuple[float, float]:
        sums = ops.zeros(2)
        for rows in index.astype("int32"):
            sums = sums + train_step(images, labels, rows)
        loss, correct = np.asarray(ops.convert_to_numpy(sums), "float64") / index.size
        return float(loss), float(correct)

    def evaluate(images: Any, labels: Any) -> tuple[float, float]:
        number = images.shape[0]
        index, weights = padded_batches(number, EVALUATE_BATCH)
        sums = ops.zeros(2)
        for rows, weight in zip(index, weights, strict=True):
            sums = sums + evaluate_step(images, labels, rows, weight)
        loss, correct = np.asarray(ops.convert_to_numpy(sums), "float64") / number
        return float(loss), float(correct)

    def weights(layer: str) -> list[np.ndarray]:
        sync(start=False)
        return model.get_layer(layer).get_weights()

    return Steps(start, train, evaluate, weights)


def padded_batches(number: int, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an index (steps, batch) int32 of `number` images in equal batches, and weights, 0 for the padding.

    One batch size means one compiled program; batches are as large as `largest` allows.
    """
    steps = -(-number // largest)
    batch = -(-number // steps)
    index = np.arange(steps * batch, dtype="int32").reshape(steps, batch)
    return np.minimum(index, number - 1), (index < number).astype("float32")


def normalised(images: Any) -> Any:
    """Return stored images as float32 on the [0, 1] scale: uint8 is divided by 255, floats are taken as they are."""
    scale = 1 / 255 if keras.backend.standardize_dtype(images.dtype) == "uint8" else 1.0
    return ops.cast(images, "float32") * scale


def _losses_and_hits(labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return cross-entropy and whether the largest logit is the label's, per image."""
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return losses, ops.cast(ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32")), "float32")


def _tensorflow_steps(model: keras.Model, optimizer: keras.Optimizer) -> tuple[Callable, Callable, Callable]:
    """Return train step, evaluate step and sync on TensorFlow: the variables are updated in place."""
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def train_step(images: Any, labels: Any, rows: Any) -> Any:
        batch, batch_labels = normalised(tf.gather(images, rows)), tf.gather(labels, rows)
        with tf.GradientTape() as tape:
            losses, hits = _losses_and_hits(batch_labels, model(batch, training=True))
            loss = tf.reduce_mean(losses)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(hits)])

    @tf.function(jit_compile=True)
    def evaluate_step(images: Any, labels: Any, rows: Any, weight: Any) -> Any:
        batch, batch_labels = normalised(tf.gather(images, rows)), tf.gather(labels, rows)
        losses, hits = _losses_and_hits(batch_labels, model(batch, training=False))
        return tf.stack([tf.reduce_sum(losses * weight), tf.reduce_sum(hits * weight)])

    return train_step, evaluate_step, lambda start: None


def _jax_steps(model: keras.Model, optimizer: keras.Optimizer) -> tuple[Callable, Callable, Callable]:
    """Return train step, evaluate step and sync on JAX: the state is carried here and donated to each step."""
    import jax

    state: dict[str, Sequence[Any]] = {}

    def loss_of(trainable: Any, non_trainable: Any, batch: Any, labels: Any) -> tuple[Any, Any]:
        logits, non_trainable = model.stateless_call(trainable, non_trainable, batch, training=True)
        losses, hits = _losses_and_hits(labels, logits)
        return losses.mean(), (non_trainable, ops.stack([losses.sum(), hits.sum()]))

    @partial(jax.jit, donate_argnums=0)
    def compiled_train(state: Any, images: Any, labels: Any, rows: Any) -> tuple[Any, Any]:
        batch, batch_labels = normalised(images[rows]), labels[rows]
        gradients, (non_trainable, sums) = jax.grad(loss_of, has_aux=True)(
            state["trainable"], state["non_trainable"], batch, batch_labels
        )
        trainable, variables = optimizer.stateless_apply(state["optimizer"], gradients, state["trainable"])
        return {"trainable": trainable, "non_trainable": non_trainable, "optimizer": variables}, sums

    @jax.jit
    def compiled_evaluate(state: Any, images: Any, labels: Any, rows: Any, weight: Any) -> Any:
        logits, _ = model.stateless_call(
            state["trainable"], state["non_trainable"], normalised(images[rows]), training=False
        )
        losses, hits = _losses_and_hits(labels[rows], logits)
        return ops.stack([(losses * weight).sum(), (hits * weight).sum()])

    def train_step(images: Any, labels: Any, rows: Any) -> Any:
        new, sums = compiled_train(dict(state), images, labels, rows)
        state.update(new)
        return sums

    def evaluate_step(images: Any, labels: Any, rows: Any, weight: Any) -> Any:
        return compiled_evaluate(dict(state), images, labels, rows, weight)

    variables = {
        "trainable": model.trainable_variables,
        "non_trainable": model.non_trainable_variables,
        "optimizer": optimizer.variables,
    }

    def sync(start: bool) -> None:
        for name, group in variables.items():
            if start:
                state[name] = [ops.copy(variable.value) for variable in group]
            else:
                for variable, value in zip(group, state[name], strict=True):
                    variable.assign(ops.copy(value))  # the next step gives the original's memory away

    return train_step, evaluate_step, sync
