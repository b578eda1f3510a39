"""Clocks that were moved, and files that were touched."""

import os
import shutil
import time

import numpy as np
import pytest
import yaml

from freeconv.study import grid
from freeconv.study.params import load_params
from tests.workflow.project import planned, run

DAY = 86400


@pytest.fixture(scope="module")
def project(study, tmp_path_factory):
    """Return a copy of the study."""
    return shutil.copytree(study.folder, tmp_path_factory.mktemp("times") / "project", symlinks=True)


def files_of(project):
    """Return all files that the study has made."""
    return [path for name in ("data", "results", "reports") for path in (project / name).rglob("*") if path.is_file()]


def set_times(paths, times):
    for path, moment in zip(paths, times, strict=True):
        os.utime(path, (moment, moment))


def test_touched_files(project, count):
    paths = files_of(project)
    rng = np.random.default_rng(0)
    for _ in range(5):
        set_times(paths, time.time() - rng.integers(0, 1000 * DAY, len(paths)))
        again = planned(project)
        count("times of all files at random", recovered=again == {}, changed=again != {})
        assert again == {}


@pytest.mark.parametrize("days", [1, -4000], ids=["back", "forward"])
def test_a_clock_that_was_moved(project, study, count, days):
    """Files were made with another clock; a changed parameter then makes its dependents again, once."""
    paths = files_of(project)
    set_times(paths, [time.time() + days * DAY] * len(paths))
    assert planned(project) == {}
    parameters = project / "params.yaml"
    values = yaml.safe_load(parameters.read_text())
    values["distance"]["radii"] = [2 if days > 0 else 3]
    parameters.write_text(yaml.safe_dump(values))
    assert set(planned(project)) == {"distance", "drawings", "tables", "figures", "report"}
    done = run("snakemake", cwd=project)
    assert done.returncode == 0, done.stdout[-3000:]
    again = planned(project)
    # The numbers are those of a study that was made with this parameter and a right clock.
    (path,) = grid.distance_files(load_params(parameters))
    made = (project / path).read_bytes()
    (project / path).unlink()
    config = grid.distance_config(load_params(parameters), "mnist-5k", "fcn", "translate", 0.2).text()
    assert run("freeconv", "distance", config, cwd=project).returncode == 0
    changed = (project / path).read_bytes() != made
    count(f"a clock moved {'back' if days > 0 else 'forward'}", recovered=again == {}, changed=changed)
    assert again == {}
    assert not changed
