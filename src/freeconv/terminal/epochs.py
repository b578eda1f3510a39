"""The lines of JSON that training jobs write (docs/watching.md), read while they grow."""

import json
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

# What is shown of an epoch, in this order, of what its line holds.
ACCURACIES = ("train_acc", "val_acc", "translate_acc")
SLACK = 2  # seconds: lines have whole ones, and clocks of machines differ


class Epoch(NamedTuple):
    """The last epoch of a run.

    Attributes:
        run: level, fold and seed.
        epoch: done, from 1.
        epochs: asked for.
        finished: whether the run has ended, which it may do before its last epoch.
        accuracies: by name, from 0 to 1.
        time: in seconds since 1970.
    """

    run: tuple[float, int, int]
    epoch: int
    epochs: int
    finished: bool
    accuracies: dict[str, float]
    time: float

    def done(self) -> int:
        """Return the epochs that count as done."""
        return self.epochs if self.finished else self.epoch

    def text(self) -> str:
        """Return the epoch in words."""
        level, fold, seed = self.run
        name = f"{level:g} fold {fold}" + (f" seed {seed}" if seed else "")
        numbers = [f"{name} {value:.3f}" for name, value in self.accuracies.items()]
        return ", ".join([f"{name}: epoch {self.epoch}/{self.epochs}", *numbers])


class EpochLines:
    """The last epoch of each run of a job, from its file; only what was added since the last look is read."""

    def __init__(self, path: str | Path, since: float = 0.0) -> None:
        """Begin with a file that need not be there.

        Args:
            path: the file.
            since: seconds since 1970; lines from before are of an earlier job.
        """
        self.path, self.since = Path(path), since
        self.runs: dict[tuple[float, int, int], Epoch] = {}
        self._offset, self._rest = 0, b""

    def look(self) -> dict[tuple[float, int, int], Epoch]:
        """Return the last epoch of each run, in the order in which the runs began."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # another file took its place
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                added = file.read()
        except OSError:
            return self.runs
        self._offset += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        for line in lines:
            if (epoch := read_line(line)) and epoch.time >= self.since - SLACK:
                self.runs[epoch.run] = epoch
        return self.runs

    def latest(self) -> Epoch | None:
        """Return the epoch that ended last, as of the last look; None before the first."""
        return max(self.runs.values(), key=lambda epoch: epoch.time, default=None)


def read_line(line: bytes) -> Epoch | None:
    """Return what a line says; None if it is not whole, as a killed job leaves it."""
    try:
        row = json.loads(line.decode(errors="replace"))
        return Epoch(
            (float(row["level"]), int(row["fold"]), int(row["seed"])),
            int(row["epoch"]),
            int(row["epochs"]),
            bool(row["finished"]),
            {name: float(row[name]) for name in ACCURACIES if row.get(name) is not None},
            datetime.fromisoformat(row["time"]).timestamp(),
        )
    except (ValueError, LookupError, TypeError):
        return None
