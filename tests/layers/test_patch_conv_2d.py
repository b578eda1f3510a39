"""PatchConv2D against Keras's own Conv2D."""

import keras
import numpy as np
import pytest
from keras import ops

from freeconv.layers import PatchConv2D


@pytest.mark.parametrize("shape", [(3, 7, 9, 2), (1, 5, 5, 1)])
@pytest.mark.parametrize(("kernel_size", "strides"), [(3, 2), ((2, 3), (1, 2)), (1, 3), (5, 1)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_equals_conv2d(shape, kernel_size, strides, use_bias):
    arguments = {"strides": strides, "use_bias": use_bias, "activation": "relu", "bias_initializer": "normal"}
    conv, patch = keras.layers.Conv2D(4, kernel_size, **arguments), PatchConv2D(4, kernel_size, **arguments)
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = ops.convert_to_numpy(conv(inputs))
    patch.build(shape)
    patch.set_weights(conv.get_weights())
    outputs = ops.convert_to_numpy(patch(inputs))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert patch.compute_output_shape(shape) == outputs.shape


def test_survives_saving_and_loading(tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 1)), PatchConv2D(2, 3)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = np.random.default_rng(0).normal(size=(2, 6, 6, 1))
    np.testing.assert_array_equal(loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"padding": "same"}, "Received: padding=same"),
        ({"dilation_rate": 2}, r"dilation_rate=\(2, 2\)"),
        ({"groups": 2}, "groups=2"),
        ({"data_format": "channels_first"}, "data_format=channels_first"),
    ],
)
def test_what_it_cannot_do_is_refused(arguments, received):
    with pytest.raises(ValueError, match=received):
        PatchConv2D(4, 3, **arguments)
