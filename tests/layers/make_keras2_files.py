"""Makes the whole models of tests/layers/keras2 with Keras 2: python tests/layers/make_keras2_files.py (tf-keras)."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import tf_keras

FOLDER = Path(__file__).parent / "keras2"


def model(data_format: str) -> tf_keras.Model:
    """Return a model with locally connected layers of both ranks and all implementations, with random biases."""
    shape = (4, 5, 2) if data_format == "channels_last" else (2, 4, 5)
    common = {"data_format": data_format, "bias_initializer": "random_normal", "kernel_initializer": "random_normal"}
    two, one = tf_keras.layers.LocallyConnected2D, tf_keras.layers.LocallyConnected1D
    steps = (6, 2) if data_format == "channels_last" else (2, 6)
    return tf_keras.Sequential(
        [
            two(3, (2, 3), activation="relu", input_shape=shape, **common),
            two(1, 3, padding="same", implementation=2, kernel_regularizer="l2", **common),
            two(3, 2, strides=(1, 2), activation="tanh", implementation=3, **common),
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(12),
            tf_keras.layers.Reshape(steps),
            one(3, 2, activation="relu", **common),
            one(2, 3, padding="same", implementation=2, **common),
            one(2, 2, 2, use_bias=False, implementation=3, **common),
        ]
    )


def main() -> None:
    """Write a model, an input and its output for each order of axes."""
    FOLDER.mkdir(exist_ok=True)
    arrays = {}
    for data_format in ("channels_last", "channels_first"):
        tf_keras.utils.set_random_seed(0)
        old = model(data_format)
        inputs = np.random.default_rng(0).normal(size=(3, *old.input_shape[1:])).astype("float32")
        old.compile("sgd", "mse")
        old.fit(inputs, np.ones_like(old.predict(inputs, verbose=0)), verbose=0)
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "model.h5"
            old.save(whole)
            (FOLDER / f"{data_format}.h5.gz").write_bytes(gzip.compress(whole.read_bytes(), mtime=0))
        arrays |= {f"{data_format}_inputs": inputs, f"{data_format}_outputs": old.predict(inputs, verbose=0)}
    np.savez_compressed(FOLDER / "arrays.npz", **arrays)


if __name__ == "__main__":
    main()
