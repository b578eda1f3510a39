"""Faults: what is tried, what came of it, and the table of both.

`make test-faults` tries all of them; among all tests only those run that are marked `representative`.
"""

import platform
import time
from collections import defaultdict
from datetime import date
from os import cpu_count
from pathlib import Path

import pytest

from freeconv.environment import processor

BEGIN, END = "<!-- faults: written by make test-faults -->", "<!-- end of faults -->"
COLUMNS = ("tried", "told", "recovered", "changed")
HEADER = "| fault | tried | told in a line | recovered | results changed |\n|---|---:|---:|---:|---:|"
COUNTS = pytest.StashKey[dict]()
STARTED = pytest.StashKey[float]()


def pytest_addoption(parser):
    parser.addoption("--all-faults", action="store_true", help="try all faults, not only representative ones")
    parser.addoption("--faults-page", type=Path, help="the page to write the table of faults into")


def pytest_configure(config):
    config.addinivalue_line("markers", "representative: a fault that is tried among all tests, too")
    config.stash[COUNTS] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    config.stash[STARTED] = time.monotonic()


def pytest_collection_modifyitems(config, items):
    if config.getoption("--all-faults"):
        return
    here = Path(__file__).parent
    left_out = [item for item in items if here in item.path.parents and not item.get_closest_marker("representative")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture
def count(pytestconfig):
    """Return a function that counts faults.

    It takes a fault's name and how often it was tried, told in one line, recovered from, and changed a result.
    """

    def add(fault, tried=1, told=0, recovered=0, changed=0):
        for column, number in zip(COLUMNS, (tried, told, recovered, changed), strict=True):
            pytestconfig.stash[COUNTS][fault][column] += number

    return add


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = dict(session.config.stash[COUNTS])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    for fault, numbers in getattr(node, "workeroutput", {}).get("faults", {}).items():
        for column, number in numbers.items():
            node.config.stash[COUNTS][fault][column] += number


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    counts = config.stash[COUNTS]
    if not counts:
        return
    rows = [(fault, *counts[fault].values()) for fault in sorted(counts)]
    rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    width = max(len(fault) for fault, *_ in rows)
    terminalreporter.section("faults")
    terminalreporter.line(f"{'':{width}} {'tried':>10} {'told':>10} {'recovered':>10} {'changed':>10}")
    for fault, *numbers in rows:
        terminalreporter.line(f"{fault:{width}} " + " ".join(f"{number:10,}" for number in numbers))
    page = config.getoption("--faults-page")
    if page and exitstatus == pytest.ExitCode.OK:
        seconds = time.monotonic() - config.stash[STARTED]
        about = (
            f"{date.today()}, {processor()} with {cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"Python {platform.python_version()}; {seconds / 60:.1f} minutes."
        )
        table = "\n".join([HEADER, *("| " + " | ".join([row[0], *(f"{n:,}" for n in row[1:])]) + " |" for row in rows)])
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{about}\n\n{table}\n\n{END}{rest.partition(END)[2]}")

