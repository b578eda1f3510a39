"""One line of JSON per epoch, for whoever watches training (docs/watching.md)."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

from freeconv.commands.progress import Progress
from freeconv.study.jobs import RunConfig


def epoch_lines(path: str | Path, epochs: int) -> Progress:
    """Return a progress function that adds a line of JSON to a file after each epoch of each run.

    A line has `time` (UTC), `dataset`, `network`, `augmentation`, `level`, `fold`, `seed`, `epoch` (done, counted from
    1), `epochs` (asked for), `finished`, and all that the run recorded; numbers that are not finite are null. A job
    that was killed and goes on from a checkpoint may write an epoch twice: the later line counts. That a line cannot be
    written is reported once, on standard output; training goes on.

    Args:
        path: the file; a missing one is made, and so is its folder.
        epochs: asked for.
    """
    path, broken = Path(path), False

    def write(run: RunConfig, epoch: int, row: dict[str, float], finished: bool) -> None:
        nonlocal broken
        if not row or broken:
            return
        labels = {name: getattr(run, name) for name in ("dataset", "network", "augmentation", "level", "fold")}
        numbers = {name: value if math.isfinite(value) else None for name, value in row.items()}
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **labels,
            "seed": run.train_seed,
            "epoch": epoch,
            "epochs": epochs,
            "finished": finished,
            **numbers,
        }
        try:
            _append(path, json.dumps(line))
        except OSError as error:
            broken = True
            print(f"{path}: expected a file that can be written, received {error.strerror}; epochs are not added to it")

    return write


def _append(path: Path, line: str) -> None:
    """Add a line to a file; one that a killed job left without its end is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line.encode() + b"\n")
