"""What each measure of a trained network costs, network by network.

The networks of params/beyond.yaml for images of 28 × 28 × 1, with random weights (the time does not depend on them), a
held-out fold of 14,000 random images, and the settings of that file; on one core as its jobs run. A measure that a
network does not have (kernels of an mlp) is left out, and so is a network with the same layers as one before it
(fcn_from_cnn). Measures take turns; compilation, in the first round, is not counted.

    python benchmarks/measures.py
"""

import os
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
        os.environ[_name] = "1"  # as `freeconv measure --threads 1` sets them
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from measuring import ROOT, arguments, measured, round_robin, write_result

from freeconv import measures
from freeconv.architectures.build import get_weights
from freeconv.measures import Run, Settings, Trained, network_to_measure, restored
from freeconv.networks import NETWORKS
from freeconv.study.params import load_params

COMMAND = "python benchmarks/measures.py"
SHAPE, IMAGES, CLASSES, ROUNDS, SNAPSHOTS = (28, 28, 1), 70_000, 10, 3, 11
QUICK_IMAGES = 200


def trained(network: str, images: np.ndarray, settings: Settings) -> Trained:
    """Return a network as measures get it, with random weights and kernels of eleven epochs of its first layer."""
    model = network_to_measure(network, SHAPE, CLASSES, None)
    run = Run("mnist", network, "translate", 0.3, 5, 0, 0, 0.0)
    labels = np.random.default_rng(1).integers(0, CLASSES, len(images))
    made = restored(model, get_weights(model), images, labels, run, settings)
    first = made.layers[:1]
    snapshots = {layer.name: (np.arange(SNAPSHOTS), np.stack([layer.kernels] * SNAPSHOTS)) for layer in first}
    return restored(model, get_weights(model), images, labels, run, settings, snapshots)


def contestants(quick: bool) -> dict[str, Callable[[], Any]]:
    """Return what measures each network, by network and measure."""
    params = load_params(ROOT / "params/beyond.yaml")
    asked = params.measure
    shifts, angles, permutations = (asked.shifts, asked.angles, asked.permutations) if not quick else ([0.2], [90], 2)
    settings = Settings(shifts, angles, permutations, asked.images)
    images = np.random.default_rng(0).integers(0, 256, (QUICK_IMAGES if quick else IMAGES, *SHAPE), "uint8")
    made: dict[str, Callable[[], Any]] = {}
    for network in {str(NETWORKS[name].layers(SHAPE)): name for name in reversed(params.train.networks)}.values():
        of = trained(network, images, settings)
        some = trained(network, images[:QUICK_IMAGES], Settings([0.2], [90], 2, asked.images))
        for name in asked.measures:
            if len(measures.measured([name], some)):
                made[f"{network}: {name}"] = lambda name=name, of=of: measures.measured([name], of)
    return made


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    options = arguments(__doc__).parse_args(command_line)
    rounds = 1 if options.quick else ROUNDS
    seconds = round_robin(contestants(options.quick), rounds)
    rows = [measured(f"{what}, a network", values, "s") for what, values in seconds.items()]
    networks = dict.fromkeys(what.partition(":")[0] for what in seconds)
    rows += [
        measured(f"{network}: all, a network", sum(v for w, v in seconds.items() if w.startswith(f"{network}:")), "s")
        for network in networks
    ]
    write_result("measures", __doc__, COMMAND, f"{rounds} rounds", rows, [], options)


if __name__ == "__main__":
    main()
