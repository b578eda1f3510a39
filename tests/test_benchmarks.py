import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from freeconv.networks import build_network, convolutions
from freeconv.planning.speed import Speed
from freeconv.study import grid
from freeconv.study.params import check_params
from tests.planning.test_estimate import write_benchmark, write_data, write_timed_run

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Return a function that imports a benchmark as running its file would."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module


@pytest.fixture
def result(benchmark):
    measuring = benchmark("measuring")
    return {
        "name": "layer",
        "claim": "It is fast.",
        "method": "Two contestants take turns.",
        "command": "python benchmarks/layer.py",
        "quick": False,
        "date": "2026-01-31",
        "machine": {"processor": "CPU (Some 9000)", "cores": 2, "memory_gib": 23.5},
        "versions": {"keras": "3.12.0"},
        "n": "3 rounds of 5 steps",
        "measured": [measuring.measured("FCN: a step", [12.0, 11.0, 50.0], "ms")],
        "compared": [
            measuring.compared("FCN / CNN", [0.9, 1.0, 1.3], "≤ 1.0"),
            measuring.compared("floor / FCN", [60.0, 61.0, 90.0], "≥ 75", "%"),
            measuring.compared("5 × CNN", [1.4], None),
            measuring.not_installed("FCN / LocallyConnected2D", "tf-keras", "≤ 0.6"),
        ],
    }


def test_page_says_what_was_measured_where_and_whether_targets_were_met(benchmark, result):
    page = benchmark("run").performance_page([result])
    for line in (
        "| FCN / CNN | 1 (0.92–1.24) | ≤ 1.0 | met |",
        "| floor / FCN | 61 (60.2–84.2) % | ≥ 75 % | missed |",
        "| 5 × CNN | 1.4 | — | — |",
        "| FCN / LocallyConnected2D | tf-keras not installed | ≤ 0.6 | — |",
        "| FCN: a step | 12 (11.2–42.4) ms |",
        "1 targets met, 1 missed. Not installed, so not compared: tf-keras.",
    ):
        assert line in page.splitlines()
    for text in ("CPU (Some 9000), 2 cores, 23.5 GiB", "2026-01-31", "3 rounds of 5 steps", "keras 3.12.0"):
        assert text in page
    assert "trial" not in page
    assert "trial" in benchmark("run").performance_page([{**result, "quick": True}])


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [(1.0, "≤ 1.0", True), (0.5, "< 0.5", False), (5.9, "≥ 6", False), (6, "≥ 6", True), (3, None, None)],
)
def test_met(benchmark, value, target, expected):
    measuring = benchmark("measuring")
    assert measuring.met(measuring.compared("", value, target)) is expected


def test_contestants_take_turns_and_the_first_round_does_not_count(benchmark):
    turns = []
    seconds = benchmark("measuring").round_robin({name: lambda name=name: turns.append(name) for name in "ab"}, 3)
    assert turns == list("ab" * 4)
    assert [values.shape for values in seconds.values()] == [(3,), (3,)]


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_operations_are_those_of_the_weights(benchmark, shape):
    """A weight of a free network is used once per image and product."""
    model = build_network("fcn", shape, 10, 0)
    kernels = [np.prod(weight.shape) for weight in model.trainable_variables if weight.name == "kernel"]
    assert len(kernels) == convolutions("fcn", shape) + 2
    assert benchmark("measuring").step_operations(shape, 10, 7) == 2 * 7 * (3 * sum(kernels) - kernels[0])


def test_augmentation(benchmark, tmp_path):
    benchmark("augmentation").main(["--quick", "--output", str(tmp_path)])
    result = json.loads((tmp_path / "augmentation.json").read_text())
    assert result["quick"]
    # whether targets are met a trial at tiny sizes cannot say
    assert result["compared"]
    assert all(row["median"] > 0 and row["target"] for row in result["compared"])
    assert all(row["p10"] <= row["median"] <= row["p90"] for row in result["measured"])


def test_parts_of_making_a_shard_add_up(benchmark, tmp_path):
    benchmark("shards").main(["--quick", "--output", str(tmp_path)])
    medians = {row["what"]: row["median"] for row in json.loads((tmp_path / "shards.json").read_text())["measured"]}
    parts = [medians[f"28 × 28 × 1, none: … {part}"] for part in ("reading the dataset", "writing", "augmentation")]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(medians["28 × 28 × 1, none: make a shard"], rel=0.5)
    assert medians["28 × 28 × 1, zstd: its size"] < medians["28 × 28 × 1, none: its size"]


def test_growth_is_read_from_straight_lines(benchmark):
    growth = benchmark("growth")
    values = [10.0, 20.0, 40.0]
    np.testing.assert_allclose(growth.exponent(values, np.array([[3.0, 1.0], [6.0, 4.0], [12.0, 16.0]])), [1, 2])
    np.testing.assert_allclose(growth.slope(values, np.array([[105.0], [110.0], [120.0]])), [0.5])


@pytest.mark.parametrize("size", [16, 28])
def test_positions_are_those_of_the_first_layer(benchmark, size):
    first = build_network("fcn", (size, size, 1), 10, 0).get_layer("free_1")
    assert benchmark("growth").positions(size) == first.kernel.shape[0]


def test_growth_measures_a_job_in_a_process_of_its_own(benchmark):
    growth = benchmark("growth")
    costs = growth.in_own_process({**growth.QUICK_BASE, "replicas": 2})
    assert costs["seconds"] > 0
    assert costs["memory"] > 100


def test_a_job_that_keeps_freed_memory_is_measured_in_a_process_of_its_own(benchmark, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_"))]:
        monkeypatch.delenv(name)
    freed_memory = benchmark("freed_memory")
    assert freed_memory.in_own_process([freed_memory.QUICK_BASE, "cnn", True], freed_memory.__file__)["seconds"] > 0


def test_evaluation_is_a_part_of_an_epoch(benchmark, tmp_path):
    benchmark("evaluation").main(["--quick", "--output", str(tmp_path)])
    result = json.loads((tmp_path / "evaluation.json").read_text())
    assert all(0 < row["median"] < 100 for row in result["compared"])
    assert {row["what"].split(":")[0] for row in result["compared"]} == {"CNN", "FCN"}


def test_the_paper_on_a_gpu_is_a_few_large_jobs(benchmark):
    params = benchmark("gpu").paper(quick=False, precision="tf32")
    jobs = list(grid.jobs(params))
    assert {job.precision for job in jobs} == {"tf32"}
    assert sum(len(list(job.runs())) for job in jobs) == 1068
    assert max(len(list(job.runs())) for job in jobs) == 50  # ten levels, five folds
    assert len(jobs) == 2 * (5 * 2 + 10 + 24)  # augmentations, missing connections, search


def test_a_processor_lacks_one_precision(benchmark, capsys):
    rates = benchmark("gpu").product_rates(quick=True)
    assert [row["what"].split()[-1] for row in rates] == ["float32", "bfloat16"]
    assert "tf32" in capsys.readouterr().out


def test_estimates_of_a_job_are_made_without_it(benchmark, project, monkeypatch):
    estimates = benchmark("estimate")
    speed = Speed(train=0.001, evaluate=0.0, run=0.0, job=4.0, memory_mb=None, source="timed steps")
    monkeypatch.setattr(estimates, "start_up", lambda: ("CPU (here)", 4.0))
    monkeypatch.setattr(estimates, "fitting_speed", lambda *_: speed)
    params = check_params({"train": {"batch": 40, "epochs": 3, "networks": ["cnn"]}, "data": {"limit": 500}})
    sha256 = write_data(500)
    for run in grid.runs(params):
        if run.level < 0.4:  # the third job has not run
            write_timed_run(run, sha256, 1.2 if run.level == 0 else 2.4)
    write_benchmark("mnist-5k/cnn/none/0", 10.0, 500)
    write_benchmark("mnist-5k/cnn/translate/0.2", 17.0, 500)
    # five runs of three epochs of 400 images; the other job's start-up and seconds
    timed = 4 + 5 * 1.2
    steps, stored = "timed steps", "stored runs"
    expected = [(steps, timed, 10), (stored, 17, 10), (steps, timed, 17), (stored, 10, 17)]
    found = list(estimates.estimates(params))
    assert [(network, way) for network, way, *_ in found] == [("CNN", way) for way, *_ in expected]
    assert [seconds for _, _, *seconds in found] == [pytest.approx(seconds) for _, *seconds in expected]


def test_first_step_stops_after_one(benchmark, tmp_path):
    startup = benchmark("startup")
    startup.prepared_study(str(tmp_path))
    command = [sys.executable, str(BENCHMARKS / "startup.py"), "--first-step"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == startup.FIRST_STEP
    assert not (tmp_path / "results/train").exists()


def test_a_command_that_fails_is_no_measurement(benchmark, tmp_path, monkeypatch):
    startup = benchmark("startup")
    monkeypatch.setattr(startup, "FREECONV", "false")
    run, _ = startup.timed_commands(str(tmp_path))["freeconv --help"]
    with pytest.raises(RuntimeError, match="expected 'train'"):
        run()


def test_rows_of_a_backend_compare_each_shape_with_its_peer_and_with_recomputation(benchmark):
    free_layer = benchmark("free_layer")
    result = {
        shape: {
            "seconds": {
                "FreeConv2D, compiled": [1.0, 2.0],
                "FreeConv2D, recompute, compiled": [1.1, 2.2],
                "peer, compiled": [6.0, 8.0],
                "FreeConv2D, not compiled": [2.0, 2.0],
                "FreeConv2D, recompute, not compiled": [3.0, 3.0],
            },
            "kept": {"FreeConv2D": 4 * 2**20, "FreeConv2D, recompute": 2**20},
        }
        for shape in free_layer.SHAPES
    }
    measurements, comparisons = free_layer.rows_of_backend("jax", result)
    found = {row["what"]: (row["median"], row["target"]) for row in comparisons}
    label = "JAX, CIFAR-10's middle layer"
    assert found[f"{label}, compiled: conv_general_dilated_local / FreeConv2D, time"] == (pytest.approx(5.0), "≥ 5")
    assert found[f"{label}, not compiled: conv_general_dilated_local / FreeConv2D, time"] == (None, None)
    assert found[f"{label}, compiled: with recompute / without, time"] == (pytest.approx(1.1), "≤ 1.15")
    assert found[f"{label}: with recompute / without, memory kept"] == (pytest.approx(0.25), "≤ 0.25")
    assert found["JAX, MNIST's middle layer: with recompute / without, memory kept"][1] is None
    assert {row["what"]: row["median"] for row in measurements}[f"{label}: FreeConv2D keeps"] == 4


@pytest.mark.parametrize("network", ["cnn", "fcn"])
def test_up_to_as_many_epochs_as_copies_every_image_is_new(network):
    """Runs with ten and with twenty copies are the same for ten epochs, and others afterwards."""
    path = Path(f"mnist/{network}/translate/0.2.csv")
    ten, twenty = (
        pd.read_csv(BENCHMARKS.parent / "reports/archive" / study / path, comment="#").drop(columns="cpu_seconds")
        for study in ("mnist-copies-10", "mnist")
    )
    assert set(ten["fold"]) <= set(twenty["fold"])
    twenty = twenty[twenty["fold"].isin(ten["fold"]) & (twenty["epoch"] <= 15)].reset_index(drop=True)
    early = ten["epoch"] <= 10
    pd.testing.assert_frame_equal(ten[early], twenty[early])
    assert (ten.loc[~early, "train_loss"] != twenty.loc[~early, "train_loss"]).all()


def test_ten_copies_are_compared_fold_by_fold(benchmark):
    means = benchmark("copies").by_fold("fcn")
    assert list(means["fresh"].index) == list(means["ten copies"].index) == [0, 1, 2]
    shown = json.loads((BENCHMARKS / "results/copies.json").read_text())["compared"]
    (row,) = [row for row in shown if row["what"].startswith("fcn: val_acc")]
    points = 100 * (means["ten copies"]["val_acc"] - means["fresh"]["val_acc"])
    assert row["median"] == pytest.approx(points.median())
