"""FreeConv2D against a plain loop, Keras's own Conv2D, and finite differences."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from freeconv.layers import FreeConv2D
from tests.layers.gradients import gradients

SHAPES = [
    # (batch, height, width, channels), filters, kernel_size, strides
    ((3, 7, 9, 2), 4, 3, 2),
    ((2, 6, 5, 1), 3, (2, 3), (1, 2)),
    ((1, 4, 4, 3), 2, 4, 1),
    ((5, 8, 8, 2), 1, 1, 3),
]


def loop(inputs, kernel, bias, kernel_size, strides):
    """Return the output of a free convolution, one product at a time."""
    batch, height, width, _ = inputs.shape
    kernel_height, kernel_width = kernel_size
    rows = (height - kernel_height) // strides[0] + 1
    cols = (width - kernel_width) // strides[1] + 1
    outputs = np.zeros((batch, rows, cols, kernel.shape[-1]))
    for image in range(batch):
        for row in range(rows):
            for col in range(cols):
                top, left = row * strides[0], col * strides[1]
                field = inputs[image, top : top + kernel_height, left : left + kernel_width].reshape(-1)
                for number in range(kernel.shape[-1]):
                    outputs[image, row, col, number] = (
                        field @ kernel[row * cols + col, :, number] + bias[row, col, number]
                    )
    return outputs


def built(shape, *args, **kwargs):
    """Return a built layer with random weights, biases included, and random inputs."""
    rng = np.random.default_rng(0)
    layer = FreeConv2D(*args, **kwargs)
    layer.build(shape)
    layer.set_weights(
        [
            weight if name == "mask" else rng.normal(size=weight.shape).astype("float32")
            for name, weight in zip((v.name for v in layer.weights), layer.get_weights(), strict=True)
        ]
    )
    return layer, rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize(("shape", "filters", "kernel_size", "strides"), SHAPES)
def test_equals_loop(shape, filters, kernel_size, strides):
    layer, inputs = built(shape, filters, kernel_size, strides)
    expected = loop(inputs, layer.get_weights()[0], layer.get_weights()[1], layer.kernel_size, layer.strides)
    outputs = ops.convert_to_numpy(layer(inputs))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert layer.compute_output_shape(shape) == outputs.shape


@pytest.mark.parametrize(("shape", "filters", "kernel_size", "strides"), SHAPES)
def test_batch_axis_3_is_the_same_layer_in_another_order(shape, filters, kernel_size, strides):
    layer, inputs = built(shape, filters, kernel_size, strides, activation="relu")
    other = FreeConv2D(filters, kernel_size, strides, activation="relu", batch_axis=3)
    turned = inputs.transpose(1, 2, 3, 0)
    other.build(turned.shape)
    other.set_weights(layer.get_weights())
    outputs = ops.convert_to_numpy(other(turned))
    np.testing.assert_allclose(outputs.transpose(3, 0, 1, 2), ops.convert_to_numpy(layer(inputs)), rtol=1e-5)
    assert other.compute_output_shape(turned.shape) == outputs.shape


def test_activation_is_over_the_filters():
    layer, inputs = built((3, 5, 5, 2), 4, 3, 2, activation="softmax")
    np.testing.assert_allclose(ops.convert_to_numpy(layer(inputs)).sum(axis=-1), 1, rtol=1e-5)


def test_equals_conv2d_when_kernels_are_equal():
    conv = keras.layers.Conv2D(6, 3, strides=2)
    inputs = np.random.default_rng(1).normal(size=(4, 11, 9, 3)).astype("float32")
    expected = ops.convert_to_numpy(conv(inputs))
    layer = FreeConv2D(6, 3, 2)
    layer.build(inputs.shape)
    kernel = conv.get_weights()[0].reshape(1, -1, 6)
    layer.set_weights([np.repeat(kernel, 20, axis=0), np.zeros((5, 4, 6), "float32")])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(inputs)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("vcp", [0.0, 0.5])
@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_equal_differences(vcp, recompute):
    # Without an activation the output is linear in the inputs and in each weight, so differences are exact.
    layer, inputs = built((2, 5, 6, 2), 3, 3, 2, vcp=vcp, seed=3, recompute=recompute)
    weighting = np.random.default_rng(2).normal(size=(2, 2, 2, 3)).astype("float32")
    by_inputs, by_weights = gradients(layer, inputs, weighting)

    def value(inputs):
        return float((ops.convert_to_numpy(layer(inputs)).astype("float64") * weighting).sum())

    base = value(inputs)
    for index in [(0, 0, 0, 0), (1, 2, 3, 1), (0, 4, 4, 1)]:
        changed = inputs.copy()
        changed[index] += 1
        assert value(changed) - base == pytest.approx(by_inputs[index], abs=1e-4)
    for variable, gradient in zip(layer.trainable_variables, by_weights, strict=True):
        weights = ops.convert_to_numpy(variable).copy()
        for flat in range(0, weights.size, 7):
            index = np.unravel_index(flat, weights.shape)
            changed = weights.copy()
            changed[index] += 1
            variable.assign(changed)
            assert value(inputs) - base == pytest.approx(gradient[index], abs=1e-4)
        variable.assign(weights)


def test_missing_connections_stay_missing_through_training_saving_and_loading(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 2)), FreeConv2D(4, 3, vcp=0.3, seed=5), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    layer = model.layers[0]
    mask = layer.get_weights()[-1].astype(bool)
    assert 0.25 < 1 - mask.mean() < 0.35
    start = layer.get_weights()[0]
    assert (start[~mask] == 0).all()
    assert (start[mask] != 0).all()
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(64, 8, 8, 2)), rng.normal(size=(64, 3)), epochs=2, verbose=0)
    trained = layer.get_weights()[0]
    assert (trained[~mask] == 0).all()
    assert (trained[mask] != start[mask]).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, before, after in zip(
        (v.path for v in model.weights), model.get_weights(), loaded.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after, err_msg=name)


def test_missing_connections_follow_from_the_seed():
    masks = []
    for seed in (1, 1, 2):
        layer = FreeConv2D(3, 2, vcp=0.5, seed=seed)
        layer.build((None, 5, 5, 1))
        masks.append(layer.get_weights()[-1])
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()
    unseeded = FreeConv2D(3, 2, vcp=0.5)
    assert FreeConv2D.from_config(unseeded.get_config()).seed == unseeded.seed


def test_weights_have_the_shapes_of_locally_connected_2d():
    layer = FreeConv2D(32, 3, strides=2)
    layer.build((None, 28, 28, 1))
    assert [weight.shape for weight in layer.get_weights()] == [(169, 9, 32), (13, 13, 32)]


def test_missing_inputs_are_those_of_a_masked_input():
    layer, inputs = built((4, 9, 8, 3), 5, 3, 2, vcp=0.4, vcp_mask="inputs", seed=3)
    units = np.random.default_rng(3).random((9, 8, 3)) >= 0.4
    assert 0.4 < units.mean() < 0.8
    whole = FreeConv2D(5, 3, strides=2)
    whole.build(inputs.shape)
    kernel = np.random.default_rng(4).normal(size=whole.kernel.shape)
    bias = np.zeros(whole.bias.shape)
    whole.set_weights([kernel, bias])
    weights = {"kernel": kernel, "bias": bias}
    layer.set_weights([weights.get(weight.name, ops.convert_to_numpy(weight)) for weight in layer.weights])
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(inputs)), ops.convert_to_numpy(whole(inputs * units)), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="Received: vcp_mask='rows'"):
        FreeConv2D(1, 1, vcp_mask="rows")


def test_config_round_trip_is_json():
    layer = FreeConv2D(
        3,
        (2, 3),
        2,
        activation="relu",
        use_bias=False,
        vcp=0.1,
        vcp_mask="inputs",
        kernel_regularizer="l2",
        batch_axis=3,
    )
    config = json.loads(json.dumps(layer.get_config()))
    again = FreeConv2D.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.activation is keras.activations.relu


def test_works_in_a_functional_model_with_an_unknown_batch():
    inputs = keras.Input((9, 9, 1))
    outputs = FreeConv2D(4, 3)(inputs)
    assert outputs.shape == (None, 7, 7, 4)
    assert keras.Model(inputs, outputs).predict(np.zeros((3, 9, 9, 1)), verbose=0).shape == (3, 7, 7, 4)


def test_lower_precision_is_kept():
    layer = FreeConv2D(2, 3, vcp=0.5, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(np.ones((1, 5, 5, 1), "float32")).dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(layer.kernel.dtype) == "float32"


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"filters": 0}, "Received: filters=0"),
        ({"filters": 2.5}, "Received: filters=2.5"),
        ({"kernel_size": 0}, "Received: kernel_size=0"),
        ({"kernel_size": (1, 2, 3)}, r"Received: kernel_size=\(1, 2, 3\)"),
        ({"strides": -1}, "Received: strides=-1"),
        ({"vcp": 1.0}, "Received: vcp=1.0"),
        ({"batch_axis": 1}, "Received: batch_axis=1"),
    ],
)
def test_wrong_arguments_are_named(arguments, received):
    with pytest.raises(ValueError, match=received):
        FreeConv2D(**{"filters": 2, "kernel_size": 3, **arguments})


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [((None, 2, 9, 1), "at least as large"), ((None, None, 9, 1), "height, width"), ((None, 9, 1), "rank 4")],
)
def test_wrong_input_shapes_are_named(shape, complaint):
    with pytest.raises(ValueError, match=complaint):
        FreeConv2D(2, 3).build(shape)


@pytest.mark.parametrize("recompute", [False, True])
def test_receptive_fields_are_kept_or_computed_again(recompute):
    layer, inputs = built((8, 20, 20, 4), 2, 3, recompute=recompute)
    backend, fields = keras.backend.backend(), 8 * 18 * 18 * 36 * 4
    if backend == "jax":
        import jax

        weights = [variable.value for variable in layer.trainable_variables]
        _, back = jax.vjp(lambda weights, inputs: layer.stateless_call(weights, [], inputs)[0], weights, inputs)
        kept = [array.nbytes for array in jax.tree.leaves(back)]
    elif backend == "torch":
        import torch

        kept = []
        inputs = torch.tensor(inputs, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.nbytes) or t, lambda t: t):
            layer(inputs)
    else:
        pytest.skip("what TensorFlow keeps for a gradient cannot be listed")
    assert (max(kept) >= fields) is not recompute
