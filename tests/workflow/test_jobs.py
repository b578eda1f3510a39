"""Which jobs Snakemake runs, and what it refuses, with parameters other than the smoke study's."""

import numpy as np
import pytest
from PIL import Image

from tests.workflow.project import copy_project, plan, planned, run, snakemake


@pytest.mark.parametrize("fuse", [[], ["fold"], ["fold", "level"]], ids=str)
def test_fuse_decides_how_many_jobs_train(tmp_path, fuse):
    folder = copy_project(tmp_path / "project", train={"fuse": fuse}, aug={"translate": [0, 0.2, 0.4]})
    jobs = planned(folder)
    networks, levels, folds = 2, 2, 2
    expected = networks * (1 if "level" in fuse else levels) * (1 if "fold" in fuse else folds)
    assert jobs["train_translate"] == expected
    assert jobs["train_none"] == networks * (1 if "fold" in fuse else folds)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("aug", {"translate": [0, 1.5]}, "aug.translate.1: expected less than 1, received 1.5"),
        ("train", {"epoch": 3}, "train.epoch: unknown key"),
        ("train", {"batch": "many"}, "train.batch: expected a valid integer, received 'many'"),
        ("data", {"folders": {"mine": "no/such/folder"}, "datasets": ["mine"]}, "data.folders.mine: expected a folder"),
    ],
)
def test_a_wrong_parameter_ends_everything_in_one_line(tmp_path, section, values, message):
    folder = copy_project(tmp_path / "project", **{section: values})
    done = run("snakemake", cwd=folder) if section == "aug" else plan(folder)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("freeconv: error:")]
    assert message in line
    assert "Traceback" not in done.stdout
    assert not (folder / "data").exists()
    assert not (folder / "results").exists()


def test_a_failed_job_shows_its_one_line_and_leaves_nothing(tmp_path):
    folder = copy_project(tmp_path / "project", train={"batch": 4001, "held_out": [0], "networks": ["cnn"]})
    done = snakemake(folder)
    assert done.returncode == 1
    assert (
        "train.batch: expected at most the 4000 images of the training folds of mnist-5k, received 4001" in done.stdout
    )
    assert not list((folder / "results").rglob("fold-*"))
    assert not list(folder.rglob("*.tmp"))


def test_a_changed_image_makes_its_dependents_again_and_a_touched_one_nothing(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(5):
            image = Image.fromarray(rng.integers(0, 256, (16, 16), dtype="uint8"))
            image.save(tmp_path / f"images/{label}/{number}.png")
    folder = copy_project(
        tmp_path / "project",
        data={"datasets": ["tiny"], "folders": {"tiny": str(tmp_path / "images")}},
        aug={"translate": [0.1, 0.2], "copies": 1},
        train={"batch": 2},
    )
    assert snakemake(folder, "all_shards").returncode == 0
    assert planned(folder, "all_shards") == {}
    changed = tmp_path / "images/b/3.png"
    changed.touch()
    assert planned(folder, "all_shards") == {}
    Image.fromarray(np.zeros((16, 16), "uint8")).save(changed)
    assert planned(folder, "all_shards") == {"fetch": 1, "shard": 2, "all_shards": 1}
