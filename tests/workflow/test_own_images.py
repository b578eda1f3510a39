"""Images of one's own in a whole workflow."""

import os

import pytest

from tests.data.pictures import encoded, picture, two_classes, write_files
from tests.workflow.project import copy_project, plan, snakemake

SMALL = {"folds": 2, "held_out": [0], "epochs": 1, "batch": 10, "networks": ["cnn"]}


@pytest.fixture
def own(tmp_path):
    """Return a function that copies the project, with 24 images of one's own, and some parameters of `train`."""

    def function(shape=(20, 20), **train):
        data = {"datasets": ["own"], "folders": {"own": "own"}, "limit": None}
        folder = copy_project(tmp_path / "project", data=data, train={**SMALL, **train})
        write_files(folder / "own", two_classes(*(encoded(picture(n, *shape)) for n in range(24))))
        return folder

    return function


def test_a_pipe_among_the_images_ends_a_dry_run_in_one_line(own):
    folder = own()
    os.mkfifo(folder / "own/b/pipe.png")
    done = plan(folder)
    assert done.returncode == 1
    assert "freeconv: error: own: expected files and folders, received b/pipe.png (a pipe); remove it" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("shape", "train", "complaint"),
    [
        (
            (20, 20),
            {"batch": 13},
            "train.batch: expected at most the 12 images of the training folds of own, received 13",
        ),
        ((12, 12), {}, "at least 15 × 15 pixels for the three of Table A.2), received 12 × 12"),
    ],
)
def test_nothing_runs_where_images_do_not_suit_the_study(own, shape, train, complaint):
    folder = own(shape, **train)
    done = snakemake(folder, "all_train")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("freeconv: error:")]
    assert complaint in line
    assert not (folder / "data").exists()


def test_the_log_names_what_was_passed_over(own):
    folder = own()
    write_files(folder / "own", {"a/._0.png": b"", ".ipynb_checkpoints/1.png": b""})
    done = snakemake(folder, "all_data")
    assert done.returncode == 0, done.stdout
    assert (folder / "logs/fetch/own.log").read_text().splitlines() == [
        "own: 24 images of 20 x 20 x 1: a 12, b 12",
        "own: passed over: hidden files and folders: 2 (.ipynb_checkpoints, a/._0.png)",
    ]
