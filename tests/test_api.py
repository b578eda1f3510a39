import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import freeconv
from freeconv.architectures.build import get_weights
from freeconv.commands.archive import archive_study
from freeconv.errors import FreeconvError
from freeconv.measures import network_to_measure
from freeconv.storage.hdf5 import write_h5
from freeconv.study import grid, paths
from tests.made_study import SMALL, parameter_file, small_params, write_run, write_runs

SECTIONS = {**SMALL, "aug": {"translate": [0, 0.2]}, "data": {"limit": 40}}
PARAMS = small_params(**SECTIONS)
NOTEBOOK = Path(__file__).parents[1] / "docs/results.ipynb"
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1)).astype("uint8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a study whose convolutional networks without translation have their first weights."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("params.yaml").write_text(parameter_file(**SECTIONS))
        data = grid.data_config(PARAMS, "mnist-5k").dump()
        write_h5(paths.data_file("mnist-5k"), {"images": IMAGES, "labels": np.arange(40) % 10}, {"config": data})
        write_runs(PARAMS)
        weights = get_weights(network_to_measure("cnn", (28, 28, 1), 10, None))
        for run in grid.runs(PARAMS):
            if run.network == "cnn" and run.augmentation == "none":
                write_run(run, 4, {f"network/{name}": array for name, array in weights.items()})
        archive_study(PARAMS, "reports/archive/small", Path())
    return folder


def test_all_runs_are_one_frame(folder):
    study = freeconv.open_study(folder)
    runs = study.runs()
    assert len(runs) == len(grid.run_files(PARAMS)) == 12
    assert set(runs["network"]) == {"cnn", "fcn"}
    assert runs["val_acc"].between(0.5, 1).all()
    assert (runs["epochs"] == 4).all()
    (folder / grid.run_files(PARAMS)[0]).rename(folder / "away")
    less = freeconv.open_study(folder)
    (folder / "away").rename(folder / grid.run_files(PARAMS)[0])
    assert len(less.runs()) == 11
    assert any(grid.run_files(PARAMS)[0] in problem for problem in less.problems)


def test_one_run_by_epoch_and_its_kernels(folder):
    run = freeconv.open_study(folder).run(network="fcn", level=0.2, fold=1)
    history = run.history()
    assert list(history.index) == [1, 2, 3, 4]
    assert history.loc[4, "val_acc"] == run.row()["val_acc"]
    kernels = run.kernels()
    assert {epoch: of.shape for epoch, of in kernels.items()} == dict.fromkeys(range(5), (81, 9, 4))
    with pytest.raises(FreeconvError, match="layer: expected one of free_1, received conv_9"):
        run.kernels("conv_9")


def test_the_network_takes_images_as_they_are(folder):
    run = freeconv.open_study(folder).run(network="cnn", level=0.0, fold=0)
    network = run.network()
    assert isinstance(network, keras.Model)
    plain = network_to_measure("cnn", (28, 28, 1), 10, None)
    expected = plain.predict(IMAGES.astype("float32") / 255, verbose=0)
    np.testing.assert_allclose(network.predict(IMAGES, verbose=0), expected, atol=1e-5)
    assert run.classify(IMAGES[..., 0]) == [str(index) for index in expected.argmax(-1)]


def test_a_run_that_is_not_the_only_one_is_refused_with_what_to_choose(folder):
    study = freeconv.open_study(folder)
    with pytest.raises(FreeconvError, match=r"expected one run, received 6 with .*; choose .*network of .*fold of "):
        study.run(level=0.2)
    with pytest.raises(FreeconvError, match=r"expected labels among dataset, .*, received folds"):
        study.run(folds=1)


def test_an_archive_is_opened_likewise(folder):
    study, archive = freeconv.open_study(folder), freeconv.open_study(folder / "reports/archive/small")
    assert len(archive.runs()) == 12
    labels = {"network": "fcn", "level": 0.2, "fold": 2}
    np.testing.assert_allclose(archive.run(**labels).history()["val_acc"], study.run(**labels).history()["val_acc"])
    with pytest.raises(FreeconvError, match="expected a study with trained networks, received an archive"):
        archive.run(**labels).network()
    with pytest.raises(FreeconvError, match="expected kernels of fold 2, seed 0, received those of fold 0, seed 0"):
        archive.run(**labels).kernels()
    first = {**labels, "fold": 0}
    kept, whole = archive.run(**first).kernels(), study.run(**first).kernels("free_1")
    assert set(kept) == {0, 1, 4}
    for epoch, kernels in kept.items():
        np.testing.assert_allclose(kernels, whole[epoch][..., :4], atol=1e-3)


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(FreeconvError, match="expected the folder of a study"):
        freeconv.open_study(tmp_path)


def test_the_package_alone_imports_nothing_heavy():
    code = "import sys, freeconv; print({'pandas', 'numpy', 'keras', 'pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_the_notebook_runs(folder):
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert 'open_study("..")' in code
    done = subprocess.run(
        [sys.executable, "-c", code.replace('open_study("..")', 'open_study(".")')],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "agg"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0
    assert "of 40 images as labelled" in done.stdout
