"""What layers refuse, in Keras's words, and the spellings that they take, as Keras's convolutions do."""

import json
import re

import keras
import numpy as np
import pytest

from freeconv.layers import (
    FreeConv1D,
    FreeConv2D,
    FreeConv3D,
    LocallyConnected1D,
    LocallyConnected2D,
    field_channels_last,
)

FREE = [FreeConv1D, FreeConv2D, FreeConv3D]
OLD = [LocallyConnected1D, LocallyConnected2D]

WRONG = [
    # argument, value, message, further arguments
    ("filters", 0, "Invalid value for argument `filters`. Expected a strictly positive integer. Received: filters=0"),
    ("filters", -2, "Received: filters=-2"),
    ("filters", 2.5, "Received: filters=2.5"),
    ("filters", 3.0, "Received: filters=3.0"),
    ("filters", "4", "Received: filters=4"),
    ("filters", None, "Received: filters=None"),
    ("kernel_size", 0, "The `kernel_size` argument must be a positive integer"),
    ("kernel_size", (1, 2, 3, 4), "Received: kernel_size=(1, 2, 3, 4)"),
    ("kernel_size", (), "Received: kernel_size=()"),
    ("kernel_size", "33", "Received: kernel_size=33"),
    ("kernel_size", 2.5, "Received: kernel_size=2.5"),
    ("kernel_size", None, "Received: kernel_size=None"),
    ("strides", -1, "Received: strides=-1"),
    ("strides", [1.5], "Received: strides=[1.5]"),
    ("strides", {}, "Received: strides={}"),
    ("padding", "full", "The `padding` argument must be one of ('valid', 'same'"),
    ("padding", None, "Received: padding=None"),
    ("padding", "relu", "Received: padding='relu'"),
    ("data_format", "NHWC", "The `data_format` argument must be one of ('channels_last', 'channels_first')"),
    ("data_format", 1, "Received: data_format=1"),
    ("activation", "reluu", "reluu"),
    ("kernel_initializer", "glorott", "glorott"),
    ("bias_initializer", "zeroes!", "zeroes!"),
    ("kernel_regularizer", "l7", "l7"),
    ("bias_regularizer", "l7", "l7"),
    ("activity_regularizer", "l7", "l7"),
    ("kernel_constraint", "no_norm", "no_norm"),
    ("bias_constraint", "no_norm", "no_norm"),
    ("colour", 1, "colour"),
]
WRONG_FREE = [
    ("dilation_rate", 0, "Received: dilation_rate=0"),
    ("dilation_rate", "2", "Received: dilation_rate=2"),
    ("groups", 0, "Received: groups=0"),
    (
        "groups",
        3,
        "The number of filters must be evenly divisible by the number of groups. Received: groups=3, filters=4",
    ),
    ("vcp", 1.0, "Argument `vcp` must be at least 0 and below 1. Received: vcp=1.0"),
    ("vcp", -0.1, "Received: vcp=-0.1"),
    ("vcp", float("nan"), "Received: vcp=nan"),
    ("vcp", "0.5", "Received: vcp='0.5'"),
    ("vcp", None, "Received: vcp=None"),
    ("vcp_mask", "rows", "Received: vcp_mask='rows'"),
    ("connectivity", "eye", "Received: connectivity='eye'"),
    ("seed", -1, "Argument `seed` must be a non-negative integer or `None`. Received: seed=-1"),
    ("seed", 1.5, "Received: seed=1.5"),
    ("seed", "a", "Received: seed='a'"),
    ("fans", "keras3", "Received: fans='keras3'"),
    ("batch_axis", 1, "Received: batch_axis=1"),
    ("batch_axis", -1, "Received: batch_axis=-1"),
    ("batch_axis", True, "Received: batch_axis=True"),
]
WRONG_OLD = [
    ("implementation", 0, "Received: implementation=0"),
    ("implementation", "1", "Received: implementation='1'"),
    ("padding", "same", '(only "valid" is supported if implementation is 1'),
    ("padding", "causal", "padding"),
    ("dilation_rate", 2, "dilation_rate"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG + WRONG_FREE)
@pytest.mark.parametrize("layer", FREE)
def test_free_layers_refuse(layer, name, value, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        layer(**{"filters": 4, "kernel_size": 3, name: value})


@pytest.mark.parametrize(("name", "value", "message"), WRONG + WRONG_OLD)
@pytest.mark.parametrize("layer", OLD)
def test_locally_connected_layers_refuse(layer, name, value, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        layer(**{"filters": 4, "kernel_size": 3, name: value})


def test_strides_and_dilation_do_not_go_together():
    with pytest.raises(ValueError, match=r"`strides > 1` not supported in conjunction with `dilation_rate > 1`"):
        FreeConv2D(4, 3, strides=2, dilation_rate=2)
    with pytest.raises(ValueError, match=r"Received: padding='causal'"):
        FreeConv2D(4, 3, padding="causal")


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (FreeConv1D(2, 3), (None, None, 4), "needs to know length and channels. Received: input_shape=(None, None, 4)"),
        (FreeConv1D(2, 3), (None, 2, 4), "Computed output size would be zero or negative"),
        (FreeConv2D(2, 3), (None, 5, 5, None), "needs to know height, width and channels"),
        (FreeConv2D(2, 3, dilation_rate=3), (None, 6, 9, 1), "dilation_rate=(3, 3)"),
        (FreeConv2D(2, 3), (None, 5, 5), "rank 4"),
        (FreeConv2D(4, 3, groups=2), (None, 5, 5, 3), "Received: groups=2, but the input has 3 channels"),
        (FreeConv2D(2, 3, data_format="channels_first"), (None, 3, 2, 9), "Received: input_shape=(None, 3, 2, 9)"),
        (FreeConv2D(2, 3, padding="same"), (None, 0, 5, 1), "zero or negative"),
        (FreeConv3D(2, 3), (None, 5, None, 5, 1), "needs to know depth, height, width and channels"),
        (
            FreeConv2D(2, 3, connectivity=np.ones((2, 5))),
            (None, 5, 5, 1),
            "must broadcast to the kernel's shape (9, 9, 2)",
        ),
        (FreeConv2D(2, 3, connectivity=[2, 1]), (None, 5, 5, 1), "must hold zeros and ones"),
        (LocallyConnected1D(2, 3), (None, None, 1), "needs to know length and channels"),
        (LocallyConnected2D(2, 3), (None, 2, 2, 1), "zero or negative"),
    ],
)
def test_layers_refuse_to_be_built_for(layer, shape, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        layer.build(shape)


@pytest.mark.parametrize("layer", [FreeConv2D(2, 3, strides=2), LocallyConnected2D(2, 3, strides=2)])
@pytest.mark.parametrize(
    ("shape", "axis"), [((2, 9, 9, 6), 3), ((2, 10, 9, 3), 1), ((2, 9, 8, 3), 2), ((2, 11, 7, 3), 1)]
)
def test_built_layers_refuse_other_shapes(layer, shape, axis):
    layer(np.zeros((2, 9, 9, 3), "float32"))
    with pytest.raises(ValueError, match=f"expected axis {axis} of input shape to have value"):
        layer(np.zeros(shape, "float32"))
    with pytest.raises(ValueError, match="expected ndim=4, found ndim=3"):
        layer(np.zeros((9, 9, 3), "float32"))
    assert tuple(layer(np.zeros((5, 9, 9, 3), "float32")).shape) == (5, 4, 4, 2)


@pytest.mark.parametrize("layer", [FreeConv2D, LocallyConnected2D, keras.layers.Conv2D])
@pytest.mark.parametrize(
    "arguments",
    [
        {"filters": np.int64(4), "kernel_size": np.int32(3)},
        {"filters": np.array(4), "kernel_size": np.array([3, 3])},
        {"kernel_size": [3, 3], "strides": [1, 1], "padding": "VALID"},
        {"data_format": "Channels_Last", "activation": keras.activations.relu, "use_bias": 1},
        {"kernel_initializer": keras.initializers.HeNormal(), "bias_initializer": "ones"},
        {"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.1}}, "kernel_constraint": "max_norm"},
    ],
)
def test_spellings_that_conv2d_takes(layer, arguments):
    if layer is keras.layers.Conv2D and isinstance(arguments.get("kernel_size"), np.int32):
        arguments = {**arguments, "kernel_size": 3}  # we take this, too
    made = layer(**{"filters": 4, "kernel_size": 3, **arguments})
    assert made.compute_output_shape((2, 6, 6, 1)) == (2, 4, 4, 4)
    if layer is not keras.layers.Conv2D:
        config = json.loads(json.dumps(made.get_config()))
        assert json.loads(json.dumps(layer.from_config(config).get_config())) == config


def test_arguments_by_place_are_those_of_conv2d():
    by_place = (
        4,
        3,
        1,
        "same",
        "channels_last",
        2,
        2,
        "relu",
        False,
        "he_normal",
        "ones",
        "l2",
        "l1",
        "l2",
        None,
        None,
    )
    free, conv = FreeConv2D(*by_place).get_config(), keras.layers.Conv2D(*by_place).get_config()
    assert {name: free[name] for name in conv if name not in ("name",)} == {
        name: conv[name] for name in conv if name != "name"
    }


def test_kernel_and_bias_are_named_as_conv2d_names_them():
    layer = FreeConv2D(2, 3, use_bias=False)
    # PyTorch's modules replace the text of an AttributeError of a property, also Conv2D's.
    said = "kernel" if keras.backend.backend() == "torch" else "You must build the layer before accessing `kernel`"
    with pytest.raises(AttributeError, match=said):
        _ = layer.kernel
    layer.build((None, 5, 5, 1))
    assert layer.bias is None
    assert layer.mask is None
    assert layer.kernel.name == "kernel"


def test_a_field_that_is_no_multiple_of_the_kernel_is_refused():
    with pytest.raises(ValueError, match=r"Received: an array of shape \(2, 5, 1\)"):
        field_channels_last(np.zeros((2, 5, 1)), (2, 2))
