"""On one GPU many networks train side by side, and the whole paper fits a night.

Everything that is asked of a GPU, in one command of less than ten minutes: the rate of a large matrix product in each
precision; training steps of R = 1, 5, 11 and 55 stacked networks of both sizes, as in `benchmarks/stacking.py`; and the
hours of params/paper.yaml with all folds and levels of a network in one job (`train.fuse: [fold, level]`), by
`freeconv.planning.estimate` from timed steps and evaluations of its own stacks, as if no run stopped early. On a
processor it shows with `--quick` that it works.

Targets: 55 stacked FCNs ≥ 20 times the images a second of one; ≥ 40 % of the rate at CIFAR-10's size; ≤ 6 hours.

    KERAS_BACKEND=jax python benchmarks/gpu.py                   # a bare GPU host is enough
    KERAS_BACKEND=jax python benchmarks/gpu.py --profile trace   # and a trace of some steps, for TensorBoard
"""

import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

# before Keras is imported
from stacking import PRECISIONS, SIZES, STACKS, measure, stack, turn  # isort: skip

import keras
import numpy as np
from measuring import ROOT, arguments, compared, fastest, matrix_products, measured, round_robin, write_result

from freeconv.errors import FreeconvError
from freeconv.machine.environment import environment
from freeconv.planning.estimate import estimate
from freeconv.study.params import Params, load_params
from freeconv.training.precision import has_gpu, use_precision
from freeconv.training.stack import on_device

ROUNDS, QUICK_ROUNDS = 5, 2
HOURS = 3600.0


def product_rates(quick: bool) -> list[dict[str, Any]]:
    """Return the rate of a large matrix product in each precision that the device has."""
    found = []
    for precision in PRECISIONS:
        try:
            dtype = use_precision(precision)
        except FreeconvError as error:
            print(error, flush=True)
            continue
        operations, products = matrix_products(quick, dtype.removeprefix("mixed_"))
        seconds = round_robin(products, QUICK_ROUNDS if quick else ROUNDS)
        rates = operations / fastest(seconds, products) / 1e12
        found.append(measured(f"large matrix product, {precision}", rates, "TFLOP/s"))
    return found


def paper(quick: bool, precision: str) -> Params:
    """Return the parameters of the paper as one GPU trains them best; of the smoke study for a trial."""
    params = load_params(ROOT / "params" / ("smoke.yaml" if quick else "paper.yaml"))
    train = params.train.model_copy(update={"fuse": ["fold", "level"], "stack": "on", "precision": precision})
    return params.model_copy(update={"train": train})


def paper_hours(quick: bool, precision: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the hours of each part of the paper, and the comparison of their sum."""
    cost = estimate(paper(quick, precision), cores=1)
    rows = [
        measured(
            f"paper, {row['dataset']}, {row['layers']}-layer {row['network'].upper()}: {row['runs']} runs",
            row["seconds"] / HOURS,
            "h",
        )
        for row in cost["training"]
    ]
    name = f"{cost['totals']['runs']} runs of {'a trial' if quick else 'the paper'}, {precision}"
    target = None if quick else "≤ 6"
    return rows, compared(f"{name}: hours", cost["totals"]["seconds"] / HOURS, target, "h")


def profile(folder: Path, size: str, replicas: int, dtype: str, quick: bool) -> None:
    """Write a trace of some training steps of stacked free networks."""
    shape, batch = SIZES[size]
    rng = np.random.default_rng(0)
    images = on_device(rng.integers(0, 256, (1000, *shape), "uint8"))
    labels = on_device(rng.integers(0, 10, 1000, "int32"))
    steps, _ = turn(stack("fcn", shape, replicas, dtype), images, labels, replicas, 8 if quick else batch, quick)
    with trace(folder):
        steps()


def trace(folder: Path) -> Any:
    """Return a context in which the backend writes what the device does into a folder."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.profiler.trace(str(folder))
    import tensorflow as tf

    return tf.profiler.experimental.Profile(str(folder))


def main() -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="of the networks (float32)")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="write a trace of some steps there")
    options = parser.parse_args()
    gpu, quick = has_gpu(), options.quick
    rates = product_rates(quick)
    dtype = use_precision(options.precision)
    stacks = STACKS[True][:2] if quick else STACKS[True]
    parts = [measure(size, stacks, dtype, QUICK_ROUNDS if quick else ROUNDS, gpu, quick) for size in SIZES]
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # nothing is stored there, so that steps are timed
        hours, total = paper_hours(quick, options.precision)
    if options.profile:
        profile(options.profile.resolve(), "cifar", stacks[-1], dtype, quick)
    backend = keras.backend.backend()
    chosen = f" --precision {options.precision}" if options.precision != "float32" else ""
    write_result(
        "-".join(["gpu", backend, options.precision]),
        __doc__,
        f"KERAS_BACKEND={backend} python benchmarks/gpu.py{chosen}",
        f"{ROUNDS} rounds of about 0.5 s (at least one step)",
        [*rates, *(row for part in parts for row in part[0]), *hours],
        [*(row for part in parts for row in part[1]), total],
        options,
        environment()["device"] if gpu else None,
    )


if __name__ == "__main__":
    main()
