"""Evaluating a network on six sets takes less than a quarter of an epoch.

An epoch of the demo (params.yaml: 5,000 images of 28 × 28 × 1 in five folds, batch 128, on one core as its jobs run)
without start and compilation: the training steps of four folds through `freeconv.training.stack`, and the evaluation of
the six sets of the fifth. Images are random; the time does not depend on them. Training and evaluation of both networks
take turns.

Target: evaluation < 25 % of training and evaluation.

    python benchmarks/evaluation.py
"""

import os
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
        os.environ[_name] = "1"  # as `freeconv train --threads 1` sets them
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from measuring import ROOT, arguments, compared, measured, round_robin, write_result

from freeconv.data.batches import epoch_batches
from freeconv.data.evaluation_sets import evaluation_sets
from freeconv.data.folds import fold_index
from freeconv.networks import build_network
from freeconv.study.grid import train_config
from freeconv.study.params import load_params
from freeconv.training.stack import compile_replicas, initial_state, on_device

COMMAND = "python benchmarks/evaluation.py"
NETWORKS = ("cnn", "fcn")
SHAPE, IMAGES, CLASSES, ROUNDS = (28, 28, 1), 5000, 10, 9
QUICK_IMAGES = 700


def parts_of_an_epoch(network: str, number: int) -> dict[str, Callable[[], Any]]:
    """Return an epoch's training and its evaluation for a dataset of `number` images."""
    params = load_params(ROOT / "params.yaml")
    run = next(train_config(params, "mnist-5k", network, "translate", [0.2], [0]).runs())
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (number, *SHAPE), "uint8")
    labels = on_device(rng.integers(0, CLASSES, number, "int32"))
    _, held_out = fold_index(number, run.folds, run.fold)
    held_out_images = evaluation_sets(
        images[held_out], run.dataset, run.folds, run.fold, run.evaluate, run.forms, run.seed
    )
    sets = [on_device(values) for values in held_out_images.values()]
    model = build_network(network, SHAPE, CLASSES, 0)
    replicas = compile_replicas(model, run.learning_rate)(initial_state([model]))
    shard, batches, rows = on_device(images), epoch_batches(run, number, 0)[:, None], np.arange(len(held_out))[None]

    def evaluation() -> None:
        for values in sets:
            replicas.evaluate(values, labels, rows)

    return {"training": lambda: replicas.train(shard, labels, batches), "evaluation": evaluation}


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    options = arguments(__doc__).parse_args(command_line)
    rounds, number = (2, QUICK_IMAGES) if options.quick else (ROUNDS, IMAGES)
    contestants = {
        f"{network.upper()}: {part}": function
        for network in NETWORKS
        for part, function in parts_of_an_epoch(network, number).items()
    }
    seconds = round_robin(contestants, rounds)
    comparisons = []
    for network in (name.upper() for name in NETWORKS):
        training, evaluation = (seconds[f"{network}: {part}"] for part in ("training", "evaluation"))
        share = 100 * evaluation / (training + evaluation)
        comparisons.append(compared(f"{network}: evaluation, share of an epoch", share, "< 25", "%"))
    write_result(
        "evaluation",
        __doc__,
        COMMAND,
        f"{rounds} rounds of an epoch of {number:,} images",
        [measured(f"{what} of an epoch", values, "s") for what, values in seconds.items()],
        comparisons,
        options,
    )


if __name__ == "__main__":
    main()
