"""The free layer alone, in Keras's order of axes, is faster than its peers on TensorFlow, JAX and PyTorch.

One layer with bias and ReLU, forwards and backwards (gradients of inputs, kernels and biases), batch first, on all
cores: the middle layers of Table A.2's networks (MNIST's, CIFAR-10's) and a layer that keeps the size of a larger
image. On TensorFlow against tf-keras's `LocallyConnected2D(implementation=1)`, both compiled by XLA and not; on JAX
against `jax.lax.conv_general_dilated_local`, compiled and not; on PyTorch, which compiles nothing here, against unfold
and einsum, on one core or all, the faster one counts. Contestants take turns in one process for each backend; ratios
are taken within each round. Memory is what a backend keeps for the backward pass beside weights and outputs, which are
the next layer's inputs, with and without `recompute=True`: the arrays that JAX's vjp and PyTorch's autograd hold;
TensorFlow's cannot be listed.

Targets: tf-keras / ours > 1, compiled and not; JAX's / ours ≥ 5, compiled; PyTorch's / ours ≥ 1.2; with `recompute`
≤ 1.15 of the time and, for the two larger shapes, ≤ 0.25 of the memory.

    python benchmarks/free_layer.py            # peers: pip install tf-keras jax torch
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from measuring import arguments, compared, fastest, measured, not_installed, round_robin, write_result

COMMAND = "python benchmarks/free_layer.py"
# Inputs (height, width, channels), filters, kernel size, stride, batch.
SHAPES = {
    "MNIST's middle layer": ((13, 13, 32), 64, 3, 2, 256),
    "CIFAR-10's middle layer": ((14, 14, 64), 128, 5, 2, 256),
    "32 × 32 × 32, step 1": ((32, 32, 32), 64, 3, 1, 128),
}
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
# Of each backend: its peer, the package that has it, and the targets for the peer's time / ours, by what compiles.
PEERS = {
    "tensorflow": ("LocallyConnected2D", "tf_keras", {"compiled": "≥ 1", "not compiled": "≥ 1"}),
    "jax": ("conv_general_dilated_local", "jax", {"compiled": "≥ 5", "not compiled": None}),
    "torch": ("unfold and einsum", "torch", {"not compiled": "≥ 1.2"}),
}
OURS, AGAIN = "FreeConv2D", "FreeConv2D, recompute"
ROUNDS, QUICK_ROUNDS, QUICK_BATCH = 11, 2, 2
MEMORY_TARGET, TIME_TARGET = "≤ 0.25", "≤ 1.15"

Steps = dict[str, Callable[[], Any]]


def layers(shape: tuple[Any, ...]) -> dict[str, Any]:
    """Return our built layer, without and with `recompute`."""
    from freeconv.layers import FreeConv2D

    inputs, filters, kernel, stride, batch = shape
    made = {}
    for name in (OURS, AGAIN):
        made[name] = FreeConv2D(filters, kernel, strides=stride, activation="relu", recompute=name == AGAIN)
        made[name].build((batch, *inputs))
    return made


def arrays(shape: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (batch, height, width, channels) and a gradient of the outputs (batch, rows, cols, filters)."""
    (height, width, channels), filters, kernel, stride, batch = shape
    rng = np.random.default_rng(0)
    grid = ((height - kernel) // stride + 1, (width - kernel) // stride + 1)
    return rng.random((batch, height, width, channels), "float32"), rng.random((batch, *grid, filters), "float32")


def on_tensorflow(shape: tuple[Any, ...]) -> tuple[Steps, dict[str, float]]:
    """Return steps with TensorFlow, by name."""
    import tensorflow as tf

    (filters, kernel, stride), (inputs, gradient) = shape[1:4], (tf.constant(array) for array in arrays(shape))
    contestants = {name: (layer, [v.value for v in layer.trainable_variables]) for name, layer in layers(shape).items()}
    if find_spec("tf_keras"):
        import tf_keras

        peer = tf_keras.layers.LocallyConnected2D(filters, kernel, strides=stride, activation="relu", implementation=1)
        peer.build(inputs.shape)
        contestants["peer"] = (peer, peer.trainable_variables)
    steps: Steps = {}
    for name, (layer, weights) in contestants.items():
        for how in ("compiled", "not compiled"):

            @tf.function(jit_compile=how == "compiled", autograph=False)
            def step(layer: Any = layer, weights: Any = tuple(weights)) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(inputs)
                    outputs = layer(inputs)
                return tape.gradient(outputs, [inputs, *weights], output_gradients=gradient)

            steps[f"{name}, {how}"] = lambda step=step: step()[0].numpy()
    return steps, {}


def on_jax(shape: tuple[Any, ...]) -> tuple[Steps, dict[str, float]]:
    """Return steps with JAX, by name, and the bytes that ours keeps."""
    import jax

    (filters, kernel, stride), (inputs, gradient) = shape[1:4], map(jax.numpy.asarray, arrays(shape))
    forwards: dict[str, Callable[[Any, Any], Any]] = {}
    weights, kept = {}, {}
    for name, layer in layers(shape).items():
        forwards[name] = lambda weights, inputs, layer=layer: layer.stateless_call(weights, [], inputs)[0]
        weights[name] = [variable.value for variable in layer.trainable_variables]
        held = jax.tree.leaves(jax.vjp(forwards[name], weights[name], inputs)[1])
        kept[name] = _kept({id(array): array.nbytes for array in held}, weights[name][0].nbytes, gradient.nbytes)

    def local(weights: Any, inputs: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        steps = (stride, stride), "VALID", (kernel, kernel)
        outputs = jax.lax.conv_general_dilated_local(inputs, weights[0], *steps, dimension_numbers=numbers)
        return jax.nn.relu(weights[1] + outputs)

    forwards["peer"] = local
    weights["peer"] = [weights[OURS][0].reshape(*gradient.shape[1:3], -1, filters), weights[OURS][1]]
    steps: Steps = {}
    for name, forward in forwards.items():

        def step(weights: Any, inputs: Any, gradient: Any, forward: Any = forward) -> Any:
            return jax.vjp(forward, weights, inputs)[1](gradient)

        for how, way in (("compiled", jax.jit(step)), ("not compiled", step)):
            steps[f"{name}, {how}"] = lambda way=way, own=weights[name]: jax.block_until_ready(
                way(own, inputs, gradient)
            )
    return steps, kept


def on_torch(shape: tuple[Any, ...]) -> tuple[Steps, dict[str, float]]:
    """Return steps with PyTorch, by name, and the bytes that ours keeps."""
    import torch

    (kernel, stride), (inputs, gradient) = shape[2:4], (torch.tensor(array) for array in arrays(shape))
    inputs.requires_grad_()
    steps: Steps = {}
    kept = {}
    made = layers(shape)
    for name, layer in made.items():
        weights = [variable.value for variable in layer.trainable_variables]
        held: list[Any] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, held=held: held.append(t) or t, lambda t: t):
            layer(inputs)
        kept[name] = _kept({t.data_ptr(): t.nbytes for t in held}, weights[0].nbytes, gradient.nbytes)
        steps[f"{name}, not compiled"] = lambda layer=layer, weights=weights: torch.autograd.grad(
            layer(inputs), [inputs, *weights], gradient
        )[0][0, 0, 0, 0].item()
    free_kernel, free_bias = (variable.value for variable in made[OURS].trainable_variables)
    positions, filters = free_kernel.shape[0], free_kernel.shape[2]
    channels_first = inputs.detach().permute(0, 3, 1, 2).contiguous().requires_grad_()
    position_first = gradient.reshape(-1, positions, filters).transpose(0, 1).contiguous()

    def unfolded() -> Any:
        fields = torch.nn.functional.unfold(channels_first, kernel, stride=stride)
        outputs = torch.einsum("nkp,pkf->pnf", fields, free_kernel) + free_bias.reshape(positions, 1, filters)
        wanted = (channels_first, free_kernel, free_bias)
        return torch.autograd.grad(torch.relu(outputs), wanted, position_first)[0][0, 0, 0, 0].item()

    def with_threads(number: int, step: Callable[[], Any]) -> Callable[[], None]:
        def contestant() -> None:
            torch.set_num_threads(number)
            step()

        return contestant

    # Where other programs want the cores, PyTorch's threads wait for each other longer than they work.
    ways = {**steps, "peer, not compiled": unfolded}
    numbers = sorted({1, torch.get_num_threads()})
    return {f"{name}|{number}": with_threads(number, step) for name, step in ways.items() for number in numbers}, kept


def _kept(held: Mapping[int, int], kernels: int, outputs: int) -> float:
    """Return the bytes of the arrays that are held, by identity, without those of the sizes of kernels and outputs."""
    return float(sum(size for size in held.values() if size not in (kernels, outputs)))


def measure_backend(backend: str, quick: bool) -> dict[str, Any]:
    """Return, by shape, the seconds of each contestant in each round and the bytes kept."""
    result = {}
    for name, shape in SHAPES.items():
        shape = (*shape[:4], QUICK_BATCH) if quick else shape
        steps, kept = {"tensorflow": on_tensorflow, "jax": on_jax, "torch": on_torch}[backend](shape)
        seconds = round_robin(steps, QUICK_ROUNDS if quick else ROUNDS)
        contestants = dict.fromkeys(step.partition("|")[0] for step in seconds)
        best = {
            contestant: fastest(seconds, [step for step in seconds if step.partition("|")[0] == contestant]).tolist()
            for contestant in contestants
        }
        result[name] = {"seconds": best, "kept": kept}
    return result


def rows_of_backend(backend: str, result: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return measurements and comparisons of a backend's result of `measure_backend`."""
    peer, package, targets = PEERS[backend]
    measurements, comparisons = [], []
    for number, (shape, parts) in enumerate(result.items()):
        seconds = {name: np.array(values) for name, values in parts["seconds"].items()}
        label = f"{BACKENDS[backend]}, {shape}"
        for name, values in seconds.items():
            measurements.append(measured(f"{label}: {name.replace('peer', peer)}", 1000 * values, "ms"))
        for how, target in targets.items():
            what = f"{label}, {how}: {peer} / FreeConv2D, time"
            if f"peer, {how}" in seconds:
                comparisons.append(compared(what, seconds[f"peer, {how}"] / seconds[f"{OURS}, {how}"], target))
            else:
                comparisons.append(not_installed(what, package.replace("_", "-"), target))
            what = f"{label}, {how}: with recompute / without, time"
            comparisons.append(compared(what, seconds[f"{AGAIN}, {how}"] / seconds[f"{OURS}, {how}"], TIME_TARGET))
        if parts["kept"]:
            measurements += [measured(f"{label}: {name} keeps", b / 2**20, "MiB") for name, b in parts["kept"].items()]
            what = f"{label}: with recompute / without, memory kept"
            ratio = parts["kept"][AGAIN] / parts["kept"][OURS]
            comparisons.append(compared(what, ratio, MEMORY_TARGET if number else None))
    return measurements, comparisons


def main() -> None:
    """Measure each backend in a process of its own and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--backend", choices=BACKENDS, help="print one backend's times as JSON")
    options = parser.parse_args()
    if options.backend:
        print(json.dumps(measure_backend(options.backend, options.quick)))
        return
    measurements, comparisons = [], []
    for backend in BACKENDS:
        if find_spec(backend) is None:
            comparisons.append(not_installed(f"{BACKENDS[backend]}: {PEERS[backend][0]} / FreeConv2D", backend, None))
            continue
        done = subprocess.run(
            [sys.executable, __file__, "--backend", backend, *(["--quick"] if options.quick else [])],
            env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for rows, of_backend in zip(
            (measurements, comparisons), rows_of_backend(backend, json.loads(done.stdout.splitlines()[-1])), strict=True
        ):
            rows += of_backend
    rounds = f"{QUICK_ROUNDS if options.quick else ROUNDS} rounds"
    write_result("free_layer", __doc__, COMMAND, rounds, measurements, comparisons, options)


if __name__ == "__main__":
    main()
