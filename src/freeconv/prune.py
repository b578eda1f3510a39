"""Removal of stored files that belong to other parameters.

DVC records persisted folders whole, so what an earlier, larger study left there would be recorded with this one.
"""

import subprocess
import sys
from pathlib import Path

from freeconv import layout, runs
from freeconv.params import Params


def stale_files(params: Params, phases: list[str]) -> list[Path]:
    """Return the files in the phases' folders that the parameters do not ask for.

    Args:
        params: the study.
        phases: among `layout.FOLDERS`.
    """
    wanted = {Path(path) for path in runs.all_files(params)}
    folders = [Path(folder) for phase in phases for folder in layout.FOLDERS[phase]]
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in found if path not in wanted and path.name != ".gitignore"]


def prune(params: Params, phases: list[str]) -> list[Path]:
    """Delete the files that `stale_files` names, what Snakemake noted about them, and folders left empty.

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
    return stale
