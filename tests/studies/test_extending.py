"""What docs/extending.md shows, run through the whole pipeline: members of one's own, from outside the package."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from freeconv.storage.hdf5 import read_h5
from tests.workflow.project import ROOT, plan, planned, snakemake, tiny_study


def shown_files() -> dict[str, str]:
    """Return the files that docs/extending.md shows: path to content."""
    page = (ROOT / "docs/extending.md").read_text()
    files = dict(re.findall(r"`(mine/\w+\.py)`:\n\n```python\n(.*?)```", page, flags=re.DOTALL))
    assert len(files) == 4
    return files


def edit_params(folder, **changes) -> None:
    """Change sections of the project's parameters; a key that is no section is set."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for key, value in changes.items():
        params[key] = {**params[key], **value} if isinstance(value, dict) else value
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a project with a finished study of one network."""
    folder = tmp_path_factory.mktemp("extending") / "project"
    return shutil.copytree(tiny_study(tmp_path_factory), folder, symlinks=True)


def test_members_change_nothing_until_they_are_used_and_then_run_like_built_in_ones(finished):
    for name, content in shown_files().items():
        (finished / name).parent.mkdir(exist_ok=True)
        (finished / name).write_text(content)
    edit_params(finished, modules=sorted(shown_files()))
    assert planned(finished) == {}

    edit_params(finished, aug={"blur": [0.5]}, train={"networks": ["fcn", "small_mlp"]})
    jobs = planned(finished)
    assert {rule: jobs[rule] for rule in jobs if rule.startswith(("fetch", "shard", "train", "measure"))} == {
        "shard": 1,
        "train_blur": 2,
        "train_translate": 1,
        "measure": 3,
    }
    done = snakemake(finished)
    assert done.returncode == 0, done.stdout[-5000:]
    assert planned(finished) == {}

    accuracy = pd.read_csv(finished / "reports/tables/accuracy.csv")
    blurred = accuracy[accuracy["metric"] == "blur_acc"]
    assert set(blurred["augmentation"]) == {"blur"}
    assert set(blurred["network"]) == {"fcn", "small_mlp"}
    assert blurred["median"].between(0, 1).all()
    arrays, _ = read_h5(finished / "results/train/mnist-5k/small_mlp/blur/0.5/fold-0.h5")
    assert np.any(arrays["network/norm_1/moving_mean"] != 0)
    assert "small MLP" in (finished / "reports/index.html").read_text()


def test_a_measure_of_ones_own_measures_again_and_trains_nothing(finished):
    before = (finished / "params.yaml").read_text()
    edit_params(finished, measure={"measures": ["angle_acc", "kernel_norm"]})
    try:
        assert set(planned(finished)) == {"measure", "tables", "figures", "report"}
    finally:
        (finished / "params.yaml").write_text(before)


def test_a_metric_of_ones_own_trains_again(finished):
    before = (finished / "params.yaml").read_text()
    edit_params(finished, evaluate={"metrics": ["val_confidence"]})
    try:
        jobs = planned(finished)
    finally:
        (finished / "params.yaml").write_text(before)
    assert "shard" not in jobs
    assert (jobs["train_blur"], jobs["train_translate"]) == (2, 2)


def test_a_title_redraws_and_trains_nothing(finished):
    module = finished / "mine/blur.py"
    module.write_text(module.read_text().replace('title="blur"', 'title="Gaussian blur"'))
    assert set(planned(finished)) == {"figures", "drawings", "report"}


def test_an_augmentation_of_ones_own_that_changes_runs_what_uses_it(finished):
    module = finished / "mine/blur.py"
    module.write_text(module.read_text().replace("WIDEST = 4.0", "WIDEST = 5.0"))
    jobs = planned(finished)
    assert (jobs["shard"], jobs["train_blur"]) == (1, 2)
    assert "train_translate" not in jobs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modules": ["mine/nothing.py"]}, "modules: expected a Python file, received 'mine/nothing.py'"),
        ({"aug": {"blurr": [0.5]}}, "aug.blurr: unknown key"),
        ({"train": {"networks": ["mlp9"]}}, "lowrank_4, small_mlp, received 'mlp9'"),
    ],
)
def test_what_is_not_there_is_refused_by_name(finished, changes, message):
    before = (finished / "params.yaml").read_text()
    try:
        edit_params(finished, **changes)
        done = plan(finished)
    finally:
        (finished / "params.yaml").write_text(before)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("freeconv: error:")]
    assert message in line
