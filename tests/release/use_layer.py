"""What a user of the layer alone does, in an environment of Keras, NumPy and a backend: `python use_layer.py`."""

import sys

import keras
import numpy as np

from freeconv.layers import FreeConv2D

layer = FreeConv2D(4, 3, activation="relu", vcp=0.2)
images = np.random.default_rng(0).normal(size=(8, 9, 9, 2)).astype("float32")
model = keras.Sequential([keras.Input((9, 9, 2)), layer, keras.layers.Flatten(), keras.layers.Dense(3)])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
before = model.evaluate(images, np.arange(8) % 3, verbose=0)
model.fit(images, np.arange(8) % 3, epochs=20, verbose=0)
after = model.evaluate(images, np.arange(8) % 3, verbose=0)
if not after < before:
    sys.exit(f"expected training to lower the loss, received {before} before and {after} after it")
print(f"freeconv with {keras.backend.backend()}: loss {before:.3f}, after training {after:.3f}")
