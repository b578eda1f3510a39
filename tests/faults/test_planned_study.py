"""What Snakemake does when inputs, parameters or code are not those that it has planned with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from freeconv.study import grid
from freeconv.study.params import load_params
from tests.workflow.project import copy_project, planned, project_environment, run, write_params

CHANGES = {
    "data": {"limit": 100},
    "aug": {"translate": [0], "copies": 1},
    "train": {"networks": ["fcn"], "folds": 2, "held_out": [0], "epochs": 1, "batch": 20},
    "distance": {"radii": [1]},
}
DATA = "data/mnist-5k.h5"
COMMANDS = ("fetch", "shard", "train", "distance", "measure", "tables", "figures", "drawings", "report")
OTHER = "0123456789abcdef"
EDITED = "code or parameters edited during a run"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a project in which Snakemake has made all distances."""
    folder = copy_project(tmp_path_factory.mktemp("planned") / "project", **CHANGES)
    done = run("snakemake", "all_distance", cwd=folder)
    assert done.returncode == 0, done.stdout[-5000:]
    return folder


@pytest.fixture
def study(made, tmp_path):
    """Return a copy of it, times included."""
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def replace_data(folder: Path) -> None:
    """Put another dataset into the place of the study's, with an older time."""
    done = run("freeconv", "fetch", "mnist-5k", "--limit", "60", cwd=folder)
    assert done.returncode == 0, done.stdout
    os.utime(folder / DATA, (0, 0))


def test_nothing_is_refused_of_a_study_that_is_as_it_should_be(study):
    assert planned(study, "all_distance") == {}


@pytest.mark.parametrize("options", [("-n", "all_shards"), ("all_train",), ("-n", "all_distance")])
def test_a_dataset_with_other_content_and_an_older_time_is_noticed(study, count, options):
    replace_data(study)
    done = run("snakemake", *options, cwd=study)
    assert done.returncode == 1
    assert f"freeconv: error: {DATA}: expected limit = 100, received 60" in done.stdout
    count("data that are replaced by others", reported=1)


def test_another_limit_is_noticed_where_snakemake_has_forgotten_all(study, count):
    shutil.rmtree(study / ".snakemake")
    shutil.rmtree(study / "results/train")
    write_params(study, **{**CHANGES, "data": {"limit": 80}})
    done = run("snakemake", "all_train", cwd=study)
    assert done.returncode == 1
    assert f"freeconv: error: {DATA}: expected limit = 80, received 100" in done.stdout
    (study / DATA).unlink()
    done = run("snakemake", "all_train", cwd=study)
    assert done.returncode == 0, done.stdout[-3000:]
    count("data that are replaced by others", reported=1, recovered=1)


def test_another_limit_makes_the_dataset_again(study):
    write_params(study, **{**CHANGES, "data": {"limit": 80}})
    assert planned(study, "all_shards") == {"fetch": 1, "shard": 1, "all_shards": 1}


def jobs(folder: Path) -> dict[str, list[str]]:
    """Return a job of each command: its arguments."""
    params = load_params(folder / "params.yaml")
    (job,) = grid.jobs(params)
    cell = ("mnist-5k", "fcn", "none", 0.0)
    return {
        "fetch": ["mnist-5k", "--limit", "100"],
        "shard": [grid.shard_config(params, "mnist-5k", "none", 0.0, 0).text()],
        "train": [job.text()],
        "distance": [grid.distance_config(params, *cell).text()],
        "measure": [grid.measure_config(params, *cell).text()],
        **{name: [params.text()] for name in ("tables", "figures", "drawings", "report")},
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_job_refuses_other_code_than_it_was_planned_with(made, count, command):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.*") if "__pycache__" not in path.parts}
    done = run("freeconv", command, *jobs(made)[command], "--code", OTHER, cwd=made)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"freeconv: error: code: expected {OTHER}, with which the job was planned, received ")
    assert "Traceback" not in done.stdout
    after = {path: path.stat().st_mtime_ns for path in made.rglob("*.*") if "__pycache__" not in path.parts}
    count(EDITED, reported=1, changed=before != after)
    assert before == after


@pytest.mark.representative
def test_code_that_is_edited_while_snakemake_runs_ends_its_jobs(study, count):
    """Between planning and the job, which waits for a job before it."""
    source = study / "src/freeconv/analysis/distance.py"
    rule = study / "workflow/rules/distance.smk"
    text = rule.read_text()
    edit = f"printf '\\\\nCHANGED = 1\\\\n' >> {source} && "
    assert '"freeconv distance' in text
    rule.write_text(text.replace('"freeconv distance', f'"{edit}freeconv distance'))
    done = run("snakemake", "all_distance", cwd=study)
    assert done.returncode == 1
    assert "with which the job was planned, received" in done.stdout
    made = list((study / "results/distance").rglob("*.csv"))
    count(EDITED, reported=1, changed=len(made))
    assert not made


@pytest.mark.parametrize("value", ["another", ""])
def test_a_job_that_plans_again_on_a_node_is_of_the_same_parameters(study, count, value):
    command = ["snakemake", "all_distance", "-n", "--mode", "remote"]
    environment = {**project_environment(), "FREECONV_PLANNED": value}
    done = subprocess.run(command, cwd=study, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "params.yaml: expected the parameters that the job was planned with" in done.stderr
    count(EDITED, reported=1)
