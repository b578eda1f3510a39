"""Compiled steps against Keras's own training loop."""

import keras
import numpy as np
import pytest

from freeconv import steps
from freeconv.errors import FreeconvError
from freeconv.networks import build_network
from freeconv.steps import compile_steps, on_device, padded_batches

SHAPE, CLASSES, COUNT = (16, 16, 1), 4, 40


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), dtype="uint8")


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(1).integers(0, CLASSES, COUNT).astype("int32")


@pytest.fixture(scope="module")
def index():
    return np.random.default_rng(2).permutation(COUNT)[:36].reshape(4, 9)


@pytest.fixture(scope="module", params=["cnn", "fcn"])
def network(request):
    return request.param


@pytest.fixture(scope="module")
def compiled(network):
    model = build_network(network, SHAPE, CLASSES, 0)
    return compile_steps(model, 0.01), model.layers[1 if network == "cnn" else 2].name


def test_training_equals_keras(network, compiled, images, labels, index):
    reference = build_network(network, SHAPE, CLASSES, 7)
    reference.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    program, layer = compiled
    program.start(reference.get_weights())
    losses = [reference.train_on_batch(images[rows] / np.float32(255), labels[rows]) for rows in index]
    loss, accuracy = program.train(on_device(images), on_device(labels), index)
    assert loss == pytest.approx(np.mean([float(value) for value in losses]), rel=1e-3)
    assert 0 <= accuracy <= 1
    for ours, theirs in zip(program.weights(layer), reference.get_layer(layer).get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-4)


def test_a_second_start_forgets_the_first(network, compiled, images, labels, index):
    weights = build_network(network, SHAPE, CLASSES, 7).get_weights()
    program, layer = compiled
    results = []
    for _ in range(2):
        program.start(weights)
        history = [program.train(on_device(images), on_device(labels), index) for _ in range(2)]
        results.append((history, program.weights(layer)))
    assert results[0][0] == results[1][0]
    for first, second in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(first, second)


def test_evaluation_counts_each_image_once(network, compiled, images, labels, monkeypatch):
    monkeypatch.setattr(steps, "EVALUATE_BATCH", 7)
    model = build_network(network, SHAPE, CLASSES, 3)
    logits = keras.ops.convert_to_numpy(model(images / np.float32(255))).astype("float64")
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    program, _ = compiled
    program.start(model.get_weights())
    loss, accuracy = program.evaluate(on_device(images), on_device(labels))
    assert accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean())
    assert loss == pytest.approx(-np.log(chances[np.arange(COUNT), labels]).mean(), rel=1e-4)


def test_stored_floats_are_taken_as_they_are(network, compiled, images, labels):
    model = build_network(network, SHAPE, CLASSES, 3)
    program, _ = compiled
    program.start(model.get_weights())
    scaled = (images / np.float32(255)).astype("float16")
    whole = program.evaluate(on_device(images), on_device(labels))
    assert program.evaluate(on_device(scaled), on_device(labels)) == pytest.approx(whole, rel=1e-2)


@pytest.mark.parametrize(("number", "largest"), [(1, 1000), (7, 3), (9, 3), (1001, 1000), (999, 1000)])
def test_padded_batches_hold_every_image_once(number, largest):
    index, weights = padded_batches(number, largest)
    assert index.shape == weights.shape
    assert index.shape[1] <= largest
    assert sorted(index[weights == 1]) == list(range(number))
    assert index.max() < number


def test_other_backends_are_named(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(FreeconvError, match="expected tensorflow or jax, received numpy"):
        compile_steps(build_network("cnn", SHAPE, CLASSES, 0), 0.01)
