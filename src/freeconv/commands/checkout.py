"""The way back to the study of the commit that is checked out, whatever was made, edited or interrupted since."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from freeconv.commands.prune import Removed, is_cached, is_temporary, local_cache
from freeconv.errors import FreeconvError
from freeconv.machine.locks import holder, is_held
from freeconv.machine.snakemake_notes import MARKS
from freeconv.machine.watchdog import LIVE_RUN
from freeconv.storage.run_file import to_attic
from freeconv.study import paths

LOCK = "dvc.lock"
# A DVC that was killed may have left an index that lacks outputs, which no checkout would then restore
# (docs/dvc-killed-push.md).
CHECKOUT = """
import sys
from contextlib import suppress
from dvc.cli import main
from dvc.exceptions import DvcException
from dvc.repo import Repo
with suppress(DvcException):  # of which checkout tells in a line
    Repo().drop_data_index()
sys.exit(main(["checkout", "--force", "--quiet"]))
"""
SNAKEMAKE = Path(".snakemake")  # of what is in it only the notes of files are DVC's, and none is anybody's result


def checkout(attic: str | Path = paths.ATTIC) -> list[Removed]:
    """Bring back every file that DVC recorded with the commit; Snakemake then has nothing to do.

    Files in the way that DVC's cache does not hold go to the attic.

    Returns:
        The files in the way.

    Raises:
        FreeconvError: a Snakemake is running, nothing is recorded, or DVC's cache lacks a file.
    """
    if is_held(LIVE_RUN):
        raise FreeconvError(
            f"{LIVE_RUN}: expected no run in this folder, received process {holder(LIVE_RUN)}; wait for it or end it"
        )
    date = time.strftime("%Y-%m-%d-%H%M%S")
    moved = [file._replace(attic=to_attic(file.path, attic, date)) for file in _in_the_way()]
    shutil.rmtree(MARKS, ignore_errors=True)
    command = [sys.executable, "-c", CHECKOUT]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise FreeconvError(f"{LOCK}: expected every file in DVC's cache, received an error ({reason}); run dvc pull")
    return moved


def _in_the_way() -> list[Removed]:
    """Return the files in the folders that DVC records whose content its cache does not hold."""
    try:
        stages = yaml.safe_load(Path(LOCK).read_text())["stages"].values()
        recorded = [Path(out["path"]) for stage in stages for out in stage["outs"]]
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise FreeconvError(
            f"{LOCK}: expected what DVC recorded, received nothing that can be read; check out a commit with results"
        ) from error
    cache = local_cache()
    found = [
        file
        for path in recorded
        if SNAKEMAKE not in path.parents
        for file in ([path] if path.is_file() else sorted(path.rglob("*")))
    ]
    return [
        Removed(file, False)
        for file in found
        if file.is_file() and not is_temporary(file) and not is_cached(file, cache)
    ]
