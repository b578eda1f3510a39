import keras
import numpy as np
import pytest

from freeconv.analysis import predictions
from freeconv.analysis.predictions import free_layers
from freeconv.measures.shared_acc import shared_accuracy
from freeconv.networks import build_network
from tests.measures.made import random_images


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
    monkeypatch.setattr(predictions, "accuracy", lambda *_: next(calls))
    with pytest.raises(StopIteration):
        shared_accuracy(fcn, random_images(2), np.zeros(2, "int64"))
    for before, after in zip(weights, fcn.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
