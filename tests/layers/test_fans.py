"""Initial kernels: those of a convolution at every position, or Keras 2's rule."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from freeconv.layers import FreeConv1D, FreeConv2D, LocallyConnected2D

NAMES = [
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "variance_scaling",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "zeros",
    "ones",
]


def kernel_of(layer, shape=(None, 20, 20, 8)):
    """Return the initial kernel of a layer."""
    layer.build(shape)
    return ops.convert_to_numpy(layer.kernel)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("groups", [1, 2])
def test_kernels_have_the_spread_of_a_convolutions(name, groups):
    keras.utils.set_random_seed(0)
    conv = keras.layers.Conv2D(64, 5, groups=groups, kernel_initializer=name)
    free = FreeConv2D(64, 5, strides=3, groups=groups, kernel_initializer=name)
    conv_kernel, free_kernel = kernel_of(conv), kernel_of(free)
    assert free_kernel.std() == pytest.approx(conv_kernel.std(), rel=0.03)
    if "uniform" in name:
        assert abs(free_kernel).max() == pytest.approx(abs(conv_kernel).max(), rel=0.01)
    if name not in ("zeros", "ones"):
        assert len(np.unique(free_kernel[:, 0, 0])) == 36  # every position has its own


def test_orthogonal_kernels_are_orthogonal_at_every_position():
    for layer, shape in ((FreeConv2D(4, 2), (None, 5, 5, 3)), (FreeConv1D(20, 3), (None, 6, 2))):
        layer.kernel_initializer = keras.initializers.Orthogonal(gain=2.0, seed=1)
        kernel = kernel_of(layer, shape)
        for position in kernel:
            product = position.T @ position if position.shape[0] >= position.shape[1] else position @ position.T
            np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-4)
        assert not np.allclose(kernel[0], kernel[1])


def test_keras_2s_rule_is_a_switch():
    initializer = keras.initializers.GlorotUniform(seed=3)
    expected = ops.convert_to_numpy(initializer((36, 200, 64)))
    np.testing.assert_array_equal(
        kernel_of(FreeConv2D(64, 5, strides=3, kernel_initializer=keras.initializers.GlorotUniform(3), fans="keras2")),
        expected,
    )
    np.testing.assert_array_equal(
        kernel_of(LocallyConnected2D(64, 5, strides=3, kernel_initializer=keras.initializers.GlorotUniform(3))),
        expected,
    )


def test_initializers_of_ones_own_see_the_weights_shape():
    shapes = []

    def initializer(shape, dtype=None):
        shapes.append(tuple(shape))
        return ops.ones(shape, dtype)

    kernel_of(FreeConv2D(2, 3, kernel_initializer=initializer), (None, 5, 5, 1))
    assert shapes == [(9, 9, 2)]
    chosen = keras.initializers.VarianceScaling(input_axes=[1], output_axes=[2], seed=1)
    np.testing.assert_array_equal(
        kernel_of(FreeConv2D(2, 3, kernel_initializer=chosen), (None, 5, 5, 1)), ops.convert_to_numpy(chosen((9, 9, 2)))
    )


def test_outputs_four_layers_deep_are_as_large_as_a_convolutions():
    keras.utils.set_random_seed(0)
    inputs = np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype("float32")
    spreads = []
    for layer in (keras.layers.Conv2D, FreeConv2D):
        model = keras.Sequential([keras.Input((16, 16, 3)), *(layer(8, 3) for _ in range(4))])
        spreads.append(model.predict(inputs, verbose=0).std())
    assert 0.5 < spreads[1] / spreads[0] < 2


def test_configurations_saved_before_keep_the_old_rule():
    old = {
        "name": "free_1",
        "filters": 2,
        "kernel_size": [3, 3],
        "strides": [1, 1],
        "activation": "relu",
        "use_bias": True,
        "vcp": 0.5,
        "vcp_mask": "connections",
        "seed": None,
        "kernel_initializer": {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": 1}},
        "batch_axis": 3,
    }
    layer = FreeConv2D.from_config(json.loads(json.dumps(old)))
    assert (layer.fans, layer.data_format, layer.padding) == ("keras2", "channels_last", "valid")
    assert FreeConv2D.from_config({"filters": 2, "kernel_size": 3}).fans == "position"
    again = FreeConv2D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
