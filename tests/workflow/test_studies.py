"""Several studies in one clone, each in a folder of its own."""

import json

import h5py
import pytest
import yaml

from tests.data.pictures import encoded, picture, two_classes, write_files
from tests.workflow.project import copy_project, plan, planned, run, snakemake

TINY = {"networks": ["cnn"], "held_out": [0], "epochs": 1, "batch": 10}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project whose data are made; its params.yaml studies 24 images of the user's own and some digits."""
    data = {"datasets": ["own", "mnist-5k"], "folders": {"own": "own images"}, "limit": 200}
    folder = copy_project(tmp_path_factory.mktemp("studies") / "project", data=data, train=TINY)
    write_files(folder / "own images", two_classes(*(encoded(picture(n, 20, 20)) for n in range(24))))
    values = yaml.safe_load((folder / "params.yaml").read_text())
    (folder / "params/same.yaml").write_text(yaml.safe_dump({**values, "aug": {"translate": [0.3]}}))
    (folder / "params/other.yaml").write_text(yaml.safe_dump({**values, "seed": 1}))
    done = snakemake(folder, "all_data")
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


@pytest.mark.parametrize(("name", "shared"), [("same", True), ("other", False)])
def test_a_study_in_a_folder_of_its_own(project, name, shared):
    options = ("--directory", f"studies/{name}", "--configfile", f"params/{name}.yaml")
    before = {path: path.read_bytes() for path in project.glob("data/*")}
    done = snakemake(project, "all_data", *options)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {path: path.read_bytes() for path in project.glob("data/*")} == before
    for dataset in ("own", "mnist-5k"):
        mine = project / f"studies/{name}/data/{dataset}.h5"
        assert mine.samefile(project / f"data/{dataset}.h5") == shared, dataset
        with h5py.File(mine) as file:
            assert json.loads(file.attrs["config"])["seed"] == (0 if shared else 1)
    assert planned(project, "all_data", *options) == {}
    assert planned(project, "all_data") == {}
    assert planned(project, *options)["report"] == 1


def test_a_study_on_another_disk_has_its_own_parameters(project, tmp_path):
    done = plan(project, "--directory", str(tmp_path / "new"))
    assert done.returncode == 1
    assert "freeconv: error: params.yaml: expected a parameter file, received nothing" in done.stdout
    (tmp_path / "params.yaml").write_bytes((project / "params.yaml").read_bytes())
    assert planned(project, "--directory", str(tmp_path))["fetch"] == 2


def test_commands_in_a_studys_folder_find_the_projects_images(project):
    folder = project / "studies/by-hand"
    folder.mkdir(parents=True)
    done = run("freeconv", "runs", "--params", "../../params/same.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout
    done = run("freeconv", "runs", cwd=folder)
    assert "freeconv: error: params.yaml: expected a parameter file, received nothing" in done.stdout
