import keras
import numpy as np
import pytest

from freeconv.architectures.layers import LowRank, Settings
from freeconv.architectures.low_rank_conv_2d import LowRankConv2D
from freeconv.measures.effective_rank import effective_rank
from freeconv.networks import NETWORKS, build_network, network_layers
from freeconv.training.stack import compile_replicas, initial_state, on_device


def random_layer(rank, products=False):
    layer = LowRankConv2D(5, 3, 2, rank, products)
    layer.build((None, 9, 8, 2))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.mark.parametrize("rank", [1, 3])
def test_outputs_equal_loops_over_the_mixed_kernels(rank):
    layer = random_layer(rank)
    images = np.random.default_rng(1).normal(size=(2, 9, 8, 2)).astype("float32")
    named = {weight.path.split("/")[-1]: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
    shared = named["kernel"].reshape(3, 3, 2, rank, 5)
    expected = np.zeros((2, 4, 3, 5))
    for row in range(4):
        for column in range(3):
            kernel = sum(named["mixing"][row, column, number] * shared[:, :, :, number] for number in range(rank))
            for image in range(2):
                field = images[image, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
                for filter_ in range(5):
                    total = np.sum(field * kernel[..., filter_]) + named["bias"][row, column, filter_]
                    expected[image, row, column, filter_] = max(total, 0)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(images)), expected, rtol=1e-4, atol=1e-5)


def test_matrix_products_give_the_same_outputs():
    images = np.random.default_rng(1).normal(size=(2, 9, 8, 2)).astype("float32")
    plain, products = (keras.ops.convert_to_numpy(random_layer(2, products)(images)) for products in (False, True))
    np.testing.assert_allclose(plain, products, rtol=1e-4, atol=1e-5)


def test_it_is_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((9, 8, 2)), random_layer(2)])
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(1).normal(size=(2, 9, 8, 2)).astype("float32")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict_on_batch(images), model.predict_on_batch(images))


def test_at_rank_1_it_starts_at_the_scale_of_a_convolution():
    low = LowRank(64, 3, 2, rank=1).keras_layer((9, 9, 8), "lowrank_1", Settings(seed=1), 3)
    low.build((None, 9, 9, 8))
    named = {weight.path.split("/")[-1]: keras.ops.convert_to_numpy(weight) for weight in low.weights}
    limit = np.sqrt(6 / (9 * (8 + 64)))  # Glorot's
    assert 0.99 * limit < np.abs(named["kernel"]).max() <= limit
    assert (named["mixing"] == 1).all()


@pytest.mark.parametrize("rank", [2, 4, 8])
def test_any_rank_starts_at_the_scale_of_rank_1(rank):
    images = np.random.default_rng(1).random((50, 9, 9, 8)).astype("float32")
    scales = []
    for number in (1, rank):
        layer = LowRank(64, 3, 2, rank=number).keras_layer((9, 9, 8), "lowrank_1", Settings(seed=1), 3)
        scales.append(keras.ops.convert_to_numpy(layer(images)).std())
    assert scales[0] == pytest.approx(scales[1], rel=0.2)


@pytest.mark.parametrize("rank", [1, 2, 4, 8])
def test_the_kernels_that_it_mixes_have_its_rank(rank):
    layer = random_layer(rank)
    named = {weight.path.split("/")[-1]: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
    shared = np.moveaxis(named["kernel"].reshape(18, rank, 5), 1, 0).reshape(rank, -1)
    kernels = named["mixing"].reshape(12, rank) @ shared
    assert np.linalg.matrix_rank(kernels) == rank
    assert 1 - 1e-6 <= effective_rank(kernels.reshape(12, 18, 5)) <= rank + 1e-5


def test_two_trained_side_by_side_are_trained_as_keras_trains_each():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 16, 16, 1), dtype="uint8"), rng.integers(0, 4, 40).astype("int32")
    index = np.stack([rng.permutation(40)[:36].reshape(4, 9) for _ in range(2)], axis=1)
    models = [build_network("lowrank_2", (16, 16, 1), 4, seed) for seed in (7, 8)]
    make = compile_replicas(build_network("lowrank_2", (16, 16, 1), 4, 0, stacked=True), 0.01)
    trained = make(initial_state(models))
    losses, _ = trained.train(on_device(images), on_device(labels), index)
    weights = trained.weights(["lowrank_1/mixing", "lowrank_1/bias", "lowrank_1/shared/kernel"]).values()
    for number, model in enumerate(models):
        model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        batches = [model.train_on_batch(images[rows] / np.float32(255), labels[rows]) for rows in index[:, number]]
        assert losses[number] == pytest.approx(np.mean(batches), rel=1e-3)
        for ours, theirs in zip(weights, model.get_layer("lowrank_1").get_weights(), strict=True):
            # Adam moves weights whose gradients are next to nothing as far as others, to a side that rounding decides
            assert np.mean(np.abs(ours[number] - theirs)) < 1e-4
            assert np.ptp(theirs) > 0.02


@pytest.mark.parametrize("rank", [2, 4])
def test_ranks_are_networks_of_their_own(rank):
    assert NETWORKS[f"lowrank_{rank}"].title == f"Rank {rank}"
    assert [layer.rank for layer in network_layers(f"lowrank_{rank}", (28, 28, 1))[:3]] == [rank] * 3


def test_a_rank_above_the_full_one_is_refused():
    with pytest.raises(ValueError, match=r"^a rank of at most 9, that of a free layer, received 10$"):
        LowRank(5, 3, 2, 10).size((7, 7, 2))
    with pytest.raises(ValueError, match=r"^`rank` must be at least 1\. Received: rank=0$"):
        LowRankConv2D(5, 3, 2, 0)
