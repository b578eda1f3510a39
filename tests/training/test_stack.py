"""Compiled stacks against Keras's own training loop, one network at a time."""

import keras
import numpy as np
import pytest

from freeconv.errors import FreeconvError
from freeconv.metrics import metrics_named
from freeconv.networks import build_network
from freeconv.training import stack
from freeconv.training.stack import compile_replicas, initial_state, on_device, padded_batches
from tests.metrics.by_loop import calibration_error_by_bins, top_2_by_sorting

SHAPE, CLASSES, COUNT, RATE = (16, 16, 1), 4, 40, 0.01


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), dtype="uint8")


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(1).integers(0, CLASSES, COUNT).astype("int32")


@pytest.fixture(scope="module")
def index():
    """Return batches of three networks: (steps, replicas, batch)."""
    rng = np.random.default_rng(2)
    return np.stack([rng.permutation(COUNT)[:36].reshape(4, 9) for _ in range(3)], axis=1)


@pytest.fixture(scope="module", params=["cnn", "fcn"])
def network(request):
    return request.param


@pytest.fixture(scope="module")
def compiled(network):
    """Return the program of a network, and the name of its first layer."""
    model = build_network(network, SHAPE, CLASSES, 0, stacked=True)
    first = next(layer.name for layer in model.layers if layer.name.endswith("_1"))
    return compile_replicas(model, RATE), first


def weights(stack, layer):
    """Return kernels and biases of a layer, each (replicas, …)."""
    return list(stack.weights([f"{layer}/kernel", f"{layer}/bias"]).values())


def untrained(network, seeds=(7, 8, 9), **other):
    return [build_network(network, SHAPE, CLASSES, seed, **other) for seed in seeds]


@pytest.mark.parametrize("members", [[1], [0, 1, 2]], ids=["one", "three"])
def test_training_equals_keras(network, compiled, images, labels, index, members):
    make, layer = compiled
    models = [untrained(network)[member] for member in members]
    stack = make(initial_state(models))
    losses, accuracies = stack.train(on_device(images), on_device(labels), index[:, members])
    for position, (member, model) in enumerate(zip(members, models, strict=True)):
        model.compile(
            keras.optimizers.Adam(RATE),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )
        batches = [model.train_on_batch(images[rows] / np.float32(255), labels[rows]) for rows in index[:, member]]
        expected = np.mean(np.array(batches, "float64"), axis=0)
        assert losses[position] == pytest.approx(expected[0], rel=1e-3)
        for ours, theirs in zip(weights(stack, layer), model.get_layer(layer).get_weights(), strict=True):
            np.testing.assert_allclose(ours[position], theirs, rtol=1e-2, atol=1e-4)
    assert ((accuracies >= 0) & (accuracies <= 1)).all()


def test_equal_starts_give_equal_numbers(network, compiled, images, labels, index):
    make, layer = compiled
    results = []
    for _ in range(2):
        stack = make(initial_state(untrained(network)))
        history = [stack.train(on_device(images), on_device(labels), index) for _ in range(2)]
        results.append([*np.ravel(history), *weights(stack, layer)])
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_stack_that_is_cut_goes_on_as_it_was(network, compiled, images, labels, index):
    make, layer = compiled
    data = on_device(images), on_device(labels)
    whole, cut = (make(initial_state(untrained(network))) for _ in range(2))
    whole.train(*data, index)
    cut.train(*data, index)
    cut = cut.keep([2, 0])
    losses, _ = whole.train(*data, index)
    cut_losses, _ = cut.train(*data, index[:, [2, 0]])
    np.testing.assert_allclose(cut_losses, losses[[2, 0]], rtol=1e-4)
    for ours, theirs in zip(weights(cut, layer), weights(whole, layer), strict=True):
        np.testing.assert_allclose(ours, theirs[[2, 0]], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("members", [[1], [0, 2]], ids=["one", "two"])
def test_a_stack_goes_on_from_its_state_as_if_it_had_not_stopped(network, compiled, images, labels, index, members):
    make, layer = compiled
    data = on_device(images), on_device(labels)
    whole = make(initial_state([untrained(network)[member] for member in members]))
    whole.train(*data, index[:, members])
    state = whole.state()
    copy = keras.tree.map_structure(np.copy, state)
    first = whole.train(*data, index[:, members])
    keras.tree.map_structure(np.testing.assert_array_equal, state, copy)  # training leaves a state taken before alone
    resumed = make(state)
    np.testing.assert_array_equal(resumed.train(*data, index[:, members]), first)
    for ours, theirs in zip(weights(resumed, layer), weights(whole, layer), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert state["step"].tolist() == [4.0] * len(members)


def test_missing_connections_stay_missing_in_a_stack(images, labels, index):
    models = untrained("fcn", vcp=0.5)
    stack = compile_replicas(models[0], RATE)(initial_state(models))
    stack.train(on_device(images), on_device(labels), index)
    trained, _ = weights(stack, "free_2")
    for position, model in enumerate(models):
        kernel, _, mask = model.get_layer("free_2").get_weights()
        assert (trained[position][mask == 0] == 0).all()
        assert (trained[position][mask == 1] != kernel[mask == 1]).mean() > 0.5


def test_evaluation_counts_each_image_once(network, compiled, images, labels, monkeypatch):
    monkeypatch.setattr(stack, "EVALUATE_BATCH", 7)
    models = untrained(network)
    index = np.stack([np.arange(20), np.arange(20, 40), np.r_[np.arange(5, 24), -1]])
    losses, accuracies = compiled[0](initial_state(models)).evaluate(on_device(images), on_device(labels), index)
    for position, model in enumerate(models):
        rows = index[position][index[position] >= 0]
        logits = keras.ops.convert_to_numpy(model(images[rows] / np.float32(255))).astype("float64")
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert accuracies[position] == pytest.approx((logits.argmax(axis=1) == labels[rows]).mean())
        expected = -np.log(chances[np.arange(len(rows)), labels[rows]]).mean()
        assert losses[position] == pytest.approx(expected, rel=1e-4)


def test_metrics_are_those_of_the_images_of_each_network(network, images, labels, monkeypatch):
    monkeypatch.setattr(stack, "EVALUATE_BATCH", 7)
    models = untrained(network)
    index = np.stack([np.arange(20), np.arange(20, 40), np.r_[np.arange(5, 24), -1]])
    make = compile_replicas(models[0], RATE, metrics_named(["val_calibration_error", "val_top_2_acc"]))
    found = make(initial_state(models)).metrics(on_device(images), on_device(labels), index)
    assert list(found) == ["val_calibration_error", "val_top_2_acc"]
    for position, model in enumerate(models):
        rows = index[position][index[position] >= 0]
        logits = keras.ops.convert_to_numpy(model(images[rows] / np.float32(255)))
        assert found["val_top_2_acc"][position] == pytest.approx(top_2_by_sorting(logits, labels[rows]))
        error = calibration_error_by_bins(logits, labels[rows])
        assert found["val_calibration_error"][position] == pytest.approx(error, abs=1e-5)


def test_stored_floats_are_taken_as_they_are(network, compiled, images, labels):
    stack = compiled[0](initial_state(untrained(network, [7])))
    scaled = (images / np.float32(255)).astype("float16")
    whole = stack.evaluate(on_device(images), on_device(labels), np.arange(COUNT)[None])
    same = stack.evaluate(on_device(scaled), on_device(labels), np.arange(COUNT)[None])
    assert same[0] == pytest.approx(whole[0], rel=1e-2)


@pytest.mark.parametrize(("number", "largest"), [(1, 1000), (7, 3), (9, 3), (1001, 1000), (999, 1000)])
def test_padded_batches_hold_every_image_once(number, largest):
    batches = padded_batches(np.arange(2 * number).reshape(2, number), largest)
    assert batches.shape[1] == 2
    assert batches.shape[2] <= largest
    for replica in (0, 1):
        rows = batches[:, replica]
        assert sorted(rows[rows >= 0]) == list(range(replica * number, (replica + 1) * number))


def test_other_backends_are_named(monkeypatch):
    model = build_network("cnn", SHAPE, CLASSES, 0)
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(FreeconvError, match="expected tensorflow or jax, received numpy"):
        compile_replicas(model, RATE)
