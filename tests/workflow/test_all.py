"""The rule `all`: the smoke study through Snakemake, and what a change makes again."""

import csv
import math
import os
import re
import shutil
import zipfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from freeconv.study import grid
from freeconv.study.params import load_params
from tests.workflow.project import SMOKE, planned, run, smoke_study, write_params


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a project in which the smoke study has been made; tests leave it up to date."""
    folder = tmp_path_factory.mktemp("snakemake") / "project"
    return shutil.copytree(smoke_study(tmp_path_factory), folder, symlinks=True)


REPORT = {"tables", "figures", "report"}


def change_params(study, **changes):
    """Write the study's parameters, changed."""
    sections = {*SMOKE, *changes}
    write_params(study, **{name: {**SMOKE.get(name, {}), **changes.get(name, {})} for name in sections})


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_everything_is_made(study):
    params = load_params(study / "params.yaml")
    for path in grid.all_files(params):
        assert (study / path).stat().st_size > 0, path
    assert not list(study.rglob("*.tmp"))


def test_tables_hold_every_cell(study):
    accuracy = rows(study / "reports/tables/accuracy.csv")
    assert list(accuracy[0]) == ["dataset", "augmentation", "level", "network", "metric", "median", "runs"]
    assert Counter((row["level"], row["network"]) for row in accuracy) == {
        (level, network): 8 for level in ("0", "0.2") for network in ("cnn", "fcn")
    }
    assert {row["runs"] for row in accuracy} == {"2"}
    assert all(0 <= float(row["median"]) <= 1 for row in accuracy)


def test_distances_start_at_the_distance_of_independent_kernels(study):
    distance = rows(study / "reports/tables/distance.csv")
    assert list(distance[0]) == ["dataset", "augmentation", "level", "layer", "radius", "measure", "epoch", "median"]
    starts = [float(row["median"]) for row in distance if row["epoch"] == "0"]
    assert len(starts) == 4
    assert starts == pytest.approx([math.sqrt(2 / 169)] * 4, rel=0.01)


def test_every_job_has_a_log_and_a_benchmark(study):
    logs = {path.relative_to(study / "logs").with_suffix("") for path in (study / "logs").rglob("*.log")}
    benchmarks = {path.relative_to(study / "logs").with_suffix("") for path in (study / "logs").rglob("*.tsv")}
    assert logs == benchmarks
    assert len(logs) == 18
    text = (study / "logs/train/mnist-5k/fcn/translate.log").read_text()
    assert re.search(r"mnist-5k fcn translate 0\.2 fold 3: epoch 2/2, train_loss [\d.]+.*at most 0:00:00 left", text)


def test_snakemakes_own_report_holds_pages_tables_and_figures(study, tmp_path):
    done = run("snakemake", "--report", str(tmp_path / "study.zip"), cwd=study)
    assert done.returncode == 0, done.stdout[-5000:]
    with zipfile.ZipFile(tmp_path / "study.zip") as file:
        held = {Path(name).name for name in file.namelist()}
    assert {"index.html", "runs.html", "claims.csv", "compared.csv", "mnist-5k-translate-answer.svg"} <= held
    assert "history.csv" not in held


def test_a_second_run_does_nothing(study):
    assert planned(study) == {}
    assert "Nothing to be done" in run("snakemake", "-n", cwd=study).stdout


def test_touched_files_are_not_made_again(study):
    for name in ("data/mnist-5k.h5", "results/shards/mnist-5k/translate/0.2/copy-0.h5"):
        os.utime(study / name)
    assert planned(study) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"report": {"aggregate": "final"}}, REPORT),
        ({"distance": {"radii": [2]}}, {"distance", "drawings", *REPORT}),
        ({"measure": {"shifts": [0.1]}}, {"measure", *REPORT}),
        ({"train": {"networks": ["cnn"]}}, REPORT),
        ({"evaluate": {"noise": 0.2}}, {"train_none", "train_translate", "distance", "measure", *REPORT}),
        ({"vcp": {"mask": "inputs"}}, REPORT),
        ({"vcp": {"levels": [0, 0.5]}}, {"train_vcp", *REPORT}),
        ({"search": {"learning_rates": [0.1]}}, {"train_search", *REPORT}),
        ({"shards": {"compression": "gzip"}}, None),
        ({"data": {"mirror": "/somewhere"}}, {"drawings", *REPORT}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_changed_parameter_makes_its_dependents_again(study, changes, expected):
    change_params(study, **changes)
    try:
        jobs = set(planned(study))
    finally:
        change_params(study)
    assert jobs == expected if expected else {"shard", "train_none", "train_translate"} <= jobs


def test_another_level_trains_only_what_is_missing(study):
    change_params(study, aug={"translate": [0, 0.2, 0.3]}, train={"fuse": ["fold", "level"]})
    try:
        jobs = planned(study)
    finally:
        change_params(study)
    # level 0 stays; with levels fused, the job of all translations is one
    assert jobs["shard"] == 2
    assert "train_none" not in jobs
    assert jobs["train_translate"] == 2


DEPENDENTS = {
    "report/pages": {"report"},
    "report/figures": {"figures", "report"},
    "report/panels": {"figures", "drawings", "report"},
    "analysis/medians": REPORT,
    "analysis/distance": {"distance", "measure", "drawings", *REPORT},
    "measures/signal_to_noise": {"measure", *REPORT},
    "training/loop": {"train_none", "train_translate", "distance", "measure", *REPORT},
    "layers/free_conv_2d": {"train_none", "train_translate", "distance", "measure", "drawings", *REPORT},
    "data/passes": {"shard", "train_none", "train_translate", "distance", "measure", *REPORT},
}


@contextmanager
def edited(study, edits):
    """Edit files of the package for a while: path to what is appended, or to an (old, new) text."""
    files = {study / "src/freeconv" / path: edit for path, edit in edits.items()}
    before = {file: file.read_text() for file in files}
    try:
        for file, edit in files.items():
            old, new = (before[file], before[file] + edit) if isinstance(edit, str) else edit
            assert old in before[file], file
            file.write_text(before[file].replace(old, new))
        yield
    finally:
        for file, text in before.items():
            file.write_text(text)


@pytest.mark.parametrize(("module", "expected"), DEPENDENTS.items())
def test_changed_code_makes_its_dependents_again(study, module, expected):
    with edited(study, {f"{module}.py": "\nCHANGED = 1\n"}):
        assert set(planned(study)) == expected


def test_comments_make_nothing_again(study):
    with edited(study, {f"{module}.py": "\n# a comment\n" for module in DEPENDENTS}):
        assert planned(study) == {}


def test_edits_that_change_no_number_make_nothing_again(study):
    plumbing = ("commands/train.py", "machine/locks.py", "storage/run_file.py", "study/grid.py", "cli.py")
    edits = {
        "__init__.py": ('__version__ = "', '__version__ = "9.'),
        "commands/progress.py": ("epoch {", "Epoch {"),
        "storage/hdf5.py": ("expected an HDF5 file", "expected a file of HDF5"),
        "training/stack.py": ("expected tensorflow or jax", "expected jax or tensorflow"),
        **dict.fromkeys(plumbing, "\nCHANGED = 1\n"),
    }
    with edited(study, edits):
        assert planned(study) == {}


def test_a_renamed_page_makes_the_report_alone(study):
    with edited(study, {"study/paths.py": ("index.html", "main.html")}):
        assert set(planned(study)) == {"report"}


def test_a_damaged_shard_is_named_and_not_used(study):
    shard = study / "results/shards/mnist-5k/translate/0.2/copy-1.h5"
    whole = shard.read_bytes()
    try:
        shard.write_bytes(whole[: len(whole) // 2])
        done = run("freeconv", "figures", str(study / "params.yaml"), cwd=study)
        assert done.returncode == 0, "copy 1 is not in the figures"
        first = shard.with_name("copy-0.h5")
        kept = first.read_bytes()
        first.write_bytes(whole)
        done = run("freeconv", "figures", str(study / "params.yaml"), cwd=study)
        assert done.returncode == 1
        assert "copy-0.h5: expected copy_index = 0, received 1" in done.stdout
        first.write_bytes(kept)
    finally:
        shard.write_bytes(whole)
    assert planned(study) == {}
