import numpy as np
import pytest

from freeconv.analysis.predictions import accuracy
from freeconv.measures.rank_acc import accuracy_by_rank, of_rank
from freeconv.networks import build_network
from tests.measures.made import random_images, random_kernels, sharing_network


def test_of_rank_is_the_best_mixture_that_alternating_least_squares_finds():
    kernels = random_kernels(7).astype(float)
    matrix = kernels.reshape(7, -1)
    right = np.random.default_rng(1).normal(size=(2, 18))
    for _ in range(500):
        left = np.linalg.lstsq(right.T, matrix.T, rcond=None)[0].T
        right = np.linalg.lstsq(left, matrix, rcond=None)[0]
    np.testing.assert_allclose(of_rank(kernels, 2).reshape(7, -1), left @ right, atol=1e-6)
    np.testing.assert_allclose(of_rank(kernels, 7), kernels, atol=1e-12)


def test_a_rank_below_1_is_refused():
    with pytest.raises(ValueError, match=r"^`rank` must be at least 1\. Received: rank=0$"):
        of_rank(random_kernels(4), 0)


def test_ranks_are_powers_of_two_and_the_full_one_which_changes_nothing():
    model = build_network("fcn", (16, 16, 1), 4, seed=0)
    images = random_images(30)
    labels = np.argmax(model.predict_on_batch(images), axis=1)
    weights = model.get_weights()
    found = accuracy_by_rank(model, images, labels)
    assert list(found) == [1, 2, 4, 8, 16, 32, 49]  # free_1 has 7 × 7 positions, each with 3 · 3 · 32 weights
    assert found[49] == 1.0
    assert min(found.values()) < 1.0
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_network_made_from_a_convolutional_one_loses_nothing_at_rank_1():
    fcn, cnn = sharing_network()
    images = random_images(30)
    labels = np.argmax(cnn.predict_on_batch(images), axis=1)
    found = accuracy_by_rank(fcn, images, labels)
    assert found[1] == accuracy(fcn, images, labels) == 1.0
