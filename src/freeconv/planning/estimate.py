"""What a parameter file will cost, before anything is made: runs, training images, hours on this machine, disk.

Hours are those of training, which takes nearly all of them, at the speed of stored runs or of timed steps. Epochs are
counted as if no run stopped early, so epochs, images, hours and results are upper bounds.
"""

import heapq
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from freeconv.augmentations import AUGMENTATIONS
from freeconv.networks import network_sizes
from freeconv.planning.images import ImageSet, check_job, description, image_set
from freeconv.planning.speed import Speed, Workload, epoch_images, is_processor, speeds_of, workload
from freeconv.study import grid, paths
from freeconv.study.jobs import TrainConfig
from freeconv.study.params import Params
from freeconv.training.state import history_names
from freeconv.vocabulary import Compression

FILE_BYTES = 20_000  # measured: what HDF5 and the attributes add to the arrays of a run
STATE_BYTES = 6_000  # likewise, where it can be continued
FLOAT16, FLOAT32, INT64 = 2, 4, 8  # bytes
SUMMED = ("jobs", "runs", "epochs", "images")
WIDE = 1000  # characters, where lines are not wrapped

Row = dict[str, Any]


def estimate(params: Params, cores: int | None = None, timed: bool = True) -> dict[str, Any]:
    """Return what a study will cost, as plain JSON types; what is not known is None.

    Args:
        params: the study.
        cores: training jobs at a time, here or on other machines, each on a core or GPU like the one of the speeds;
            None for the machine's cores, on a GPU one.
        timed: whether steps may be timed where there are no stored runs of this machine. If not, stored runs of the
            device with the most of them count.

    Returns:
        `training`: a row for each dataset, kind of network, number of layers and batch; `shards`: for each dataset and
        augmentation; `totals` of both; `device`: what the seconds are of; `notes`: what the numbers leave out.

    Raises:
        FreeconvError: images are missing or too small, a batch is larger than the training folds, or the device lacks
            the precision.
    """
    sets = {dataset: image_set(params, dataset) for dataset in params.data.datasets}
    jobs = list(grid.jobs(params))
    for job in jobs:
        check_job(job, sets[job.dataset])
    speeds, device = speeds_of(params, jobs, sets, timed)
    cores = cores or (os.cpu_count() or 1 if device is None or is_processor(device) else 1)
    costs = [job_cost(job, sets[job.dataset], speeds) for job in jobs]
    training = added(costs, ("dataset", "network", "layers", "batch", "memory_mb", "source"))
    shards = study_shards(params, sets)
    stored = sum(shard["bytes"] for shard in shards.values())
    totals = {
        **{name: sum(row[name] for row in training) for name in SUMMED},
        "result_bytes": sum(row["bytes"] for row in training),
        "seconds": wall_seconds((cost["seconds"] for cost in costs), 1),
        "cores": cores,
        "wall_seconds": wall_seconds((cost["seconds"] for cost in costs), cores),
        "shards": len(shards),
        "shard_bytes": stored,
        "shard_bytes_measured": all(shard["measured"] for shard in shards.values()),
        "shard_bytes_saved_by_temp": stored - shards_at_once(params, shards, cores),
    }
    return {
        "totals": totals,
        "device": device,
        "training": training,
        "shards": added(shards.values(), ("dataset", "augmentation")),
        "notes": _notes(jobs, totals),
    }


def job_cost(job: TrainConfig, data: ImageSet, speeds: Mapping[Workload, Speed]) -> Row:
    """Return what one job costs if no run stops early."""
    wanted = workload(job, data.shape)
    speed = speeds.get(wanted)
    each = [epoch_images(run, data.images) for run in job.runs()]
    seconds = speed and speed.job + sum(
        speed.run + job.epochs * (trained * speed.train + evaluated * speed.evaluate) for trained, evaluated in each
    )
    return {
        "dataset": job.dataset,
        "network": wanted.kind,
        "layers": wanted.layers,
        "batch": job.batch,
        "jobs": 1,
        "runs": len(each),
        "epochs": job.epochs * len(each),
        "images": sum(job.epochs * trained for trained, _ in each),
        "bytes": len(each) * run_bytes(job, data),
        "seconds": seconds,
        "memory_mb": speed.memory_mb if speed else None,
        "source": speed.source if speed else "unknown",
    }


def added(rows: Iterable[Row], kind: Sequence[str]) -> list[Row]:
    """Return rows of the same `kind` added up."""
    found: dict[tuple, Row] = {}
    for row in rows:
        key = tuple(row[name] for name in kind)
        if so_far := found.get(key):
            row = {name: value if name in kind else _sum(so_far[name], value) for name, value in row.items()}
        found[key] = row
    return list(found.values())


def _sum(one: Any, other: Any) -> Any:
    """Return the sum of two numbers, None if one is unknown; of two truths whether both are true."""
    if one is None or other is None:
        return None
    return one and other if isinstance(one, bool) else one + other


def run_bytes(run: TrainConfig, data: ImageSet) -> int:
    """Return the size of a run's file (see `freeconv.storage.run_file`), each run's of a job, if none stops early."""
    layers = network_sizes(run.variant.kind, data.shape, data.classes, run.variant.layers)
    snapshots = 1 + math.ceil(run.epochs / run.kernels_every)  # the untrained and the last ones are always kept
    convolutional = [size.kernel for name, size in layers.items() if name.startswith(("conv_", "free_"))]
    kernels = sum(convolutional[number - 1] for number in run.kernel_layers if number <= len(convolutional))
    copies = 3 if run.resumable else 1  # with Adam's moments
    histories = len(history_names(run))
    floats = histories * run.epochs + snapshots * kernels + copies * sum(size.weights for size in layers.values())
    return FLOAT32 * floats + INT64 * snapshots + FILE_BYTES + (STATE_BYTES if run.resumable else 0)


def wall_seconds(jobs: Iterable[float | None], cores: int) -> float | None:
    """Return how long jobs take, each begun in its turn as soon as fewer than `cores` are running; None if unknown."""
    ends = [0.0] * cores
    for seconds in jobs:
        if seconds is None:
            return None
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def study_shards(params: Params, sets: Mapping[str, ImageSet]) -> dict[str, Row]:
    """Return every shard of a study by its path, with its size; `sets` is what each dataset will hold."""
    found: dict[str, Row] = {}
    shares: dict[tuple[str, str], dict[float, float]] = {}
    for job in grid.jobs(params):
        kind, data = (job.dataset, job.augmentation), sets[job.dataset]
        if kind not in shares:
            shares[kind] = dict(_stored_shares(*kind, params.shards.compression))
        bytes_each = FLOAT16 if AUGMENTATIONS[job.augmentation].unclipped else 1
        raw = data.images * (math.prod(data.shape) * bytes_each + INT64)
        for level in job.levels:
            nearest = min(shares[kind], key=lambda stored: abs(stored - level), default=None)
            size = raw if nearest is None else round(raw * shares[kind][nearest])
            measured = nearest is not None or params.shards.compression == "none"
            row = {"dataset": job.dataset, "augmentation": job.augmentation, "shards": 1, "raw_bytes": raw}
            row |= {"bytes": size, "measured": measured}
            found |= dict.fromkeys(_job_shards(job, level), row)
    return found


def _job_shards(job: TrainConfig, level: float) -> list[str]:
    """Return the paths of the shards that a job reads at a level."""
    return [paths.shard_file(job.dataset, job.augmentation, level, copy_index) for copy_index in range(job.copies)]


def _stored_shares(dataset: str, augmentation: str, compression: Compression) -> Iterator[tuple[float, float]]:
    """Yield level and size, as a share of the uncompressed one, of one stored shard of each level."""
    folder = Path(paths.FOLDERS["shards"][0], dataset, augmentation)
    for path in {path.parent: path for path in sorted(folder.glob("*/copy-*.h5"), reverse=True)}.values():
        described = None if compression == "none" else description(path, "images")
        if described and described[2].get("compression") == compression and math.prod(described[0]):
            shape, itemsize, attributes = described
            yield attributes["config"]["level"], path.stat().st_size / (math.prod(shape) * itemsize + INT64 * shape[0])


def shards_at_once(params: Params, shards: Mapping[str, Row], cores: int) -> int:
    """Return the bytes of shards that exist at once, at most, if each is deleted after its last reader.

    That is what Snakemake's `temp()` does, here as if shards were made when a job needs them. Each of `cores` jobs
    reads all copies of its levels, the largest first; copy 0 of every level stays for the figures of sample images.
    """
    there = set(grid.sample_shard_files(params))
    reads = dict.fromkeys(
        frozenset(path for level in job.levels for path in _job_shards(job, level)) for job in grid.jobs(params)
    )
    for _ in range(min(cores, len(reads))):
        there |= max(reads, key=lambda files: sum(shards[path]["bytes"] for path in files - there))
    return sum(shards[path]["bytes"] for path in there)


def _notes(jobs: Iterable[TrainConfig], totals: Row) -> list[str]:
    """Return what a reader of the numbers should know."""
    notes = ["Hours are of training alone; shards, kernel distances and figures come on top."]
    if totals["seconds"] is None:
        notes.append("Hours are unknown where no run is stored; without --no-time, steps are timed.")
    if stopping := [job for job in jobs if job.patience + 1 < job.epochs]:
        first = min(stopping, key=lambda job: (job.patience + 1) / job.epochs)
        notes.append(
            f"Epochs, images, hours and results are at most so many: early stopping may end a run of {first.epochs} "
            f"epochs ({first.dataset}) after {first.patience + 1}."
        )
    if not totals["shard_bytes_measured"]:
        notes.append("Shards are at most so large where none is stored yet: their compression is not known.")
    return notes


def show(cost: dict[str, Any], console: Console) -> None:
    """Print an estimate: tables in a terminal, aligned plain text elsewhere."""
    training = {
        "dataset": [row["dataset"] for row in cost["training"]],
        "network": [row["network"] + (f"-layers-{row['layers']}" if row["layers"] else "") for row in cost["training"]],
        "runs": [f"{row['runs']:,}" for row in cost["training"]],
        "epochs": [f"{row['epochs']:,}" for row in cost["training"]],
        "images": [_count(row["images"]) for row in cost["training"]],
        "time": [_duration(row["seconds"]) for row in cost["training"]],
        "results": [_size(row["bytes"]) for row in cost["training"]],
        "time from": [row["source"] for row in cost["training"]],
    }
    shards = {
        "dataset": [row["dataset"] for row in cost["shards"]],
        "augmentation": [row["augmentation"] for row in cost["shards"]],
        "shards": [f"{row['shards']:,}" for row in cost["shards"]],
        "uncompressed": [_size(row["raw_bytes"]) for row in cost["shards"]],
        "on disk": [_at_most(row["bytes"], row["measured"]) for row in cost["shards"]],
    }
    for columns in (training, shards):
        table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
        for column in columns:
            is_text = column in ("dataset", "network", "augmentation", "time from")
            table.add_column(column, justify="left" if is_text else "right")
        for row in zip(*columns.values(), strict=True):
            table.add_row(*row)
        console.print(table, width=None if console.is_terminal else WIDE)
        if not console.is_terminal:
            console.print()
    for line in summary(cost):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def summary(cost: dict[str, Any]) -> list[str]:
    """Return totals and notes, one line each."""
    totals = cost["totals"]
    measured, saved = totals["shard_bytes_measured"], totals["shard_bytes_saved_by_temp"]
    device = f" on {cost['device']}" if cost["device"] else ""
    memory = max((row["memory_mb"] or 0.0 for row in cost["training"]), default=0.0)
    in_memory = f", each in up to {_size(memory * 1e6)} of memory" if memory else ""
    return [
        f"{totals['runs']:,} runs in {totals['jobs']:,} jobs: {totals['epochs']:,} epochs, {_count(totals['images'])} "
        "training images",
        f"training: {_duration(totals['seconds'])}{device}; {_duration(totals['wall_seconds'])} with "
        f"{totals['cores']} jobs at a time{in_memory}",
        f"disk: results {_size(totals['result_bytes'])}, {totals['shards']:,} shards "
        f"{_at_most(totals['shard_bytes'], measured)}",
        f"with temp() shards: {_at_most(totals['shard_bytes'] - saved, measured)} at once, {_size(saved)} saved",
        *cost["notes"],
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
