"""A study at work as a terminal shows it: the phases with what is done, running and left, and the jobs at work."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from freeconv.terminal.epochs import EpochLines

# The rules of each phase, as in workflow/rules; those of a phase `train` begin with its name.
PHASES = {
    "fetch": "data",
    "shard": "shards",
    "train": "train",
    "distance": "distance",
    "measure": "measure",
    "tables": "report",
    "figures": "report",
    "drawings": "report",
    "report": "report",
}
ORDER = tuple(dict.fromkeys(PHASES.values()))
TAIL = 65536  # bytes at the end of a log that are searched for its last words
ERROR = "freeconv: error:"  # what the one line begins with that a command ends in
NARROW = 70  # columns below which there is no bar


def phase_of(rule: str) -> str | None:
    """Return a rule's phase; None for targets, which run nothing. A rule of the user's own is a phase of its own."""
    if rule == "all" or rule.startswith("all_"):
        return None
    return PHASES.get(rule.partition("_")[0], rule)


@dataclass
class Job:
    """A job at work.

    Attributes:
        phase: its phase.
        label: its name for people, as `mnist-5k fcn translate`.
        begin: when it was started or queued, in seconds since 1970.
        logs: its log; its lines of JSON are beside it.
        runs: how many networks it trains; 0 of a job that trains none.
        queued: whether it waits in a cluster's queue.
    """

    phase: str
    label: str
    begin: float
    logs: Sequence[str] = ()
    runs: int = 0
    queued: bool = False
    lines: EpochLines | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.runs and self.logs:
            self.lines = EpochLines(Path(self.logs[0]).with_suffix(".jsonl"), self.begin)

    def share(self) -> float:
        """Return the share of the job that is done, as far as it says: its epochs of all."""
        epochs = list(self.lines.look().values()) if self.lines else []
        return sum(epoch.done() / epoch.epochs for epoch in epochs) / max(self.runs, len(epochs), 1)

    def state(self) -> str:
        """Return how far the job is, in words."""
        if self.lines is None:
            return "queued" if self.queued else ""
        runs = self.lines.look()
        if (latest := self.lines.latest()) is None:
            return "queued" if self.queued else "starting"
        number = f"run {len(runs)} of {self.runs}, " if self.runs > 1 else ""
        return number + latest.text()

    def accuracies(self) -> str:
        """Return the accuracies of the job's last epoch; empty if it trains nothing."""
        latest = self.lines.latest() if self.lines and self.lines.look() else None
        return f"{len(self.lines.runs)} runs, {latest.text()}" if self.lines and latest else ""


@dataclass
class Phase:
    """A phase of the study: how many of its jobs are done, and since when it is at work.

    `stored` of the jobs that are done were not done by this run, so they say nothing about its speed.
    """

    name: str
    total: int = 0
    done: int = 0
    failed: int = 0
    begin: float | None = None
    stored: int = 0

    def left(self, jobs: Iterable[Job], now: float) -> float | None:
        """Return the seconds that the phase will take from now, at its speed so far; None if nothing is known yet."""
        if self.done >= self.total:
            return 0.0
        done = self.done - self.stored + sum(job.share() for job in jobs if job.phase == self.name)
        if self.begin is None or not done:
            return None
        return (now - self.begin) / done * max(self.total - self.stored - done, 0.0)


def duration(seconds: float) -> str:
    """Return seconds as 0:01:05."""
    return str(timedelta(seconds=round(seconds)))


def jobs_text(number: int) -> str:
    """Return a number of jobs in words."""
    return f"{number} job" if number == 1 else f"{number} jobs"


def phase_text(phase: Phase, jobs: Sequence[Job], now: float) -> str:
    """Return a phase as one line: `train: 2 of 4 jobs, 2 running, 0:03:10 left`."""
    own = [job for job in jobs if job.phase == phase.name]
    queued = sum(job.queued for job in own)
    seconds = phase.left(jobs, now)
    parts = [f"{phase.done} of {jobs_text(phase.total)}"]
    parts += [f"{len(own) - queued} running"] if len(own) > queued else []
    parts += [f"{queued} queued"] if queued else []
    parts += [f"{phase.failed} failed"] if phase.failed else []
    parts += [f"{duration(seconds)} left"] if seconds else []
    return f"{phase.name}: {', '.join(parts)}"


class SteadyConsole(Console):
    """A console that never hides the cursor, which a killed run could not bring back."""

    def show_cursor(self, show: bool = True) -> bool:
        """Show the cursor; do nothing if asked to hide it."""
        return super().show_cursor(True) if show else False


class View:
    """Phases and jobs for a live display, as high as the terminal allows; a line says how many jobs are not shown."""

    def __init__(self, phases: Sequence[Phase], jobs: Iterable[Job], begin: float | None = None) -> None:
        self.phases, self.jobs, self.begin = phases, jobs, begin

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Return the phases as a table and, below, the jobs at work, those that train first."""
        now, jobs = time.time(), sorted(self.jobs, key=lambda job: not job.runs)
        wide = options.max_width >= NARROW
        table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
        for name in ("phase", *(["done"] if wide else []), ""):
            table.add_column(name, no_wrap=True)
        for name in ("running", "left"):
            table.add_column(name, justify="right", no_wrap=True)
        for phase in self.phases:
            table.add_row(*self._row(phase, jobs, now, wide))
        yield table
        width = options.max_width
        room = max((options.height or console.size.height) - len(self.phases) - 3, 2)
        for number, job in enumerate(jobs):
            text = self._text(job, now, width)
            room -= len(text.wrap(console, width))
            if room < 1 and number < len(jobs) - 1:
                yield Text(f"and {jobs_text(len(jobs) - number)} more", style="dim")
                return
            yield text

    def _row(self, phase: Phase, jobs: Sequence[Job], now: float, wide: bool) -> list[Text | ProgressBar]:
        """Return a phase's cells."""
        own = [job for job in jobs if job.phase == phase.name]
        share = min(phase.done + sum(job.share() for job in own), phase.total)
        seconds = phase.left(jobs, now)
        done = Text(f"{phase.done}/{phase.total}", style="green" if phase.done == phase.total else "")
        if phase.failed:
            done.append(f" {phase.failed} failed", style="red")
        bar = [ProgressBar(max(phase.total, 1), share if phase.total else 1, width=20)] if wide else []
        left = "" if phase.done == phase.total else "?" if seconds is None else duration(seconds)
        return [Text(phase.name), *bar, done, Text(str(len(own) or "")), Text(left)]

    def _text(self, job: Job, now: float, width: int) -> Text:
        """Return what is said of a job: in one line if it fits, else in two or more."""
        state = job.state() or f"since {duration(now - job.begin)}"
        between = "  " if len(job.label) + len(state) + 2 <= width else "\n  "
        return Text(job.label, style="cyan").append(between + state, style="default")


def last_words(log: str | Path) -> tuple[str, bool]:
    """Return the line of a log that says most about why its job failed, and whether it is an error.

    That is the last `freeconv: error:`, else what a traceback ends with. Else it is the last line, which is no error: a
    job that was killed says nothing. Whatever is not UTF-8 is replaced; empty if the log is missing or empty.
    """
    try:
        with Path(log).open("rb") as file:
            file.seek(max(file.seek(0, 2) - TAIL, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return "", False
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if errors := [line for line in lines if line.startswith(ERROR)]:
        return errors[-1], True
    return (lines or [""])[-1], any(line.startswith("Traceback (most recent call last)") for line in lines)


def failure(label: str, logs: Sequence[str]) -> str:
    """Return why a job failed as one line, with its log's path."""
    said, is_error = next((words for words in map(last_words, logs) if words[0]), ("", False))
    where = f"log: {', '.join(logs)}" if logs else "no log"
    if said.startswith(ERROR):
        return f"{said} ({label}; {where})"
    if not is_error:
        last = f"; it said last: {said}" if said else ""
        said = f"ended without an error, as a killed job does{last}"
    return f"{ERROR} {label}: {said} ({where})"
