"""The metrics of an epoch against loops, and a metric of one's own from outside the package."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from freeconv.errors import FreeconvError
from freeconv.metrics import METRICS, Metric, mean, metrics_named
from freeconv.registry import MODULES, load_modules
from freeconv.storage.hdf5 import read_h5
from freeconv.storage.run_file import read_run
from freeconv.study.params import check_params
from tests.commands.test_growth import config, folder, grow, run_path  # noqa: F401  (folder is a fixture)
from tests.made_study import small_params
from tests.metrics.by_loop import calibration_error_by_bins, top_2_by_sorting

EXTENDING = (Path(__file__).parents[2] / "docs/extending.md").read_text()


def computed(name, logits, labels):
    """Return a metric of images."""
    (metric,) = metrics_named([name])
    parts = ops.convert_to_numpy(metric.parts(ops.convert_to_tensor(logits), ops.convert_to_tensor(labels)))
    return metric.value(parts.astype("float64").sum(axis=0), len(labels))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(2, 12), st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_metrics_equal_loops(images, classes, scale, seed):
    rng = np.random.default_rng(seed)
    logits = (scale * rng.normal(size=(images, classes))).astype("float32")
    labels = rng.integers(0, classes, images).astype("int32")
    assert computed("val_top_2_acc", logits, labels) == pytest.approx(top_2_by_sorting(logits, labels))
    error = calibration_error_by_bins(logits, labels)
    assert computed("val_calibration_error", logits, labels) == pytest.approx(error, abs=1e-5)


def test_a_network_that_is_sure_and_right_is_calibrated_and_one_that_is_sure_and_wrong_is_not():
    logits = 50 * np.eye(4, dtype="float32")
    right = np.arange(4, dtype="int32")
    assert computed("val_calibration_error", logits, right) == pytest.approx(0, abs=1e-6)
    assert computed("val_calibration_error", logits, (right + 1) % 4) == pytest.approx(1, abs=1e-6)
    assert computed("val_top_2_acc", logits, right) == 1


@pytest.fixture
def confidence(tmp_path, monkeypatch):
    """Add the metric that docs/extending.md shows, from a file outside the package."""
    monkeypatch.setenv(MODULES, "")  # and what it is afterwards is no other test's
    (module,) = re.findall(r"`mine/confidence.py`:\n\n```python\n(.*?)```", EXTENDING, flags=re.DOTALL)
    path = tmp_path / "confidence.py"
    path.write_text(module)
    load_modules([str(path)])
    yield "val_confidence"
    METRICS.remove("val_confidence")


def test_runs_record_the_metrics_that_are_named(folder, tmp_path, confidence):  # noqa: F811
    names = [confidence, "val_calibration_error", "val_top_2_acc"]
    values = {"network": "cnn", "levels": [0.2], "fold_indices": [0, 1], "epochs": 2}
    plain, metered = config(**values), config(**values, evaluate_metrics=names)
    grow(folder, tmp_path / "plain", plain, "on")
    grow(folder, tmp_path / "metered", metered, "on")
    for bare, run in zip(plain.runs(), metered.runs(), strict=True):
        assert run.dump() == {**bare.dump(), "evaluate_metrics": names}
        expected, _ = read_h5(run_path(tmp_path / "plain")(bare))
        arrays, _ = read_h5(run_path(tmp_path / "metered")(run))
        of_metrics = {name: arrays.pop(f"history/{name}") for name in names}
        assert all(values.shape == (2,) and ((values >= 0) & (values <= 1)).all() for values in of_metrics.values())
        assert (of_metrics["val_top_2_acc"] >= arrays["history/val_acc"]).all()
        assert set(arrays) == set(expected)
        del expected["history/cpu_seconds"]
        assert all((arrays[name] == array).all() for name, array in expected.items())
        assert set(names) < set(read_run(run, run_path(tmp_path / "metered")(run), 2).history)
        with pytest.raises(FreeconvError, match="expected evaluate_metrics"):
            read_run(bare, run_path(tmp_path / "metered")(run), 2)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["val_top_3_acc"], "metrics among val_top_2_acc"),
        (["val_top_2_acc"] * 2, "each value once"),
        ("val_top_2_acc", "list"),
    ],
)
def test_metrics_that_are_not_there_are_refused(metrics, message):
    with pytest.raises(FreeconvError, match=message):
        small_params(evaluate={"metrics": metrics})


@pytest.mark.parametrize("name", ["val_acc", "val_loss", "steps", "val_", "Val_x", "val_a b"])
def test_a_metric_may_not_take_the_place_of_what_is_recorded_anyway(name):
    with pytest.raises(FreeconvError, match=f"name of a metric: .* received '{name}'"):
        Metric(name=name, parts=lambda *_: None, value=mean, title="taken")


def test_the_optimizer_that_the_page_shows_is_one():
    (text,) = re.findall(r"```yaml\n(train:\n  optimizer.*?)```", EXTENDING, flags=re.DOTALL)
    params = small_params(train={**yaml.safe_load(text)["train"], "epochs": 50})
    assert check_params(params.dump()).train.optimizer.name == "sgd"
