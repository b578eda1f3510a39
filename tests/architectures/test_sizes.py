import math

import pytest

from freeconv.errors import FreeconvError
from freeconv.networks import build_network, network_sizes

MNIST, CIFAR = (28, 28, 1), (32, 32, 3)


@pytest.mark.parametrize("kind", ["cnn", "fcn"])
@pytest.mark.parametrize(("shape", "layers"), [(MNIST, 3), (MNIST, 2), (CIFAR, 3), (CIFAR, 2), ((31, 40, 3), 3)])
def test_weights_are_those_that_keras_counts(kind, shape, layers):
    model = build_network(kind, shape, 7, seed=0, layers=layers)
    found = network_sizes(kind, shape, 7, layers).values()
    assert sum(layer.weights for layer in found) == model.count_params()
    kernels = [weight.shape for weight in model.trainable_variables if "kernel" in weight.path]
    assert [layer.kernel for layer in found] == [math.prod(kernel) for kernel in kernels]


def test_images_too_small_for_the_layers_are_refused_as_in_training():
    with pytest.raises(FreeconvError) as ours:
        network_sizes("fcn", (28, 14, 1), 10, 3)
    with pytest.raises(FreeconvError) as theirs:
        build_network("fcn", (28, 14, 1), 10, seed=0)
    assert str(ours.value) == str(theirs.value)
    assert len(network_sizes("fcn", (28, 14, 1), 10, 2)) == 4
