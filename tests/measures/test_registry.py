"""Measures as members of a registry, built in and of one's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from freeconv.errors import FreeconvError
from freeconv.measures import MEASURES, FreeLayer, Measure, Row, Run, Settings, Trained, measured
from freeconv.networks import build_network
from freeconv.registry import MODULES
from freeconv.seeds import random_stream
from freeconv.storage.csv_files import read_csv
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.study import grid, paths
from freeconv.study.jobs import MeasureConfig
from freeconv.study.params import check_params
from tests.measures.made import random_images, random_kernels
from tests.tiny_jobs import data_about, histories, run_about

BUILT_IN = [
    "euclidean_distance",
    "cosine_distance",
    "signal_to_noise",
    "distance_to_shared",
    "shared_acc",
    "horizontal_shift_acc",
    "vertical_shift_acc",
    "angle_acc",
]
BEYOND = [
    "effective_rank",
    "rank_acc",
    "signal_to_noise_by_epoch",
    "matched_distance",
    "border_null",
    "prediction_kept",
    "equivariance_error",
]

MODULE = '''
import numpy as np

from freeconv.measures import MEASURES, Measure, Row


def kernel_norm(trained):
    """Yield the norm of each free layer's kernels."""
    for layer in trained.layers:
        yield Row(layer.name, None, "observed", np.linalg.norm(layer.kernels))


def predicted(trained):
    """Yield how often each class is predicted, and a random number."""
    classes = np.argmax(trained.model.predict_on_batch(trained.images), axis=1)
    for number in range(4):
        yield Row("", number, "share", np.mean(classes == number))
    yield Row("", None, "random", trained.stream("predicted").random())


MEASURES.add(Measure(name="kernel_norm", measure=kernel_norm, needs="kernels", title="Norm of kernels"))
MEASURES.add(Measure(name="predicted", measure=predicted, title="Predicted classes"))
'''


@pytest.fixture
def added():
    """Return a function that registers a measure until the test ends."""
    names = []

    def add(name, measure, **other):
        names.append(name)
        MEASURES.add(Measure(name=name, measure=measure, title=name, **other))

    yield add
    for name in names:
        MEASURES.remove(name)


def trained_network(layers=("free_1", "free_2"), images=9):
    """Return a trained network of random kernels, without a model."""
    return Trained(
        model=None,
        layers=tuple(FreeLayer(name, random_kernels(9, seed=seed), (3, 3)) for seed, name in enumerate(layers)),
        images=random_images(images),
        labels=np.arange(images) % 4,
        run=Run("tiny", "fcn", "translate", 0.2, folds=3, fold=2, seed=5, vcp=0.0),
        settings=Settings(shifts=[], angles=[], permutations=3, images=4),
    )


def test_built_in_measures_come_in_the_order_of_tables():
    assert list(MEASURES) == [*BUILT_IN, *BEYOND]
    needs = ["kernels"] * 4 + ["free layers"] + ["network"] * 3
    needs += ["kernels", "free layers", "snapshots", "kernels", "kernels", "network", "network"]
    assert [member.needs for member in MEASURES.members()] == needs


@pytest.mark.parametrize("member", MEASURES.members(), ids=lambda member: member.name)
def test_definitions_are_sections_of_the_documentation(member):
    page, _, section = member.definition.partition("#")
    lines = (Path(__file__).parents[2] / page).read_text(encoding="utf-8").splitlines()
    titles = [line.lstrip("# ") for line in lines if line.startswith("##")]
    assert section in [title.lower().replace(" ", "-").replace(",", "") for title in titles]


def test_the_rows_of_kernels_stand_together_layer_by_layer_and_before_others(added):
    added("of_images", lambda trained: [Row("", 0.5, "observed", float(len(trained.images)))])
    added("free", lambda trained: [Row("all", None, "observed", 1.0)], needs="free layers")
    for name in ("second", "first"):
        added(name, lambda trained: [Row(layer.name, 1, "mean", 0.0) for layer in trained.layers], needs="kernels")
    names = ["of_images", "first", "free", "second"]
    assert measured(names, trained_network()) == [
        ("first", "free_1", 1, "mean", 0.0),
        ("second", "free_1", 1, "mean", 0.0),
        ("first", "free_2", 1, "mean", 0.0),
        ("second", "free_2", 1, "mean", 0.0),
        ("of_images", "", 0.5, "observed", 9.0),
        ("free", "all", None, "observed", 1.0),
    ]


def test_what_a_network_does_not_have_is_left_out(added):
    added("of_images", lambda _: [Row("", None, "observed", 1.0)])
    added("free", lambda _: pytest.fail("measured"), needs="free layers")
    added("of_kernels", lambda _: pytest.fail("measured"), needs="kernels")
    network = trained_network(layers=())
    assert measured(["free", "of_images", "of_kernels"], network) == [("of_images", "", None, "observed", 1.0)]


def test_a_measure_that_is_not_registered_is_refused():
    with pytest.raises(FreeconvError, match=r"^measure: expected one of euclidean_distance, .*, received 'norm'; "):
        measured(["norm"], trained_network())


def test_each_network_has_its_own_random_streams():
    stream = random_stream(5, "measure", "tiny", "fcn", "translate", 0.2, 2, "free_1", "cosine")
    assert trained_network().stream("free_1", "cosine").random() == stream.random()


def test_only_the_first_images_are_moved():
    network = trained_network()
    images, labels = network.moved()
    np.testing.assert_array_equal(images, network.images[:4])
    np.testing.assert_array_equal(labels, network.labels[:4])


def test_a_measure_that_is_registered_changes_no_configuration_until_it_is_listed(added):
    cell = ("mnist-5k", "fcn", "none", 0.0)
    before = grid.measure_config(check_params({}), *cell), check_params({}).dump()
    assert before[0].measures == BUILT_IN
    added("another", lambda _: [])
    assert (grid.measure_config(check_params({}), *cell), check_params({}).dump()) == before
    params = check_params({"measure": {"measures": ["another", "angle_acc"]}})
    assert grid.measure_config(params, *cell).measures == ["another", "angle_acc"]


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (
            ["angle_acc", "norm"],
            r"expected measures among euclidean_distance, .*, equivariance_error, received 'norm'$",
        ),
        (["angle_acc", "angle_acc"], r"expected each value once, received \['angle_acc', 'angle_acc'\]$"),
        ([], r"expected .* at least 1 item"),
    ],
)
def test_wrong_lists_are_refused_and_the_key_named(listed, message):
    with pytest.raises(FreeconvError, match=rf"^params: measure\.measures: {message}") as error:
        check_params({"measure": {"measures": listed}})
    assert "\n" not in str(error.value)


def test_measures_that_a_network_cannot_have_are_refused_at_planning_by_name():
    own = {"measure": {"measures": ["effective_rank", "shared_acc"]}}
    message = r"^params: .*expected a measure that mlp, without free layers, has, .* received \['effective_rank', .*\]$"
    with pytest.raises(FreeconvError, match=message):
        check_params({**own, "train": {"networks": ["fcn", "mlp"]}})
    check_params({**own, "train": {"networks": ["fcn"]}})
    own["measure"]["measures"].append("angle_acc")
    check_params({**own, "train": {"networks": ["fcn", "mlp"]}})


def test_a_configuration_with_an_unknown_measure_is_refused():
    config = grid.measure_config(check_params({}), "mnist-5k", "fcn", "none", 0.0).dump()
    with pytest.raises(FreeconvError, match=r"measures.*expected measures among .*, received 'norm'$"):
        MeasureConfig.parse(json.dumps({**config, "measures": ["norm"]}))


def test_the_names_of_measures_are_known_without_what_is_slow():
    code = (
        "import sys; from freeconv.measures import MEASURES; list(MEASURES);"
        "print({'keras', 'tensorflow', 'pandas', 'cv2'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def write_runs(config):
    """Write a dataset, and a run of untrained networks for each fold; return dataset and networks."""
    data = paths.data_file("mnist-5k")
    images = np.random.default_rng(0).integers(0, 256, (23, 16, 16, 1), dtype="uint8")
    write_h5(data, {"images": images, "labels": np.arange(23) % 4}, data_about(config.train.seed, "mnist-5k"), "none")
    sha256 = read_h5(data)[1]["content_sha256"]
    models = {}
    for run in config.train.runs():
        models[run.fold] = model = build_network("fcn", (16, 16, 1), 4, seed=run.fold)
        weights = {f"network/{variable.path}": keras.ops.convert_to_numpy(variable) for variable in model.weights}
        path = paths.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold)
        epochs = config.train.epochs
        write_h5(path, {**histories(run, epochs), **weights}, run_about(run, epochs, sha256), "none")
    return images.astype("float32") / 255, models


def test_a_measure_of_ones_own_module_runs_like_a_built_in_one(project, monkeypatch):
    monkeypatch.setenv(MODULES, os.environ.get(MODULES, ""))  # restored when the test ends
    (project / "mine").mkdir()
    (project / "mine/measures.py").write_text(MODULE)
    listed = ["predicted", "kernel_norm", "distance_to_shared"]
    try:
        params = check_params(
            {
                "modules": ["mine/measures.py"],
                "train": {"folds": 2, "held_out": [1]},
                "measure": {"measures": listed, "angles": [0.0]},
            }
        )
        config = grid.measure_config(params, "mnist-5k", "fcn", "none", 0.0)
        images, models = write_runs(config)
        command = [Path(sys.executable).with_name("freeconv"), "measure", config.text()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        for name in ("kernel_norm", "predicted"):
            MEASURES.remove(name)
    frame, stored = read_csv(paths.measure_file("mnist-5k", "fcn", "none", 0.0))
    assert stored["measures"] == listed
    layers = ["free_1", "free_2", "free_3"]
    expected = [(name, layer) for layer in layers for name in ("kernel_norm", "distance_to_shared")]
    assert list(zip(frame["measure"][:6], frame["layer"][:6], strict=True)) == expected
    norms = frame[frame["measure"] == "kernel_norm"]["value"]
    kernels = [models[1].get_layer(layer).get_weights()[0] for layer in layers]
    assert list(norms) == pytest.approx([np.linalg.norm(array) for array in kernels], rel=1e-6)
    predicted = frame[frame["measure"] == "predicted"]
    classes = np.argmax(models[1].predict_on_batch(images[12:]), axis=1)  # 23 images in 2 folds: 12 and 11
    shares = predicted[predicted["statistic"] == "share"]
    assert list(shares["setting"]) == [0, 1, 2, 3]
    assert list(shares["value"]) == pytest.approx([np.mean(classes == number) for number in range(4)])
    (drawn,) = predicted[predicted["statistic"] == "random"]["value"]
    stream = random_stream(0, "measure", "mnist-5k", "fcn", "none", 0.0, 1, "predicted")
    assert drawn == pytest.approx(stream.random(), rel=1e-8)
