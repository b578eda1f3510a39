"""How long training takes on this machine: by runs that are stored, or by steps that are timed."""

import csv
import json
import statistics
import time
import timeit
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import ValidationError

from freeconv.augmentations import metrics
from freeconv.data.evaluation_sets import CLEAN_IMAGES
from freeconv.data.folds import held_out_images, kept_for_test
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.run_file import stored_config
from freeconv.study import paths
from freeconv.study.jobs import RunConfig, TrainSettings
from freeconv.vocabulary import Precision

ROUNDS, STEPS, TIMED_IMAGES = 5, 4, 1000
LOGS = "logs/train"  # where the Snakefile's training rules write their benchmark files


class Workload(NamedTuple):
    """What decides how long a run takes for each image that it is trained on; `shape` is (height, width, channels)."""

    shape: tuple[int, ...]
    kind: str
    layers: int | None
    batch: int
    precision: Precision
    folds: int


class Speed(NamedTuple):
    """How long training takes.

    Attributes:
        train: seconds for each image trained on.
        evaluate: seconds for each image evaluated; 0 where `train` contains it.
        run: seconds for each run besides.
        job: seconds for each job besides: start-up and compilation.
        memory_mb: largest resident memory of a job, MB; None if it was not measured.
        source: what was timed.
    """

    train: float
    evaluate: float
    run: float
    job: float
    memory_mb: float | None
    source: Literal["stored runs", "timed steps"]


class StoredRun(NamedTuple):
    """How long a finished run took.

    Attributes:
        jobs: names that its job may have, by what `train.fuse` puts together: `<dataset>/<network>/<augmentation>` and
            level and fold behind it.
        workload: what was trained.
        images: trained on, over all epochs.
        seconds: of training and evaluation.
        overhead: seconds of its job besides; None if that was not recorded.
        device: that trained it.
    """

    jobs: tuple[Path, ...]
    workload: Workload
    images: int
    seconds: float
    overhead: float | None
    device: str


def workload(settings: TrainSettings, shape: tuple[int, ...]) -> Workload:
    """Return what decides how long a run or job takes for each image that it is trained on."""
    variant = settings.variant
    return Workload(shape, variant.kind, variant.layers, settings.batch, settings.precision, settings.folds)


def epoch_images(run: RunConfig, images: int) -> tuple[int, int]:
    """Return how many images a run is trained on and how many it is evaluated on in an epoch.

    Folds are as equal as can be, the first ones larger; the incomplete last batch is left out.
    """
    images -= kept_for_test(run.dataset, images) if run.test else 0
    held_out = held_out_images(images, run.folds, run.fold)
    changed = len(metrics(run.evaluate)[3:]) * min(held_out, run.evaluate_images or held_out)
    evaluated = held_out + changed + min(images - held_out, CLEAN_IMAGES)
    return (images - held_out) // run.batch * run.batch, evaluated


def description(path: str | Path, array: str) -> tuple[tuple[int, ...], np.dtype, dict[str, Any]] | None:
    """Return shape and dtype of an array in an HDF5 file and the file's attributes; None if they cannot be read."""
    try:
        arrays, attributes = describe_h5(path)
        return arrays[array].shape, np.dtype(arrays[array].dtype), attributes
    except (FreeconvError, KeyError):
        return None


def stored_runs() -> Iterator[StoredRun]:
    """Yield how long the finished runs in this folder took.

    Left out are files that cannot be read or are of another version, and runs on images that `data/` does not hold
    any more: nobody knows how many these were.
    """
    folder = Path(paths.FOLDERS["train"][0])
    data: dict[str, Any] = {}
    for path in sorted(folder.glob("*/*/*/*/fold-*.h5")):
        if not (described := description(path, "history/val_acc")):
            continue
        (epochs,), _, attributes = described
        try:
            run = RunConfig.model_validate_json(json.dumps(stored_config(attributes)))
            seconds, device, sha256 = (attributes[key] for key in ("seconds", "device", "data_sha256"))
        except (KeyError, ValidationError):
            continue
        if run.dataset not in data:
            data[run.dataset] = description(paths.data_file(run.dataset), "images")
        if data[run.dataset] is None or data[run.dataset][2].get("content_sha256") != sha256:
            continue
        images, *shape = data[run.dataset][0]
        level = path.relative_to(folder).parent
        yield StoredRun(
            jobs=(level.parent, level, level / paths.fold_name(run.fold, run.train_seed)),
            workload=workload(run, tuple(shape)),
            images=epochs * epoch_images(run, images)[0],
            seconds=float(seconds),
            overhead=attributes.get("overhead_seconds"),
            device=device,
        )


def _measured_jobs() -> Iterator[tuple[Path, dict[str, float]]]:
    """Yield names of training jobs and what Snakemake could measure: `s`, wall seconds; `max_rss`, MB of memory."""
    for path in sorted(Path(LOGS).rglob("*.tsv")):
        with path.open(newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"), {})
        numbers = {}
        for key in ("s", "max_rss"):
            with suppress(KeyError, TypeError, ValueError):
                numbers[key] = float(row[key])
        yield path.relative_to(LOGS).with_suffix(""), numbers


def stored_speeds(
    workloads: Collection[Workload], device: str | None = None
) -> tuple[dict[Workload, Speed], str | None]:
    """Return the speed of finished runs, of those workloads of which there are any.

    Seconds for each image are all seconds over all images: long runs, in which compilation weighs little, count most.

    Args:
        workloads: the wanted ones.
        device: the one whose runs count; None for the one with the most runs.

    Returns:
        The speeds, and the device.
    """
    stored = [run for run in stored_runs() if run.workload in workloads and run.images and run.seconds]
    if device is None and stored:
        device = Counter(run.device for run in stored).most_common(1)[0][0]
    runs: dict[Workload, list[StoredRun]] = defaultdict(list)
    jobs: dict[Path, list[StoredRun]] = defaultdict(list)
    for run in stored:
        if run.device == device:
            runs[run.workload].append(run)
            for job in run.jobs:
                jobs[job].append(run)
    besides: dict[Workload, list[float]] = defaultdict(list)
    memory: dict[Workload, list[float]] = defaultdict(list)
    for job, numbers in _measured_jobs():
        if job in jobs and "s" in numbers:
            trained = jobs[job][0].workload
            rest = numbers["s"] - sum(run.seconds for run in jobs[job])
            besides[trained] += [rest] if rest > 0 else []  # else the file is of another training
            memory[trained] += [numbers["max_rss"]] if "max_rss" in numbers else []
    speeds = {}
    for trained, mine in runs.items():
        overheads = [run.overhead for run in mine if run.overhead is not None]
        speeds[trained] = Speed(
            train=sum(run.seconds for run in mine) / sum(run.images for run in mine),
            evaluate=0.0,
            run=statistics.mean(overheads) if overheads and not besides[trained] else 0.0,
            job=statistics.median(besides[trained] or [0.0]),
            memory_mb=max(memory[trained], default=None),
            source="stored runs",
        )
    return speeds, device


def start_up() -> tuple[str, float]:
    """Return the device that computes here, and the seconds that a job needs to import what it trains with."""
    begin = time.perf_counter()
    from freeconv.machine.environment import environment
    from freeconv.training import loop  # noqa: F401

    return environment()["device"], time.perf_counter() - begin


def timed_speed(wanted: Workload, classes: int, replicas: int | None, start_up_seconds: float) -> Speed:
    """Return the speed of a few steps and evaluations of an untrained network on random images.

    They are timed in this process, with the threads that its backend was given.

    Args:
        wanted: what to train.
        classes: number of classes.
        replicas: how many runs a job trains side by side; None where runs are not stacked.
        start_up_seconds: as `start_up` returns them.

    Raises:
        FreeconvError: the device lacks the precision.
    """
    from freeconv.networks import build_network
    from freeconv.training.precision import use_precision
    from freeconv.training.stack import compile_replicas, initial_state, on_device

    dtype, number = use_precision(wanted.precision), replicas or 1
    begin = time.perf_counter()
    model = build_network(
        wanted.kind, wanted.shape, classes, seed=0, layers=wanted.layers, stacked=replicas is not None, dtype=dtype
    )
    built = time.perf_counter()
    stack = compile_replicas(model, learning_rate=0.001)(initial_state([model] * number))
    rng = np.random.default_rng(0)
    images = on_device(rng.integers(0, 256, (TIMED_IMAGES, *wanted.shape), "uint8"))
    labels = on_device(rng.integers(0, classes, TIMED_IMAGES, "int32"))
    batches = rng.integers(0, TIMED_IMAGES, (STEPS, number, wanted.batch))
    rows = np.tile(np.arange(TIMED_IMAGES), (number, 1))

    def train() -> None:
        stack.train(images, labels, batches)

    def evaluate() -> None:
        stack.evaluate(images, labels, rows)

    train()
    evaluate()
    compiled = time.perf_counter()
    return Speed(
        train=statistics.median(timeit.repeat(train, number=1, repeat=ROUNDS)) / batches.size,
        evaluate=statistics.median(timeit.repeat(evaluate, number=1, repeat=ROUNDS)) / rows.size,
        run=built - begin,
        job=start_up_seconds + compiled - built,
        memory_mb=None,
        source="timed steps",
    )


def fitting_speed(wanted: Workload, classes: int, replicas: int | None, start_up_seconds: float) -> Speed:
    """Return `timed_speed` of a stack that fits the device's memory: too large ones are split, as in training."""
    from freeconv.training.stack import is_out_of_memory

    while True:
        try:
            return timed_speed(wanted, classes, replicas, start_up_seconds)
        except Exception as error:
            if replicas in (None, 1) or not is_out_of_memory(error):
                raise
        replicas = (replicas + 1) // 2
