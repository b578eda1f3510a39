"""The archive: a study's runs as a few megabytes of text, one file per dataset, network, augmentation and level.

A file's first line says in JSON what its runs are (`identity`: their configuration without fold and seed, and the
content of the dataset), what is known of the images, and of each run what its own file said: epochs, whether it was
finished, seconds, versions, backend, device, threads, seams, hash of the code, day. Below is a row per seed, fold and
epoch: all that was recorded, and kernel distances of recorded layers, `<layer>_<measure>_<radius>`, at each radius that
fits. Epoch 0 is the untrained network. What was not recorded is empty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN
from freeconv.storage.csv_files import read_csv, write_csv
from freeconv.study.jobs import RunConfig, first_difference
from freeconv.study.paths import fold_name
from freeconv.training.state import LATER

RESTORE = "take it from Git (git checkout) or move it away and archive its runs again"
OTHER_STUDY = "give the study another name (study: in the parameter file), or move the archive's file away"
# Of a run's file, what the archive keeps of each run; those of all runs of a cell are kept once.
ABOUT = (
    "epochs",
    "finished",
    "stopped_early",
    "seconds",
    "overhead_seconds",
    "stack",
    "weights_seed",
    "code",
    "parent_sha256",
    "versions",
    "backend",
    "device",
    "threads",
    "seams",
    "test",
    "made",
)
ABOUT_CELL = ("images", "classes", "grids", "image_shape")
# Two trainings of one run on one machine differ in nothing else.
TIMES = ("cpu_seconds",)
# Written with 9 digits; neighbours of type float32 are further apart.
ROUNDING = 2e-8

Key = tuple[int, int]  # seed and fold of a run


@dataclass(frozen=True)
class ArchivedRun:
    """One run.

    Attributes:
        about: those of `ABOUT` that are known.
        rows: index epoch, 0 where there are distances of the untrained network; a float column for all that was
            recorded, NaN where it was not.
    """

    about: dict[str, Any]
    rows: pd.DataFrame

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return int(self.about["epochs"])

    def history(self) -> dict[str, np.ndarray]:
        """Return what the run recorded after each epoch, as its file holds it: name to float32 (epochs,)."""
        trained = self.rows.loc[self.rows.index > 0]
        names = [name for name in trained if distance_of(str(name)) is None]
        return {
            str(name): trained[name].to_numpy("float32")
            for name in names
            if name not in LATER or trained[name].notna().any()
        }

    def distances(self) -> dict[tuple[str, str, int], pd.Series]:
        """Return layer, measure and radius to the distances by epoch."""
        found = {column: distance_of(str(column)) for column in self.rows}
        return {parts: self.rows[column].dropna() for column, parts in found.items() if parts is not None}


@dataclass(frozen=True)
class ArchivedCell:
    """All archived runs of a dataset, network, augmentation and level.

    Attributes:
        identity: `run`, their configuration without fold and seed, and `data_sha256`.
        about: those of `ABOUT_CELL` that are known.
        runs: by seed and fold.
    """

    identity: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)
    runs: dict[Key, ArchivedRun] = field(default_factory=dict)


class Change(NamedTuple):
    """What archiving a run changed: `added`, `longer` or `finished`."""

    key: Key
    what: str


def cell_identity(run: RunConfig, data_sha256: str | None) -> dict[str, Any]:
    """Return what all runs of a cell are."""
    config = {name: value for name, value in run.dump().items() if name not in ("fold", "train_seed")}
    return {"run": config, "data_sha256": data_sha256}


def distance_column(layer: str, measure: str, radius: int) -> str:
    """Return the name of a column of kernel distances: `free_1_euclidean_4`."""
    return f"{layer}_{measure}_{radius}"


def distance_of(column: str) -> tuple[str, str, int] | None:
    """Return layer, measure and radius of a column of kernel distances; None of others."""
    layer, _, rest = column.rpartition("_euclidean_") if "_euclidean_" in column else column.rpartition("_cosine_")
    if not layer or not rest.isdigit():
        return None
    return layer, "euclidean" if "_euclidean_" in column else "cosine", int(rest)


def write_cell(path: str, cell: ArchivedCell) -> None:
    """Write a cell's file, whole or not at all."""
    runs = [{"seed": seed, "fold": fold, **cell.runs[seed, fold].about} for seed, fold in sorted(cell.runs)]
    frames = [
        cell.runs[seed, fold].rows.rename_axis("epoch").reset_index().assign(seed=seed, fold=fold)
        for seed, fold in sorted(cell.runs)
    ]
    frame = pd.concat(frames, ignore_index=True)
    keys = ["seed", "fold", "epoch"]
    write_csv(
        path,
        frame[[*keys, *(name for name in frame if name not in keys)]],
        {**cell.identity, **cell.about, "runs": runs},
    )


def read_cell(path: str) -> ArchivedCell:
    """Read a cell's file.

    Raises:
        FreeconvError: it is missing, was changed or damaged, or a row is missing or of no run.
    """
    try:
        frame, config = read_csv(path)
    except FreeconvError as error:
        raise FreeconvError(str(error).replace(AGAIN, RESTORE)) from error
    try:
        abouts = {(about.pop("seed"), about.pop("fold")): about for about in config.pop("runs")}
        rows = {key: of.drop(columns=["seed", "fold"]) for key, of in frame.groupby(["seed", "fold"])}
        identity = {name: config.pop(name) for name in ("run", "data_sha256")}
        runs = {key: ArchivedRun(about, rows.pop(key).set_index("epoch")) for key, about in abouts.items()}
        broken = next(iter(rows), None) or next((key for key, run in runs.items() if not _is_whole(run)), None)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FreeconvError(f"{path}: expected an archive of runs, received another table; {RESTORE}") from error
    if broken is not None:
        raise FreeconvError(
            f"{path}: expected a row for each epoch of the runs that its first line names, received others of seed "
            f"{broken[0]}, fold {broken[1]}; {RESTORE}"
        )
    return ArchivedCell(identity, config, runs)


def _is_whole(run: ArchivedRun) -> bool:
    """Return whether there is one row for each epoch, in order."""
    epochs = run.rows.index.to_list()
    return epochs[-run.epochs :] == list(range(1, run.epochs + 1)) and epochs[: -run.epochs] in ([], [0])


def merged(
    path: str, stored: ArchivedCell | None, found: ArchivedCell, source: str
) -> tuple[ArchivedCell, list[Change]]:
    """Return a cell with other runs of it: those that it lacks, and longer ones in the place of shorter ones.

    Args:
        path: of the cell's file, for messages.
        stored: the cell; None if there is none.
        found: the other runs.
        source: where they are from, for messages.

    Returns:
        The cell, and what has changed. A run that is there with as many or more epochs stays as it is.

    Raises:
        FreeconvError: the other runs are of another configuration or dataset, or a run disagrees with the one that is
            there in epochs that both have, though trained by the same code on the same machine, or with as many epochs.
    """
    if stored is None:
        return found, [Change(key, "added") for key in sorted(found.runs)]
    if differing := first_difference(found.identity, stored.identity):
        name, received, wanted = differing
        raise FreeconvError(f"{path}: expected {name} = {wanted!r}, received {received!r} from {source}; {OTHER_STUDY}")
    runs, changes = dict(stored.runs), []
    for key, run in sorted(found.runs.items()):
        before = runs.get(key)
        if before is not None:
            check_agrees(f"{path}: seed {key[0]}, fold {key[1]}", before, run, source)
        if before is None or run.epochs > before.epochs:
            runs[key] = run
            changes.append(Change(key, "added" if before is None else "longer"))
        elif run.epochs == before.epochs and run.about["finished"] and not before.about["finished"]:
            runs[key] = ArchivedRun(run.about, before.rows)
            changes.append(Change(key, "finished"))
    return ArchivedCell(stored.identity, {**found.about, **stored.about}, runs), changes


def check_agrees(name: str, stored: ArchivedRun, found: ArchivedRun, source: str) -> None:
    """Refuse a run that has other numbers than the one that is archived, where these should be the same.

    Raises:
        FreeconvError: names the first such number.
    """
    if stored.epochs != found.epochs and _origin(stored) != _origin(found):
        return  # trained anew: the longer one counts
    epochs = stored.rows.index.intersection(found.rows.index)
    for column in stored.rows.columns.intersection(found.rows.columns).difference(list(TIMES)):
        ours, theirs = (run.rows.loc[epochs, column].to_numpy(float) for run in (stored, found))
        unlike = ~(np.isclose(ours, theirs, rtol=ROUNDING, atol=0, equal_nan=True) | np.isnan(ours) | np.isnan(theirs))
        if unlike.any():
            first = int(np.argmax(unlike))
            raise FreeconvError(
                f"{name}: expected {column} = {ours[first]:.9g} in epoch {epochs[first]}, received {theirs[first]:.9g} "
                f"from {source}: two trainings of one run disagree, the archive is left as it is; {OTHER_STUDY}"
            )


def _origin(run: ArchivedRun) -> list[Any]:
    """Return on what a run was trained; none without seams."""
    return [run.about.get(name) for name in ("code", "versions", "backend", "device", "threads", "seams")]


def run_rows(
    history: Mapping[str, np.ndarray], distances: Mapping[str, np.ndarray], kernel_epochs: Iterable[int]
) -> pd.DataFrame:
    """Return the rows of a run.

    Args:
        history: name to array (epochs,).
        distances: column to array (snapshots,).
        kernel_epochs: epochs done at the snapshots.
    """
    epochs = pd.RangeIndex(1, len(history["val_acc"]) + 1, name="epoch")
    # as a run's file holds them, whatever they were read from
    recorded = pd.DataFrame({name: np.asarray(of, "float32").astype(float) for name, of in history.items()}, epochs)
    kernels = pd.DataFrame(dict(distances), pd.Index(list(kernel_epochs), dtype=int, name="epoch"), dtype=float)
    return recorded.join(kernels, how="outer") if len(kernels.columns) else recorded


def run_about(attributes: Mapping[str, Any], **other: Any) -> dict[str, Any]:
    """Return what the archive keeps of a run's attributes."""
    known = {**attributes, **other}
    return {name: known[name] for name in ABOUT if name in known}


def archived_run_name(key: Key) -> str:
    """Return what tells a run of a cell from others: `fold 1`, `fold 1-seed-2`."""
    return f"fold {fold_name(key[1], key[0])}"
