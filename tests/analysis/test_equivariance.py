import numpy as np
import pytest

from freeconv.analysis.equivariance import equivariance_errors, error, moved, overlap
from freeconv.networks import build_network
from tests.measures.made import random_images, sharing_network


def errors(model, images):
    return {(layer, of): value for layer, of, value in equivariance_errors(model, images, np.random.default_rng(0))}


@pytest.fixture(scope="module")
def untrained():
    return build_network("fcn", (16, 16, 1), 4, seed=0, initializer="glorot-position")


def first_layer(model, images, row, column, filters):
    """Return the outputs of `free_1` at a position, kernel 3 × 3 and stride 2, by loops."""
    kernels, biases = (np.array(weight, float) for weight in model.get_layer("free_1").get_weights())
    outputs = np.zeros((len(images), filters))
    for number, image in enumerate(images):
        field = image[2 * row : 2 * row + 3, 2 * column : 2 * column + 3, 0].astype(float).ravel()
        for filter_ in range(filters):
            total = float(field @ kernels[row * 7 + column, :, filter_]) + biases[row, column, filter_]
            outputs[number, filter_] = max(total, 0)
    return outputs


def test_the_first_layer_equals_loops(untrained):
    images = random_images(3)
    apart = size = 0.0
    for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        changed = np.zeros_like(images)
        for row in range(16):
            for column in range(16):
                source = min(max(row - 2 * down, 0), 15), min(max(column - 2 * right, 0), 15)
                changed[:, row, column] = images[:, source[0], source[1]]
        for row in range(7):
            for column in range(7):
                if 0 <= row + down < 7 and 0 <= column + right < 7:
                    before = first_layer(untrained, images, row, column, 32)
                    after = first_layer(untrained, changed, row + down, column + right, 32)
                    apart += np.sum((before - after) ** 2)
                    size += np.sum(before**2) + np.sum(after**2)
    found = errors(untrained, images)
    assert found["free_1", "through"] == pytest.approx(np.sqrt(apart / size), rel=1e-5)
    assert found["free_1", "own"] == pytest.approx(found["free_1", "through"], rel=1e-6)


def test_convolutions_are_equivariant_and_free_layers_made_from_them_too():
    fcn, cnn = sharing_network(28)
    for model in (fcn, cnn):
        found = errors(model, random_images(5, 28))
        assert max(found.values()) < 1e-6
        assert len(found) == (9 if model is fcn else 6)


def test_layers_of_low_rank_are_convolutions_until_their_mixtures_differ():
    model = build_network("lowrank_2", (16, 16, 1), 4, seed=0)
    images = random_images(5)
    found = errors(model, images)
    assert [layer for layer, of in found if of == "through"] == ["lowrank_1", "lowrank_2", "lowrank_3"]
    assert found["lowrank_1", "through"] < 1e-6
    layer = model.get_layer("lowrank_1")
    layer.mixing.assign(np.random.default_rng(0).normal(size=layer.mixing.shape))
    other = errors(model, images)
    assert other["lowrank_1", "through"] > 0.1
    assert other["lowrank_2", "own"] == pytest.approx(found["lowrank_2", "own"], abs=1e-6)  # its own mixtures are equal


def test_kernels_of_an_untrained_free_network_could_as_well_be_exchanged(untrained):
    found = errors(untrained, random_images(30))
    for layer in ("free_1", "free_2"):
        assert found[layer, "own"] == pytest.approx(found[layer, "exchanged"], rel=0.1)
        assert found[layer, "own"] > 0.5
    assert np.isnan(found["free_3", "own"])  # a single position has nowhere to move


def test_the_network_is_left_as_it_was(untrained):
    weights = untrained.get_weights()
    errors(untrained, random_images(2))
    for before, after in zip(weights, untrained.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_error_of_pairs():
    one = np.ones((2, 3), "float32")
    assert error([(one, one)]) == 0
    assert error([(one, -one)]) == pytest.approx(np.sqrt(2))
    assert error([(np.array([1.0, 0.0]), np.array([0.0, 1.0]))]) == 1
    assert error([(one, one), (0 * one, one)]) == pytest.approx(np.sqrt(6 / 18))
    assert np.isnan(error([(0 * one, 0 * one)]))
    assert np.isnan(error([]))


@pytest.mark.parametrize("way", [(1, 0), (-1, 0), (0, 1), (0, -1), (2, -1)])
def test_what_overlaps_of_a_moved_array_is_equal(way):
    array = random_images(2, 6)
    before, after = overlap(array, moved(array, *way), *way)
    np.testing.assert_array_equal(before, after)
    assert before.shape[1:3] == (6 - abs(way[0]), 6 - abs(way[1]))
