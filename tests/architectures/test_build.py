import math

import keras
import numpy as np
import pytest

from freeconv.architectures.build import get_weights, set_weights
from freeconv.architectures.table_a2 import architecture
from freeconv.errors import FreeconvError
from freeconv.networks import build_network


def shapes(model):
    return {layer.name: [weight.shape for weight in layer.get_weights()] for layer in model.layers if layer.weights}


def test_mnist_networks_are_those_of_table_a2():
    assert shapes(build_network("cnn", (28, 28, 1), 10, 0)) == {
        "conv_1": [(3, 3, 1, 32), (32,)],
        "conv_2": [(3, 3, 32, 64), (64,)],
        "conv_3": [(3, 3, 64, 128), (128,)],
        "dense": [(4 * 4 * 128, 1024), (1024,)],
        "logits": [(1024, 10), (10,)],
    }
    assert shapes(build_network("fcn", (28, 28, 1), 10, 0)) == {
        "free_1": [(169, 9, 32), (13, 13, 32)],
        "free_2": [(36, 288, 64), (6, 6, 64)],
        "free_3": [(16, 576, 128), (4, 4, 128)],
        "dense": [(4 * 4 * 128, 1024), (1024,)],
        "logits": [(1024, 10), (10,)],
    }


def test_cifar_networks_are_those_of_table_a2():
    assert shapes(build_network("cnn", (32, 32, 3), 10, 0))["conv_3"] == [(3, 3, 128, 256), (256,)]
    assert shapes(build_network("fcn", (32, 32, 3), 10, 0)) == {
        "free_1": [(196, 75, 64), (14, 14, 64)],
        "free_2": [(25, 1600, 128), (5, 5, 128)],
        "free_3": [(9, 1152, 256), (3, 3, 256)],
        "dense": [(3 * 3 * 256, 1024), (1024,)],
        "logits": [(1024, 10), (10,)],
    }


@pytest.mark.parametrize(
    ("shape", "expected"), [((28, 28, 1), "mnist"), ((32, 32, 3), "cifar"), ((64, 31, 3), "mnist")]
)
def test_other_sizes_have_a_rule(shape, expected):
    assert architecture(shape) == expected


def test_a_free_network_with_equal_kernels_is_the_convolutional_one():
    cnn, fcn = (build_network(network, (28, 28, 1), 10, 0) for network in ("cnn", "fcn"))
    for number in (1, 2, 3):
        kernel, bias = cnn.get_layer(f"conv_{number}").get_weights()
        free = fcn.get_layer(f"free_{number}")
        positions, _, filters = free.kernel.shape
        free.set_weights(
            [np.tile(kernel.reshape(1, -1, filters), (positions, 1, 1)), np.tile(bias, (*free.bias.shape[:2], 1))]
        )
    for name in ("dense", "logits"):
        fcn.get_layer(name).set_weights(cnn.get_layer(name).get_weights())
    images = np.random.default_rng(0).random((4, 28, 28, 1), dtype="float32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(fcn(images)), keras.ops.convert_to_numpy(cnn(images)), rtol=1e-3, atol=1e-4
    )


# How many times smaller the authors' limits are than a convolution's, as their program's fans give it.
RATIOS = {(28, 28, 1): (4.83, 3.83, 2.55), (32, 32, 3): (4.03, 3.00, 1.91)}


@pytest.mark.parametrize("shape", RATIOS)
def test_initial_kernels_have_the_authors_limits_or_a_convolutions(shape):
    cnn = build_network("cnn", shape, 10, 0)
    authors = build_network("fcn", shape, 10, 0, "glorot-authors")
    position = build_network("fcn", shape, 10, 0, "glorot-position")
    for number, ratio in enumerate(RATIOS[shape], start=1):
        size = cnn.get_layer(f"conv_{number}").kernel.shape
        limit = math.sqrt(6 / (math.prod(size[:3]) + math.prod(size[:2]) * size[3]))
        largest = [np.abs(net.get_layer(f"free_{number}").get_weights()[0]).max() for net in (authors, position)]
        assert largest[1] == pytest.approx(limit, rel=0.01)
        assert limit / largest[0] == pytest.approx(ratio, rel=0.01)


def test_seeds_decide_the_weights():
    first, again, other = (build_network("fcn", (16, 16, 1), 3, seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).any()


def test_missing_connections():
    model = build_network("fcn", (16, 16, 1), 3, 0, vcp=0.8)
    assert 0.7 < (model.get_layer("free_2").get_weights()[0] == 0).mean() < 0.9


def test_images_too_small_are_refused():
    with pytest.raises(FreeconvError, match="at least 15 × 15 pixels"):
        build_network("cnn", (14, 20, 1), 10, 0)
    build_network("cnn", (15, 15, 1), 10, 0)


def test_a_network_gets_other_weights_and_its_missing_connections_stay_missing():
    one, other = (build_network("fcn", (16, 16, 1), 3, seed, vcp=0.5) for seed in (0, 1))
    weights = get_weights(one)
    assert {name.partition("/")[0] for name in weights} == {"free_1", "free_2", "free_3", "dense", "logits"}
    assert not [name for name in weights if "mask" in name]
    _, _, missing = other.get_layer("free_2").get_weights()
    set_weights(other, weights)
    kernel, _, mask = other.get_layer("free_2").get_weights()
    np.testing.assert_array_equal(mask, missing)
    np.testing.assert_array_equal(kernel, weights["free_2/kernel"] * mask)
    np.testing.assert_array_equal(get_weights(other)["dense/kernel"], weights["dense/kernel"])
