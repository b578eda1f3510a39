"""Keras 2's layers: their files, their weights, and their numbers."""

import gzip
import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from freeconv.layers import FreeConv1D, FreeConv2D, LocallyConnected1D, LocallyConnected2D, field_channels_last

FOLDER = Path(__file__).parent / "keras2"  # made by make_keras2_files.py
OLD_NAMES = {"LocallyConnected1D": LocallyConnected1D, "LocallyConnected2D": LocallyConnected2D}


@pytest.fixture(params=["channels_last", "channels_first"])
def old_model(request, tmp_path):
    """Return a whole model of Keras 2, loaded, an input, and the output that Keras 2 computed."""
    path = tmp_path / "old.h5"
    path.write_bytes(gzip.decompress((FOLDER / f"{request.param}.h5.gz").read_bytes()))
    arrays = np.load(FOLDER / "arrays.npz")
    model = keras.models.load_model(path, custom_objects=OLD_NAMES, compile=False)
    return model, arrays[f"{request.param}_inputs"], arrays[f"{request.param}_outputs"]


def test_whole_models_of_keras_2_compute_the_same(old_model, tmp_path):
    model, inputs, outputs = old_model
    assert outputs.std() > 1e-3
    np.testing.assert_allclose(model.predict(inputs, verbose=0), outputs, rtol=1e-4, atol=1e-6)
    assert [layer.implementation for layer in model.layers if hasattr(layer, "implementation")] == [1, 2, 3, 1, 2, 3]
    model.save(tmp_path / "new.keras")
    again = keras.models.load_model(tmp_path / "new.keras")
    np.testing.assert_allclose(again.predict(inputs, verbose=0), outputs, rtol=1e-4, atol=1e-6)
    model.compile("adam", "mse")
    losses = model.fit(inputs, np.ones_like(outputs), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_models_of_keras_2_become_free_layers(old_model):
    model, inputs, outputs = old_model

    def free(layer):
        return layer.as_free_conv() if isinstance(layer, tuple(OLD_NAMES.values())) else layer

    converted = keras.models.clone_model(model, clone_function=free)
    for old, new in zip(model.layers, converted.layers, strict=True):
        if not isinstance(new, (FreeConv1D, FreeConv2D)):
            new.set_weights(old.get_weights())
    np.testing.assert_allclose(converted.predict(inputs, verbose=0), outputs, rtol=1e-4, atol=1e-6)
    assert sum(isinstance(layer, (FreeConv1D, FreeConv2D)) for layer in converted.layers) == 6


CASES = [
    (rank, *rest)
    for rank, *rest in itertools.product(
        (1, 2), ("channels_last", "channels_first"), (1, 2, 3), (1, 2, 3), (1, 2), ("valid", "same")
    )
    if not (rest[1] == 1 and rest[4] == "same")
]


@pytest.mark.parametrize("rank", [1, 2])
def test_weights_of_keras_2_are_taken_as_they_are(rank):
    tf_keras = pytest.importorskip("tf_keras", reason="Keras 2 is needed to compare with (package tf-keras)")
    name = f"LocallyConnected{rank}D"
    rng = np.random.default_rng(0)
    for _, data_format, implementation, size, strides, padding in (case for case in CASES if case[0] == rank):
        space = (6, 7)[:rank]
        shape = (2, 3, *space) if data_format == "channels_first" else (2, *space, 3)
        inputs = rng.normal(size=shape).astype("float32")
        arguments = {"data_format": data_format, "implementation": implementation, "padding": padding}
        kernel_size = (size, size + 1)[:rank]
        old = getattr(tf_keras.layers, name)(4, kernel_size, strides, bias_initializer="random_normal", **arguments)
        expected = old(inputs).numpy()
        new = OLD_NAMES[name](4, kernel_size, strides, **arguments)
        new.build(shape)
        new.set_weights(old.get_weights())
        outputs = ops.convert_to_numpy(new(inputs))
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5, err_msg=str((kernel_size, arguments)))


def test_channels_first_kernels_are_converted_by_name():
    old = LocallyConnected2D(4, (2, 3), data_format="channels_first", use_bias=False)
    inputs = np.random.default_rng(0).normal(size=(2, 3, 5, 6)).astype("float32")
    expected = ops.convert_to_numpy(old(inputs))
    new = FreeConv2D(4, (2, 3), data_format="channels_first", use_bias=False)
    new.build(inputs.shape)
    new.set_weights([field_channels_last(old.get_weights()[0], (2, 3))])
    np.testing.assert_allclose(ops.convert_to_numpy(new(inputs)), expected, rtol=1e-4, atol=1e-5)


def test_padding_that_convolutions_do_not_have_is_not_converted():
    old = LocallyConnected2D(2, 2, padding="same", implementation=2)
    with pytest.raises(ValueError, match="You must build the layer"):
        old.as_free_conv()
    old.build((None, 5, 5, 1))
    with pytest.raises(ValueError, match="Keras 2's layer pads"):
        old.as_free_conv()
