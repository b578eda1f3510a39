"""Gradients of a layer on every backend."""

import keras
import numpy as np


def gradients(layer, inputs, weighting):
    """Return the gradients of sum(output · weighting) by inputs and by the layer's trainable weights."""
    backend = keras.backend.backend()
    if backend == "jax":
        by_inputs, by_weights = _with_jax(layer, inputs, weighting)
    elif backend == "torch":
        by_inputs, by_weights = _with_torch(layer, inputs, weighting)
    else:
        by_inputs, by_weights = _with_tensorflow(layer, inputs, weighting)
    return np.asarray(by_inputs), [np.asarray(gradient) for gradient in by_weights]


def _with_jax(layer, inputs, weighting):
    import jax

    def loss(inputs, trainable):
        frozen = [v.value for v in layer.non_trainable_variables]
        return (layer.stateless_call(trainable, frozen, inputs)[0] * weighting).sum()

    return jax.grad(loss, (0, 1))(inputs, [v.value for v in layer.trainable_variables])


def _with_torch(layer, inputs, weighting):
    import torch

    inputs = torch.tensor(inputs, requires_grad=True)
    loss = (layer(inputs) * torch.tensor(weighting)).sum()
    by_inputs, *by_weights = torch.autograd.grad(loss, (inputs, *(v.value for v in layer.trainable_variables)))
    return by_inputs, by_weights


def _with_tensorflow(layer, inputs, weighting):
    import tensorflow as tf

    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs) * weighting)
    return tape.gradient(loss, (inputs, [v.value for v in layer.trainable_variables]))
