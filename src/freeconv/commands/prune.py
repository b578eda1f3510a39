"""Removal of stored files that belong to other parameters.

DVC records persisted folders whole, so what an earlier, larger study left there would be recorded with this one. What
DVC's cache holds is deleted, as it can be had again; anything else goes to the attic.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.run_file import to_attic
from freeconv.study import grid, paths
from freeconv.study.params import Params

NAMES = 500  # files that are named on one command line


class Removed(NamedTuple):
    """A file that the parameters do not ask for.

    Attributes:
        path: where it is, or was.
        cached: whether DVC's cache holds its content, so that it can be had again.
        attic: where it was moved; None if it was deleted, or not yet touched.
    """

    path: Path
    cached: bool
    attic: Path | None = None


def stale_files(params: Params, phases: Sequence[str]) -> list[Path]:
    """Return the files in the phases' folders that the parameters do not ask for.

    For the phase `train` these include all checkpoints once every run that the parameters ask for has its results: no
    job is left that could go on from one. Before, all are kept, because which runs share a job is Snakemake's matter.

    Args:
        params: the study.
        phases: among `freeconv.study.paths.FOLDERS`.
    """
    wanted = {Path(path) for path in grid.all_files(params)}
    folders = [Path(folder) for phase in phases for folder in paths.FOLDERS[phase]]
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    if "train" in phases and all(Path(path).is_file() for path in grid.run_files(params)):
        found += [path for path in sorted(Path(paths.CHECKPOINTS).glob("*")) if path.is_file()]
    return [path for path in found if path not in wanted and path.name != ".gitignore"]


def stale(params: Params, phases: Sequence[str]) -> list[Removed]:
    """Return what `stale_files` names, and whether DVC's cache holds it; what killed jobs were writing counts as held.

    Args:
        params: as for `stale_files`.
        phases: as for `stale_files`.
    """
    files = stale_files(params, phases)
    cache = local_cache() if files else None
    return [Removed(path, is_temporary(path) or is_cached(path, cache)) for path in files]


def prune(params: Params, phases: Sequence[str], attic: str | Path = paths.ATTIC) -> list[Removed]:
    """Remove the files that `stale_files` names, what Snakemake noted about them, and folders left empty.

    What DVC's cache holds, and what killed jobs were writing, is deleted; anything else is moved to the attic. The
    phases' own folders stay or are made: DVC records them also where a study puts nothing into one.

    Args:
        params: the study.
        phases: among `freeconv.study.paths.FOLDERS`.
        attic: folder of files that are moved away (see `freeconv.storage.run_file.to_attic`).

    Returns:
        The removed files.
    """
    files = stale(params, phases)
    _forget([file.path for file in files])
    date = time.strftime("%Y-%m-%d-%H%M%S")
    removed = [file if file.cached else file._replace(attic=to_attic(file.path, attic, date)) for file in files]
    for file in removed:
        file.path.unlink(missing_ok=True)
        for folder in file.path.parents:
            if len(folder.parts) < 2 or (folder.is_dir() and any(folder.iterdir())):
                break
            if folder.is_dir():  # else it went with another file
                folder.rmdir()
    for phase in phases:
        for name in paths.FOLDERS[phase]:
            Path(name).mkdir(parents=True, exist_ok=True)
    return removed


def training_seconds(files: Sequence[Removed]) -> float:
    """Return how long the runs among some files were trained that cannot be had again."""
    seconds = 0.0
    for file in files:
        if not file.cached and file.path.parts[:2] == ("results", "train"):
            try:
                attributes = describe_h5(file.path)[1]
            except FreeconvError:
                continue
            seconds += float(attributes.get("seconds", 0)) + float(attributes.get("overhead_seconds", 0))
    return seconds


def _forget(files: Sequence[Path]) -> None:
    """Have Snakemake forget what it noted about files."""
    # of its own accord: what a stage of DVC planned is not planned anew
    environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    for start in range(0, len(files), NAMES):
        names = [str(path) for path in files[start : start + NAMES]]
        command = [sys.executable, "-m", "snakemake", "--cleanup-metadata", *names]
        subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def is_temporary(path: Path) -> bool:
    """Return whether a file is what a job was writing when it was killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def local_cache() -> Path | None:
    """Return the folder of DVC's cache, wherever it is configured; None without DVC."""
    if not Path(".dvc").is_dir():
        return None
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


def is_cached(path: Path, cache: Path | None) -> bool:
    """Return whether DVC's cache holds a file's content, whole."""
    if cache is None:
        return False
    try:
        name = _md5(path)
        return _md5(cache / "files" / "md5" / name[:2] / name[2:]) == name
    except OSError:
        return False


def _md5(path: Path) -> str:
    """Return the MD5 of a file, by which DVC names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
