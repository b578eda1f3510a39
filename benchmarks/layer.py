"""A free network costs what a convolutional one costs, and well below what Keras 2's locally connected layer cost.

Whole training steps (loss, gradient, Adam) of the networks of Table A.2 on all cores with TensorFlow, MNIST's (28 × 28
× 1, batch 256) and CIFAR-10's (32 × 32 × 3, batch 128): ours through `freeconv.training.stack`, gathering and
normalising its batch; convolutions by Keras, compiled by XLA (the same way) and not, the faster one counts; Keras 2's
`LocallyConnected2D(implementation=1)` (package tf-keras), as Keras 2 trains by default, which is not compiled, and
compiled by XLA. Then the middle layer alone, forwards and backwards, against `jax.lax.conv_general_dilated_local` and
against PyTorch's unfold and einsum (on one core or all, the faster one counts). Contestants take turns in one process;
ratios are taken per round. The floor is the time of a step's matrix products at the rate of a large float32 product
plus Adam's traffic of 28 bytes per weight at the rate of an addition of large arrays.

Targets: FCN ≤ 1.0 of the CNN's time on MNIST, ≤ 1.05 on CIFAR-10; ≤ 0.6 of LocallyConnected2D's, compiled or not; the
middle layer ≥ 1.5 times as fast as the two others; the floor ≥ 75 % of the FCN's time.

    python benchmarks/layer.py            # peers: pip install tf-keras jax torch
"""

import json
import os
import subprocess
import sys
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
from freeconv.layers import FreeConv2D
from freeconv.networks import build_network
from freeconv.training.stack import compile_replicas, initial_state, on_device

COMMAND = "python benchmarks/layer.py"
CLASSES, LEARNING_RATE, IMAGES = 10, 0.001, 2560
NETS = {"MNIST": ((28, 28, 1), 256, "≤ 1.0"), "CIFAR-10": ((32, 32, 3), 128, "≤ 1.05")}
KERAS_2 = {False: "LocallyConnected2D as Keras 2 trains", True: "LocallyConnected2D compiled"}
ADAM_BYTES = 28  # a weight: gradient, weight and two moments read, weight and two moments written, 4 bytes each
ROUNDS, STEPS, LAYER_ROUNDS, LAYER_STEPS = 15, 3, 15, 5
SIZE, CHANNELS, FILTERS, KERNEL, STRIDE, BATCH = 13, 32, 64, 3, 2, 256  # the middle layer: 6 × 6 positions, 288 inputs


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


def our_layer() -> tuple[FreeConv2D, np.ndarray, np.ndarray]:
    """Return the middle layer, an input (height, width, channels, batch) and a gradient of its output."""
    rng = np.random.default_rng(0)
    layer = FreeConv2D(FILTERS, KERNEL, strides=STRIDE, batch_axis=3)
    inputs = rng.random((SIZE, SIZE, CHANNELS, BATCH), "float32")
    layer.build(inputs.shape)
    return layer, inputs, rng.random(layer.compute_output_shape(inputs.shape), "float32")


def repeated(step: Callable[[], Any], finish: Callable[[Any], Any]) -> Callable[[], None]:
    """Return `LAYER_STEPS` steps, the last of which is waited for."""

    def steps() -> None:
        for _ in range(LAYER_STEPS):
            result = step()
        finish(result)

    return steps


def measure_layer_jax(rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of the middle layer, forwards and backwards, on JAX: ours and JAX's."""
    import jax

    layer, inputs, gradient = our_layer()
    weights = [variable.value for variable in layer.trainable_variables]

    def ours(weights: Any, inputs: Any, gradient: Any) -> Any:
        _, back = jax.vjp(lambda weights, inputs: layer.stateless_call(weights, [], inputs)[0], weights, inputs)
        return back(gradient)

    def local(weights: Any, inputs: Any, gradient: Any) -> Any:
        def forward(weights: Any, inputs: Any) -> Any:
            return weights[1] + jax.lax.conv_general_dilated_local(
                inputs,
                weights[0],
                (STRIDE, STRIDE),
                "VALID",
                (KERNEL, KERNEL),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )

        return jax.vjp(forward, weights, inputs)[1](gradient)

    local_weights = [weights[0].reshape(*gradient.shape[:2], -1, FILTERS), weights[1]]
    batch_first = [jax.numpy.asarray(array.transpose(3, 0, 1, 2)) for array in (inputs, gradient)]
    position_first = [jax.numpy.asarray(inputs), jax.numpy.asarray(gradient)]
    compiled, compiled_local = jax.jit(ours), jax.jit(local)
    return round_robin(
        {
            "ours": repeated(lambda: compiled(weights, *position_first), jax.block_until_ready),
            "peer": repeated(lambda: compiled_local(local_weights, *batch_first), jax.block_until_ready),
        },
        rounds,
    )


def measure_layer_torch(rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of the middle layer, forwards and backwards: ours on TensorFlow, and PyTorch's."""
    import tensorflow as tf
    import torch

    layer, inputs, gradient = our_layer()
    tf_inputs, tf_gradient = tf.constant(inputs), tf.constant(gradient)

    @tf.function(jit_compile=True, autograph=False)
    def ours() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tf_inputs)
            outputs = layer(tf_inputs)
        variables = [tf_inputs, *(variable.value for variable in layer.trainable_variables)]
        return tape.gradient(outputs, variables, output_gradients=tf_gradient)

    rows, cols = gradient.shape[:2]
    images = torch.tensor(inputs.transpose(3, 2, 0, 1).copy(), requires_grad=True)
    kernel = torch.tensor(layer.get_weights()[0], requires_grad=True)
    bias = torch.tensor(layer.get_weights()[1].reshape(rows * cols, 1, FILTERS), requires_grad=True)
    torch_gradient = torch.tensor(gradient.reshape(rows * cols, FILTERS, BATCH).transpose(0, 2, 1).copy())

    def unfolded() -> Any:
        fields = torch.nn.functional.unfold(images, KERNEL, stride=STRIDE)
        outputs = torch.einsum("nkp,pkf->pnf", fields, kernel) + bias
        return torch.autograd.grad(outputs, (images, kernel, bias), torch_gradient)

    def with_threads(number: int) -> Callable[[], None]:
        steps = repeated(unfolded, lambda gradients: gradients[0][0, 0, 0, 0].item())

        def contestant() -> None:
            torch.set_num_threads(number)
            steps()

        return contestant

    peers = {f"peer, {number} threads": with_threads(number) for number in sorted({1, torch.get_num_threads()})}
    seconds = round_robin({"ours": repeated(ours, lambda gradients: gradients[0].numpy()), **peers}, rounds)
    # Where other programs want the cores, PyTorch's threads wait for each other longer than they work.
    return {"ours": seconds["ours"], "peer": fastest(seconds, peers)}


def measure_layer(quick: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return measurements and comparisons of the middle layer alone."""
    rounds = 2 if quick else LAYER_ROUNDS
    times = {}
    if find_spec("jax") is not None:
        done = subprocess.run(
            [sys.executable, __file__, "--layer-on-jax", str(rounds)],
            env={**os.environ, "KERAS_BACKEND": "jax"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        times["jax"] = {name: np.array(values) for name, values in json.loads(done.stdout.splitlines()[-1]).items()}
    if find_spec("torch") is not None:
        times["torch"] = measure_layer_torch(rounds)
    measurements, comparisons = [], []
    for package, ours, peer in (
        ("jax", "JAX", "conv_general_dilated_local of JAX"),
        ("torch", "TensorFlow", "unfold and einsum of PyTorch"),
    ):
        what = f"middle layer: {peer} / FreeConv2D on {ours}, time forwards and backwards"
        if package not in times:
            comparisons.append(not_installed(what, package, "≥ 1.5"))
            continue
        seconds = times[package]
        measurements += [
            measured(f"middle layer: FreeConv2D on {ours}", 1000 * seconds["ours"] / LAYER_STEPS, "ms"),
            measured(f"middle layer: {peer}", 1000 * seconds["peer"] / LAYER_STEPS, "ms"),
        ]
        comparisons.append(compared(what, seconds["peer"] / seconds["ours"], "≥ 1.5"))
    return measurements, comparisons


def main() -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--layer-on-jax", type=int, metavar="ROUNDS", help="print the middle layer's times on JAX")
    options = parser.parse_args()
    if options.layer_on_jax:
        seconds = measure_layer_jax(options.layer_on_jax)
        print(json.dumps({name: values.tolist() for name, values in seconds.items()}))
        return
    parts = [*(measure_steps(name, options.quick) for name in NETS), measure_layer(options.quick)]
    rounds, steps, layer_rounds = (2, 1, 2) if options.quick else (ROUNDS, STEPS, LAYER_ROUNDS)
    write_result(
        "layer",
        __doc__,
        COMMAND,
        f"{rounds} rounds of {steps} steps; middle layer {layer_rounds} rounds of {LAYER_STEPS}",
        [row for part in parts for row in part[0]],
        [row for part in parts for row in part[1]],
        options,
    )


if __name__ == "__main__":
    main()
