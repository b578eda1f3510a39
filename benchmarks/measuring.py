"""What all benchmarks have in common: interleaved timing, medians and spreads, and the results file."""

import argparse
import json
import operator
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
PACKAGES = (
    "freeconv",
    "h5py",
    "hdf5plugin",
    "jax",
    "keras",
    "numpy",
    "opencv-python-headless",
    "scipy",
    "snakemake",
    "tensorflow",
    "tf-keras",
    "torch",
)
PAUSE_S = 0.02  # between contestants, so that the threads of one have gone to sleep before the next one starts
GPU_PRODUCT, CPU_PRODUCT, QUICK_PRODUCT = 8192, 2048, 256  # rows and columns of the matrices multiplied
TRIAD_VALUES = 2**26  # 256 MiB an array, far beyond any cache
QUICK_TRIAD_VALUES = 2**20


def arguments(text: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark's command line, `text` being the module's docstring."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    parser.add_argument("--output", type=Path, help="folder of the results file (benchmarks/results)")
    return parser


def round_robin(contestants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds that each contestant took in each round.

    Contestants take turns, so that whatever else the machine does falls on all of them. One round before the first
    is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, contestant in contestants.items():
            time.sleep(PAUSE_S)
            begin = time.perf_counter()
            contestant()
            seconds[name].append(time.perf_counter() - begin)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def fastest(seconds: Mapping[str, np.ndarray], names: Iterable[str]) -> np.ndarray:
    """Return the rounds of the contestant, among `names`, whose median is lowest."""
    return min((seconds[name] for name in names), key=np.median)


def measured(what: str, values: Any, unit: str) -> dict[str, Any]:
    """Return a measured quantity: median and spread over the rounds."""
    low, median, high = np.percentile(np.atleast_1d(values), (10, 50, 90))
    return {
        "what": what,
        "unit": unit,
        "n": np.size(values),
        "median": float(median),
        "p10": float(low),
        "p90": float(high),
    }


def compared(what: str, values: Any, target: str | None = None, unit: str = "") -> dict[str, Any]:
    """Return a quantity beside its target.

    Args:
        what: what is compared.
        values: one per round.
        target: `"≤ 1.05"`, `"< 8"` or `"≥ 6"`; None if there is none here.
        unit: of the values and the target.
    """
    return {**measured(what, values, unit), "target": target}


def not_installed(what: str, peer: str, target: str | None, unit: str = "") -> dict[str, Any]:
    """Return a comparison that could not be made: `peer` is not installed."""
    return {"what": what, "unit": unit, "n": 0, "median": None, "target": target, "not_installed": peer}


def met(comparison: Mapping[str, Any]) -> bool | None:
    """Return whether a comparison met its target; None without a target or a value."""
    if comparison["target"] is None or comparison["median"] is None:
        return None
    sign, bound = comparison["target"].split()
    return {"<": operator.lt, "≤": operator.le, "≥": operator.ge}[sign](comparison["median"], float(bound))


def write_result(
    name: str,
    text: str,
    command: str,
    rounds: str,
    measurements: Sequence[Mapping[str, Any]],
    comparisons: Sequence[Mapping[str, Any]],
    options: argparse.Namespace,
    device: str | None = None,
) -> Path:
    """Write a benchmark's results file, print its path and return it.

    Args:
        name: the file's name without suffix.
        text: the module's docstring; its first paragraph is the claim, the second how it is measured.
        command: the documented command.
        rounds: how often everything was measured, in words.
        measurements: made by `measured`.
        comparisons: made by `compared` and `not_installed`.
        options: the command line; `quick` and `output` are used.
        device: what computed, if that was not the processor.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from freeconv.machine.environment import processor  # imports Keras, which measured child processes need not inherit

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    claim, method = (" ".join(paragraph.split()) for paragraph in text.split("\n\n")[:2])
    result = {
        "name": name,
        "claim": claim,
        "method": method,
        "command": command,
        "quick": options.quick,
        "date": date.today().isoformat(),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            **({"device": device} if device else {}),
        },
        "versions": versions,
        "n": rounds,
        "measured": list(measurements),
        "compared": list(comparisons),
    }
    path = (options.output or (RESULTS / "quick" if options.quick else RESULTS)) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(path)
    return path


def matrix_products(quick: bool, dtype: str = "float32") -> tuple[float, dict[str, Callable[[], Any]]]:
    """Return the operations of a large matrix product, and the backend's ways to compute it."""
    import keras
    from keras import ops

    from freeconv.training.precision import has_gpu

    size = QUICK_PRODUCT if quick else GPU_PRODUCT if has_gpu() else CPU_PRODUCT
    left, right = (ops.cast(np.random.default_rng(seed).random((size, size), "float32"), dtype) for seed in (0, 1))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        ways = {"plain": tf.function(tf.matmul), "compiled": tf.function(tf.matmul, jit_compile=True)}
    else:
        import jax

        ways = {"compiled": jax.jit(jax.numpy.matmul)}
    return 2.0 * size**3, {
        f"matrix product, {name}": lambda way=way: ops.convert_to_numpy(ops.cast(way(left, right)[0, 0], "float32"))
        for name, way in ways.items()
    }


def triad(quick: bool) -> tuple[float, Callable[[], Any]]:
    """Return the bytes moved by an addition in place of large arrays, and the addition, on all cores."""
    values = QUICK_TRIAD_VALUES if quick else TRIAD_VALUES
    cores = os.cpu_count() or 1
    parts = [(np.ones(values // cores, "float32"), np.ones(values // cores, "float32")) for _ in range(cores)]
    pool = ThreadPoolExecutor(cores)
    # Two arrays are read and one is written.
    return 12.0 * values, lambda: list(pool.map(lambda part: np.add(*part, out=part[0]), parts))


def step_operations(shape: Sequence[int], classes: int, batch: int) -> float:
    """Return the floating-point operations of the matrix products of one training step of a network of Table A.2.

    The same for a convolutional and a free network. Each layer needs one product forwards and two backwards; the first
    layer's inputs need no gradient.
    """
    from freeconv.networks import network_sizes

    # Each weight of a free network is in one product for each image.
    products = [size.kernel for size in network_sizes("fcn", shape, classes).values()]
    return 2.0 * batch * (3 * sum(products) - products[0])
