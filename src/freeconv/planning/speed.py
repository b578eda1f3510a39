"""How long training takes: by runs that are stored, or by steps that are timed on this machine.

On a processor seconds are those that it computes for a job, which other programs beside it change little; on a GPU they
are those of the clock.
"""

import csv
import json
import statistics
import time
import timeit
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from freeconv.augmentations import metrics
from freeconv.data.evaluation_sets import CLEAN_IMAGES
from freeconv.data.folds import held_out_images, kept_for_test
from freeconv.errors import FreeconvError
from freeconv.planning.images import ImageSet, description
from freeconv.study import paths
from freeconv.study.jobs import RunConfig, TrainConfig, TrainSettings
from freeconv.study.params import Params
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
    """A finished run: images and seconds of all epochs, its overhead, and Snakemake's benchmark file of its job."""

    workload: Workload
    device: str
    images: int
    seconds: float
    overhead: float
    benchmark: Path


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


def is_processor(device: str) -> bool:
    """Return whether a device, as run files name it, is a processor."""
    return device.startswith("CPU")


def stored_runs() -> Iterator[StoredRun]:
    """Yield how long the finished runs in this folder took.

    Left out are files that cannot be read, those of versions that did not record processor time, and runs on images
    that `data/` does not hold any more: nobody knows how many these were.
    """
    folder = Path(paths.FOLDERS["train"][0])
    for path in sorted(folder.glob("*/*/*/*/fold-*.h5")):
        from freeconv.storage.hdf5 import read_h5
        from freeconv.storage.run_content import stored_config

        try:
            arrays, attributes = read_h5(path, ["history/cpu_seconds"])
            run = RunConfig.model_validate_json(json.dumps(stored_config(attributes)))
            seconds, device, sha256 = (attributes[key] for key in ("seconds", "device", "data_sha256"))
        except (FreeconvError, KeyError, ValidationError):
            continue
        data = description(paths.data_file(run.dataset), "images")
        if data is None or data[2].get("content_sha256") != sha256:
            continue
        (images, *shape), epochs = data[0], arrays["history/cpu_seconds"]
        fold = path.relative_to(folder).with_name(paths.fold_name(run.fold, run.train_seed))
        jobs = [Path(LOGS, f"{job}.tsv") for job in (fold, fold.parent, fold.parent.parent)]  # as train.fuse has it
        yield StoredRun(
            workload(run, tuple(shape)),
            device,
            images=len(epochs) * epoch_images(run, images)[0],
            seconds=float(epochs.sum() if is_processor(device) else seconds),
            overhead=attributes.get("overhead_seconds", 0.0),
            benchmark=next((job for job in jobs if job.is_file()), jobs[0]),
        )


def stored_speeds(wanted: Collection[Workload], device: str | None) -> tuple[dict[Workload, Speed], str | None]:
    """Return the speed of finished runs, of those workloads of which there are any, and the device that trained them.

    Args:
        wanted: the workloads.
        device: the one whose runs count; None for the one with the most runs.
    """
    runs = [run for run in stored_runs() if run.workload in wanted and run.images and run.seconds]
    if device is None and runs:
        device = Counter(run.device for run in runs).most_common(1)[0][0]
    alike: dict[Workload, list[StoredRun]] = defaultdict(list)
    for run in runs:
        if run.device == device:
            alike[run.workload].append(run)
    return {trained: speed_of(mine) for trained, mine in alike.items()}, device


def speed_of(runs: list[StoredRun]) -> Speed:
    """Return the speed of finished runs of one workload and device."""
    besides, memory = [], []
    for path in {run.benchmark for run in runs if run.benchmark.is_file()}:
        with path.open(newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"), {})
        seconds = _number(row.get("cpu_time" if is_processor(runs[0].device) else "s"))
        seconds -= sum(run.seconds for run in runs if run.benchmark == path)
        if seconds > 0:  # else the file is of another training
            besides.append(seconds)
            memory.append(_number(row.get("max_rss")))
    return Speed(
        # of all images, so that long runs, in which compilation weighs little, count most
        train=sum(run.seconds for run in runs) / sum(run.images for run in runs),
        evaluate=0.0,
        run=0.0 if besides else statistics.mean(run.overhead for run in runs),
        job=statistics.median(besides or [0.0]),
        memory_mb=max(memory, default=0.0) or None,
        source="stored runs",
    )


def _number(text: str | None) -> float:
    """Return a number of a benchmark file; 0 where there is none: of a job that ended at once it is `NA`."""
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def start_up() -> tuple[str, float]:
    """Return the device that computes here, and the seconds that a job needs until it can train: this process's own."""
    from freeconv.machine.environment import environment
    from freeconv.training import loop  # noqa: F401

    return environment()["device"], time.process_time()


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
    import numpy as np

    from freeconv.networks import build_network
    from freeconv.training.precision import has_gpu, use_precision
    from freeconv.training.stack import compile_replicas, initial_state, on_device

    clock = time.perf_counter if has_gpu() else time.process_time
    dtype, number = use_precision(wanted.precision), replicas or 1
    begin = clock()
    model = build_network(
        wanted.kind, wanted.shape, classes, seed=0, layers=wanted.layers, stacked=replicas is not None, dtype=dtype
    )
    built = clock()
    stack = compile_replicas(model, 0.001)(initial_state([model] * number))
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
    compiled = clock()
    return Speed(
        train=statistics.median(timeit.repeat(train, timer=clock, number=1, repeat=ROUNDS)) / batches.size,
        evaluate=statistics.median(timeit.repeat(evaluate, timer=clock, number=1, repeat=ROUNDS)) / rows.size,
        run=built - begin,
        job=start_up_seconds + compiled - built,
        memory_mb=None,
        source="timed steps",
    )


def speeds_of(
    params: Params, jobs: Iterable[TrainConfig], sets: Mapping[str, ImageSet], timed: bool
) -> tuple[dict[Workload, Speed], str | None]:
    """Return how fast jobs train, as far as it is stored or, if `timed`, on this machine; and the device."""
    alike: dict[Workload, list[TrainConfig]] = defaultdict(list)
    for job in jobs:
        alike[workload(job, sets[job.dataset].shape)].append(job)
    here, seconds_up = start_up() if timed else (None, 0.0)
    speeds, device = stored_speeds(alike, here)
    stacked = params.train.stack == "on" or (params.train.stack == "auto" and here and not is_processor(here))
    for wanted in [one for one in alike if timed and one not in speeds]:
        replicas = max(len(list(job.runs())) for job in alike[wanted]) if stacked else None
        speeds[wanted] = fitting_speed(wanted, sets[alike[wanted][0].dataset].classes, replicas, seconds_up)
    return speeds, device


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
