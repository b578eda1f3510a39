"""What was true when jobs were planned: datasets, parameters, code."""

import base64
import json
import os
from pathlib import Path

import pytest

from freeconv.commands.planned import (
    CODE,
    PLANNED,
    check_code,
    check_holes,
    check_inputs,
    planned_params,
    remember,
)
from freeconv.commands.shard import make_shard
from freeconv.errors import FreeconvError
from freeconv.machine.place import NOTES
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.study import grid
from freeconv.study.params import check_params
from tests.made_study import parameter_file, small_params, write_data, write_runs

DATA = "data/mnist-5k.h5"
PARAMS = small_params(aug={"translate": [0]}, train={"folds": 3, "held_out": [0], "networks": ["cnn"], "epochs": 1})
RAW = {"mnist-5k": "raw"}


def options(params):
    return {"mnist-5k": ["--seed", params.seed, "--limit", params.data.limit]}


def check(params=PARAMS, raw="raw"):
    check_inputs(params, options(params), {"mnist-5k": raw})


def write(**changes):
    """Write the dataset with other attributes."""
    write_data("mnist-5k")
    arrays, _ = read_h5(DATA)
    config = {"dataset": "mnist-5k", "seed": 0, "limit": None, **changes.pop("config", {})}
    write_h5(DATA, arrays, {"dataset": "mnist-5k", "config": config, "raw_sha256": "raw", **changes}, "gzip")


def record(*values):
    """Write what Snakemake would have recorded of the dataset's parameters."""
    name = base64.urlsafe_b64encode(DATA.encode()).decode()
    Path(NOTES).mkdir(parents=True, exist_ok=True)
    Path(NOTES, name).write_text(json.dumps({"params": [repr(value) for value in values]}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {"limit": 60}}, "expected limit = None, received 60; the file is from other parameters"),
        ({"config": {"seed": 3}}, "expected seed = 0, received 3"),
        ({"config": {"dataset": "mnist"}}, "expected dataset = 'mnist-5k', received 'mnist'"),
        ({"raw_sha256": "others"}, "expected raw files = 'raw', received 'others'"),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_dataset_of_other_parameters_is_refused(project, changes, message, recorded):
    """Whether Snakemake believes that it is right, or knows nothing any more."""
    if recorded:
        record(options(PARAMS)["mnist-5k"], "raw", "code")
    write(**changes)
    with pytest.raises(FreeconvError, match=f"{DATA}: {message}"):
        check()
    write()
    check()


def test_what_snakemake_makes_again_by_itself_is_no_fault(project):
    write()
    record(options(PARAMS)["mnist-5k"], "raw", "code")
    limited = PARAMS.model_copy(update={"data": PARAMS.data.model_copy(update={"limit": 3})})
    check(limited)
    check(raw="other files")


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_missing_and_damaged_datasets_are_left_to_the_jobs(project, content):
    if content is not None:
        Path(DATA).parent.mkdir()
        Path(DATA).write_bytes(content)
    check()


@pytest.mark.parametrize("made", ["shard", "run"])
def test_other_content_with_an_older_time_is_refused_and_a_newer_one_left_to_snakemake(project, made):
    write()
    if made == "shard":
        config = grid.shard_config(PARAMS, "mnist-5k", "none", 0.0, 0)
        make_shard(config, DATA, grid.shard_files(PARAMS)[0], "none")
    else:
        write_runs(PARAMS)
    check()
    arrays, attributes = read_h5(DATA)
    arrays["images"] = arrays["images"] // 2
    about = {name: attributes[name] for name in ("dataset", "config", "raw_sha256")}
    write_h5(DATA, arrays, about, "gzip")
    check()  # newer: Snakemake compares
    os.utime(DATA, (0, 0))
    with pytest.raises(FreeconvError, match=f"{DATA}: expected content .* with an older time.*dvc checkout {DATA}"):
        check()
    os.utime(DATA)
    check()


def test_an_older_time_of_the_same_content_is_no_fault(project):
    write()
    write_runs(PARAMS)
    os.utime(DATA, (0, 0))
    check()


def test_other_code_than_planned_is_refused():
    check_code(None, lambda: "any")
    check_code("ab", lambda: "ab")
    with pytest.raises(FreeconvError, match="code: expected ab, with which the job was planned, received cd: it was"):
        check_code("ab", lambda: "cd")


@pytest.fixture
def stage(project):
    """Return a project in which a stage's Snakemake has planned."""
    for name in CODE:
        target = project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == "Snakefile":
            target.write_text("")
        else:
            target.mkdir()
            (target / "file").write_text("x = 1\n")
    Path("params.yaml").write_text(parameter_file(distance={"radii": [1]}))
    remember(check_params({"distance": {"radii": [1]}}))
    return project


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"distance": {"radii": [1, 2]}},
            r"expected distance.radii = \[1\] as when the stage began, received \[1, 2\]",
        ),
        ({}, "expected distance.radii"),
        ({"distance": {"radii": [1]}, "seed": 3}, "expected seed = 0 as when the stage began, received 3"),
        ({"distance": {"radii": [1]}, "train": {"epochs": 3}}, "expected train.epochs = 10 as when"),
    ],
)
def test_parameters_that_were_edited_during_a_stage_end_it(stage, sections, message):
    assert planned_params("params.yaml").distance.radii == [1]
    Path("params.yaml").write_text(parameter_file(**sections))
    with pytest.raises(FreeconvError, match=f"params.yaml: {message}.*nothing is recorded; run dvc repro again"):
        planned_params("params.yaml")


@pytest.mark.parametrize("name", ["Snakefile", "workflow/rules/file", "src/freeconv/file", "src/freeconv/new.py"])
def test_code_that_was_edited_during_a_stage_ends_it(stage, name):
    (stage / "src/freeconv/__pycache__").mkdir()
    (stage / "src/freeconv/__pycache__/file.pyc").touch()
    planned_params("params.yaml")
    (stage / name).write_text("x = 2\n")
    with pytest.raises(FreeconvError, match="code: expected that of when the stage began"):
        planned_params("params.yaml")


def test_a_stage_without_a_plan_ends(project):
    Path("params.yaml").write_text("{}\n")
    with pytest.raises(FreeconvError, match=f"{PLANNED}: expected what Snakemake planned"):
        planned_params("params.yaml")


@pytest.mark.parametrize("phase", ["data", "shards", "train", "report"])
def test_a_stage_with_a_hole_ends(project, phase):
    for path in grid.all_files(PARAMS):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    check_holes(PARAMS, ["data", "shards", "train", "report"])
    of_phase = {
        "data": grid.data_files,
        "shards": grid.shard_files,
        "train": grid.run_files,
        "report": grid.measure_files,
    }
    missing = of_phase[phase](PARAMS)[0]
    Path(missing).unlink()
    with pytest.raises(FreeconvError, match=f"{missing}: expected a file, received nothing, as of 1 files"):
        check_holes(PARAMS, [phase])
