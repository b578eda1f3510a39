import subprocess
import sys

import pytest

from freeconv.analysis.distance import TRACE_COLUMNS, kernel_distance
from freeconv.commands.distance import make_traces
from freeconv.errors import FreeconvError
from freeconv.storage.csv_files import read_csv
from freeconv.storage.hdf5 import describe_h5
from freeconv.study import grid as study_grid
from freeconv.study import paths as study_paths
from tests.made_study import kernels, small_params, write_run, write_runs, write_traces


def first_cell(params):
    config = study_grid.distance_config(params, "mnist-5k", "fcn", "translate", 0.2)
    paths = [study_paths.run_file("mnist-5k", "fcn", "translate", 0.2, fold) for fold in config.train.fold_indices]
    return config, paths, study_paths.distance_file("mnist-5k", "fcn", "translate", 0.2)


def test_traces_hold_every_fold_radius_measure_and_epoch(project):
    params = small_params(distance={"radii": [1, 3], "measures": ["euclidean", "cosine"]})
    write_runs(params, epochs=lambda run: 2 + run.fold)
    config, paths, path = first_cell(params)
    make_traces(config, paths, path)
    frame, stored = read_csv(path)
    made_from = [describe_h5(run_path)[1]["content_sha256"] for run_path in paths]
    assert stored == {**config.dump(), "made_from": made_from}
    assert tuple(frame.columns) == TRACE_COLUMNS
    assert len(frame) == sum(3 + fold for fold in range(3)) * 4
    assert set(frame["layer"]) == {"free_1"}
    assert not frame.duplicated(["fold", "radius", "measure", "epoch"]).any()
    for run in study_grid.runs(params):
        if (run.network, run.augmentation, run.level) == ("fcn", "translate", 0.2):
            stored = kernels(run, 2 + run.fold)
            mine = frame[frame["fold"] == run.fold]
            assert mine["epoch"].max() == 2 + run.fold
            for row in mine.itertuples():
                expected = kernel_distance(stored[row.epoch], (9, 9), row.radius, row.measure)
                assert row.distance == pytest.approx(expected, rel=1e-8)
    assert [file.name for file in (project / path).parent.iterdir()] == ["0.2.csv"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset", "mnist"),
        ("network", "cnn"),
        ("augmentation", "rotate"),
        ("level", 0.25),
        ("fold", 2),
        ("patience", 9),
        ("seed", 7),
    ],
)
def test_traces_refuse_another_run_and_name_the_key(project, key, value):
    params = small_params()
    write_runs(params)
    config, paths, path = first_cell(params)
    run = next(run for run in study_grid.runs(params) if study_paths.run_file(
        run.dataset, run.network, run.augmentation, run.level, run.fold) == paths[1])  # fmt: skip
    write_run(run, config.train.epochs, config={**run.dump(), key: value})
    with pytest.raises(FreeconvError, match=rf"0\.2/fold-1\.h5: expected {key} = .*, received {value!r}") as error:
        make_traces(config, paths, path)
    assert "\n" not in str(error.value)
    assert not (project / path).exists()


def test_traces_refuse_a_radius_that_does_not_fit(project):
    params = small_params(distance={"radii": [1, 5]})
    write_runs(params)
    with pytest.raises(FreeconvError, match=r"distance\.radii up to 4 on 9 × 9 positions of free_1, received 5"):
        make_traces(*first_cell(params))


def test_traces_refuse_missing_runs_and_wrong_numbers_of_runs(project):
    params = small_params()
    config, paths, path = first_cell(params)
    with pytest.raises(FreeconvError, match=r"fold-0\.h5: .*does not exist"):
        make_traces(config, paths, path)
    with pytest.raises(FreeconvError, match=r"one run per fold of \[0, 1, 2\], received 2 files"):
        make_traces(config, paths[:2], path)


def test_level_0_traces_are_stored_under_none(project):
    params = small_params()
    write_runs(params)
    write_traces(params)
    frame, _ = read_csv(study_paths.distance_file("mnist-5k", "fcn", "none", 0))
    assert set(frame["augmentation"]) == {"none"}
    assert set(frame["level"]) == {0}


def test_neither_keras_nor_plotting_is_imported():
    slow = {"keras", "tensorflow", "matplotlib", "scipy"}
    code = f"import sys, freeconv.commands.distance; print({slow} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
