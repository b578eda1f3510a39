"""Snakemake's messages as one live view in a terminal, and as few plain lines elsewhere.

`--verbose`, `--quiet` and `--debug-dag` ask for Snakemake's own messages, and get them. All of them are in the file
below `.snakemake/log` as always.
"""

import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:  # Snakemake imports this module at every start, also for what shows nothing
    from rich.console import Console
    from rich.live import Live

    from freeconv.terminal.view import Job, Phase

# What Snakemake says of itself at every run; other messages are shown.
CHATTER = (
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Complete log(s)",
    "Elapsed time",
    "Execute ",
    "Group jobs: inactive",
    "Job rate limit reached",
    "Reasons:",
    "Removing temporary output",
    "Rules with provenance triggered jobs",
    "SLURM run ID",
    "Select jobs to execute",
    "Some jobs were triggered by provenance",
    "Using shell",
    "Waiting at most",
    "Would remove temporary output",
)
# What it says of a failed job beside the line that says why: the command, and once more that it failed.
KNOWN = (
    "CalledProcessError",
    "Exiting because a job execution failed",
    "Removing output files of failed job",
    "Restored previous version",
    "RuleException:\nCalledProcessError",
    "Shutting down",
    "WorkflowError:\nAt least one job did not complete",
)
EVERY = 10  # a plain line each time that a tenth of a phase's jobs is done
BEAT = 600  # seconds without a plain line after which one says how far training is
LONGEST = 150  # characters of a reason
FOLLOWS = "Input files updated by another job"  # a reason that says nothing beside another


class LogHandler(LogHandlerBase):
    """The handler that Snakemake calls, in a thread of its own, with each message."""

    def __post_init__(self) -> None:
        """Choose what to show."""
        settings = self.common_settings
        stream = sys.stdout if settings.stdout else sys.stderr
        self._shown: _Snakemake | _Plan | _Run
        if settings.verbose or settings.quiet or settings.debug_dag:
            self._shown = _Snakemake(self, stream, settings.nocolor)
        elif settings.dryrun:
            self._shown = _Plan(stream)
        else:
            self._shown = _Run(stream, settings.nocolor)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message; nothing that goes wrong here may end the run."""
        try:
            self._shown.emit(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Show how the run ended."""
        try:
            self._shown.close()
        finally:
            super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Return that this takes the place of Snakemake's own output in the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Return that Snakemake's own file of messages stays as it is."""
        return False

    @property
    def has_filter(self) -> bool:
        """Return that Snakemake's own filter decides what comes here."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Return that Snakemake's own words are used where it shows them."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Return that the graph of rules is not needed."""
        return False


class _Snakemake:
    """Snakemake's own output."""

    def __init__(self, plugin: LogHandler, stream: TextIO, nocolor: bool) -> None:
        from snakemake.logging import ColorizingTextHandler

        self._plugin, self._handler = plugin, ColorizingTextHandler(nocolor=nocolor, stream=stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message as Snakemake does."""
        self._handler.setFormatter(self._plugin.formatter)
        self._handler.emit(record)

    def close(self) -> None:
        """Do nothing: Snakemake has said how it ended."""


class _Plan:
    """What a dry run plans: a line per job with its reason, then Snakemake's table of numbers of jobs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._stats = stream, ""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message of a dry run."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._stats = record.getMessage()  # comes twice, before the jobs and after
        elif event == LogEvent.JOB_INFO:
            fields = _fields(record)
            if fields["rule_name"].partition("_")[0] != "all":
                self._print(f"{_label(fields)}: {_short_reason(fields.get('reason') or '')}")
        elif event == LogEvent.SHELLCMD:
            self._print(str(record.__dict__.get("shellcmd") or "").rstrip())
        elif event in (None, LogEvent.ERROR) and not _is_chatter(record):
            self._end_of_jobs()
            self._print(record.getMessage())

    def close(self) -> None:
        """Show the numbers of jobs if nothing came after them."""
        self._end_of_jobs()

    def _end_of_jobs(self) -> None:
        """Show the numbers of jobs, once."""
        if self._stats:
            self._print(self._stats.rstrip())
        self._stats = ""

    def _print(self, text: str) -> None:
        """Write a line."""
        print(text, file=self._stream, flush=True)


class _Run:
    """A run: phases and jobs, shown live or in lines."""

    def __init__(self, stream: TextIO, nocolor: bool) -> None:
        self._from = Path.cwd()  # Snakemake changes to the study's folder later
        self._stream, self._nocolor = stream, nocolor
        self._begin, self._spoke = time.time(), time.time()
        self._phases: dict[str, Phase] = {}
        self._jobs: dict[int, Job] = {}
        self._failed: dict[int, str] = {}
        self._rules: set[str] = set()
        self._live: Live | None = None
        self._made: Console | None = None
        self._shows = False
        self._ended = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a message of a run."""
        fields, event = _fields(record), getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._planned(fields.get("stats", {}))
        elif event == LogEvent.JOB_INFO:
            self._begun(fields)
        elif event == LogEvent.JOB_FINISHED:
            self._finished(fields["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self._errored(fields)
        elif event == LogEvent.SHELLCMD:
            self._print(str(fields.get("shellcmd") or "").rstrip())
        elif record.getMessage().startswith(KNOWN):
            return
        elif event in (None, LogEvent.ERROR) and not _is_chatter(record):
            self._print(record.getMessage().rstrip(), "red" if record.levelno >= logging.ERROR else None)

    def _planned(self, stats: Mapping[str, int]) -> None:
        """Take how many jobs each rule has."""
        from freeconv.terminal.view import ORDER, Phase, phase_of

        totals: dict[str, int] = dict.fromkeys(ORDER, 0)
        for rule, number in stats.items():
            if rule != "total" and (name := phase_of(rule)):
                totals[name] = totals.get(name, 0) + number
                self._rules.add(rule)
        self._phases = {name: Phase(name, total) for name, total in totals.items() if total}

    def _begin_view(self) -> None:
        """Say what is planned and begin the view, with the first job: a run that is refused ends before."""
        from freeconv.terminal.view import jobs_text

        self._shows = True
        planned = ", ".join(f"{phase.name} {phase.total}" for phase in self._phases.values())
        self._print(f"freeconv: {jobs_text(sum(phase.total for phase in self._phases.values()))}: {planned}")
        if self._console().is_terminal and not self._console().is_dumb_terminal and "DVC_STAGE" not in os.environ:
            self._begin_live()
        else:
            threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def _begin_live(self) -> None:
        """Begin the live view."""
        from rich.live import Live

        from freeconv.terminal.view import View

        self._live = Live(
            get_renderable=lambda: View(list(self._phases.values()), list(self._jobs.values())),
            console=self._console(),
            refresh_per_second=2,
            vertical_overflow="crop",
        )
        self._live.start()

    def _begun(self, fields: Mapping[str, Any]) -> None:
        """Take a job that was started, or queued on a cluster."""
        from freeconv.terminal.view import Job, phase_of

        if (name := phase_of(fields["rule_name"])) is None:
            return
        if not self._shows:
            self._begin_view()
        runs = len(fields.get("output") or ()) if name == "train" else 0
        job = Job(name, _label(fields), time.time(), list(fields.get("log") or ()), runs)
        self._failed.pop(fields["jobid"], None)  # it is tried again
        self._jobs[fields["jobid"]] = job
        phase = self._phase(name)
        phase.begin = phase.begin or time.time()
        phase.failed = self._failures(name)

    def _finished(self, number: int) -> None:
        """Take a job that is done."""
        from freeconv.terminal.view import duration, phase_text

        if (job := self._jobs.pop(number, None)) is None:
            return
        phase = self._phase(job.phase)
        phase.done += 1
        if self._live is not None:
            return
        if job.runs:
            seconds = duration(time.time() - job.begin)
            self._print(f"{_clock()} {job.label}: {job.accuracies() or 'done'} in {seconds}")
        steps = max(phase.total // EVERY, 1)
        if phase.done % steps == 0 or phase.done == phase.total:
            self._print(f"{_clock()} {phase_text(phase, list(self._jobs.values()), time.time())}")

    def _errored(self, fields: Mapping[str, Any]) -> None:
        """Take a job that failed."""
        from freeconv.terminal.view import failure, phase_of

        number, name = fields["jobid"], phase_of(fields["rule_name"]) or "all"
        if number in self._failed:
            return  # Snakemake says it again at the end
        logs = [*(fields.get("log") or ()), *_cluster_logs(fields)]
        job = self._jobs.pop(number, None)
        self._failed[number] = name
        self._phase(name).failed = self._failures(name)
        self._print(failure(job.label if job else _label(fields), logs), "red")

    def close(self) -> None:
        """End the view and say what was done, where the report is, and how long it took."""
        from freeconv.terminal.ending import report_line
        from freeconv.terminal.view import duration, jobs_text

        if self._ended.is_set():
            return
        self._ended.set()
        if self._live is not None:
            self._live.stop()
            self._live = None
        if not self._shows:
            return
        done, total = (sum(getattr(phase, name) for phase in self._phases.values()) for name in ("done", "total"))
        seconds = duration(time.time() - self._begin)
        if done == total:
            self._print(f"freeconv: {jobs_text(done)} done in {seconds}")
            if "report" in self._rules and (line := report_line(self._from)):
                self._print(f"freeconv: {line}")
            return
        failed = len(self._failed)
        left = f"{done} of {jobs_text(total)} done, {failed} failed, {total - done - failed} not run in {seconds}"
        self._print(f"freeconv: {left}; snakemake goes on with what is left", "red")

    def _beat(self) -> None:
        """Say how far training is where no line has come for a while."""
        from freeconv.terminal.view import phase_text

        while not self._ended.wait(BEAT / 10):
            if time.time() - self._spoke < BEAT:
                continue
            jobs = list(self._jobs.values())
            for phase in list(self._phases.values()):
                if any(job.phase == phase.name for job in jobs):
                    self._print(f"{_clock()} {phase_text(phase, jobs, time.time())}")
            for job in jobs:
                if job.runs:
                    self._print(f"{_clock()} {job.label}: {job.state()}")

    def _phase(self, name: str) -> "Phase":
        """Return a phase; one that was not planned begins empty."""
        from freeconv.terminal.view import Phase

        return self._phases.setdefault(name, Phase(name))

    def _failures(self, name: str) -> int:
        """Return how many jobs of a phase have failed for good, as far as is known."""
        return sum(phase == name for phase in self._failed.values())

    def _console(self) -> "Console":
        """Return the console that is written to."""
        from freeconv.terminal.view import SteadyConsole

        if self._made is None:
            self._made = SteadyConsole(file=self._stream, no_color=True if self._nocolor else None)
        return self._made

    def _print(self, text: str, style: str | None = None) -> None:
        """Write lines, above the live view if there is one."""
        self._spoke = time.time()
        self._console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a message says beside its text."""
    return record.__dict__


def _label(fields: Mapping[str, Any]) -> str:
    """Return a job's name for people: `mnist-5k fcn translate` of a training job, else its rule and wildcards."""
    rule, values = fields["rule_name"], [str(value) for value in (fields.get("wildcards") or {}).values()]
    kind, _, study = rule.partition("_")
    return " ".join([*values[:2], study, *values[2:]] if kind == "train" and values else [rule, *values])


def _cluster_logs(fields: Mapping[str, Any]) -> list[str]:
    """Return the logs of a cluster's queue that a failed job names."""
    return [str(value) for name, value in (fields.get("aux") or {}).items() if "log" in str(name)]


def _short_reason(reason: str) -> str:
    """Return why a job would run, each list of files as its first and how many more."""
    parts, given = [], reason.split("; ")
    for part in [part for part in given if not part.startswith(FOLLOWS)] or given:
        if changed := _changed_parameter(part):
            parts.append(changed)
            continue
        name, colon, files = part.partition(": ")
        first, *more = files.split(", ")
        others = f" and {len(more)} more" if more else ""
        parts.append(f"{name}{colon}{first if len(first) <= LONGEST else first[:LONGEST] + '…'}{others}")
    return "; ".join(parts)


def _changed_parameter(reason: str) -> str:
    """Return which parameter has changed first, of a reason that gives two configurations; else nothing."""
    from freeconv.study.jobs import first_difference

    before, now, after = reason.partition(" now: ")
    found = [re.search(r"'(\{[^']*\})'", text) for text in (before, after)]
    if not now or None in found:
        return ""
    try:
        first, second = (json.loads(match[1]) for match in found if match)
    except ValueError:
        return ""
    differing = first_difference(first, second)
    return "{} was {!r}, is {!r}".format(*differing) if differing else ""


def _is_chatter(record: logging.LogRecord) -> bool:
    """Return whether a message is one that says nothing about the study."""
    text = record.getMessage().strip()
    return record.levelno < logging.WARNING and (not text or text == "None" or text.startswith(CHATTER))


def _clock() -> str:
    """Return the time of day."""
    return time.strftime("%H:%M:%S")
