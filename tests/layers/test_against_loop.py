"""Free convolutions of every rank against one product at a time in NumPy."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from freeconv.layers import FreeConv1D, FreeConv2D, FreeConv3D

LAYERS = {1: FreeConv1D, 2: FreeConv2D, 3: FreeConv3D}


def padded(inputs, axis, size, rate, stride, padding):
    """Return inputs with the zeros that convolutions put around one axis."""
    length, reach = inputs.shape[axis], (size - 1) * rate + 1
    before = after = 0
    if padding == "causal":
        before = reach - 1
    elif padding == "same":
        number = -(-length // stride)
        total = max((number - 1) * stride + reach - length, 0)
        before, after = total // 2, total - total // 2
    return np.pad(inputs, [(before, after) if i == axis else (0, 0) for i in range(inputs.ndim)])


def loop(inputs, kernel, bias, kernel_size, strides, padding, dilation_rate, groups):
    """Return the output of a free convolution of inputs (batch, *space, channels), one number at a time."""
    rank, filters, channels = len(kernel_size), kernel.shape[-1], inputs.shape[-1]
    for axis in range(rank):
        inputs = padded(inputs, axis + 1, kernel_size[axis], dilation_rate[axis], strides[axis], padding)
    grid = bias.shape[:-1]
    outputs = np.zeros((len(inputs), *bias.shape))
    for number, position in enumerate(itertools.product(*map(range, grid))):
        for filter_ in range(filters):
            group = filter_ // (filters // groups)
            first, width = group * (channels // groups), channels // groups
            field = []
            for place in itertools.product(*map(range, kernel_size)):
                at = tuple(p * s + k * d for p, s, k, d in zip(position, strides, place, dilation_rate, strict=True))
                field.append(inputs[(slice(None), *at, slice(first, first + width))])
            total = np.concatenate(field, axis=-1) @ kernel[number, :, filter_]
            outputs[(slice(None), *position, filter_)] = total + bias[(*position, filter_)]
    return outputs


@st.composite
def cases(draw):
    """Draw arguments of a layer and the shape of its input (batch, *space, channels)."""
    rank = draw(st.integers(1, 3))
    longest = {1: 12, 2: 8, 3: 5}[rank]
    kernel_size = draw(st.tuples(*[st.integers(1, 3)] * rank))
    steps = draw(st.tuples(*[st.integers(1, 3)] * rank))
    dilated = draw(st.booleans())
    groups = draw(st.integers(1, 3))
    arguments = {
        "filters": groups * draw(st.integers(1, 2)),
        "kernel_size": kernel_size,
        "strides": (1,) * rank if dilated else steps,
        "dilation_rate": steps if dilated else (1,) * rank,
        "padding": draw(st.sampled_from(["valid", "same", "causal"][: 3 if rank == 1 else 2])),
        "groups": groups,
        "data_format": draw(st.sampled_from(["channels_last", "channels_first"])),
        "batch_axis": draw(st.sampled_from([0, rank + 1])),
        "recompute": draw(st.booleans()),
    }
    reach = [(k - 1) * d + 1 for k, d in zip(kernel_size, arguments["dilation_rate"], strict=True)]
    space = tuple(max(draw(st.integers(2, longest)), r) for r in reach)
    return arguments, (draw(st.integers(1, 2)), *space, groups * draw(st.integers(1, 2)))


def in_order(array, layer):
    """Return an array (batch, *space, channels) with its axes as a layer has them."""
    if layer.data_format == "channels_first":
        array = np.moveaxis(array, -1, 1)
    return np.moveaxis(array, 0, layer.batch_axis)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(), st.booleans())
def test_equals_loop(case, gathers):
    arguments, shape = case
    rng = np.random.default_rng(0)
    layer = LAYERS[len(shape) - 2](**arguments)
    layer._gathers = lambda: gathers  # whichever the backend takes
    inputs = rng.normal(size=shape).astype("float32")
    turned = in_order(inputs, layer)
    layer.build(turned.shape)
    weights = [rng.normal(size=weight.shape).astype("float32") for weight in layer.get_weights()]
    layer.set_weights(weights)
    names = ("kernel_size", "strides", "padding", "dilation_rate", "groups")
    expected = in_order(loop(inputs, *weights, **{name: arguments[name] for name in names}), layer)
    outputs = ops.convert_to_numpy(layer(turned))
    assert layer.compute_output_shape(turned.shape) == outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("strides", "dilation_rate", "groups"), [(1, 1, 1), (2, 1, 2), (1, 2, 1)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_computes_what_a_convolution_computes(rank, padding, strides, dilation_rate, groups, use_bias):
    conv = getattr(keras.layers, f"Conv{rank}D")(
        4,
        3,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
        activation="relu",
        use_bias=use_bias,
        bias_initializer="random_normal",
        data_format="channels_last",
    )
    inputs = np.random.default_rng(0).normal(size=(2, *(7, 8, 6)[:rank], 4)).astype("float32")
    expected = ops.convert_to_numpy(conv(inputs))
    free = LAYERS[rank].from_conv(conv, inputs.shape)
    np.testing.assert_allclose(ops.convert_to_numpy(free(inputs)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(free.shared_kernel(), ops.convert_to_numpy(conv.kernel), rtol=1e-5, atol=1e-7)
    assert free.activation is keras.activations.relu
