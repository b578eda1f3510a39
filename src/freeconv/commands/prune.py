"""Removal of stored files that belong to other parameters.

DVC records persisted folders whole, so what an earlier, larger study left there would be recorded with this one.
"""

import subprocess
import sys
from pathlib import Path

from freeconv.study import grid, paths
from freeconv.study.params import Params


def stale_files(params: Params, phases: list[str]) -> list[Path]:
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


def prune(params: Params, phases: list[str]) -> list[Path]:
    """Delete the files that `stale_files` names, what Snakemake noted about them, and folders left empty.

    The phases' own folders stay or are made: DVC records them also where a study puts nothing into one.

    Returns:
        The deleted files.
    """
    stale = stale_files(params, phases)
    if stale:
        names = [str(path) for path in stale]
        snakemake = [sys.executable, "-m", "snakemake", "--cleanup-metadata", *names]
        subprocess.run(snakemake, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in stale:
        path.unlink()
        for folder in path.parents:
            if len(folder.parts) < 2 or any(folder.iterdir()):
                break
            folder.rmdir()
    for phase in phases:
        for name in paths.FOLDERS[phase]:
            Path(name).mkdir(parents=True, exist_ok=True)
    return stale
