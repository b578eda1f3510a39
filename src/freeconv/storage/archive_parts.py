"""What the archive keeps beside the histories of a cell: measures of its trained networks, kernels of one of them."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.measures import MEASURE_COLUMNS
from freeconv.storage.archive import OTHER_STUDY, RESTORE, ROUNDING, ArchivedCell, Key, archived_run_name
from freeconv.storage.atomic import AGAIN, write_bytes
from freeconv.storage.csv_files import read_csv, write_csv
from freeconv.study.jobs import first_difference

# Kernels are large beside histories: of one run per cell, after a few epochs and the last, the first filters.
KERNEL_EPOCHS = (0, 1, 10)
KERNEL_FILTERS = 4


@dataclass(frozen=True)
class ArchivedMeasures:
    """What was measured of the trained networks of a cell.

    Attributes:
        settings: of the measures, as `freeconv.study.jobs.MeasureConfig` has them, without what was trained.
        identity: of the runs (see `freeconv.storage.archive.cell_identity`).
        epochs: seed and fold to the epochs that the network was trained.
        rows: columns of `MEASURE_COLUMNS`.
    """

    settings: dict[str, Any]
    identity: dict[str, Any]
    epochs: dict[Key, int]
    rows: pd.DataFrame

    def of(self, key: Key) -> pd.DataFrame:
        """Return the rows of one run."""
        return self.rows[(self.rows["seed"] == key[0]) & (self.rows["fold"] == key[1])]


def measures_of(frame: pd.DataFrame, config: Mapping[str, Any], cell: ArchivedCell) -> ArchivedMeasures:
    """Return measures as they are archived: those of runs that are archived, too.

    Args:
        frame: as `freeconv measure` wrote it; an earlier version had no seeds.
        config: what it was made from.
        cell: the archived runs.
    """
    frame = frame if "seed" in frame else frame.assign(seed=0)
    keys = [(int(seed), int(fold)) for seed, fold in frame[["seed", "fold"]].drop_duplicates().to_numpy()]
    asked = config["train"]["epochs"]
    epochs = {key: min(asked, cell.runs[key].epochs) for key in keys if key in cell.runs}
    settings = {name: value for name, value in config.items() if name not in ("train", "left_out", "made_from")}
    kept = [key in epochs for key in zip(frame["seed"], frame["fold"], strict=True)]
    return ArchivedMeasures(settings, cell.identity, epochs, frame.loc[kept, list(MEASURE_COLUMNS)])


def merged_measures(
    path: str, stored: ArchivedMeasures | None, found: ArchivedMeasures, source: str
) -> ArchivedMeasures:
    """Return measures with those of networks that are missing, and of longer trained ones in the place of others.

    Raises:
        FreeconvError: they were measured with other settings, or those of one network disagree.
    """
    if stored is None:
        return found
    ours, theirs = ({"run": of.identity, **of.settings} for of in (stored, found))
    if differing := first_difference(theirs, {name: value for name, value in ours.items() if name in theirs}):
        name, received, wanted = differing
        raise FreeconvError(f"{path}: expected {name} = {wanted!r}, received {received!r} from {source}; {OTHER_STUDY}")
    epochs, frames = dict(stored.epochs), {key: stored.of(key) for key in stored.epochs}
    for key, trained in found.epochs.items():
        if key not in epochs or trained > epochs[key]:
            epochs[key], frames[key] = trained, found.of(key)
        elif trained == epochs[key] and not _agree(frames[key], found.of(key)):
            raise FreeconvError(
                f"{path}: expected the measures of {archived_run_name(key)} as they are, received others from "
                f"{source}; {OTHER_STUDY}"
            )
    rows = pd.concat([frames[key] for key in sorted(frames)], ignore_index=True)
    return ArchivedMeasures(stored.settings, stored.identity, epochs, rows)


def _agree(ours: pd.DataFrame, theirs: pd.DataFrame) -> bool:
    """Return whether two tables of one network have equal numbers of the measures that both have."""
    keys = ["measure", "layer", "setting", "statistic"]
    both = ours.merge(theirs, on=keys, suffixes=("", "_other"))
    return np.allclose(both["value"], both["value_other"], rtol=ROUNDING, atol=0, equal_nan=True)


def write_measures(path: str, measures: ArchivedMeasures) -> None:
    """Write archived measures, whole or not at all."""
    runs = [
        {"seed": seed, "fold": fold, "epochs": measures.epochs[seed, fold]} for seed, fold in sorted(measures.epochs)
    ]
    write_csv(path, measures.rows, {**measures.identity, "settings": measures.settings, "runs": runs})


def read_measures(path: str) -> ArchivedMeasures:
    """Read archived measures.

    Raises:
        FreeconvError: the file is missing, was changed or damaged, or rows and runs do not belong together.
    """
    try:
        frame, config = read_csv(path)
    except FreeconvError as error:
        raise FreeconvError(str(error).replace(AGAIN, RESTORE)) from error
    try:
        epochs = {(run["seed"], run["fold"]): run["epochs"] for run in config["runs"]}
        identity = {name: config[name] for name in ("run", "data_sha256")}
        settings, rows = config["settings"], frame[list(MEASURE_COLUMNS)]
        known = set(zip(frame["seed"], frame["fold"], strict=True)) <= epochs.keys()
    except (LookupError, TypeError) as error:
        raise FreeconvError(f"{path}: expected archived measures, received another table; {RESTORE}") from error
    if not known:
        raise FreeconvError(f"{path}: expected rows of the runs that its first line names, received others; {RESTORE}")
    return ArchivedMeasures(settings, identity, epochs, rows)


@dataclass(frozen=True)
class ArchivedKernels:
    """First kernels of one run.

    Attributes:
        seed, fold: the run.
        epochs: done at the snapshots.
        layers: recorded layer to (snapshots, positions, kh · kw · channels, filters) float16, the first
            `KERNEL_FILTERS` filters.
    """

    seed: int
    fold: int
    epochs: list[int]
    layers: dict[str, np.ndarray]


def kernels_of(key: Key, arrays: Mapping[str, np.ndarray]) -> ArchivedKernels:
    """Return the kernels of a run that are archived: of its first recorded layer, after a few epochs and the last.

    Args:
        key: the run.
        arrays: as `freeconv.storage.run_file.read_kernels` gives them.
    """
    epochs = arrays["kernel_epochs"].tolist()
    chosen = [place for place, epoch in enumerate(epochs) if epoch in (*KERNEL_EPOCHS, epochs[-1])]
    name = next(name for name in arrays if name.startswith("kernels/"))
    first = arrays[name][chosen][..., :KERNEL_FILTERS].astype("float16")
    return ArchivedKernels(*key, [epochs[place] for place in chosen], {name.removeprefix("kernels/"): first})


def write_kernels(path: str, kernels: ArchivedKernels) -> None:
    """Write archived kernels as a NumPy archive, whole or not at all."""
    about = {"seed": kernels.seed, "fold": kernels.fold, "epochs": kernels.epochs}
    content = io.BytesIO()
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about)), **kernels.layers}
    np.savez_compressed(content, **arrays)
    write_bytes(path, content.getbuffer())


def read_kernels(path: str) -> ArchivedKernels:
    """Read archived kernels.

    Raises:
        FreeconvError: the file is missing or damaged.
    """
    if not Path(path).is_file():
        raise FreeconvError(f"{path}: expected archived kernels, received nothing: the file does not exist")
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            layers = {name: file[name] for name in file.files if name != "about"}
        return ArchivedKernels(about["seed"], about["fold"], about["epochs"], layers)
    except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        raise FreeconvError(
            f"{path}: expected archived kernels, received a damaged or foreign file ({problem}); {RESTORE}"
        ) from error


def newer(stored: ArchivedKernels | None, found: ArchivedKernels) -> bool:
    """Return whether kernels take the place of others: of a lower seed and fold, or of the same run, trained longer."""
    if stored is None:
        return True
    if (stored.seed, stored.fold) == (found.seed, found.fold):
        return found.epochs[-1] > stored.epochs[-1]
    return (found.seed, found.fold) < (stored.seed, stored.fold)
