"""Many networks stacked in one program fill a GPU that one small network cannot fill; a processor gains nothing.

Training steps of R stacked networks of Table A.2 through `freeconv.training.stack`, free and convolutional, MNIST's
size (batch 256) and on a GPU CIFAR-10's (batch 128), too: images a second over those of R = 1, and the operations of
the matrix products as a share of the rate of a large matrix product on the same backend in the same precision. All R of
both networks take turns. Peak memory is what the first steps of each stack add to the process (on a GPU, to the
device's memory). By default R is 1, 5, 11 and 55 on a GPU, 1 and 5 on a processor.

Targets on a GPU: 55 stacked FCNs ≥ 20 times the images a second of one; ≥ 40 % of the rate at CIFAR-10's size.

    KERAS_BACKEND=jax python benchmarks/stacking.py                      # a bare GPU host is enough
    python benchmarks/stacking.py --size cifar --max-replicas 11
"""

import os
import resource
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import keras
import numpy as np
from measuring import (
    arguments,
    compared,
    fastest,
    matrix_products,
    measured,
    round_robin,
    step_operations,
    write_result,
)

from freeconv.machine.environment import environment
from freeconv.networks import build_network
from freeconv.training.precision import has_gpu, use_precision
from freeconv.training.stack import compile_replicas, initial_state, on_device

PRECISIONS = ("float32", "tf32", "bfloat16")
SIZES = {"mnist": ((28, 28, 1), 256), "cifar": ((32, 32, 3), 128)}
STACKS = {True: (1, 5, 11, 55), False: (1, 5)}  # on a GPU, on a processor
ROUNDS = {True: 15, False: 7}
CLASSES, LEARNING_RATE, IMAGES = 10, 0.001, 10_000
TURN_S, MOST_STEPS = 0.5, 200  # steps of one turn: about as long
MEMORY_UNIT = 2**20


def memory(gpu: bool) -> tuple[float, float]:
    """Return the memory in use and its peak so far, in MiB: the device's if the backend tells, else the process's."""
    if gpu and keras.backend.backend() == "jax":
        import jax

        statistics = jax.devices()[0].memory_stats() or {}
        if "peak_bytes_in_use" in statistics:
            return statistics["bytes_in_use"] / MEMORY_UNIT, statistics["peak_bytes_in_use"] / MEMORY_UNIT
    elif gpu:
        import tensorflow as tf

        statistics = tf.config.experimental.get_memory_info("GPU:0")
        return statistics["current"] / MEMORY_UNIT, statistics["peak"] / MEMORY_UNIT
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[1]) * resource.getpagesize() / MEMORY_UNIT
    except FileNotFoundError:
        used = peak
    return used, peak


def stack(network: str, shape: tuple[int, int, int], replicas: int, dtype: str) -> Any:
    """Return a stack of equal networks; their numbers do not matter here."""
    model = build_network(network, shape, CLASSES, 0, stacked=replicas > 1, dtype=dtype)
    state = keras.tree.map_structure(lambda array: np.repeat(array, replicas, axis=0), initial_state([model]))
    return compile_replicas(model, LEARNING_RATE)(state)


def turn(trained: Any, images: Any, labels: Any, replicas: int, batch: int, quick: bool) -> tuple[Callable, int]:
    """Return a turn of training steps of a stack and their number, after compiling and two steps to estimate it."""
    rng = np.random.default_rng(0)

    def steps(number: int) -> Callable[[], Any]:
        index = rng.integers(0, len(labels), (number, replicas, batch))
        return lambda: trained.train(images, labels, index)

    steps(1)()
    begin = time.perf_counter()
    steps(2)()
    number = 1 if quick else int(np.clip(2 * TURN_S / (time.perf_counter() - begin), 1, MOST_STEPS))
    return steps(number), number


def measure(
    size: str, stacks: tuple[int, ...], dtype: str, rounds: int, gpu: bool, quick: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return measurements and comparisons of one size of networks."""
    shape, batch = SIZES[size]
    batch = 8 if quick else batch
    rng = np.random.default_rng(0)
    images = on_device(rng.integers(0, 256, (IMAGES, *shape), "uint8"))
    labels = on_device(rng.integers(0, CLASSES, IMAGES, "int32"))
    turns, steps, peaks = {}, {}, {}
    # In ascending order, so that each stack's own first steps set a new peak.
    for replicas in stacks:
        for network in ("cnn", "fcn"):
            key = (network, replicas)
            used, _ = memory(gpu)
            trained = stack(network, shape, replicas, dtype)
            turns[key], steps[key] = turn(trained, images, labels, replicas, batch, quick)
            peaks[key] = memory(gpu)[1] - used
            print(f"{size}: {replicas} × {network} compiled", flush=True)
    operations, products = matrix_products(quick, dtype.removeprefix("mixed_"))
    seconds = round_robin({**{str(key): function for key, function in turns.items()}, **products}, rounds)
    rate = operations / fastest(seconds, products)
    measurements = [measured(f"beside {size}: rate of a large matrix product", rate / 1e9, "GFLOP/s")]
    comparisons = []
    for network in ("fcn", "cnn"):
        throughput = {}
        for replicas in stacks:
            key = (network, replicas)
            name = f"{size}, {replicas} × {network.upper()}"
            trained_images = steps[key] * replicas * batch
            throughput[replicas] = trained_images / seconds[str(key)]
            reached = throughput[replicas] / batch * step_operations(shape, CLASSES, batch)
            target_of_stack = gpu and network == "fcn" and replicas == 55
            measurements += [
                measured(name, throughput[replicas], "images/s"),
                measured(f"{name}: operations of matrix products", reached / 1e9, "GFLOP/s"),
                measured(f"{name}: memory added", peaks[key], "MiB"),
            ]
            if replicas > 1:
                comparisons.append(
                    compared(
                        f"{name}: images a second / those of one",
                        throughput[replicas] / throughput[stacks[0]],
                        "≥ 20" if target_of_stack else None,
                    )
                )
            comparisons.append(
                compared(
                    f"{name}: share of the rate of a large matrix product",
                    100 * reached / rate,
                    "≥ 40" if target_of_stack and size == "cifar" else None,
                    "%",
                )
            )
    return measurements, comparisons


def main() -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--size", nargs="+", choices=SIZES, help="mnist; on a GPU both")
    parser.add_argument("--max-replicas", type=int, help="largest stack; on a GPU 55, else 5")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="as train.precision (float32)")
    options = parser.parse_args()
    gpu = has_gpu()
    dtype = use_precision(options.precision)
    sizes = options.size or (list(SIZES) if gpu else ["mnist"])
    stacks = STACKS[gpu]
    if options.max_replicas:
        stacks = tuple(number for number in STACKS[True] if number <= options.max_replicas)
    rounds = 2 if options.quick else ROUNDS[gpu]
    parts = [measure(size, stacks, dtype, rounds, gpu, options.quick) for size in sizes]
    backend = keras.backend.backend()
    parts_of_name = ["stacking", backend, "gpu" if gpu else "cpu", *(options.size or [])]
    chosen = f" --size {' '.join(options.size)}" if options.size else ""
    if options.precision != "float32":
        parts_of_name.append(options.precision)
        chosen += f" --precision {options.precision}"
    write_result(
        "-".join(parts_of_name),
        __doc__,
        f"KERAS_BACKEND={backend} python benchmarks/stacking.py{chosen}",
        f"{rounds} rounds of about {TURN_S} s (at least one step)",
        [row for part in parts for row in part[0]],
        [row for part in parts for row in part[1]],
        options,
        environment()["device"] if gpu else None,
    )


if __name__ == "__main__":
    main()
