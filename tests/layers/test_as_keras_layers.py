"""Every layer through Keras's own generic layer test, and everywhere Keras takes layers."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.testing import TestCase

from freeconv.layers import FreeConv1D, FreeConv2D, FreeConv3D, LocallyConnected1D, LocallyConnected2D, PatchConv2D

SHAPES = {1: (2, 9, 4), 2: (2, 7, 8, 4), 3: (2, 5, 5, 6, 4)}
ALL = [
    (FreeConv1D, {"padding": "causal", "activation": "relu"}, 2, 0),
    (FreeConv1D, {"strides": 2, "vcp": 0.4, "use_bias": False}, 1, 1),
    (FreeConv2D, {}, 2, 0),
    (FreeConv2D, {"padding": "same", "dilation_rate": 2, "groups": 2, "kernel_regularizer": "l2"}, 2, 0),
    (FreeConv2D, {"vcp": 0.4, "vcp_mask": "inputs", "seed": 3, "activity_regularizer": "l1", "strides": 2}, 2, 1),
    (FreeConv2D, {"connectivity": np.eye(4, dtype=int), "kernel_constraint": "max_norm"}, 2, 1),
    (FreeConv3D, {"padding": "same"}, 2, 0),
    (FreeConv3D, {"vcp": 0.4, "fans": "keras2", "kernel_initializer": "he_normal"}, 2, 1),
    (LocallyConnected1D, {}, 2, 0),
    (LocallyConnected1D, {"implementation": 3, "padding": "same"}, 2, 0),
    (LocallyConnected2D, {"strides": (2, 1)}, 2, 0),
    (LocallyConnected2D, {"implementation": 2, "padding": "same", "use_bias": False}, 1, 0),
    (PatchConv2D, {}, 2, 0),
]


class TestKerasLayerTest(TestCase):
    """Keras's `run_layer_test`: building, symbolic and eager calls, configuration, training, mixed precision."""

    def test_every_layer(self):
        for layer, arguments, trainable, other in ALL:
            rank = int(layer.__name__[-2])
            arguments = {"filters": 4, "kernel_size": 1 if "connectivity" in arguments else 3, **arguments}
            with self.subTest(layer=layer.__name__, **arguments):
                self.run_layer_test(
                    layer,
                    init_kwargs=arguments,
                    input_shape=SHAPES[rank],
                    expected_num_trainable_weights=trainable,
                    expected_num_non_trainable_weights=other,
                    expected_num_losses=sum("_regularizer" in name for name in arguments),
                    supports_masking=False,
                )


def small_model(**arguments):
    """Return a model with layers of all kinds and an input of it."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            FreeConv2D(3, 3, activation="relu", vcp=0.3, **arguments),
            FreeConv2D(2, 3, padding="same", groups=1, connectivity=np.eye(27, 2, dtype=bool)),
            keras.layers.Reshape((18, 4)),
            FreeConv1D(3, 4, strides=2, padding="causal"),
            keras.layers.Reshape((3, 3, 3, 1)),
            FreeConv3D(2, 2),
            keras.layers.Flatten(),
        ]
    )
    return model, np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype("float32")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_whole_models_are_saved_and_loaded(tmp_path, name):
    model, inputs = small_model()
    model.save(tmp_path / name)
    loaded = keras.models.load_model(tmp_path / name)
    np.testing.assert_array_equal(loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


def test_weights_are_saved_and_loaded(tmp_path):
    model, inputs = small_model(seed=1)
    other, _ = small_model(seed=2)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


def test_clones_have_the_same_connections():
    model, inputs = small_model()
    clone = keras.models.clone_model(model)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(clone.layers[0].mask), ops.convert_to_numpy(model.layers[0].mask)
    )
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras exports a SavedModel of TensorFlow and JAX")
def test_saved_models_are_exported(tmp_path):
    tf = pytest.importorskip("tensorflow", reason="a SavedModel is written and read by TensorFlow")
    model, inputs = small_model()
    expected = model.predict(inputs, verbose=0)
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    served = loaded.serve(inputs)
    np.testing.assert_allclose(np.asarray(served), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TFLite is TensorFlow's")
def test_tflite_computes_the_same(tmp_path):
    import tensorflow as tf

    model, inputs = small_model()
    expected = model.predict(inputs[:1], verbose=0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs[:1])
    interpreter.invoke()
    outputs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_time_distributed_and_shared_layers():
    layer = FreeConv2D(3, 3)
    first, second = keras.Input((6, 6, 2)), keras.Input((6, 6, 2))
    shared = keras.Model([first, second], keras.layers.Add()([layer(first), layer(second)]))
    assert len(shared.trainable_weights) == 2
    videos = np.random.default_rng(0).normal(size=(2, 4, 6, 6, 2)).astype("float32")
    in_time = keras.layers.TimeDistributed(layer)
    outputs = ops.convert_to_numpy(in_time(videos))
    np.testing.assert_allclose(outputs[:, 1], ops.convert_to_numpy(layer(videos[:, 1])), rtol=1e-5, atol=1e-6)


def test_an_empty_batch_gives_an_empty_output():
    for layer, shape in ((FreeConv1D(2, 3), (0, 5, 2)), (FreeConv2D(2, 3, padding="same", groups=2), (0, 5, 5, 2))):
        outputs = layer(np.zeros(shape, "float32"))
        assert tuple(outputs.shape) == layer.compute_output_shape(shape)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_models_learn(jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("needs a C++ compiler")
    model, inputs = small_model(seed=1)
    model.compile("adam", "mse", jit_compile=jit_compile)
    targets = np.ones((3, 16), "float32")
    losses = model.fit(inputs, targets, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_float64_is_exact():
    if keras.backend.backend() == "jax":
        import jax

        if not jax.config.jax_enable_x64:
            pytest.skip("JAX computes in float64 with JAX_ENABLE_X64=1")
    inputs = np.random.default_rng(0).normal(size=(2, 6, 6, 2))
    layer = FreeConv2D(2, 3, dtype="float64")
    layer.build(inputs.shape)
    kernel = ops.convert_to_numpy(layer.kernel)
    outputs = ops.convert_to_numpy(layer(inputs))
    assert outputs.dtype == np.float64
    expected = inputs[0, 1:4, 2:5].reshape(-1) @ kernel[6]
    np.testing.assert_allclose(outputs[0, 1, 2], expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_as_exact_as_a_convolution(dtype):
    conv = keras.layers.Conv2D(8, 30, dtype=dtype, data_format="channels_last")
    inputs = np.random.default_rng(0).normal(size=(4, 30, 30, 1)).astype("float32")
    inputs = ops.convert_to_numpy(ops.cast(ops.cast(inputs, dtype), "float32"))
    by_conv = ops.convert_to_numpy(ops.cast(conv(inputs), "float32"))
    free = FreeConv2D.from_conv(conv, inputs.shape)
    by_free = ops.convert_to_numpy(ops.cast(free(inputs), "float32"))
    kernel = ops.convert_to_numpy(ops.cast(conv.kernel, "float32")).astype("float64").reshape(900, 8)
    exact = inputs.astype("float64").reshape(4, 900) @ kernel
    by_free, by_conv = by_free.reshape(4, 8), by_conv.reshape(4, 8)
    assert abs(by_free - exact).max() <= 1.5 * abs(by_conv - exact).max() + 1e-6


def test_both_orders_of_axes_are_one_layer():
    inputs = np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype("float32")
    last = FreeConv2D(4, 3, 2, data_format="channels_last")
    expected = ops.convert_to_numpy(last(inputs))
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        first = FreeConv2D(4, 3, 2)
    finally:
        keras.config.set_image_data_format(before)
    assert first.get_config()["data_format"] == "channels_first"
    first.build((2, 3, 6, 7))
    first.set_weights(last.get_weights())
    outputs = ops.convert_to_numpy(first(inputs.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(outputs.transpose(0, 2, 3, 1), expected, rtol=1e-5, atol=1e-6)
