"""What a parameter file will cost, before anything is made: runs, training images, hours on this machine, disk.

Hours are those of training, which takes nearly all of them, at the speed of stored runs or of timed steps. Epochs are
counted as if no run stopped early, so epochs, images, hours and results are upper bounds.
"""

import heapq
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from freeconv.augmentations import AUGMENTATIONS
from freeconv.data.folds import held_out_images, kept_for_test
from freeconv.data.image_folder import count_images
from freeconv.data.sources import existing_source
from freeconv.datasets import DATASETS
from freeconv.errors import FreeconvError
from freeconv.networks import network_sizes
from freeconv.planning.speed import (
    Speed,
    Workload,
    description,
    epoch_images,
    fitting_speed,
    start_up,
    stored_speeds,
    workload,
)
from freeconv.study import grid, paths
from freeconv.study.jobs import TrainConfig
from freeconv.study.params import Params
from freeconv.training.state import history_names
from freeconv.vocabulary import Compression

FILE_BYTES = 20_000  # measured: what HDF5 and the attributes add to the arrays of a run
STATE_BYTES = 6_000  # likewise, where it can be continued
FLOAT16, FLOAT32, INT64 = 2, 4, 8  # bytes
TEXT_COLUMNS = ("dataset", "network", "augmentation", "time from")
WIDE = 1000  # characters, where lines are not wrapped


class ImageSet(NamedTuple):
    """What a dataset will hold: images, at most `data.limit`; their (height, width, channels); number of classes."""

    images: int
    shape: tuple[int, ...]
    classes: int


class TrainingCost(NamedTuple):
    """What training jobs of one dataset, network, number of layers (None for all) and batch cost together.

    Epochs, images and the bytes of results are at most so many. So are the seconds, those of one job after another;
    they and the largest resident memory of a job, MB, are None if unknown. `source` says what they are from.
    """

    dataset: str
    network: str
    layers: int | None
    batch: int
    jobs: int
    runs: int
    epochs: int
    images: int
    bytes: int
    seconds: float | None
    memory_mb: float | None
    source: str


class ShardCost(NamedTuple):
    """What some shards of one dataset and augmentation take on disk.

    `bytes` are those that will be stored, the same as uncompressed ones unless they are `measured`.
    """

    dataset: str
    augmentation: str
    shards: int
    raw_bytes: int
    bytes: int
    measured: bool


Cost = TypeVar("Cost", TrainingCost, ShardCost)


class Estimate(NamedTuple):
    """What a study costs.

    Attributes:
        training: per dataset, kind of network, number of layers and batch.
        shards: per dataset and augmentation.
        shards_at_once: bytes of the shards that exist at once, at most, if each is deleted after its last reader.
        cores: jobs at a time.
        wall_seconds: of training, with that many jobs at a time; None if unknown.
        device: what the seconds are of; None if unknown.
        notes: sentences on what the numbers leave out.
    """

    training: list[TrainingCost]
    shards: list[ShardCost]
    shards_at_once: int
    cores: int
    wall_seconds: float | None
    device: str | None
    notes: list[str]


def estimate(params: Params, cores: int | None = None, timed: bool = True) -> Estimate:
    """Return what a study will cost.

    Args:
        params: the study.
        cores: training jobs at a time, each with one thread; None for the machine's cores, on a GPU one.
        timed: whether steps may be timed where there are no stored runs of this machine. If not, stored runs of the
            device with the most of them count.

    Raises:
        FreeconvError: images are missing or too small, a batch is larger than the training folds, or the device lacks
            the precision.
    """
    sets = {dataset: image_set(params, dataset) for dataset in params.data.datasets}
    jobs = list(grid.jobs(params))
    by_workload: dict[Workload, list[TrainConfig]] = {}
    for job in jobs:
        _check_job(job, sets[job.dataset])
        by_workload.setdefault(workload(job, sets[job.dataset].shape), []).append(job)
    here, seconds_up = start_up() if timed else (None, 0.0)
    speeds, device = stored_speeds(by_workload, here)
    on_gpu = device is not None and not device.startswith("CPU")
    if timed:
        stacked = params.train.stack == "on" or (params.train.stack == "auto" and on_gpu)
        for wanted, alike in by_workload.items():
            if wanted not in speeds:
                replicas = max(len(job.levels) * len(job.fold_indices) for job in alike) if stacked else None
                speeds[wanted] = fitting_speed(wanted, sets[alike[0].dataset].classes, replicas, seconds_up)
    costs = [_job_cost(job, sets[job.dataset], speeds) for job in jobs]
    seconds = [cost.seconds for cost in costs if cost.seconds is not None]
    known = len(seconds) == len(costs)
    cores = cores or (1 if on_gpu else os.cpu_count() or 1)
    shards = study_shards(params, sets)
    return Estimate(
        training=_added(costs),
        shards=_added(shards.values()),
        shards_at_once=shards_at_once(params, shards, cores),
        cores=cores,
        wall_seconds=wall_seconds(seconds, cores) if known else None,
        device=device,
        notes=_notes(jobs, known, all(shard.measured for shard in shards.values())),
    )


def check_images(params: Params) -> None:
    """Refuse, before any job starts, what training jobs would refuse of a study's images; nothing is decoded.

    Raises:
        FreeconvError: images are missing, too few for the folds or a batch, or too small for a network.
    """
    sets = {dataset: image_set(params, dataset, stored=False) for dataset in params.data.datasets}
    for job in grid.jobs(params):
        _check_job(job, sets[job.dataset])


def _check_job(job: TrainConfig, data: ImageSet) -> None:
    """Refuse images that are too few for a job's folds or batch, or too small for its network."""
    if job.test:
        data = data._replace(images=data.images - kept_for_test(job.dataset, data.images))
    if job.folds > data.images:
        raise FreeconvError(
            f"train.folds: expected at most the {data.images} images of {job.dataset}, received {job.folds}; take "
            "fewer folds or more images"
        )
    _check_batch(job, data.images)
    network_sizes(job.variant.kind, data.shape, data.classes, job.variant.layers)


def image_set(params: Params, dataset: str, stored: bool = True) -> ImageSet:
    """Return what a dataset will hold. Of a user's own images the files are counted, and none is decoded.

    Args:
        params: the study.
        dataset: its name.
        stored: whether the shape of a user's own images is that in the dataset's file, if there is one; else that in
            the header of the first image.

    Raises:
        FreeconvError: the user's own images are missing, none, or the first of them is damaged.
    """
    if dataset in DATASETS:
        member = DATASETS[dataset]
        found = ImageSet(member.images, member.shape, len(member.classes))
    else:
        found = _own_images(dataset, params.data.folders.get(dataset), stored)
    return found._replace(images=min(found.images, params.data.limit or found.images))


def _own_images(dataset: str, source: str | None, stored: bool) -> ImageSet:
    """Return what a folder or archive of images holds; `stored` as for `image_set`."""
    known = description(paths.data_file(dataset), "images") if stored else None
    return ImageSet(*count_images(existing_source(dataset, source), known[0][1:] if known else None))


def _check_batch(job: TrainConfig, images: int) -> None:
    """Refuse a batch that `freeconv train` would refuse."""
    largest = min(images - held_out_images(images, job.folds, fold) for fold in job.fold_indices)
    if job.batch > largest:
        raise FreeconvError(
            f"train.batch: expected at most the {largest} images of the training folds of {job.dataset}, "
            f"received {job.batch}"
        )


def _job_cost(job: TrainConfig, data: ImageSet, speeds: Mapping[Workload, Speed]) -> TrainingCost:
    """Return what one job costs if no run stops early."""
    wanted = workload(job, data.shape)
    speed = speeds.get(wanted)
    each = [epoch_images(run, data.images) for run in job.runs()]
    seconds = speed and speed.job + sum(
        speed.run + job.epochs * (trained * speed.train + evaluated * speed.evaluate) for trained, evaluated in each
    )
    return TrainingCost(
        dataset=job.dataset,
        network=wanted.kind,
        layers=wanted.layers,
        batch=job.batch,
        jobs=1,
        runs=len(each),
        epochs=job.epochs * len(each),
        images=sum(job.epochs * trained for trained, _ in each),
        bytes=len(each) * run_bytes(job, data),
        seconds=seconds,
        memory_mb=speed.memory_mb if speed else None,
        source=speed.source if speed else "unknown",
    )


def run_bytes(run: TrainConfig, data: ImageSet) -> int:
    """Return the size of a run's file (see `freeconv.storage.run_file`), each run's of a job, if none stops early."""
    layers = network_sizes(run.variant.kind, data.shape, data.classes, run.variant.layers)
    snapshots = 1 + math.ceil(run.epochs / run.kernels_every)  # the untrained and the last ones are always kept
    convolutional = [size.kernel for name, size in layers.items() if name.startswith(("conv_", "free_"))]
    kernels = sum(convolutional[number - 1] for number in run.kernel_layers if number <= len(convolutional))
    copies = 3 if run.resumable else 1  # with Adam's moments
    histories = len(history_names(run.evaluate))
    floats = histories * run.epochs + snapshots * kernels + copies * sum(size.weights for size in layers.values())
    return FLOAT32 * floats + INT64 * snapshots + FILE_BYTES + (STATE_BYTES if run.resumable else 0)


def wall_seconds(jobs: Iterable[float], cores: int) -> float:
    """Return how long jobs take, each begun in its turn as soon as fewer than `cores` are running."""
    ends = [0.0] * cores
    for seconds in jobs:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def _known_sum(values: Iterable[float | None]) -> float | None:
    """Return a sum; None if one of its values is unknown."""
    values = list(values)
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


# What is added up where costs are put together, and how.
SUMS: dict[str, Callable[[Iterable[Any]], Any]] = {
    **dict.fromkeys(("jobs", "runs", "epochs", "images", "bytes", "shards", "raw_bytes"), sum),
    "seconds": _known_sum,
    "measured": all,
}


def _added(costs: Iterable[Cost]) -> list[Cost]:
    """Return costs, those that differ in nothing but `SUMS` added up: jobs of a workload, shards of an augmentation."""
    groups: dict[tuple, list[Cost]] = defaultdict(list)
    for cost in costs:
        groups[tuple(value for name, value in cost._asdict().items() if name not in SUMS)].append(cost)
    added = []
    for first, *others in groups.values():
        sums = [name for name in first._fields if name in SUMS]
        added.append(
            first._replace(**{name: SUMS[name](getattr(cost, name) for cost in (first, *others)) for name in sums})
        )
    return added


def study_shards(params: Params, sets: Mapping[str, ImageSet]) -> dict[str, ShardCost]:
    """Return the size of every shard of a study by its path; `sets` is what each dataset will hold."""
    found, shares = {}, {}
    for job in grid.jobs(params):
        kind, data = (job.dataset, job.augmentation), sets[job.dataset]
        if kind not in shares:
            shares[kind] = dict(_stored_shares(*kind, params.shards.compression))
        bytes_each = FLOAT16 if AUGMENTATIONS[job.augmentation].unclipped else 1
        raw = data.images * (math.prod(data.shape) * bytes_each + INT64)
        for level in job.levels:
            nearest = min(shares[kind], key=lambda stored: abs(stored - level), default=None)
            share = 1.0 if nearest is None else shares[kind][nearest]
            measured = nearest is not None or params.shards.compression == "none"
            for path in _job_shards(job, level):
                found[path] = ShardCost(*kind, 1, raw, round(raw * share), measured)
    return found


def _job_shards(job: TrainConfig, level: float) -> list[str]:
    """Return the paths of the shards that a job reads at a level."""
    return [paths.shard_file(job.dataset, job.augmentation, level, copy_index) for copy_index in range(job.copies)]


def _stored_shares(dataset: str, augmentation: str, compression: Compression) -> Iterator[tuple[float, float]]:
    """Yield level and size, as a share of the uncompressed one, of one stored shard of each level."""
    if compression == "none":
        return
    folder = Path(paths.FOLDERS["shards"][0], dataset, augmentation)
    for path in {path.parent: path for path in sorted(folder.glob("*/copy-*.h5"), reverse=True)}.values():
        if not (described := description(path, "images")):
            continue
        shape, dtype, attributes = described
        if attributes.get("compression") == compression and math.prod(shape):
            raw = math.prod(shape) * dtype.itemsize + INT64 * shape[0]
            yield attributes["config"]["level"], path.stat().st_size / raw


def shards_at_once(params: Params, shards: Mapping[str, ShardCost], cores: int) -> int:
    """Return the bytes of shards that exist at once, at most, if each is deleted after its last reader.

    That is what Snakemake's `temp()` does, here as if shards were made when a job needs them. Each of `cores` jobs
    reads all copies of its levels, the largest first; copy 0 of every level stays for the figures of sample images.
    """
    there = set(grid.sample_shard_files(params))
    reads = dict.fromkeys(
        frozenset(path for level in job.levels for path in _job_shards(job, level)) for job in grid.jobs(params)
    )
    for _ in range(min(cores, len(reads))):
        there |= max(reads, key=lambda files: sum(shards[path].bytes for path in files - there))
    return sum(shards[path].bytes for path in there)


def _notes(jobs: Sequence[TrainConfig], known: bool, measured: bool) -> list[str]:
    """Return what a reader of the numbers should know."""
    notes = ["Hours are of training alone; shards, kernel distances and figures come on top."]
    if not known:
        notes.append("Hours are unknown where no run is stored; without --no-time, steps are timed.")
    if stopping := [job for job in jobs if job.patience + 1 < job.epochs]:
        first = min(stopping, key=lambda job: (job.patience + 1) / job.epochs)
        notes.append(
            f"Epochs, images, hours and results are at most so many: early stopping may end a run of {first.epochs} "
            f"epochs ({first.dataset}) after {first.patience + 1}."
        )
    if not measured:
        notes.append("Shards are at most so large where none is stored yet: their compression is not known.")
    return notes


def as_dict(cost: Estimate) -> dict[str, Any]:
    """Return an estimate as plain JSON types, with totals; what is not known is None."""
    known = all(row.seconds is not None for row in cost.training)
    shard_bytes = sum(row.bytes for row in cost.shards)
    return {
        "totals": {
            **{name: sum(getattr(row, name) for row in cost.training) for name in ("jobs", "runs", "epochs", "images")},
            "result_bytes": sum(row.bytes for row in cost.training),
            "seconds": sum(row.seconds or 0.0 for row in cost.training) if known else None,
            "cores": cost.cores,
            "wall_seconds": cost.wall_seconds,
            "shards": sum(row.shards for row in cost.shards),
            "shard_bytes": shard_bytes,
            "shard_bytes_measured": all(row.measured for row in cost.shards),
            "shard_bytes_saved_by_temp": shard_bytes - cost.shards_at_once,
        },
        "device": cost.device,
        "training": [row._asdict() for row in cost.training],
        "shards": [row._asdict() for row in cost.shards],
        "notes": cost.notes,
    }


def show(cost: Estimate, console: Console) -> None:
    """Print an estimate: tables in a terminal, aligned plain text elsewhere."""
    training = [
        {
            "dataset": row.dataset,
            "network": row.network if row.layers is None else f"{row.network}-layers-{row.layers}",
            "runs": f"{row.runs:,}",
            "epochs": f"{row.epochs:,}",
            "images": _count(row.images),
            "time": _duration(row.seconds),
            "results": _size(row.bytes),
            "time from": row.source,
        }
        for row in cost.training
    ]
    shards = [
        {
            "dataset": row.dataset,
            "augmentation": row.augmentation,
            "shards": f"{row.shards:,}",
            "uncompressed": _size(row.raw_bytes),
            "on disk": _at_most(row.bytes, row.measured),
        }
        for row in cost.shards
    ]
    for rows in (training, shards):
        table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
        for column in rows[0]:
            table.add_column(column, justify="left" if column in TEXT_COLUMNS else "right")
        for row in rows:
            table.add_row(*row.values())
        console.print(table, width=None if console.is_terminal else WIDE)
        if not console.is_terminal:
            console.print()
    for line in summary(cost):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def summary(cost: Estimate) -> list[str]:
    """Return totals and notes, one line each."""
    totals = as_dict(cost)["totals"]
    stored = _at_most(totals["shard_bytes"], totals["shard_bytes_measured"])
    device = f" on {cost.device}" if cost.device else ""
    memory = max((row.memory_mb for row in cost.training if row.memory_mb is not None), default=None)
    return [
        f"{totals['runs']:,} runs in {totals['jobs']:,} jobs: {totals['epochs']:,} epochs, {_count(totals['images'])} "
        "training images",
        f"training: {_duration(totals['seconds'])}{device}; {_duration(totals['wall_seconds'])} with {cost.cores} "
        f"jobs at a time{'' if memory is None else f', each in up to {_size(memory * 1e6)} of memory'}",
        f"disk: results {_size(totals['result_bytes'])}, {totals['shards']:,} shards {stored}",
        f"with temp() shards: {_at_most(cost.shards_at_once, totals['shard_bytes_measured'])} at once, "
        f"{_size(totals['shard_bytes_saved_by_temp'])} saved",
        *cost.notes,
    ]


def _count(number: int) -> str:
    """Return a large number with two or three digits: `5.6 billion`."""
    for unit, name in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if number >= unit:
            return f"{number / unit:,.3g}{name}" if number < 1000 * unit else f"{number / unit:,.0f}{name}"
    return f"{number}"


def _duration(seconds: float | None) -> str:
    """Return a time in words: `12 s`, `5.3 min`, `41 h`."""
    if seconds is None:
        return "unknown"
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:,.0f} {name}" if seconds >= 10 * unit else f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def _size(number: float) -> str:
    """Return a number of bytes in decimal units: `3.8 MB`."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number / 1e3:.0f} kB"


def _at_most(number: float, measured: bool) -> str:
    """Return a number of bytes in words, as an upper bound if the compression was not measured."""
    return _size(number) if measured else f"at most {_size(number)}"
