"""Faults: what is tried, what came of it, and the table of both.

`make test-faults` tries all of them; among all tests only those run that are marked `representative`.
"""

import os
import platform
import time
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from freeconv.study import grid, paths
from freeconv.study.params import Params, load_params
from tests.workflow.project import tiny_study

BEGIN, END = "<!-- faults: written by make test-faults -->", "<!-- end of faults -->"
COLUMNS = ("tried", "reported", "recovered", "changed")
HEADER = "| fault | tried | reported in a line | recovered | results changed |\n|---|---:|---:|---:|---:|"
COUNTS = pytest.StashKey[dict]()
STARTED = pytest.StashKey[float]()


def pytest_addoption(parser):
    parser.addoption("--all-faults", action="store_true", help="try all faults, not only representative ones")
    parser.addoption("--faults-page", type=Path, help="the page to write the table of faults into")


def pytest_configure(config):
    config.addinivalue_line("markers", "representative: a fault that is tried among all tests, too")
    config.stash[COUNTS] = defaultdict(lambda: dict.fromkeys(COLUMNS))
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

    It takes a fault's name and how often it was tried, reported in one line, recovered from, and changed a result; None
    for what does not apply.
    """

    def add(fault, tried=1, reported=None, recovered=None, changed=0):
        _add(pytestconfig, fault, dict(zip(COLUMNS, (tried, reported, recovered, changed), strict=True)))

    return add


def _add(config, fault, numbers):
    """Add numbers to those of a fault."""
    counts = config.stash[COUNTS][fault]
    for column, number in numbers.items():
        if number is not None:
            counts[column] = (counts[column] or 0) + int(number)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = dict(session.config.stash[COUNTS])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    for fault, numbers in getattr(node, "workeroutput", {}).get("faults", {}).items():
        _add(node.config, fault, numbers)


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    counts = config.stash[COUNTS]
    if not counts:
        return
    totals = [sum(numbers[column] or 0 for numbers in counts.values()) for column in COLUMNS]
    rows = [*((fault, *counts[fault].values()) for fault in sorted(counts)), ("all", *totals)]
    rows = [(fault, *("—" if number is None else f"{number:,}" for number in numbers)) for fault, *numbers in rows]
    width = max(len(fault) for fault, *_ in rows)
    terminalreporter.section("faults")
    for fault, *numbers in [("", *COLUMNS), *rows]:
        terminalreporter.line(f"{fault:{width}} " + " ".join(f"{number:>10}" for number in numbers))
    page = config.getoption("--faults-page")
    if page and exitstatus == pytest.ExitCode.OK and not hasattr(config, "workerinput"):
        from freeconv.machine.environment import processor  # imports Keras

        seconds = time.monotonic() - config.stash[STARTED]
        about = (
            f"{date.today()}, {processor()} with {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"Python {platform.python_version()}; {seconds / 60:.1f} minutes."
        )
        table = "\n".join([HEADER, *(f"| {' | '.join(row)} |" for row in rows)])
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{about}\n\n{table}\n\n{END}{rest.partition(END)[2]}")


class Study(NamedTuple):
    """A small study, made by whole commands.

    Attributes:
        folder: the project. Tests must not change it.
        params: its parameters.
        phases: command of the package to its arguments and to the files that it writes, in order.
    """

    folder: Path
    params: Params
    phases: dict[str, tuple[list[str], list[str]]]


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Return a study that Snakemake has made, once for all test processes."""
    folder = tiny_study(tmp_path_factory)
    params = load_params(folder / "params.yaml")
    (job,) = grid.jobs(params)
    cell = ("mnist-5k", "fcn", "translate", 0.2)
    text = params.text()
    phases = {
        "fetch": (["mnist-5k", "--limit", "400"], grid.data_files(params)),
        "shard": ([grid.shard_config(params, "mnist-5k", "translate", 0.2, 0).text()], grid.shard_files(params)),
        "train": ([job.text(), "--threads", "1", "--checkpoint-minutes", "0"], grid.run_files(params)),
        "distance": ([grid.distance_config(params, *cell).text()], grid.distance_files(params)),
        "measure": ([grid.measure_config(params, *cell).text()], grid.measure_files(params)),
        "tables": ([text], paths.table_files()),
        "figures": ([text], grid.figure_files(params)),
        "drawings": ([grid.drawing_params(params).text()], grid.drawing_files(params)),
        "report": ([text], [*paths.report_files(), *grid.export_files(params)]),
    }
    return Study(folder, params, phases)
