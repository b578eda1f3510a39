"""What a parameter file will cost, before anything is made: runs, training images, hours on this machine, disk.

Hours are those of training, which takes nearly all of them, at the speed of stored runs or of timed steps. Epochs are
counted as if no run stopped early, so epochs, images, hours and results are upper bounds.
"""

import heapq
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from freeconv.architectures.layers import Shape
from freeconv.augmentations import AUGMENTATIONS
from freeconv.data.folds import held_out_images
from freeconv.data.image_folder import class_name, decode_image, existing_source, image_files
from freeconv.datasets import DATASETS
from freeconv.errors import FreeconvError
from freeconv.networks import network_sizes
from freeconv.planning.speed import (
    Speed,
    Workload,
    description,
    epoch_images,
    fitting_speed,
    image_shape,
    start_up,
    stored_speeds,
    workload,
)
from freeconv.study import grid, paths
from freeconv.study.jobs import RunConfig, TrainConfig
from freeconv.study.params import Params
from freeconv.training.state import history_names
from freeconv.vocabulary import Compression

FILE_BYTES = 20_000  # measured: what HDF5 and the attributes add to the arrays of a run


FLOAT16, FLOAT32, INT64 = 2, 4, 8  # bytes


TRAINING_COLUMNS = ("dataset", "network", "runs", "epochs", "images", "time", "results", "time from")


SHARD_COLUMNS = ("dataset", "augmentation", "shards", "uncompressed", "on disk")


TEXT_COLUMNS = ("dataset", "network", "augmentation", "time from")


class ImageSet(NamedTuple):
    """What a dataset will hold.

    Attributes:
        images: their number, at most `data.limit`.
        shape: (height, width, channels).
        classes: number of classes.
    """

    images: int
    shape: Shape
    classes: int


class TrainingCost(NamedTuple):
    """What the runs of one dataset, kind of network, number of layers and batch cost together.

    Attributes:
        dataset: its name.
        network: `cnn` or `fcn`, those with missing connections included.
        layers: number of (free) convolutions.
        batch: images per step.
        jobs: number of training jobs.
        runs: number of runs.
        epochs: at most, over all runs.
        images: trained on at most, over all epochs.
        bytes: of the results, at most.
        seconds: at most, if one job runs after another; None if unknown.
        memory_mb: largest resident memory of a job, MB; None if unknown.
        source: what the seconds are from.
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


class Shard(NamedTuple):
    """The size of a shard's file: uncompressed, and as it will be stored, the same if `measured` is false."""

    dataset: str
    augmentation: str
    raw_bytes: int
    bytes: int
    measured: bool


class ShardCost(NamedTuple):
    """What the shards of one dataset and augmentation take on disk; `measured` as in `Shard`, of all of them."""

    dataset: str
    augmentation: str
    shards: int
    raw_bytes: int
    bytes: int
    measured: bool


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


def image_set(params: Params, dataset: str) -> ImageSet:
    """Return what a dataset will hold. Of a user's own images the files are counted and at most one is decoded.

    Raises:
        FreeconvError: the user's own images are missing, none, or the first of them is damaged.
    """
    if dataset in DATASETS:
        member = DATASETS[dataset]
        found = ImageSet(member.images, member.shape, len(member.classes))
    else:
        found = _own_images(dataset, params.data.folders.get(dataset))
    return found._replace(images=min(found.images, params.data.limit or found.images))


def _own_images(dataset: str, source: str | None) -> ImageSet:
    """Return what a folder or zip file of images holds; their shape is that in the dataset's file, if there is one."""
    path = existing_source(dataset, source)
    with image_files(path) as (names, read):
        classes = len({class_name(name) for name in names})
        if stored := description(paths.data_file(dataset), "images"):
            return ImageSet(len(names), image_shape(stored[0]), classes)
        image = decode_image(read(names[0]), names[0], path)
    return ImageSet(len(names), (image.shape[0], image.shape[1], image.shape[2] if image.ndim == 3 else 1), classes)


def run_bytes(run: RunConfig, images: ImageSet) -> int:
    """Return the size of a run's file (see `freeconv.train.write_run`) if it does not stop early."""
    layers = network_sizes(run.variant.kind, images.shape, images.classes, run.variant.layers)
    snapshots = 1 + math.ceil(run.epochs / run.kernels_every)  # the untrained and the last ones are always kept
    convolutional = [size.kernel for name, size in layers.items() if name.startswith(("conv_", "free_"))]
    kernels = sum(convolutional[number - 1] for number in run.kernel_layers if number <= len(convolutional))
    histories = len(history_names(run.evaluate))
    floats = histories * run.epochs + snapshots * kernels + sum(size.weights for size in layers.values())
    return FLOAT32 * floats + INT64 * snapshots + FILE_BYTES


def job_seconds(job: TrainConfig, images: ImageSet, speed: Speed) -> float:
    """Return how long a job takes if no run stops early."""
    seconds = speed.job
    for run in job.runs():
        trained, evaluated = epoch_images(run, images.images)
        seconds += speed.run + run.epochs * (trained * speed.train + evaluated * speed.evaluate)
    return seconds


def wall_seconds(jobs: Iterable[float], cores: int) -> float:
    """Return how long jobs take, each begun in its turn as soon as fewer than `cores` are running."""
    ends = [0.0] * cores
    for seconds in jobs:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def study_shards(params: Params, sets: Mapping[str, ImageSet]) -> dict[str, Shard]:
    """Return the size of every shard of a study by its path.

    Args:
        params: the study.
        sets: what each dataset will hold.
    """
    found, shares = {}, {}
    for job in grid.jobs(params):
        images = sets[job.dataset]
        kind = (job.dataset, job.augmentation)
        if kind not in shares:
            shares[kind] = dict(_stored_shares(*kind, params.shards.compression))
        bytes_each = FLOAT16 if AUGMENTATIONS[job.augmentation].unclipped else 1
        raw = images.images * (math.prod(images.shape) * bytes_each + INT64)
        for level in job.levels:
            nearest = min(shares[kind], key=lambda stored: abs(stored - level), default=None)
            share = 1.0 if nearest is None else shares[kind][nearest]
            measured = nearest is not None or params.shards.compression == "none"
            for path in _job_shards(job, level):
                found[path] = Shard(*kind, raw, round(raw * share), measured)
    return found


def _job_shards(job: TrainConfig, level: float) -> Iterator[str]:
    """Yield the paths of the shards that a job reads at a level."""
    for copy_index in range(job.copies):
        yield paths.shard_file(job.dataset, job.augmentation, level, copy_index)


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


def shards_at_once(params: Params, shards: Mapping[str, Shard], cores: int) -> int:
    """Return the bytes of shards that exist at once, at most, if each is deleted after its last reader.

    That is what Snakemake's `temp()` does, here as if shards were made when a job needs them. Each of `cores` jobs
    reads all copies of its levels, the largest first; copy 0 of every level stays for the figures of sample images.
    """
    kept = set(grid.sample_shard_files(params))
    reads = dict.fromkeys(
        frozenset(path for level in job.levels for path in _job_shards(job, level)) for job in grid.jobs(params)
    )
    there = set(kept)
    for _ in range(min(cores, len(reads))):
        there |= max(reads, key=lambda files: sum(shards[path].bytes for path in files - there))
    return sum(shards[path].bytes for path in there)


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
        _check_batch(job, sets[job.dataset].images)
        by_workload.setdefault(workload(job, sets[job.dataset].shape), []).append(job)
    here, seconds_up = start_up() if timed else (None, 0.0)
    speeds, device = stored_speeds(by_workload, here)
    on_gpu = device is not None and not device.startswith("CPU")
    if timed:
        stacked = params.train.stack == "on" or (params.train.stack == "auto" and on_gpu)
        for wanted, alike in by_workload.items():
            if wanted not in speeds:
                replicas = max(len(list(job.runs())) for job in alike) if stacked else None
                speeds[wanted] = fitting_speed(wanted, sets[alike[0].dataset].classes, replicas, seconds_up)
    seconds = [
        job_seconds(job, sets[job.dataset], speeds[wanted]) if wanted in speeds else None
        for job in jobs
        for wanted in [workload(job, sets[job.dataset].shape)]
    ]
    known = [value for value in seconds if value is not None]
    cores = cores or (1 if on_gpu else os.cpu_count() or 1)
    shards = study_shards(params, sets)
    return Estimate(
        training=_training_costs(jobs, seconds, sets, speeds),
        shards=_shard_costs(shards.values()),
        shards_at_once=shards_at_once(params, shards, cores),
        cores=cores,
        wall_seconds=wall_seconds(known, cores) if len(known) == len(seconds) else None,
        device=device,
        notes=_notes(jobs, len(known) == len(seconds), shards.values()),
    )


def _check_batch(job: TrainConfig, images: int) -> None:
    """Refuse a batch that `freeconv train` would refuse."""
    largest = min(images - held_out_images(images, job.folds, fold) for fold in job.fold_indices)
    if job.batch > largest:
        raise FreeconvError(
            f"train.batch: expected at most the {largest} images of the training folds of {job.dataset}, "
            f"received {job.batch}"
        )


def _training_costs(
    jobs: Sequence[TrainConfig],
    seconds: Sequence[float | None],
    sets: Mapping[str, ImageSet],
    speeds: Mapping[Workload, Speed],
) -> list[TrainingCost]:
    """Return the costs of jobs, those of one dataset, kind of network, number of layers and batch together."""
    groups: dict[tuple[str, Workload], list[int]] = {}
    for index, job in enumerate(jobs):
        groups.setdefault((job.dataset, workload(job, sets[job.dataset].shape)), []).append(index)
    costs = []
    for (dataset, wanted), members in groups.items():
        trained = [run for index in members for run in jobs[index].runs()]
        speed = speeds.get(wanted)
        costs.append(
            TrainingCost(
                dataset=dataset,
                network=wanted.kind,
                layers=wanted.layers,
                batch=wanted.batch,
                jobs=len(members),
                runs=len(trained),
                epochs=sum(run.epochs for run in trained),
                images=sum(run.epochs * epoch_images(run, sets[dataset].images)[0] for run in trained),
                bytes=sum(run_bytes(run, sets[dataset]) for run in trained),
                seconds=sum(seconds[index] or 0.0 for index in members) if speed else None,
                memory_mb=speed.memory_mb if speed else None,
                source=speed.source if speed else "unknown",
            )
        )
    return costs


def _shard_costs(shards: Iterable[Shard]) -> list[ShardCost]:
    """Return the sizes of shards, those of one dataset and augmentation together."""
    groups: dict[tuple[str, str], list[Shard]] = {}
    for shard in shards:
        groups.setdefault((shard.dataset, shard.augmentation), []).append(shard)
    return [
        ShardCost(
            *kind,
            shards=len(members),
            raw_bytes=sum(shard.raw_bytes for shard in members),
            bytes=sum(shard.bytes for shard in members),
            measured=all(shard.measured for shard in members),
        )
        for kind, members in groups.items()
    ]


def _notes(jobs: Sequence[TrainConfig], known: bool, shards: Iterable[Shard]) -> list[str]:
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
    if not all(shard.measured for shard in shards):
        notes.append("Shards are at most so large where none is stored yet: their compression is not known.")
    return notes


def as_dict(cost: Estimate) -> dict[str, Any]:
    """Return an estimate as plain JSON types, with totals; what is not known is None."""
    known = all(row.seconds is not None for row in cost.training)
    return {
        "totals": {
            **{name: sum(getattr(row, name) for row in cost.training) for name in ("jobs", "runs", "epochs", "images")},
            "result_bytes": sum(row.bytes for row in cost.training),
            "seconds": sum(row.seconds or 0.0 for row in cost.training) if known else None,
            "cores": cost.cores,
            "wall_seconds": cost.wall_seconds,
            "shards": sum(row.shards for row in cost.shards),
            "shard_bytes": sum(row.bytes for row in cost.shards),
            "shard_bytes_measured": all(row.measured for row in cost.shards),
            "shard_bytes_saved_by_temp": sum(row.bytes for row in cost.shards) - cost.shards_at_once,
        },
        "device": cost.device,
        "training": [row._asdict() for row in cost.training],
        "shards": [row._asdict() for row in cost.shards],
        "notes": cost.notes,
    }


def show(cost: Estimate, console: Console) -> None:
    """Print an estimate: tables in a terminal, aligned plain text elsewhere."""
    training: list[tuple[str, ...]] = [TRAINING_COLUMNS]
    training += [
        (
            row.dataset,
            row.network if row.layers is None else f"{row.network}-layers-{row.layers}",
            f"{row.runs:,}",
            f"{row.epochs:,}",
            _count(row.images),
            _duration(row.seconds),
            _size(row.bytes),
            row.source,
        )
        for row in cost.training
    ]
    shards: list[tuple[str, ...]] = [SHARD_COLUMNS]
    shards += [
        (row.dataset, row.augmentation, f"{row.shards:,}", _size(row.raw_bytes), _at_most(row.bytes, row.measured))
        for row in cost.shards
    ]
    _print_table(training, console)
    _print_table(shards, console)
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


def _print_table(rows: Sequence[tuple[str, ...]], console: Console) -> None:
    """Print a table whose first row is its header; columns of numbers are aligned to the right."""
    right = [column not in TEXT_COLUMNS for column in rows[0]]
    if console.is_terminal:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column, is_number in zip(rows[0], right, strict=True):
            table.add_column(column, justify="right" if is_number else "left")
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, right, strict=True)
        line = "  ".join(cell.rjust(width) if is_number else cell.ljust(width) for cell, width, is_number in cells)
        console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)
    console.print()


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
