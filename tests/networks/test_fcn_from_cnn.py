import numpy as np

from freeconv.architectures.build import get_weights, set_weights
from freeconv.networks import NETWORKS, build_network
from tests.measures.made import random_images


def test_it_starts_as_the_convolutional_network_that_it_is_made_from():
    cnn, free = (build_network(name, (16, 16, 1), 4, seed=3) for name in ("cnn", "fcn_from_cnn"))
    rng = np.random.default_rng(0)
    parent = {
        name: array + rng.normal(0, 0.1, array.shape).astype("float32") for name, array in get_weights(cnn).items()
    }
    set_weights(cnn, parent)
    member = NETWORKS["fcn_from_cnn"]
    assert member.parent == "cnn"
    inherited = member.inherit(parent, get_weights(free))
    assert {name: array.shape for name, array in inherited.items()} == {
        name: array.shape for name, array in get_weights(free).items()
    }
    set_weights(free, inherited)
    images = random_images(20)
    np.testing.assert_allclose(free.predict_on_batch(images), cnn.predict_on_batch(images), rtol=1e-4, atol=1e-5)
    bias = parent["conv_1/bias"]
    assert np.ptp(bias) > 0
    np.testing.assert_array_equal(inherited["free_1/bias"], np.broadcast_to(bias, (7, 7, 32)))
