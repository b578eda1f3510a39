"""What is archived rebuilds what is made of runs, and never changes but for longer runs."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from freeconv.commands.archive import archive_study, missing
from freeconv.commands.figures import make_figures
from freeconv.commands.report import make_report
from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.storage.archive import read_cell
from freeconv.storage.archive_parts import read_kernels, read_measures
from freeconv.storage.archive_source import Archive
from freeconv.storage.checkpoint_file import checkpoint_identity, write_checkpoint
from freeconv.storage.csv_files import read_csv, write_csv
from freeconv.storage.hdf5 import describe_h5, read_h5, write_h5
from freeconv.storage.results import read_measures as read_measures_of
from freeconv.storage.results import read_runs, read_traces
from freeconv.study import grid, paths
from freeconv.study.params import load_params
from freeconv.training.state import LATER, Checkpoint, Result
from tests.made_study import (
    history,
    kernels,
    parameter_file,
    small_params,
    write_data,
    write_measures,
    write_run,
    write_study,
    write_traces,
)
from tests.workflow import project

FOLDER = "reports/archive/small"
CELL = f"{FOLDER}/mnist-5k/fcn/translate/0.2.csv"
DATA = "reports/tables/dataset.csv"  # of the images, not of runs


def files(folder):
    """Return the content of all files of a folder, by path."""
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def archive(params, root="."):
    """Archive a study; nothing may be refused."""
    lines = []
    assert archive_study(params, FOLDER, root, lines.append) == []
    return lines


def fcn_runs(params):
    """Return the runs of `CELL`."""
    return [run for run in grid.runs(params) if (run.network, run.augmentation) == ("fcn", "translate")]


def recorded(run, epochs):
    """Return a made-up history of which shorter ones are the beginning."""
    return {name: values[:epochs] for name, values in history(run, 9).items()}


def write(params, epochs):
    """Write all runs of a study; `epochs` takes a run and returns how many it has."""
    for run in grid.runs(params):
        write_run(run, epochs(run), recorded(run, epochs(run)))


def rewrite(path, change):
    """Change arrays and attributes of an HDF5 file."""
    arrays, attributes = read_h5(path)
    own = {name: of for name, of in attributes.items() if name not in ("content_sha256", "compression")}
    change(arrays, own)
    write_h5(path, arrays, own, "none")


def problems_of(params):
    """Return what is wrong with runs, traces and measures that are read from the archive."""
    source = Archive(FOLDER).source
    return [problem for read in (read_runs, read_traces, read_measures_of) for problem in read(params, source)[1]]


STUDY = {"train": {"folds": 3, "epochs": 4, "seeds": [0, 1]}, "aug": {"translate": [0, 0.2]}}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """Return the folder of a made study: runs, traces and measures. Tests must not change it."""
    folder, params = tmp_path_factory.mktemp("study"), small_params(**STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_data("mnist-5k")
        write(params, lambda _: 4)
        write_traces(params)
        write_measures(params)
    return folder


@pytest.fixture
def study(made_once, tmp_path, monkeypatch):
    """Return parameters of a made study in the current folder."""
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return small_params(**STUDY)


def test_tables_figures_and_pages_from_the_archive_are_those_from_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = small_params(
        aug={"translate": [0, 0.2]},
        train={"folds": 3, "epochs": 4, "seeds": [0, 1]},
        vcp={"levels": [0, 0.5], "translate": 0.2},
        search={"learning_rates": [0.001, 0.01], "layers": [2], "epochs": 3},
        distance={"radii": [1, 3], "measures": ["euclidean", "cosine"]},
    )
    write_study(params)
    make_tables(params, "whole")
    make_figures(params, "whole")
    make_report(params, "whole")
    archive(params)
    shutil.rmtree("results")
    shutil.rmtree("data")
    problems = make_tables(params, "rebuilt", Archive(FOLDER))
    left_out = make_figures(params, "rebuilt", Archive(FOLDER))
    make_report(params, "rebuilt")
    assert problems == []
    assert left_out == ["mnist-5k-translate-samples"]
    whole, rebuilt = files("whole"), files("rebuilt")
    assert whole.keys() - rebuilt.keys() == {
        f"figures/{name}.{suffix}" for name in left_out for suffix in ("svg", "pdf")
    }
    other = {name for name in rebuilt if rebuilt[name] != whole[name]}
    # the images' own table, what sums it, and pages with pictures of images and links to runs
    assert other <= {"tables/dataset.csv", "tables/SHA256SUMS", "index.html", "measures.html", "runs.html"}
    assert len([name for name in rebuilt if name.startswith(("tables/", "figures/"))]) > 25
    for page in (whole, rebuilt):
        assert re.search(rb"Images</[a-z]+>\s*<[^>]*>([^<]*)<", page["index.html"])[1] == b"5,000 of 70,000"


def test_an_archive_of_ones_own_images_is_read_without_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sections = {"data": {"datasets": ["flowers"], "folders": {"flowers": "flowers.zip"}}, "study": "small"}
    Path("own.yaml").write_text(parameter_file(**sections, train={"folds": 2, "epochs": 2}, aug={"translate": [0.2]}))
    Path("flowers.zip").touch()
    params = load_params("own.yaml")
    write_data("flowers")
    write(params, lambda _: 2)
    write_traces(params)
    write_measures(params)
    Path("flowers.zip").unlink()
    freeconv = str(Path(sys.executable).with_name("freeconv"))

    def printed(*arguments):
        return project.run(freeconv, *arguments, cwd=tmp_path).stdout.splitlines()

    assert printed("tables", "own.yaml") == [
        "freeconv: error: own.yaml: data.folders.flowers: expected a folder or zip file of images, received "
        "'flowers.zip', which does not exist"
    ]
    printed("archive", "--params", "own.yaml")
    shutil.rmtree("results")
    shutil.rmtree("data")
    assert printed("runs", "--params", "own.yaml", "--archive") == [f"4 of 4 runs are complete in {FOLDER}"]
    assert printed("tables", "own.yaml", "--archive")[-1].startswith("left out, because they show images: drawings")
    assert len(pd.read_csv("reports/tables/runs.csv")) == 4
    page = Path("reports/index.html").read_text()
    assert f"<dt>Study</dt><dd>{FOLDER}</dd>" in page
    assert "<dt>Parameters</dt><dd>own.yaml</dd>" in page


def test_what_is_archived_never_changes_and_archiving_again_writes_nothing(study):
    assert len(archive(study)) == 2 * 2 * 3
    before = files(FOLDER)
    assert archive(study) == []
    assert files(FOLDER) == before
    shutil.rmtree("results")
    assert archive(study) == []
    assert files(FOLDER) == before


def test_a_row_per_epoch_with_all_that_was_recorded(study):
    archive(study)
    cell = read_cell(CELL)
    assert list(cell.runs) == [(seed, fold) for seed in (0, 1) for fold in range(3)]
    config = fcn_runs(study)[4]
    run = cell.runs[config.train_seed, config.fold]
    assert run.rows.index.to_list() == [0, 1, 2, 3, 4]
    arrays, attributes = read_h5(grid.run_file(config))
    recorded = run.history()
    assert {f"history/{name}" for name in recorded} == {name for name in arrays if name.startswith("history/")}
    assert all((recorded[name] == arrays[f"history/{name}"]).all() for name in recorded)
    distances = {parts: of.to_numpy() for parts, of in run.distances().items()}
    traces, _ = read_csv(paths.distance_file("mnist-5k", "fcn", "translate", 0.2))
    of_run = traces[(traces["fold"] == config.fold) & (traces["seed"] == 1) & (traces["radius"] == 4)]
    assert np.allclose(distances["free_1", "euclidean", 4], of_run["distance"], rtol=1e-8)
    assert set(distances) == {
        ("free_1", measure, radius) for measure in ("euclidean", "cosine") for radius in range(1, 5)
    }
    for name in ("versions", "device", "backend", "seconds"):
        assert run.about[name] == attributes[name]
    assert cell.identity["data_sha256"] == attributes["data_sha256"]
    assert cell.about["images"] == 5000
    assert run.about["finished"]


def test_growth_adds_runs_and_replaces_shorter_ones_by_longer_ones(study):
    archive(study)
    before = files(FOLDER)
    grown = small_params(train={"folds": 3, "epochs": 6, "seeds": [0, 1, 2]}, aug={"translate": [0, 0.2]})
    write(grown, lambda run: 6 if run.fold else 4)
    lines = archive(grown)
    # measures are of the networks before
    outdated = [line for line in lines if line.startswith("left out: results/measure") and "to be made from" in line]
    assert outdated
    assert f"{CELL}: 9 runs, 3 added, 4 longer" in " ".join(lines)
    cell = read_cell(CELL)
    assert {key: run.epochs for key, run in cell.runs.items()} == {
        (seed, fold): 6 if fold else 4 for seed in range(3) for fold in range(3)
    }
    # the runs that did not grow are as they were, row by row
    old = [line for line in before["mnist-5k/fcn/translate/0.2.csv"].decode().splitlines() if line.startswith("0,0,")]
    assert [line for line in Path(CELL).read_text().splitlines() if line.startswith("0,0,")] == old
    # and with fewer folds, seeds and epochs nothing goes
    before = files(FOLDER)
    assert set(archive(study)) <= set(outdated)
    assert files(FOLDER) == before
    assert problems_of(study) == []  # measured after 4 epochs, as asked for
    found, _ = read_runs(study, Archive(FOLDER).source)
    assert {len(run.history["val_acc"]) for run in found} == {4}
    write_measures(grown)
    for path in grid.measure_files(grown):
        frame, config = read_csv(path)
        write_csv(path, frame[frame["fold"] > 0], config)
    archive(grown)
    left_out = {problem.problem for problem in problems_of(study)}
    assert left_out == {
        f"expected networks after 4 epochs, received that of fold {name} after 6; left out"
        for name in ("1", "2", "1-seed-1", "2-seed-1")
    }


def test_a_run_of_another_configuration_or_dataset_is_refused(study):
    archive(study)
    before = files(FOLDER)
    other = small_params(
        train={"folds": 3, "epochs": 9, "seeds": [0, 1], "learning_rate": 0.5}, aug={"translate": [0, 0.2]}
    )
    write(other, lambda _: 4)
    refused = archive_study(other, FOLDER, ".", lambda _: None)
    assert len(refused) == 4
    assert "expected run.learning_rate = 0.001, received 0.5 from results/train" in str(refused[0])
    assert "study:" in str(refused[0])
    write_data("mnist-5k", labels=(1, 2, 3))
    write(study, lambda _: 4)
    assert "expected data_sha256" in str(archive_study(study, FOLDER, ".", lambda _: None)[0])
    assert files(FOLDER) == before


@pytest.mark.parametrize(
    ("epochs", "device", "refuses"),
    [(4, "other", True), (3, "the same", True), (6, "the same", True), (6, "other", False)],
)
def test_two_trainings_that_disagree_are_refused(study, epochs, device, refuses):
    run = fcn_runs(study)[0]
    archive(study)
    before = files(FOLDER)
    changed = recorded(run, epochs)
    changed["history/val_acc"] = changed["history/val_acc"] + np.float32(1e-3)
    write_run(run, epochs, changed)
    if device == "other":
        rewrite(grid.run_file(run), lambda _, attributes: attributes.update(device=device))
    refused = archive_study(study, FOLDER, ".", lambda _: None)
    if refuses:
        assert "seed 0, fold 0: expected val_acc = " in str(refused[0])
        assert "disagree" in str(refused[0])
        assert "\n" not in str(refused[0])
        assert files(FOLDER) == before
    else:  # another machine trained it anew, for longer
        assert refused == []
        assert read_cell(CELL).runs[0, 0].epochs == 6


@pytest.mark.parametrize("damage", ["digit", "row", "header", "kept sum"])
def test_a_broken_archive_is_refused_in_one_line(study, damage):
    archive(study)
    lines = Path(CELL).read_text().splitlines(keepends=True)
    if damage == "digit":
        lines[2] = lines[2].replace("4", "5", 1)
    elif damage == "row":
        del lines[3]
    elif damage == "header":
        lines[0] = lines[0].replace("{", "[", 1)
    if damage == "kept sum":
        frame, config = read_csv(CELL)
        write_csv(CELL, frame.drop(index=3), config)
    else:
        Path(CELL).write_text("".join(lines))
    broken = Path(CELL).read_bytes()
    refused = archive_study(study, FOLDER, ".", lambda _: None)
    assert len(refused) == 1
    assert str(refused[0]).startswith(f"{CELL}: expected ")
    assert "take it from Git" in str(refused[0])
    assert "\n" not in str(refused[0])
    assert Path(CELL).read_bytes() == broken
    problems = [problem for problem in problems_of(study) if not problem.used]
    assert (
        len([problem for problem in problems if "fcn/translate/0.2" in problem.path]) == 8
    )  # six runs, traces, measures


def test_measures_that_disagree_or_have_other_settings_are_refused(study):
    archive(study)
    path = paths.measure_file("mnist-5k", "fcn", "translate", 0.2)
    frame, config = read_csv(path)
    write_csv(path, frame.assign(value=frame["value"] + 0.01), config)
    assert "expected the measures of fold 0 as they are" in str(archive_study(study, FOLDER, ".", lambda _: None)[0])
    write_csv(path, frame, {**config, "permutations": 99})
    assert "expected permutations = 20, received 99" in str(archive_study(study, FOLDER, ".", lambda _: None)[0])
    write_csv(path, frame[frame["fold"] > 0], config)
    assert archive(study) == []
    assert sorted(read_measures(f"{FOLDER}/mnist-5k/fcn/translate/0.2-measures.csv").epochs) == [
        (seed, fold) for seed in (0, 1) for fold in range(3)
    ]


def test_first_kernels_of_the_first_run(study):
    archive(study)
    path = f"{FOLDER}/mnist-5k/fcn/translate/0.2-kernels.npz"
    stored = read_kernels(path)
    assert (stored.seed, stored.fold, stored.epochs) == (0, 0, [0, 1, 4])
    expected = kernels(fcn_runs(study)[0], 4)[[0, 1, 4]].astype("float16")
    assert stored.layers["free_1"].dtype == np.float16
    assert (stored.layers["free_1"] == expected).all()
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[:-200])
    assert "damaged or foreign file" in str(archive_study(study, FOLDER, ".", lambda _: None)[0])


ENVIRONMENT = {"versions": {"keras": "3.12.0"}, "backend": "tensorflow", "device": "a machine"}


def half_way(study, run, epochs):
    """Return a run after some epochs, as a checkpoint holds it."""
    values = {name.removeprefix("history/"): of.astype(float).tolist() for name, of in recorded(run, epochs).items()}
    snapshots = kernels(run, epochs, (13, 13))
    return Result(
        run,
        4,
        values,
        {epoch: {"free_1": of} for epoch, of in enumerate(snapshots)},
        seconds=3.5,
        environments=[{"epoch": 0, **ENVIRONMENT, "threads": 1}],
    )


def test_unfinished_runs_are_archived_from_their_checkpoints(study):
    run = fcn_runs(study)[1]
    Path(grid.run_file(run)).unlink()
    identity = checkpoint_identity([run], False, "0" * 64, ENVIRONMENT)
    write_checkpoint("checkpoints/a.h5", identity, Checkpoint([half_way(study, run, 2)], [0], {}))
    content = Path("checkpoints/a.h5").read_bytes()
    sha256 = describe_h5("data/mnist-5k.h5")[1]["content_sha256"]
    refused = archive_study(study, FOLDER, ".", lambda _: None)
    assert "expected data_sha256" in str(refused[0])  # a checkpoint on other data
    identity["data_sha256"] = sha256
    write_checkpoint("checkpoints/a.h5", identity, Checkpoint([half_way(study, run, 2)], [0], {}))
    assert f"{CELL}: 6 runs, 6 added; 1 unfinished" in archive(study)
    archived = read_cell(CELL).runs[0, 1]
    assert (archived.epochs, archived.about["finished"], archived.about["seconds"]) == (2, False, 3.5)
    assert (archived.history()["val_acc"] == recorded(run, 2)["history/val_acc"]).all()
    assert len(archived.rows["free_1_cosine_6"].dropna()) == 3
    assert [row[2] for row in missing(study, Archive(FOLDER))].count(2) == 1
    few = [problem.path for problem in problems_of(study) if "expected 4 epochs, received 2" in problem.problem]
    assert few == [grid.run_file(run)]
    assert Path("checkpoints/a.h5").exists()
    Path("checkpoints/a.h5").write_bytes(content[:1000])
    lines = []
    assert archive_study(study, FOLDER, ".", lines.append) == []
    assert lines[0].startswith("left out: checkpoints/a.h5: expected ")
    write_run(run, 4, recorded(run, 4))
    archive(study)
    assert read_cell(CELL).runs[0, 1].about["finished"]
    assert len(content) > 1000


def as_of_2026_11_22(arrays, attributes):
    """Make a run's file what the version of that day would have written."""
    for name in LATER:
        del arrays[f"history/{name}"]
    for name in ("epochs", "stopped_early"):
        del attributes[name]
    attributes["config"] = {**attributes["config"], "epochs": 4}


def test_files_of_the_version_of_2026_11_22_are_archived_from_another_clone(study, tmp_path, monkeypatch):
    for run in grid.runs(study):
        rewrite(grid.run_file(run), as_of_2026_11_22)
    for path in grid.measure_files(study):
        frame, config = read_csv(path)
        del config["train"]["train_seeds"], config["measures"]
        frame = frame[frame["seed"] == 0].drop(columns="seed")
        write_csv(path, frame, {**config, "train": {**config["train"]}})
    run = fcn_runs(study)[2]
    Path(grid.run_file(run)).unlink()
    old = {
        "identity": {
            "runs": [{**run.dump(), "epochs": 4}],
            "stacked": False,
            "data_sha256": describe_h5("data/mnist-5k.h5")[1]["content_sha256"],
            "code": "f" * 64,
            "versions": {"keras": "3.12.0", "numpy": "2.4.0"},
            "backend": "tensorflow",
            "device": "a made-up processor",
        }
    }
    later = {f"history/{name}" for name in LATER}
    arrays = {name: of.astype("float64") for name, of in recorded(run, 3).items() if name not in later}
    arrays |= {"kernels/free_1": kernels(run, 3, (13, 13)), "kernel_epochs": np.arange(4)}
    write_h5(
        "checkpoints/old.h5",
        {
            "identity": np.frombuffer(json.dumps(old["identity"], sort_keys=True).encode(), "uint8"),
            "members": np.array([0]),
            "best_epochs": np.array([3]),
            "seconds": np.array([7.0]),
            "overhead_seconds": np.array([1.0]),
            **{f"runs/0/{name}": array for name, array in arrays.items()},
            "state/weights/0": np.zeros((1, 2)),
            "state/step": np.array([3.0]),
        },
        {},
        "none",
    )
    before = files(tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    archive(study, "..")
    assert {path: content for path, content in files(tmp_path).items() if not path.startswith("here/")} == before
    cell = read_cell(CELL)
    assert {key: of.epochs for key, of in cell.runs.items()} == {**dict.fromkeys(cell.runs, 4), (0, 2): 3}
    assert cell.runs[0, 2].about["code"] == "f" * 64
    assert "code" not in cell.runs[0, 0].about
    assert not set(LATER) & set(cell.runs[0, 0].history())
    few = [problem.path for problem in problems_of(study) if "expected 4 epochs, received 3" in problem.problem]
    assert few == [grid.run_file(run)]
    # and a run of today beside them has what they lack
    monkeypatch.chdir(tmp_path)
    write_run(run, 4, recorded(run, 4))
    monkeypatch.chdir(here)
    archive(study, "..")
    cell = read_cell(CELL)
    assert set(LATER) <= set(cell.runs[0, 2].history())
    assert not set(LATER) & set(cell.runs[0, 0].history())


def test_a_mixture_inside_a_cell_is_named(study):
    run = fcn_runs(study)[1]
    rewrite(grid.run_file(run), lambda _, attributes: attributes["versions"].update(keras="9.9"))
    archive(study)
    problems = make_tables(study, "whole"), make_tables(study, "rebuilt", Archive(FOLDER))
    assert problems[0] == problems[1]
    assert [problem.path for problem in problems[0]] == [grid.run_file(run)]
    assert "expected one version of keras for all runs of a study, received 3.12.0 in" in problems[0][0].problem
    assert ", 9.9 in 1 runs" in problems[0][0].problem
    assert problems[0][0].used
    assert files("whole/tables") == files("rebuilt/tables")


def test_without_an_archive_it_says_what_to_do(study):
    with pytest.raises(FreeconvError, match="run `freeconv archive` first"):
        Archive(FOLDER)
    assert {state for _, _, state in missing(study, None)} == {"missing"}
    archive(study)
    assert {state for _, _, state in missing(study, Archive(FOLDER))} == {"complete"}
