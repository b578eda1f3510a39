"""A finished study that grows: Snakemake plans what is new, and jobs train what is missing and nothing else."""

import json
import shutil

import pytest

from freeconv.storage.hdf5 import read_h5
from tests.workflow.project import copy_project, dvc, git, planned, snakemake, write_params

SECTIONS = {
    "data": {"limit": 300},
    "train": {"networks": ["cnn"], "folds": 5, "held_out": [0], "epochs": 1, "batch": 60, "fuse": ["fold"]},
    "aug": {"translate": [0], "copies": 1},
    "measure": {"measures": ["signal_to_noise", "angle_acc"], "angles": [0.0], "shifts": [], "images": 10},
}
LOG = "logs/train/mnist-5k/cnn/none/0.log"


def changed(**train):
    """Return the study's sections with other parameters of training."""
    return {**SECTIONS, "train": {**SECTIONS["train"], **train}}


def train_all(folder):
    """Train what is missing."""
    done = snakemake(folder, "all_train", "--cores", "1")
    assert done.returncode == 0, done.stdout[-5000:]


def epochs(folder) -> dict[str, int]:
    """Return how many epochs each run has, by what is below the folder of runs."""
    files = sorted((folder / "results/train/mnist-5k/cnn").rglob("*.h5"))
    return {
        path.relative_to(folder / "results/train/mnist-5k/cnn").as_posix(): len(read_h5(path)[0]["history/val_acc"])
        for path in files
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a finished study of one run."""
    folder = copy_project(tmp_path_factory.mktemp("growth") / "project", **SECTIONS)
    train_all(folder)
    assert epochs(folder) == {"none/0/fold-0.h5": 1}
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """Return a copy of the finished study."""
    return shutil.copytree(finished, tmp_path / "project", symlinks=True)


def test_folds_seeds_levels_and_epochs_are_added_one_after_the_other(folder):
    first = folder / "results/train/mnist-5k/cnn/none/0/fold-0.h5"
    content = first.read_bytes()

    for more in ({"held_out": [0, 1]}, {"seeds": [0, 1]}, {"held_out": [0, 1], "seeds": [0, 1]}):
        write_params(folder, **changed(**more))
        assert planned(folder, "all_train") == {"train_none": 1, "all_train": 1}
    train_all(folder)
    assert set(epochs(folder)) == {f"none/0/fold-{name}.h5" for name in ("0", "1", "0-seed-1", "1-seed-1")}
    assert first.read_bytes() == content
    log = (folder / LOG).read_text()
    assert "1 of 4 runs are complete and left as they are" in log
    assert sorted(line.partition(":")[0] for line in log.splitlines() if ": epoch 1/1" in line) == [
        f"mnist-5k cnn none 0 fold {name}" for name in ("0 seed 1", "1", "1 seed 1")
    ]
    assert planned(folder, "all_train") == {}

    levels = {**changed(held_out=[0, 1], seeds=[0, 1]), "aug": {"translate": [0, 0.2], "copies": 1}}
    write_params(folder, **levels)
    assert planned(folder, "all_train") == {"shard": 1, "train_translate": 1, "all_train": 1}
    train_all(folder)

    write_params(folder, **{**levels, "train": {**levels["train"], "epochs": 3}})
    assert planned(folder, "all_train") == {"train_none": 1, "train_translate": 1, "all_train": 1}
    train_all(folder)
    assert set(epochs(folder).values()) == {3}
    assert len(epochs(folder)) == 8
    log = (folder / LOG).read_text()
    assert "mnist-5k cnn none 0 fold 0: 1 of 3 epochs are stored, goes on" in log
    assert "epoch 1/3" not in log
    assert planned(folder, "all_train") == {}
    assert not (folder / "attic").exists()


def test_without_fusion_only_new_runs_are_planned(folder):
    fuse = {"fuse": []}
    write_params(folder, **changed(**fuse))
    train_all(folder)
    write_params(folder, **changed(**fuse, held_out=[0, 1], seeds=[0, 2]))
    assert planned(folder, "all_train") == {"train_none": 3, "all_train": 1}


def test_folds_that_come_back_train_nothing(folder):
    write_params(folder, **changed(held_out=None))
    train_all(folder)
    stored = {path: path.read_bytes() for path in (folder / "results/train").rglob("*.h5")}
    assert len(stored) == 5
    for held_out in ([0, 1], None):
        write_params(folder, **changed(held_out=held_out))
        train_all(folder)
        assert ": epoch 1/1" not in (folder / LOG).read_text()
    assert {path: path.read_bytes() for path in (folder / "results/train").rglob("*.h5")} == stored
    assert planned(folder, "all_train") == {}


def test_another_learning_rate_is_another_run_and_the_old_file_is_kept(folder):
    path = folder / "results/train/mnist-5k/cnn/none/0/fold-0.h5"
    old = path.read_bytes()
    write_params(folder, **changed(learning_rate=0.002))
    assert planned(folder, "all_train") == {"train_none": 1, "all_train": 1}
    train_all(folder)
    (kept,) = (folder / "attic").rglob("*.h5")
    assert kept.read_bytes() == old
    assert kept.relative_to(folder / "attic").parts[1:] == path.relative_to(folder).parts
    assert "expected learning_rate = 0.002, received 0.001; it is moved to attic/" in (folder / LOG).read_text()
    assert read_h5(path)[1]["config"]["learning_rate"] == 0.002


def test_fewer_epochs_than_stored_give_the_tables_of_the_first_ones(folder):
    tables = ("accuracy", "accuracy_by_epoch", "compared", "distance")

    def made():
        done = snakemake(folder, "reports/tables/accuracy.csv", "--cores", "1")
        assert done.returncode == 0, done.stdout[-5000:]
        return {name: (folder / f"reports/tables/{name}.csv").read_text() for name in tables}

    short = made()
    measures = (folder / "reports/tables/measures.csv").read_text()
    write_params(folder, **changed(epochs=2))
    assert made() != short
    write_params(folder, **SECTIONS)
    assert made() == short
    assert epochs(folder) == {"none/0/fold-0.h5": 2}
    assert (folder / "reports/tables/measures.csv").read_text().splitlines() == measures.splitlines()[:1]
    problems = (folder / "reports/tables/problems.csv").read_text()
    assert "expected networks after 1 epochs, received that of fold 0 after more: it is left out" in problems


def lines(folder) -> list[int]:
    """Return the epochs of the lines of JSON that training has written."""
    path = (folder / LOG).with_suffix(".jsonl")
    return [json.loads(line)["epoch"] for line in path.read_text().splitlines()]


def test_an_experiment_with_more_epochs_trains_only_these(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "project", symlinks=True)
    assert lines(folder) == [1]
    git("init", "-q", cwd=folder)
    git("config", "user.name", "test", cwd=folder)
    git("config", "user.email", "test@example.org", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Start", cwd=folder)
    dvc("repro", "train", cwd=folder)
    assert lines(folder) == [1]  # nothing was left to train
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Run", cwd=folder)
    dvc("exp", "run", "-S", "train.epochs=3", "train", cwd=folder)
    assert epochs(folder) == {"none/0/fold-0.h5": 3}
    assert lines(folder) == [1, 2, 3]
    log = (folder / LOG).read_text()
    assert "mnist-5k cnn none 0 fold 0: 1 of 3 epochs are stored, goes on" in log
    assert [line.split("epoch ")[1][:3] for line in log.splitlines() if ": epoch " in line] == ["2/3", "3/3"]
    assert planned(folder, "all_train") == {}
    # a run in one go gives the same
    whole = shutil.copytree(finished, tmp_path / "whole", symlinks=True)
    for made in ("results/train", "logs"):
        shutil.rmtree(whole / made)
    write_params(whole, **changed(epochs=3))
    train_all(whole)
    assert lines(whole) == [1, 2, 3]
    path = "results/train/mnist-5k/cnn/none/0/fold-0.h5"
    grown, at_once = read_h5(folder / path)[0], read_h5(whole / path)[0]
    assert grown.keys() == at_once.keys()
    assert all((grown[name] == at_once[name]).all() for name in grown if name != "history/cpu_seconds")
