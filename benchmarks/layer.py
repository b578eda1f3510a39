"""A free network costs what a convolutional one costs, and well below what Keras 2's locally connected layer cost.

Whole training steps (loss, gradient, Adam) of the networks of Table A.2 on all cores with TensorFlow, MNIST's (28 × 28
× 1, batch 256) and CIFAR-10's (32 × 32 × 3, batch 128): ours through `freeconv.training.stack`, gathering and
normalising its batch; convolutions by Keras, compiled by XLA (the same way) and not, the faster one counts; Keras 2's
`LocallyConnected2D(implementation=1)` (package tf-keras), as Keras 2 trains by default, which is not compiled, and
compiled by XLA. Contestants take turns in one process; ratios are taken per round. The floor is the time of a step's
matrix products at the rate of a large float32 product plus Adam's traffic of 28 bytes per weight at the rate of an
addition of large arrays.

Targets: FCN ≤ 1.0 of the CNN's time on MNIST, ≤ 1.05 on CIFAR-10; ≤ 0.6 of LocallyConnected2D's, compiled or not; the
floor ≥ 75 % of the FCN's time.

    python benchmarks/layer.py            # peer: pip install tf-keras
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from measuring import (
    arguments,
    compared,
    fastest,
    matrix_products,
    measured,
    not_installed,
    round_robin,
    step_operations,
    triad,
    write_result,
)

from freeconv.architectures.table_a2 import ARCHITECTURES, DENSE_UNITS
from freeconv.networks import build_network
from freeconv.training.stack import compile_replicas, initial_state, on_device

COMMAND = "python benchmarks/layer.py"
CLASSES, LEARNING_RATE, IMAGES = 10, 0.001, 2560
NETS = {"MNIST": ((28, 28, 1), 256, "≤ 1.0"), "CIFAR-10": ((32, 32, 3), 128, "≤ 1.05")}
KERAS_2 = {False: "LocallyConnected2D as Keras 2 trains", True: "LocallyConnected2D compiled"}
ADAM_BYTES = 28  # a weight: gradient, weight and two moments read, weight and two moments written, 4 bytes each
ROUNDS, STEPS = 15, 3


def free_or_convolutional(network: str, shape: tuple[int, int, int], batch: int, steps: int) -> Callable[[], Any]:
    """Return training steps of our network, as `freeconv train` makes them."""
    rng = np.random.default_rng(0)
    images = on_device(rng.integers(0, 256, (IMAGES, *shape), "uint8"))
    labels = on_device(rng.integers(0, CLASSES, IMAGES, "int32"))
    index = rng.integers(0, IMAGES, (steps, 1, batch))
    model = build_network(network, shape, CLASSES, 0)
    replicas = compile_replicas(model, LEARNING_RATE)(initial_state([model]))
    return lambda: replicas.train(images, labels, index)


def plain(
    model: Any, optimizer: Any, loss: Any, shape: tuple[int, int, int], batch: int, steps: int, jit: bool
) -> Callable[[], Any]:
    """Return training steps of a model with its own Keras's optimizer, on one batch that is already there."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((batch, *shape), "float32"))
    labels = tf.constant(rng.integers(0, CLASSES, batch, "int32"))
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=jit, autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    def train() -> None:
        for _ in range(steps):
            value = step()
        value.numpy()

    return train


def locally_connected(shape: tuple[int, int, int], size: str) -> tuple[Any, Any, Any]:
    """Return Keras 2's network of Table A.2 with LocallyConnected2D, its Adam and its loss."""
    import tf_keras

    layers = [tf_keras.Input(shape)]
    layers += [
        tf_keras.layers.LocallyConnected2D(filters, kernel, strides=stride, activation="relu", implementation=1)
        for filters, kernel, stride in ARCHITECTURES[size]
    ]
    layers += [
        tf_keras.layers.Flatten(),
        tf_keras.layers.Dense(DENSE_UNITS, activation="relu"),
        tf_keras.layers.Dense(CLASSES),
    ]
    return (
        tf_keras.Sequential(layers),
        tf_keras.optimizers.Adam(LEARNING_RATE),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )


def measure_steps(name: str, quick: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return measurements and comparisons of whole training steps of one size of networks."""
    shape, batch, target = NETS[name]
    batch, rounds, steps = (8, 2, 1) if quick else (batch, ROUNDS, STEPS)
    peers = find_spec("tf_keras") is not None
    convolutions = build_network("cnn", shape, CLASSES, 0)
    contestants = {
        "FCN": free_or_convolutional("fcn", shape, batch, steps),
        "CNN, compiled": free_or_convolutional("cnn", shape, batch, steps),
        "CNN, not compiled": plain(
            convolutions,
            keras.optimizers.Adam(LEARNING_RATE),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            shape,
            batch,
            steps,
            jit=False,
        ),
    }
    if peers:
        size = "mnist" if name == "MNIST" else "cifar"
        for jit, label in KERAS_2.items():
            contestants[label] = plain(*locally_connected(shape, size), shape, batch, steps, jit)
    operations, products = matrix_products(quick)
    moved, addition = triad(quick)
    seconds = round_robin({**contestants, **products, "addition": addition}, rounds)
    product = operations / fastest(seconds, products)
    traffic = moved / seconds["addition"]
    weights = build_network("fcn", shape, CLASSES, 0).count_params()
    floor = step_operations(shape, CLASSES, batch) / product + ADAM_BYTES * weights / traffic
    free = seconds["FCN"] / steps
    convolution = fastest(seconds, ["CNN, compiled", "CNN, not compiled"]) / steps
    measurements = [measured(f"{name} {label}: a step", 1000 * seconds[label] / steps, "ms") for label in contestants]
    measurements += [
        measured(f"{name} floor of the FCN's step", 1000 * floor, "ms"),
        measured(f"beside {name}: rate of a large matrix product", product / 1e9, "GFLOP/s"),
        measured(f"beside {name}: rate of memory", traffic / 1e9, "GB/s"),
    ]
    comparisons = [compared(f"{name}: FCN / CNN, time of a step", free / convolution, target)]
    for label in KERAS_2.values():
        what = f"{name}: FCN / {label}, time of a step"
        if peers:
            comparisons.append(compared(what, free / (seconds[label] / steps), "≤ 0.6"))
        else:
            comparisons.append(not_installed(what, "tf-keras", "≤ 0.6"))
    comparisons.append(compared(f"{name}: floor / FCN, time of a step", 100 * floor / free, "≥ 75", "%"))
    return measurements, comparisons


def main() -> None:
    """Measure and write the results."""
    options = arguments(__doc__).parse_args()
    parts = [measure_steps(name, options.quick) for name in NETS]
    rounds, steps = (2, 1) if options.quick else (ROUNDS, STEPS)
    write_result(
        "layer",
        __doc__,
        COMMAND,
        f"{rounds} rounds of {steps} steps",
        [row for part in parts for row in part[0]],
        [row for part in parts for row in part[1]],
        options,
    )


if __name__ == "__main__":
    main()
