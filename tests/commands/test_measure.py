import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from freeconv.analysis.distance import kernel_distance, largest_radius
from freeconv.analysis.predictions import accuracy_by_shift
from freeconv.commands.measure import make_measures
from freeconv.errors import FreeconvError
from freeconv.measures import MEASURE_COLUMNS
from freeconv.measures.angle_acc import accuracy_by_angle
from freeconv.measures.distance_to_shared import distance_to_shared
from freeconv.measures.shared_acc import shared_accuracy
from freeconv.measures.signal_to_noise import signal_to_noise
from freeconv.networks import build_network
from freeconv.storage.csv_files import read_csv
from freeconv.storage.hdf5 import describe_h5, read_h5, write_h5
from freeconv.study.jobs import CellConfig, MeasureConfig
from freeconv.study.params import Measure
from tests.tiny_jobs import config, data_about, histories, run_about

MEASURES = ("euclidean", "cosine")
COUNT, FOLDS = 61, 3
CELL = {"dataset": "tiny", "network": "fcn", "augmentation": "translate", "level": 0.2}
RUNS = ["fold-0.h5", "fold-2.h5"]
KERNEL_MEASURES = {"euclidean_distance", "cosine_distance", "signal_to_noise", "distance_to_shared", "shared_acc"}
CURVES = {"horizontal_shift_acc", "vertical_shift_acc", "angle_acc"}


def measure_config(shifts=(-0.25, 0.0, 0.1), angles=(0.0, 90.0), images=None, measures=None, **other):
    job = config(**{"fold_indices": [0, 2], "folds": FOLDS, "seed": 5, **other}).model_dump()
    train = CellConfig(level=0.2, **{key: value for key, value in job.items() if key not in ("levels", "resumable")})
    settings = {"shifts": list(shifts), "angles": list(angles), "permutations": 20, "images": images}
    return MeasureConfig(train=train, measures=measures or Measure().measures, **settings)


def write_dataset(seed=5):
    rng = np.random.default_rng(0)
    arrays = {"images": rng.integers(0, 256, (COUNT, 16, 16, 1), dtype="uint8"), "labels": np.arange(COUNT) % 4}
    write_h5("data.h5", arrays, data_about(seed=seed), "none")
    return arrays["images"].astype("float32") / 255, arrays["labels"], read_h5("data.h5")[1]["content_sha256"]


def write_network(measured, fold, sha256, kind="fcn", epochs=3):
    """Write a run with an untrained network; return the network."""
    model = build_network(kind, (16, 16, 1), 4, seed=fold, initializer="glorot-position")
    weights = {f"network/{variable.path}": keras.ops.convert_to_numpy(variable) for variable in model.weights}
    (run,) = [run for run in measured.train.runs() if run.fold == fold]
    write_h5(f"fold-{fold}.h5", {**histories(run, epochs), **weights}, run_about(run, epochs, sha256), "none")
    return model


def value(frame, name, layer="", setting=None, statistic="observed"):
    """Return the one value of a fold's table."""
    mine = frame[(frame["measure"] == name) & (frame["layer"].fillna("") == layer) & (frame["statistic"] == statistic)]
    mine = mine[mine["setting"].isna()] if setting is None else mine[mine["setting"] == setting]
    assert len(mine) == 1
    return mine["value"].item()


def test_measures_of_a_free_network_are_written_for_every_fold(project):
    measured = measure_config()
    images, labels, sha256 = write_dataset()
    models = {fold: write_network(measured, fold, sha256) for fold in measured.train.fold_indices}
    make_measures(measured, RUNS, "data.h5", "out/0.2.csv")
    frame, stored = read_csv("out/0.2.csv")
    made_from = [describe_h5(path)[1]["content_sha256"] for path in RUNS]
    assert stored == {**measured.dump(), "made_from": made_from}
    assert tuple(frame.columns) == MEASURE_COLUMNS
    assert set(frame["measure"]) == KERNEL_MEASURES | CURVES
    assert not frame.duplicated(list(MEASURE_COLUMNS[:-1])).any()
    for key in ("dataset", "network", "augmentation", "level"):
        assert set(frame[key]) == {CELL[key]}
    assert set(frame["fold"]) == {0, 2}
    blocks = {0: slice(0, 21), 2: slice(41, 61)}  # 61 images in 3 folds: 21, 20 and 20
    for fold, model in models.items():
        mine = frame[frame["fold"] == fold]
        for layer, grid in (("free_1", (7, 7)), ("free_2", (3, 3)), ("free_3", (1, 1))):
            kernels = model.get_layer(layer).get_weights()[0]
            for kind in MEASURES:
                radii = range(1, largest_radius(grid) + 1)
                there = mine[(mine["measure"] == f"{kind}_distance") & (mine["layer"] == layer)]
                assert len(there) == 4 * len(radii)
                for radius in radii:
                    observed = value(mine, f"{kind}_distance", layer, radius)
                    mean, low, high = (
                        value(mine, f"{kind}_distance", layer, radius, f"permuted_{name}")
                        for name in ("mean", "low", "high")
                    )
                    assert observed == pytest.approx(kernel_distance(kernels, grid, radius, kind), rel=1e-8)
                    assert mean == pytest.approx(observed, rel=0.1)  # untrained kernels are in random order
                    assert low < mean < high
            for name, number in signal_to_noise(kernels)._asdict().items():
                assert value(mine, "signal_to_noise", layer, statistic=name) == pytest.approx(number, rel=1e-8)
            assert value(mine, "distance_to_shared", layer) == pytest.approx(distance_to_shared(kernels), rel=1e-8)
        held_out = images[blocks[fold]], labels[blocks[fold]]
        for layer, number in shared_accuracy(model, *held_out).items():
            assert value(mine, "shared_acc", layer) == pytest.approx(number, rel=1e-8)
        for direction in ("horizontal", "vertical"):
            numbers = accuracy_by_shift(model, *held_out, measured.shifts, direction)
            for share, number in zip(measured.shifts, numbers, strict=True):
                assert value(mine, f"{direction}_shift_acc", setting=share) == pytest.approx(number, rel=1e-8)
            assert value(mine, f"{direction}_shift_acc", setting=0) == value(mine, "shared_acc", "none")
        for angle, number in zip(measured.angles, accuracy_by_angle(model, *held_out, measured.angles), strict=True):
            assert value(mine, "angle_acc", setting=angle) == pytest.approx(number, rel=1e-8)
    assert [file.name for file in (project / "out").iterdir()] == ["0.2.csv"]


def test_curves_can_be_of_the_first_images_only(project):
    measured = measure_config(shifts=[0.1], angles=[90.0], images=7, fold_indices=[2])
    images, labels, sha256 = write_dataset()
    model = write_network(measured, 2, sha256)
    make_measures(measured, RUNS[1:], "data.h5", "some.csv")
    frame, _ = read_csv("some.csv")
    first = images[41:48], labels[41:48]
    assert value(frame, "horizontal_shift_acc", setting=0.1) == pytest.approx(
        accuracy_by_shift(model, *first, [0.1], "horizontal").item()
    )
    assert value(frame, "angle_acc", setting=90) == pytest.approx(accuracy_by_angle(model, *first, [90.0]).item())
    whole = shared_accuracy(model, images[41:61], labels[41:61])
    assert value(frame, "shared_acc", "none") == pytest.approx(whole["none"])


def test_a_fold_is_measured_the_same_alone_and_the_null_depends_on_the_seed(project):
    measured = measure_config(shifts=[0.0], angles=[])
    _, _, sha256 = write_dataset()
    for fold in measured.train.fold_indices:
        write_network(measured, fold, sha256)
    make_measures(measured, RUNS, "data.h5", "all.csv")
    every, _ = read_csv("all.csv")
    second = every[every["fold"] == 2].reset_index(drop=True)
    for seed in (5, 6):
        measured = measure_config(shifts=[0.0], angles=[], fold_indices=[2], seed=seed)
        _, _, sha256 = write_dataset(seed)
        write_network(measured, 2, sha256)
        make_measures(measured, RUNS[1:], "data.h5", f"{seed}.csv")
    pd.testing.assert_frame_equal(second, read_csv("5.csv")[0])
    changed = second[second["value"] != read_csv("6.csv")[0]["value"]]
    assert set(changed["statistic"]) == {"permuted_low", "permuted_high"}


@pytest.mark.parametrize(("network", "kind"), [("cnn", "cnn"), ("fcn-vcp-0.3", "fcn")])
def test_without_kernels_to_compare_there_are_only_the_curves(project, network, kind):
    measured = measure_config(network=network)
    _, _, sha256 = write_dataset()
    for fold in measured.train.fold_indices:
        write_network(measured, fold, sha256, kind)
    make_measures(measured, RUNS, "data.h5", "out.csv")
    frame, _ = read_csv("out.csv")
    assert set(frame["measure"]) == CURVES
    assert len(frame) == 2 * (3 + 3 + 2)
    assert frame["layer"].isna().all()
    assert frame["value"].between(0, 1).all()


def test_only_what_is_listed_is_measured_and_its_numbers_are_the_same(project):
    _, _, sha256 = write_dataset()
    listed = ["angle_acc", "cosine_distance"]
    for measures in (None, listed):
        measured = measure_config(measures=measures, fold_indices=[0])
        write_network(measured, 0, sha256)
        make_measures(measured, RUNS[:1], "data.h5", "listed.csv" if measures else "all.csv")
    every, chosen = read_csv("all.csv")[0], read_csv("listed.csv")[0]
    expected = pd.concat([every[every["measure"] == name] for name in reversed(listed)], ignore_index=True)
    pd.testing.assert_frame_equal(chosen, expected, check_dtype=False)  # whole numbers are read as integers


def test_a_table_without_any_measure_has_its_columns(project):
    measured = measure_config(measures=["shared_acc"], network="cnn")
    _, _, sha256 = write_dataset()
    for fold in measured.train.fold_indices:
        write_network(measured, fold, sha256, "cnn")
    make_measures(measured, RUNS, "data.h5", "out.csv")
    frame, _ = read_csv("out.csv")
    assert frame.empty
    assert tuple(frame.columns) == MEASURE_COLUMNS


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("dataset", "mnist"),
        ("network", "cnn"),
        ("augmentation", "rotate"),
        ("level", 0.25),
        ("folds", 4),
        ("seed", 6),
        ("fold", 1),
        ("patience", 7),
    ],
)
def test_another_run_is_refused_and_the_key_named(project, key, other):
    _, _, sha256 = write_dataset()
    for fold in (0, 2):
        (run,) = [run for run in measure_config().train.runs() if run.fold == fold]
        stored = {**run.dump(), **({key: other} if fold == 2 else {})}
        write_h5(f"fold-{fold}.h5", histories(run, 3), {**run_about(run, 3, sha256), "config": stored}, "none")
    with pytest.raises(FreeconvError, match=rf"^fold-2\.h5: expected {key} = .*, received {other!r};") as error:
        make_measures(measure_config(), RUNS, "data.h5", "out.csv")
    assert "\n" not in str(error.value)
    assert not (project / "out.csv").exists()


def test_broken_and_missing_runs_are_refused(project):
    measured = measure_config()
    _, _, sha256 = write_dataset()
    with pytest.raises(FreeconvError, match=r"one run per fold of \[0, 2\], received 1 files"):
        make_measures(measured, RUNS[:1], "data.h5", "out.csv")
    with pytest.raises(FreeconvError, match=r"^fold-0\.h5: .*does not exist$"):
        make_measures(measured, RUNS, "data.h5", "out.csv")
    with pytest.raises(FreeconvError, match=r"^none\.h5: .*does not exist$"):
        make_measures(measured, RUNS, "none.h5", "out.csv")
    write_network(measured, 0, "0" * 64)
    with pytest.raises(FreeconvError, match=rf"^fold-0\.h5: expected a run on data .* {sha256}, received one on 0000"):
        make_measures(measured, RUNS, "data.h5", "out.csv")
    for fold in (0, 2):
        (run,) = [run for run in measured.train.runs() if run.fold == fold]
        write_h5(f"fold-{fold}.h5", histories(run, 7), run_about(run, 7, sha256), "none")
    with pytest.raises(FreeconvError, match=r"^fold-0\.h5: .*remove the file and run again$") as error:
        make_measures(measured, RUNS, "data.h5", "out.csv")
    assert "\n" not in str(error.value)


def test_a_network_that_was_trained_longer_is_left_out_by_name(project, capsys):
    measured = measure_config(measures=["signal_to_noise"])
    _, _, sha256 = write_dataset()
    write_network(measured, 0, sha256)
    write_network(measured, 2, sha256, epochs=4)
    make_measures(measured, RUNS, "data.h5", "out.csv")
    frame, stored = read_csv("out.csv")
    assert set(frame["fold"]) == {0}
    made_from = [describe_h5(path)[1]["content_sha256"] for path in RUNS]
    assert stored == {**measured.dump(), "made_from": made_from, "left_out": ["2"]}
    assert capsys.readouterr().out == (
        "left out: fold-2.h5: expected the network after 3 epochs, received that after 4; ask for so many, or move the "
        "file away and run snakemake\n"
    )
    write_network(measured, 0, sha256, epochs=2)
    with pytest.raises(FreeconvError, match=r"^fold-0\.h5: expected 3 epochs, received 2; run snakemake$"):
        make_measures(measured, RUNS, "data.h5", "out.csv")


def test_importing_the_module_does_not_import_keras():
    code = "import sys, freeconv.commands.measure; print({'keras', 'tensorflow', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_snapshots_are_read_for_measures_that_need_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    measured = measure_config(measures=["signal_to_noise_by_epoch"])
    _, _, sha256 = write_dataset()
    kernels = np.random.default_rng(1).normal(size=(2, 49, 9, 32)).astype("float32")
    for run, path in measured.train.with_files(RUNS):
        write_network(measured, run.fold, sha256)
        arrays, attributes = read_h5(path)
        arrays |= {"kernel_epochs": np.array([0, 3]), "kernels/free_1": kernels + run.fold}
        attributes["grids"] = {"free_1": [7, 7]}
        write_h5(path, arrays, attributes, "none")
    make_measures(measured, RUNS, "data.h5", "measures.csv")
    frame, _ = read_csv("measures.csv")
    assert list(zip(frame["fold"], frame["setting"], frame["statistic"], strict=True))[::3] == [
        (fold, epoch, "median") for fold in (0, 2) for epoch in (0, 3)
    ]
    assert frame["value"][9:12].tolist() == pytest.approx(signal_to_noise(kernels[1] + 2))
