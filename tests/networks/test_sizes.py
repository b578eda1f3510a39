"""Networks that are compared with the free one at equal size."""

import math

import pytest

from freeconv.architectures.layers import Dense
from freeconv.networks import NETWORKS, build_network, network_layers, network_sizes

SHAPES = [(28, 28, 1), (32, 32, 3), (64, 48, 3)]


def weights(network, shape):
    return sum(size.weights for size in network_sizes(network, shape, 10).values())


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_sizes_are_those_that_keras_counts(network, shape):
    assert weights(network, shape) == build_network(network, shape, 10, seed=0).count_params()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("network", ["mlp", "cnn_wide"])
def test_they_have_as_many_parameters_as_the_free_network(network, shape):
    assert weights(network, shape) == pytest.approx(weights("fcn", shape), rel=0.005)


def test_no_other_width_of_the_dense_layers_comes_nearer():
    shape, wanted = (28, 28, 1), weights("fcn", (28, 28, 1))
    width = network_layers("mlp", shape)[0].units

    def count(units):
        inputs = [math.prod(shape), units, units, units, 1024]
        return sum((before + 1) * after for before, after in zip(inputs, [units, units, units, 1024, 10], strict=True))

    assert count(width) == weights("mlp", shape)
    assert min(range(width - 5, width + 6), key=lambda units: abs(count(units) - wanted)) == width


def test_the_fully_connected_network_has_no_locality():
    assert all(isinstance(layer, Dense) for layer in network_layers("mlp", (28, 28, 1)))
