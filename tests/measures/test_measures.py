import itertools
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from freeconv.analysis.distance import kernel_distance, largest_radius
from freeconv.commands import measure
from freeconv.commands.measure import make_measures
from freeconv.errors import FreeconvError
from freeconv.measures.accuracy import accuracy, accuracy_by_angle, accuracy_by_shift, free_layers, shared_accuracy
from freeconv.measures.columns import MEASURE_COLUMNS
from freeconv.measures.kernels import (
    distance_by_radius,
    distance_to_shared,
    pair_distances,
    permutation_null,
    ring_pairs,
    signal_to_noise,
)
from freeconv.architectures.build import build_network
from freeconv.storage.csv_files import read_csv
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.study.jobs import CellConfig, MeasureConfig
from tests.tiny_jobs import config

MEASURES = ("euclidean", "cosine")


def random_kernels(positions, weights=6, filters=3, seed=0):
    return np.random.default_rng(seed).normal(size=(positions, weights, filters)).astype("float32")


def smooth_kernels(grid, seed=0):
    """Return kernels that change slowly over the grid, by a gradient down, one to the right and some noise."""
    rng = np.random.default_rng(seed)
    down, right = np.indices(grid).reshape(2, -1, 1, 1)
    shared, first, second = rng.normal(size=(3, 6, 3))
    noise = rng.normal(0, 0.3, (len(down), 6, 3))
    return (shared + 0.4 * first * down + 0.4 * second * right + noise).astype("float32")


def slow_pair(a, b, norm, kind):
    """Return the distance of two kernels, number by number."""
    a, b = a.astype(float).ravel() / norm, b.astype(float).ravel() / norm
    if kind == "euclidean":
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
    return 1 - (a @ b) / ((a @ a) ** 0.5 * (b @ b) ** 0.5)


def slow_distance(kernels, grid, radius, kind):
    norm = np.sqrt((kernels.astype(float) ** 2).sum())
    places = list(itertools.product(range(grid[0]), range(grid[1])))
    found = []
    for (i, a), (j, b) in itertools.product(enumerate(places), repeat=2):
        interior = all(radius <= at < length - radius for at, length in zip(a, grid, strict=True))
        if interior and max(abs(a[0] - b[0]), abs(a[1] - b[1])) == radius:
            found.append(slow_pair(kernels[i], kernels[j], norm, kind))
    return sum(found) / len(found)


@pytest.mark.parametrize("kind", MEASURES)
def test_distances_by_radius_equal_loops(kind):
    kernels = smooth_kernels((5, 6))
    distances = distance_by_radius(kernels, (5, 6), kind)
    assert distances == pytest.approx([slow_distance(kernels, (5, 6), radius, kind) for radius in (1, 2)], rel=1e-10)
    assert distance_by_radius(random_kernels(8), (2, 4), kind).shape == (0,)


@pytest.mark.parametrize("kind", MEASURES)
def test_pair_distances_equal_loops(kind):
    kernels = random_kernels(7)
    norm = np.sqrt((kernels.astype(float) ** 2).sum())
    slow = [[slow_pair(a, b, norm, kind) for b in kernels] for a in kernels]
    np.testing.assert_allclose(pair_distances(kernels, kind), slow, atol=1e-12)


@settings(deadline=None)
@given(
    rows=st.integers(3, 9),
    columns=st.integers(3, 9),
    spread=st.floats(1e-6, 10),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(MEASURES),
)
def test_the_means_over_pairs_are_the_kernel_distances(rows, columns, spread, seed, kind):
    """Distances from inner products lose no digits that matter, even where kernels are almost equal."""
    grid = (rows, columns)
    kernels = random_kernels(1, seed=seed) + np.float32(spread) * random_kernels(rows * columns, seed=seed + 1)
    distances = pair_distances(kernels, kind)
    means = [distances[ring_pairs(grid, radius)].mean() for radius in range(1, largest_radius(grid) + 1)]
    assert means == pytest.approx(distance_by_radius(kernels, grid, kind), rel=1e-6)


@pytest.mark.parametrize("kind", MEASURES)
def test_equal_kernels_have_distance_zero_wherever_they_are(kind):
    kernels = np.repeat(random_kernels(1), 25, axis=0)
    assert not distance_by_radius(kernels, (5, 5), kind).any()
    assert pair_distances(kernels, kind).max() < 1e-12
    null = permutation_null(kernels, (5, 5), [1, 2], np.random.default_rng(0), 5, kind)
    assert null[["mean", "low", "high"]].to_numpy().max() < 1e-12


@pytest.mark.parametrize("kind", MEASURES)
def test_the_null_is_the_distance_after_kernels_have_changed_places(kind):
    kernels, grid = smooth_kernels((5, 7)), (5, 7)
    null = permutation_null(kernels, grid, [1, 2], np.random.default_rng(3), 400, kind)
    rng = np.random.default_rng(3)
    orders = [rng.permutation(35) for _ in range(400)]
    slow = np.array([[kernel_distance(kernels[order], grid, radius, kind) for radius in (1, 2)] for order in orders])
    assert list(null.columns) == ["radius", "mean", "low", "high"]
    assert list(null["radius"]) == [1, 2]
    assert null["low"].to_numpy() == pytest.approx(np.percentile(slow, 2.5, axis=0), rel=1e-9)
    assert null["high"].to_numpy() == pytest.approx(np.percentile(slow, 97.5, axis=0), rel=1e-9)
    error = slow.std(axis=0) / 20
    assert (np.abs(null["mean"] - slow.mean(axis=0)) < 4 * error).all()
    norm = np.sqrt((kernels.astype(float) ** 2).sum())
    pairs = [slow_pair(kernels[i], kernels[j], norm, kind) for i, j in itertools.permutations(range(35), 2)]
    assert null["mean"].to_numpy() == pytest.approx([np.mean(pairs)] * 2, rel=1e-9)


@pytest.mark.parametrize("kind", MEASURES)
def test_the_null_tells_neighbours_that_are_alike_from_kernels_in_random_order(kind):
    grid, rng = (9, 9), np.random.default_rng(0)
    kernels = smooth_kernels(grid)
    null = permutation_null(kernels, grid, range(1, 5), rng, 200, kind)
    distances = distance_by_radius(kernels, grid, kind)
    assert distances[0] < null["low"][0]
    mixed = distance_by_radius(kernels[rng.permutation(81)], grid, kind)
    assert ((null["low"] < mixed) & (mixed < null["high"])).all()


def test_the_null_of_a_grid_without_interior_positions_is_empty():
    assert permutation_null(random_kernels(1), (1, 1), [], np.random.default_rng(0), 5).empty


def test_pairs_are_those_of_the_definition():
    for grid, radius in (((3, 3), 1), ((5, 6), 2), ((7, 5), 1)):
        expected = set()
        for a, b in itertools.product(itertools.product(range(grid[0]), range(grid[1])), repeat=2):
            interior = all(radius <= at < length - radius for at, length in zip(a, grid, strict=True))
            if interior and max(abs(a[0] - b[0]), abs(a[1] - b[1])) == radius:
                expected.add((a[0] * grid[1] + a[1], b[0] * grid[1] + b[1]))
        pairs = [(int(a), int(b)) for a, b in zip(*ring_pairs(grid, radius), strict=True)]
        assert set(pairs) == expected
        assert len(pairs) == len(expected)


def test_undefined_distances_are_nan_without_warnings(recwarn):
    kernels = random_kernels(9)
    for broken in (kernels * 0, np.where(kernels == kernels.max(), np.nan, kernels)):
        for kind in MEASURES:
            null = permutation_null(broken, (3, 3), [1], np.random.default_rng(0), 5, kind)
            assert null[["mean", "low", "high"]].isna().all(axis=None)
        assert np.isnan(distance_to_shared(broken))
        assert np.isnan(signal_to_noise(broken)).all()
    assert not recwarn.list


def test_impossible_arguments_are_named():
    kernels, rng = random_kernels(9), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"positions = 3 · 4\. Received: kernels.shape=\(9, 6, 3\)$"):
        permutation_null(kernels, (3, 4), [1], rng, 5)
    with pytest.raises(ValueError, match=r"at most 1, .* grid of 3 × 3\. Received: radius=2$"):
        permutation_null(kernels, (3, 3), [2], rng, 5)
    with pytest.raises(ValueError, match=r"at least 1\. Received: permutations=0$"):
        permutation_null(kernels, (3, 3), [1], rng, 0)
    with pytest.raises(ValueError, match=r"Received: measure='manhattan'$"):
        pair_distances(kernels, "manhattan")
    for function in (pair_distances, signal_to_noise, distance_to_shared):
        with pytest.raises(ValueError, match=r"\(positions, K, filters\)\. Received: kernels.shape=\(9, 18\)$"):
            function(kernels.reshape(9, 18))


def test_signal_to_noise_equals_loops():
    kernels = smooth_kernels((4, 4))
    ratios = []
    for k, f in itertools.product(range(6), range(3)):
        weights = [float(kernels[p, k, f]) for p in range(16)]
        mean = sum(weights) / 16
        ratios.append(abs(mean) / (sum((weight - mean) ** 2 for weight in weights) / 16) ** 0.5)
    ratios.sort()
    # of 18 weights: a quarter is the 5th, the lower of the two in the middle the 9th, three quarters the 14th
    assert signal_to_noise(kernels) == pytest.approx((ratios[8], ratios[4], ratios[13]), rel=1e-10)


def test_signal_to_noise_of_independent_weights_is_what_the_documentation_says():
    found = signal_to_noise(random_kernels(169, 100, 64))
    assert found == pytest.approx(np.array([0.6745, 0.3186, 1.1503]) / 13, rel=0.03)


def test_signal_to_noise_where_weights_do_not_scatter():
    kernels = np.repeat(random_kernels(1), 13, axis=0)
    assert signal_to_noise(kernels) == (np.inf, np.inf, np.inf)
    kernels[:, :3] = 0  # a weight that is 0 everywhere has no ratio
    assert signal_to_noise(kernels) == (np.inf, np.inf, np.inf)
    mixed = random_kernels(13)
    mixed[:, :4] = mixed[:1, :4]
    found = signal_to_noise(mixed)
    assert (found.median, found.upper_quartile) == (np.inf, np.inf)
    assert 0 < found.lower_quartile < np.inf
    assert np.isnan(signal_to_noise(kernels * 0)).all()


def test_distance_to_shared_equals_loops():
    kernels = smooth_kernels((4, 4))
    above = below = 0.0
    for k, f in itertools.product(range(6), range(3)):
        weights = [float(kernels[p, k, f]) for p in range(16)]
        above += sum((weight - sum(weights) / 16) ** 2 for weight in weights)
        below += sum(weight**2 for weight in weights)
    assert distance_to_shared(kernels) == pytest.approx((above / below) ** 0.5, rel=1e-12)


def test_distance_to_shared_has_the_ends_and_the_expectation_that_the_documentation_says():
    equal = np.repeat(random_kernels(1), 12, axis=0)
    assert distance_to_shared(equal) == 0
    equal[::2] *= -1
    assert distance_to_shared(equal) == pytest.approx(1)
    for positions in (4, 16, 169):
        independent = random_kernels(positions, 100, 32)
        assert distance_to_shared(independent) == pytest.approx(np.sqrt(1 - 1 / positions), rel=0.01)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_no_other_shared_kernel_is_nearer(seed):
    rng = np.random.default_rng(seed)
    kernels = rng.normal(1, 1, (5, 4, 2))
    other = kernels.mean(axis=0) + rng.normal(0, rng.uniform(0, 1), (4, 2))
    distance = np.sqrt(((kernels - other) ** 2).sum() / (kernels**2).sum())
    assert distance_to_shared(kernels) <= distance + 1e-12


def test_distance_to_shared_is_the_root_mean_square_of_all_kernel_distances():
    kernels = smooth_kernels((4, 5))
    between = pair_distances(kernels)[~np.eye(20, dtype=bool)]
    assert np.sqrt(np.mean(between**2)) == pytest.approx(np.sqrt(2 / 19) * distance_to_shared(kernels), rel=1e-10)


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_places_and_scale_do_not_change_what_positions_share(seed, scale):
    kernels = smooth_kernels((4, 5), seed)
    moved = np.float32(scale) * kernels[np.random.default_rng(seed).permutation(20)]
    assert signal_to_noise(moved) == pytest.approx(signal_to_noise(kernels), rel=1e-3)
    assert distance_to_shared(moved) == pytest.approx(distance_to_shared(kernels), rel=1e-5)


class Halves:
    """Says class 1 if the right half (or, `axis=1`, the lower one) of an image is the brighter one, else 0."""

    def __init__(self, axis=2):
        self.axis = axis
        self.shapes = set()

    def predict_on_batch(self, images):
        self.shapes.add(images.shape)
        first, second = np.split(images, 2, axis=self.axis)
        return np.stack([first.sum(axis=(1, 2, 3)), second.sum(axis=(1, 2, 3))], axis=1)


def random_images(count, size=16, seed=0):
    return np.random.default_rng(seed).random((count, size, size, 1), dtype="float32")


def test_accuracy_goes_through_in_equal_batches(monkeypatch):
    monkeypatch.setattr("freeconv.measure.BATCH", 10)
    images, model = random_images(23), Halves()
    labels = np.random.default_rng(1).integers(0, 2, 23)
    right = [(image[:, 8:].sum() > image[:, :8].sum()) == label for image, label in zip(images, labels, strict=True)]
    assert accuracy(model, images, labels) == sum(right) / 23
    assert 0 < sum(right) < 23
    assert model.shapes == {(10, 16, 16, 1)}


def test_accuracies_by_shift_and_angle_equal_loops():
    images, model = random_images(15), Halves()
    labels = np.random.default_rng(1).integers(0, 2, 15)

    def slow(change):
        changed = np.stack([change(image) for image in images])
        return np.mean(np.argmax(model.predict_on_batch(changed), axis=1) == labels)

    shares = [-0.4, -0.03, 0.0, 0.2]
    found = accuracy_by_shift(model, images, labels, shares)
    for name, axis in (("vertical", 0), ("horizontal", 1)):
        expected = [
            slow(lambda image, s=s, a=axis: ndimage.shift(image, np.eye(3)[a] * s * 16, order=1, mode="nearest"))
            for s in shares
        ]
        assert list(found[name]) == expected
    angles = [-180.0, -75.0, 0.0, 30.0]
    expected = [
        slow(lambda image, angle=angle: ndimage.rotate(image, angle, reshape=False, order=1, mode="nearest"))
        for angle in angles
    ]
    assert list(accuracy_by_angle(model, images, labels, angles)) == expected
    assert len(set(found["horizontal"])) > 1
    assert len(set(expected)) > 1


def test_right_down_and_counter_clockwise_are_positive():
    images = np.zeros((2, 16, 16, 1), "float32")
    images[:, 6:10, 6:10] = 1
    labels = np.ones(2, "int64")
    shares = [-0.25, 0.25]
    for axis, moved, other in ((2, "horizontal", "vertical"), (1, "vertical", "horizontal")):
        found = accuracy_by_shift(Halves(axis), images, labels, shares)
        assert list(found[moved]) == [0, 1]
        assert list(found[other]) == [0, 0]  # both halves stay equally bright
    right = np.zeros((2, 16, 16, 1), "float32")
    right[:, 6:10, 11:15] = 1  # counter-clockwise from the right is up
    assert list(accuracy_by_angle(Halves(axis=1), right, labels, [-90, 90])) == [1, 0]


@pytest.fixture(scope="module")
def fcn():
    return build_network("fcn", (16, 16, 1), 4, seed=0, initializer="glorot-position")


def with_replaced(model, replaced, images, labels):
    """Return the accuracy, image by image, of a new network with the kernels of some layers averaged in a loop."""
    other = build_network("fcn", (16, 16, 1), 4, seed=1)
    other.set_weights(model.get_weights())
    for name in replaced:
        kernels, bias = (np.array(weight) for weight in other.get_layer(name).get_weights())
        kernels[:] = sum(kernel.astype(float) for kernel in kernels) / len(kernels)
        other.get_layer(name).set_weights([kernels, bias])
    hits = [
        int(np.argmax(keras.ops.convert_to_numpy(other(image[None])))) == label
        for image, label in zip(images, labels, strict=True)
    ]
    return sum(hits) / len(hits)


def test_shared_accuracy_equals_networks_whose_kernels_are_averaged(fcn):
    images = random_images(40)
    labels = np.argmax(fcn.predict_on_batch(images), axis=1)
    labels[:10] = (labels[:10] + 1) % 4
    weights = fcn.get_weights()
    found = shared_accuracy(fcn, images, labels)
    assert list(found) == ["none", "free_1", "free_2", "free_3", "all"]
    assert found["none"] == 0.75
    for variant, value in found.items():
        names = {"none": [], "all": ["free_1", "free_2", "free_3"]}.get(variant, [variant])
        assert value == pytest.approx(with_replaced(fcn, names, images, labels), abs=1e-12)
    assert len({found["none"], found["free_1"], found["free_2"]}) > 1
    assert found["free_3"] == found["none"]  # it has one position
    for before, after in zip(weights, fcn.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_sharing_what_is_shared_already_changes_nothing(fcn):
    model = build_network("fcn", (16, 16, 1), 4, seed=0)
    for layer in free_layers(model):
        kernels, bias = layer.get_weights()
        layer.set_weights([np.repeat(kernels[:1], len(kernels), axis=0), np.random.default_rng(0).random(bias.shape)])
    images = random_images(30)
    labels = np.random.default_rng(0).integers(0, 4, 30)
    found = shared_accuracy(model, images, labels)
    assert set(found.values()) == {found["none"]}


def test_a_network_keeps_its_kernels_when_evaluation_fails(fcn, monkeypatch):
    weights = fcn.get_weights()
    calls = iter([0.5, 0.5])
    monkeypatch.setattr(measure, "accuracy", lambda *_: next(calls))
    with pytest.raises(StopIteration):
        shared_accuracy(fcn, random_images(2), np.zeros(2, "int64"))
    for before, after in zip(weights, fcn.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


COUNT, FOLDS = 61, 3
CELL = {"dataset": "tiny", "network": "fcn", "augmentation": "translate", "level": 0.2}


def measure_config(shifts=(-0.25, 0.0, 0.1), angles=(0.0, 90.0), images=None, **other):
    job = config(**{"fold_indices": [0, 2], "folds": FOLDS, "seed": 5, **other}).model_dump()
    train = CellConfig(level=0.2, **{key: value for key, value in job.items() if key != "levels"})
    return MeasureConfig(train=train, shifts=list(shifts), angles=list(angles), permutations=20, images=images)


def write_dataset():
    rng = np.random.default_rng(0)
    arrays = {"images": rng.integers(0, 256, (COUNT, 16, 16, 1), dtype="uint8"), "labels": np.arange(COUNT) % 4}
    write_h5("data.h5", arrays, {"dataset": "tiny"}, "none")
    return arrays["images"].astype("float32") / 255, arrays["labels"], read_h5("data.h5")[1]["content_sha256"]


def write_network(measured, fold, sha256, kind="fcn"):
    """Write a run with an untrained network; return the network."""
    model = build_network(kind, (16, 16, 1), 4, seed=fold, initializer="glorot-position")
    weights = {f"network/{variable.path}": keras.ops.convert_to_numpy(variable) for variable in model.weights}
    (run,) = [run for run in measured.train.runs() if run.fold == fold]
    attributes = {"config": run.dump(), "data_sha256": sha256}
    write_h5(f"fold-{fold}.h5", {"history/val_acc": np.zeros(7), **weights}, attributes, "none")
    return model


RUNS = ["fold-0.h5", "fold-2.h5"]
KERNEL_MEASURES = {"euclidean_distance", "cosine_distance", "signal_to_noise", "distance_to_shared", "shared_acc"}
CURVES = {"horizontal_shift_acc", "vertical_shift_acc", "angle_acc"}


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
    assert stored == measured.dump()
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
        for direction, numbers in accuracy_by_shift(model, *held_out, measured.shifts).items():
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
        accuracy_by_shift(model, *first, [0.1])["horizontal"].item()
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
        ("epochs", 7),
    ],
)
def test_another_run_is_refused_and_the_key_named(project, key, other):
    _, _, sha256 = write_dataset()
    for fold in (0, 2):
        (run,) = [run for run in measure_config().train.runs() if run.fold == fold]
        stored = {**run.dump(), **({key: other} if fold == 2 else {})}
        write_h5(f"fold-{fold}.h5", {}, {"config": stored, "data_sha256": sha256}, "none")
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
        attributes = {"config": run.dump(), "data_sha256": sha256}
        write_h5(f"fold-{fold}.h5", {"history/val_acc": np.zeros(7)}, attributes, "none")
    with pytest.raises(FreeconvError, match=r"^fold-0\.h5: .*remove the file and run again$") as error:
        make_measures(measured, RUNS, "data.h5", "out.csv")
    assert "\n" not in str(error.value)


def test_importing_the_module_does_not_import_keras():
    code = "import sys, freeconv.measure; print({'keras', 'tensorflow', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
