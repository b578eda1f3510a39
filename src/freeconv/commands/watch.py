"""A running or queued study seen from another terminal."""

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live

from freeconv.terminal.ending import report_line
from freeconv.terminal.stored import StudyState
from freeconv.terminal.view import SteadyConsole, View, phase_text

EVERY = 2.0  # seconds between looks


def watch(look: Callable[[], StudyState], console: Console | None = None, once: bool = False) -> StudyState:
    """Show how far a study is: in a terminal until its run has ended, elsewhere once, in plain lines.

    Args:
        look: returns the study's state.
        console: where to write; standard output if None.
        once: whether to look once in a terminal, too.

    Returns:
        The study's last state.
    """
    console = console or SteadyConsole()
    state = look()
    if console.is_terminal and not console.is_dumb_terminal and not once:
        shown = state
        with Live(get_renderable=lambda: View(shown.phases, shown.jobs), console=console, refresh_per_second=1):
            while state.live:
                time.sleep(EVERY)
                state = shown = look()
    else:
        for line in lines(state):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return state
    for line in ending(state):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return state


def lines(state: StudyState) -> list[str]:
    """Return a study's state as plain lines: the phases, the jobs at work, and how it ended."""
    now = time.time()
    jobs = [f"{job.label}: {job.state() or 'running'}" for job in state.jobs]
    return [*(phase_text(phase, state.jobs, now) for phase in state.phases), *jobs, *ending(state)]


def ending(state: StudyState) -> list[str]:
    """Return what is to be said of a study: what failed, whether a Snakemake is at work, and where the report is."""
    said = [*state.failures]
    complete = all(phase.done == phase.total for phase in state.phases)
    if not state.live and not complete:
        killed = f"; {state.interrupted} jobs were at work when the last one ended" if state.interrupted else ""
        said.append(f"no snakemake is at work in this folder{killed}; snakemake goes on with what is left")
    if complete and (line := report_line(Path.cwd())):
        said.append(line)
    return said
