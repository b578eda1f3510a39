"""Missing connections: random ones, own ones, and that they stay missing."""

import keras
import numpy as np
import pytest
from keras import ops

from freeconv.layers import FreeConv1D, FreeConv2D


def built(layer, shape=(None, 6, 6, 2)):
    """Return a layer, built."""
    layer.build(shape)
    return layer


def missing_weights(layer):
    """Return the kernel's values where connections are missing."""
    return ops.convert_to_numpy(layer.kernel)[ops.convert_to_numpy(layer.mask) == 0]


def test_a_seed_is_drawn_and_kept():
    layer = FreeConv2D(3, 3, vcp=0.5)
    assert isinstance(layer.get_config()["seed"], int)
    again = built(FreeConv2D.from_config(layer.get_config()))
    np.testing.assert_array_equal(ops.convert_to_numpy(built(layer).mask), ops.convert_to_numpy(again.mask))
    assert FreeConv2D(3, 3).seed != FreeConv2D(3, 3).seed
    seeds = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        seeds.append(FreeConv2D(3, 3, vcp=0.5).seed)
    assert seeds[0] == seeds[1]


def diagonal(position, field, filter_):
    """Return that filters see only the places of their own number."""
    return (field - filter_) % 3 == 0 * position


@pytest.mark.parametrize(
    "connectivity",
    [np.array([1, 0, 1]), np.eye(18, 3, dtype=bool).tolist(), np.arange(16 * 54).reshape(16, 18, 3) % 2, diagonal],
)
def test_connections_of_ones_own(connectivity):
    layer = built(FreeConv2D(3, 3, connectivity=connectivity))
    if callable(connectivity):
        connectivity = np.fromfunction(connectivity, layer.kernel.shape, dtype=int)
    wanted = np.broadcast_to(connectivity, layer.kernel.shape).astype(bool)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.mask).astype(bool), wanted)
    inputs = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype("float32")
    whole = built(FreeConv2D(3, 3))
    whole.set_weights([layer.get_weights()[0], layer.get_weights()[1]])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(inputs)), ops.convert_to_numpy(whole(inputs)))
    assert (missing_weights(layer) == 0).all()


def test_own_connections_are_beside_random_ones():
    random = ops.convert_to_numpy(built(FreeConv2D(2, 3, vcp=0.5, seed=1)).mask)
    both = ops.convert_to_numpy(built(FreeConv2D(2, 3, vcp=0.5, seed=1, connectivity=[1, 0])).mask)
    np.testing.assert_array_equal(both, random * np.array([1, 0]))


def test_own_connections_survive_configurations(tmp_path):
    array = np.random.default_rng(0).random((16, 18, 3)) < 0.5
    layer = built(FreeConv2D(3, 3, connectivity=array))
    again = built(FreeConv2D.from_config(layer.get_config()))
    np.testing.assert_array_equal(ops.convert_to_numpy(again.mask).astype(bool), array)
    with keras.saving.custom_object_scope({"diagonal": diagonal}):
        model = keras.Sequential([keras.Input((6, 6, 2)), FreeConv2D(3, 3, connectivity=diagonal)])
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].connectivity is diagonal


def test_missing_units_of_a_padded_input_are_missing():
    layer = built(FreeConv1D(2, 3, padding="same", vcp=0.4, vcp_mask="inputs", seed=2), (None, 8, 1))
    units = np.pad(np.random.default_rng(2).random((8, 1)) >= 0.4, ((1, 1), (0, 0)))
    mask = ops.convert_to_numpy(layer.mask)
    for position in range(8):
        np.testing.assert_array_equal(mask[position, :, 1], units[position : position + 3, 0])


def test_missing_units_are_missing_in_every_group():
    layer = built(FreeConv2D(4, 3, groups=2, vcp=0.4, vcp_mask="inputs", seed=2))
    units = np.random.default_rng(2).random((6, 6, 2)) >= 0.4
    mask = ops.convert_to_numpy(layer.mask).reshape(4, 4, 3, 3, 4)
    for row, col, group in [(0, 0, 0), (1, 2, 1), (3, 3, 0)]:
        seen = units[row : row + 3, col : col + 3, group]
        np.testing.assert_array_equal(mask[row, col, :, :, 2 * group], seen)
        np.testing.assert_array_equal(mask[row, col, :, :, 2 * group + 1], seen)


class AddOne(keras.constraints.Constraint):
    """A constraint that would bring every missing weight back."""

    def __call__(self, w):
        return w + 1


class SumOf(keras.regularizers.Regularizer):
    """A regularizer with a gradient everywhere."""

    def __call__(self, x):
        return ops.sum(x)


@pytest.mark.parametrize("kernel_constraint", [AddOne(), "unit_norm", None])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_missing_weights_stay_zero_in_training(kernel_constraint, optimizer):
    layer = FreeConv1D(3, 3, vcp=0.5, seed=1, kernel_regularizer=SumOf(), kernel_constraint=kernel_constraint)
    model = keras.Sequential([keras.Input((9, 2)), layer, keras.layers.Flatten()])
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 9, 2)), rng.normal(size=(8, 21)), epochs=2, verbose=0)
    assert (missing_weights(layer) == 0).all()
    assert 0 < len(missing_weights(layer)) < 7 * 6 * 3


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
def test_missing_weights_are_zero_after_loading(tmp_path, name):
    def model():
        layer = FreeConv1D(2, 3, vcp=0.5, seed=1)
        return keras.Sequential([keras.Input((9, 2)), layer]), layer

    old, layer = model()
    layer.kernel.assign(np.ones(layer.kernel.shape))  # as a file of elsewhere may have it
    if name == "model.weights.h5":
        old.save_weights(tmp_path / name)
        loaded, _ = model()
        loaded.load_weights(tmp_path / name)
    else:
        old.save(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name)
    assert (missing_weights(loaded.layers[0]) == 0).all()
    assert ops.convert_to_numpy(loaded.layers[0].kernel).max() == 1


def test_missing_weights_are_zero_after_set_weights():
    layer = built(FreeConv2D(3, 3, vcp=0.5, kernel_regularizer="l2"))
    kernel, bias, mask = layer.get_weights()
    layer.set_weights([np.ones_like(kernel), bias, mask])
    np.testing.assert_array_equal(layer.get_weights()[0], mask)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.losses[0]), 0.01 * mask.sum(), rtol=1e-5)


def test_shared_kernel_is_the_mean_over_connections():
    layer = built(FreeConv2D(2, 3, padding="same", vcp=0.5, seed=3), (None, 4, 4, 1))
    shared = layer.shared_kernel()
    kernel, _, mask = layer.get_weights()
    assert shared.shape == (3, 3, 1, 2)
    inside = np.ones((4, 4), bool)
    inside[0], inside[:, 0] = False, False  # the upper left place of the kernel is outside of the image
    counts = mask[:, 0, 1].astype(bool) & inside.reshape(-1)
    assert shared[0, 0, 0, 1] == pytest.approx(kernel[counts, 0, 1].mean())


def test_from_conv_takes_arguments_of_the_free_layer():
    conv = keras.layers.Conv2D(3, 3, name="first")
    with pytest.raises(ValueError, match="expects a built Conv2D layer"):
        FreeConv2D.from_conv(conv, (None, 6, 6, 2))
    conv.build((None, 6, 6, 2))
    with pytest.raises(ValueError, match="expects a built Conv1D layer"):
        FreeConv1D.from_conv(conv, (None, 6, 6, 2))
    free = FreeConv2D.from_conv(conv, (6, 6, 2, None), batch_axis=3, vcp=0.5, name="free")
    assert free.name == "free"
    assert (missing_weights(free) == 0).all()
