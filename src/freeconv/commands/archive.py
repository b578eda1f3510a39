"""`freeconv archive`: writes a study's runs to the archive, and says what of it is missing there."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from freeconv.analysis.distance import distances_by_epoch, largest_radius
from freeconv.architectures.layers import Free, convolutional, named
from freeconv.architectures.sizes import shapes
from freeconv.data.batches import weights_seed
from freeconv.errors import FreeconvError
from freeconv.networks import network_layers
from freeconv.storage.archive import (
    ABOUT_CELL,
    ArchivedCell,
    ArchivedRun,
    cell_identity,
    distance_column,
    merged,
    read_cell,
    run_about,
    run_rows,
    write_cell,
)
from freeconv.storage.archive_parts import (
    kernels_of,
    measures_of,
    merged_measures,
    newer,
    read_kernels,
    read_measures,
    write_kernels,
    write_measures,
)
from freeconv.storage.archive_source import Archive
from freeconv.storage.checkpoint_file import read_recorded
from freeconv.storage.csv_files import check_made_from, read_csv
from freeconv.storage.hdf5 import describe_h5, read_h5
from freeconv.storage.run_file import Run, has_stopped_early, read_run, result_arrays
from freeconv.storage.run_file import read_kernels as read_run_kernels
from freeconv.study import grid, paths
from freeconv.study.jobs import CellConfig, RunConfig, check_config
from freeconv.study.params import Params
from freeconv.vocabulary import DistanceMeasure

MEASURES: tuple[DistanceMeasure, ...] = ("euclidean", "cosine")

Labels = tuple[str, str, str, float]  # dataset, network, augmentation, level
Asked = tuple[RunConfig, int]  # a run and its epochs


class Found(NamedTuple):
    """A run that can be archived.

    Attributes:
        run: with all its epochs, and attributes as in its file.
        kernels: reads those of its recorded layers (see `freeconv.storage.run_file.read_kernels`).
    """

    run: Run
    kernels: Callable[[], dict[str, np.ndarray]]

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.run.history["val_acc"])


def archive_study(
    params: Params, folder: str, root: str | Path = ".", say: Callable[[str], None] = print
) -> list[FreeconvError]:
    """Write the runs of a study, measures and first kernels to the archive: what it lacks, and what is longer.

    Of a run without a file, or with a shorter one, what its checkpoint holds is archived. Runs that the archive has and
    the folder has not stay as they are.

    Args:
        params: the study.
        folder: of the archive.
        root: where the study ran: a clone, this one or another, of this version or that of 2026-11-22.
        say: called with a line for each file that is written, and one for each file that cannot be used.

    Returns:
        What was refused: files of the archive that are damaged, and runs that disagree with those that are there. These
        files are left as they are.
    """
    images = _Images(root)
    checkpoints = _checkpoints(root, images, say)
    refused = []
    for labels, asked in _cells(params).items():
        found = [(_found(run, root, checkpoints, say), epochs) for run, epochs in asked]
        usable = [(run, epochs) for run, epochs in found if run is not None]
        if not usable:
            continue
        try:
            cell = _archive_cell(labels, usable, folder, images, say)
            _archive_measures(params, labels, cell, folder, root, say)
        except FreeconvError as error:
            refused.append(error)
    return refused


def missing(params: Params, archive: Archive | None) -> list[tuple[RunConfig, int, str | int]]:
    """Return every run that the parameters ask for, its epochs, and what is archived of it.

    Args:
        params: the study.
        archive: its archive; None if there is none.

    Returns:
        The last is `complete`, `missing`, the number of epochs if these are too few, or why it cannot be used.
    """
    rows: list[tuple[RunConfig, int, str | int]] = []
    for run, epochs in zip(grid.runs(params), grid.run_epochs(params), strict=True):
        try:
            archived = archive.archived(run) if archive is not None and archive.has(run) else None
        except FreeconvError as error:
            rows.append((run, epochs, str(error)))
            continue
        if archived is None:
            rows.append((run, epochs, "missing"))
        elif archived.epochs >= epochs or archived.about["stopped_early"]:
            rows.append((run, epochs, "complete"))
        else:
            rows.append((run, epochs, archived.epochs))
    return rows


def _cells(params: Params) -> dict[Labels, list[Asked]]:
    """Return the runs that are asked for by what tells their cells apart."""
    cells: dict[Labels, list[Asked]] = {}
    for run, epochs in zip(grid.runs(params), grid.run_epochs(params), strict=True):
        cells.setdefault((run.dataset, run.network, run.augmentation, run.level), []).append((run, epochs))
    return cells


def _found(
    run: RunConfig, root: str | Path, checkpoints: Mapping[str, Found], say: Callable[[str], None]
) -> Found | None:
    """Return a run by its file or its checkpoint, whichever has more epochs; None without either."""
    path = str(Path(root, grid.run_file(run)))
    checkpoint = checkpoints.get(run.text())
    if not Path(path).exists():
        return checkpoint
    try:
        stored = read_run(run, path, None, any_code=True)
    except FreeconvError as error:
        say(f"left out: {error}")
        return checkpoint
    made = datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).date().isoformat()
    attributes = {
        "made": made,
        **stored.attributes,
        "stopped_early": has_stopped_early(stored.attributes, stored.history["val_acc"]),
    }
    found = Found(
        Run(run, path, stored.history, attributes), lambda: read_run_kernels(run, path, None, any_code=True)[0]
    )
    return checkpoint if checkpoint is not None and checkpoint.epochs > found.epochs else found


def _checkpoints(root: str | Path, images: "_Images", say: Callable[[str], None]) -> dict[str, Found]:
    """Return the runs that the checkpoints of a clone hold, by their configuration as text."""
    found: dict[str, Found] = {}
    for path in sorted(Path(root, paths.CHECKPOINTS).glob("*.h5")):
        try:
            recorded = read_recorded(path)
            about = [images.about(result.run) for result, _ in recorded]
        except FreeconvError as error:
            if path.exists():  # else its job has just ended
                say(f"left out: {error}")
            continue
        for (result, attributes), of in zip(recorded, about, strict=True):
            arrays = result_arrays(result)
            history = {name.removeprefix("history/"): of for name, of in arrays.items() if name.startswith("history/")}
            made = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
            run = Run(result.run, str(path), history, {"made": made, **of, **attributes})
            one = Found(run, partial(dict, arrays))
            before = found.get(result.run.text())
            if before is None or one.epochs > before.epochs:
                found[result.run.text()] = one
    return found


class _Images:
    """What is known of a clone's datasets, each read once.

    Args:
        root: the clone's folder.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = root
        self.shape = lru_cache(self._shape)
        self._counts = lru_cache(self._counted)

    def _shape(self, dataset: str) -> list[int] | None:
        """Return height, width and channels of a dataset's images; None where there are none."""
        shards = Path(self.root, Path(paths.shard_file(dataset, "none", 0, 0)).parents[2]).rglob("copy-*.h5")
        path = next((path for path in (Path(self.root, paths.data_file(dataset)), *shards) if path.is_file()), None)
        return None if path is None else list(describe_h5(path)[0]["images"].shape[1:])

    def _counted(self, dataset: str) -> dict[str, int]:
        """Return how many images and classes a dataset has."""
        labels = read_h5(Path(self.root, paths.data_file(dataset)), ["labels"])[0]["labels"]
        return {"images": len(labels), "classes": int(labels.max()) + 1}

    def about(self, run: RunConfig) -> dict[str, Any]:
        """Return attributes that a run's file has and its checkpoint has not.

        Raises:
            FreeconvError: the dataset's file, of which they are, is missing or damaged.
        """
        counts, shape = self._counts(run.dataset), self.shape(run.dataset)
        assert shape is not None
        return {**counts, "grids": _grids(run, shape), "weights_seed": weights_seed(run)}


def _grids(run: RunConfig, shape: Sequence[int]) -> dict[str, list[int]]:
    """Return the layers of a network whose kernels are recorded, with rows and columns of their positions."""
    layers = network_layers(run.variant.kind, shape, run.variant.layers)
    outputs = shapes(layers, tuple(shape), run.network)[1:]
    found = [
        (name, [*output[:2]] if isinstance(layer, Free) else [1, 1])
        for (name, layer), output in zip(named(layers), outputs, strict=True)
        if convolutional(layer)
    ]
    return {name: of for number, (name, of) in enumerate(found, 1) if number in run.kernel_layers}


def _archive_cell(
    labels: Labels, found: Sequence[tuple[Found, int]], folder: str, images: _Images, say: Callable[[str], None]
) -> ArchivedCell:
    """Archive the runs of a cell, and return all that are archived of it."""
    path = paths.archive_file(folder, *labels)
    stored = read_cell(path) if Path(path).is_file() else None
    cell, added = stored, dict.fromkeys(("added", "longer", "finished"), 0)
    for one, epochs in found:
        attributes, config = one.run.attributes, one.run.config
        key = (config.train_seed, config.fold)
        run = _archived(one, epochs, None if cell is None else cell.runs.get(key))
        known = {**attributes, "image_shape": images.shape(config.dataset)}
        about = {name: known[name] for name in ABOUT_CELL if known.get(name) is not None}
        other = ArchivedCell(cell_identity(config, attributes.get("data_sha256")), about, {key: run})
        cell, changes = merged(path, cell, other, one.run.path)
        for change in changes:
            added[change.what] += 1
    assert cell is not None
    if any(added.values()):
        write_cell(path, cell)
        counts = ", ".join(f"{count} {what}" for what, count in added.items() if count)
        unfinished = sum(not run.about["finished"] for run in cell.runs.values())
        say(f"{path}: {len(cell.runs)} runs, {counts}" + (f"; {unfinished} unfinished" if unfinished else ""))
    _archive_kernels(labels, [one for one, _ in found], cell, folder, say)
    return cell


def _archived(one: Found, asked: int, before: ArchivedRun | None) -> ArchivedRun:
    """Return a run as it is archived, its kernel distances only if it is not there or longer."""
    attributes, new = one.run.attributes, before is None or one.epochs > before.epochs
    finished = one.epochs >= asked or attributes["stopped_early"]
    arrays = one.kernels() if new else {"kernel_epochs": np.array([], "int64")}
    distances: dict[str, np.ndarray] = {}
    for layer, grid_of in attributes.get("grids", {}).items() if new else ():
        size = (grid_of[0], grid_of[1])
        radii = range(1, largest_radius(size) + 1)
        if radii:
            of = distances_by_epoch(arrays[f"kernels/{layer}"], size, radii, MEASURES)
            distances |= {distance_column(layer, measure, radius): values for (radius, measure), values in of.items()}
    rows = run_rows(one.run.history, distances, arrays["kernel_epochs"].tolist())
    return ArchivedRun(run_about(attributes, epochs=one.epochs, finished=bool(finished)), rows)


def _archive_kernels(
    labels: Labels, found: Sequence[Found], cell: ArchivedCell, folder: str, say: Callable[[str], None]
) -> None:
    """Archive first kernels of the first run of a cell, if this is among those that were found."""
    path = paths.archived_kernels_file(folder, *labels)
    stored = read_kernels(path) if Path(path).is_file() else None
    first = min(cell.runs)
    for one in found:
        key = (one.run.config.train_seed, one.run.config.fold)
        if key == first and one.epochs == cell.runs[key].epochs and one.run.attributes.get("grids"):
            kernels = kernels_of(key, one.kernels())
            if newer(stored, kernels):
                write_kernels(path, kernels)
                say(f"{path}: {Path(path).stat().st_size:,} bytes")


def _archive_measures(
    params: Params, labels: Labels, cell: ArchivedCell, folder: str, root: str | Path, say: Callable[[str], None]
) -> None:
    """Archive what was measured of a cell's networks, if anything was."""
    source = Path(root, paths.measure_file(*labels))
    if not source.is_file():
        return
    try:
        frame, config = read_csv(source)
        _check_measured(source, config, cell, root)
    except FreeconvError as error:
        say(f"left out: {error}")
        return
    path = paths.archived_measures_file(folder, *labels)
    stored = read_measures(path) if Path(path).is_file() else None
    measures = merged_measures(path, stored, measures_of(frame, config, cell), str(source))
    if measures.epochs and (stored is None or measures.epochs != stored.epochs):
        write_measures(path, measures)
        say(f"{path}: {len(measures.epochs)} networks")


def _check_measured(path: Path, config: Mapping[str, Any], cell: ArchivedCell, root: str | Path) -> None:
    """Refuse measures of other networks than those of a cell."""
    trained = config.get("train", {})
    run = {name: value for name, value in trained.items() if name not in ("fold_indices", "train_seeds", "epochs")}
    check_config(path, run, cell.identity["run"])
    if "made_from" in config:  # an earlier version did not say
        runs = CellConfig.model_validate(trained).runs()
        check_made_from(path, config["made_from"], [Path(root, grid.run_file(run)) for run in runs])
