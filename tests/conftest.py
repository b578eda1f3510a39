import os
from pathlib import Path

import pytest
from filelock import FileLock

from tests.made_study import small_params, write_study
from tests.shared import shared_folder

# First, as a file is one process's.
LONGEST = ("test_experiments.py", "test_all.py", "test_growth.py", "test_dvc.py", "test_train.py")
# These have commands of their own: make test-browser, make test-studies.
APART = tuple(Path(__file__).parent / name for name in ("browser", "studies"))

# Networks of tests are compiled for seconds and run for milliseconds: XLA takes a third less time to compile what it
# does not optimize. The golden numbers are computed without this.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_ignore_collect(collection_path, config):
    """Leave out what needs a browser or takes long, unless it is asked for."""
    if collection_path not in APART:
        return None
    asked = [Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(collection_path) for path in asked) else True


def pytest_collection_modifyitems(items):
    """Begin with the longest files, then whole workflows, so that none is left to one process at the end."""

    def place(item):
        longest = LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)
        return longest, "workflow" not in item.path.parts

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _no_power_is_cut():
    """Write without waiting for the disk, which a busy one makes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Work in an empty project folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return the folder and parameters of a small synthetic study with its tables, figures and report made.

    It is made once for all test processes. Tests must not change it.
    """
    from freeconv.commands.figures import make_figures
    from freeconv.commands.report import make_report
    from freeconv.commands.tables import make_tables

    folder, params = shared_folder(tmp_path_factory, "made-study"), small_params()
    with FileLock(f"{folder}.lock"), pytest.MonkeyPatch.context() as patch:
        if not (folder / "reports/index.html").exists():
            folder.mkdir(exist_ok=True)
            patch.chdir(folder)
            write_study(params)
            make_tables(params)
            make_figures(params)
            make_report(params)
    return folder, params
