"""Kernels, images and a classifier that measures are tested on."""

import numpy as np

from freeconv.measures import Run, Settings, Trained
from freeconv.networks import build_network


def random_kernels(positions, weights=6, filters=3, seed=0):
    """Return independent kernels."""
    return np.random.default_rng(seed).normal(size=(positions, weights, filters)).astype("float32")


def smooth_kernels(grid, seed=0):
    """Return kernels that change slowly over the grid, by a gradient down, one to the right and some noise."""
    rng = np.random.default_rng(seed)
    down, right = np.indices(grid).reshape(2, -1, 1, 1)
    shared, first, second = rng.normal(size=(3, 6, 3))
    noise = rng.normal(0, 0.3, (len(down), 6, 3))
    return (shared + 0.4 * first * down + 0.4 * second * right + noise).astype("float32")


class Halves:
    """Says class 1 if the right half (or, `axis=1`, the lower one) of an image is the brighter one, else 0."""

    def __init__(self, axis=2):
        self.axis = axis
        self.shapes = set()

    def predict_on_batch(self, images):
        self.shapes.add(images.shape)
        first, second = np.split(images, 2, axis=self.axis)
        return np.stack([first.sum(axis=(1, 2, 3)), second.sum(axis=(1, 2, 3))], axis=1)


def random_images(count, size=16, seed=0):
    return np.random.default_rng(seed).random((count, size, size, 1), dtype="float32")


def trained_on(layers=(), model=None, images=None, permutations=20, **settings):
    """Return a trained network of which some things are known."""
    images = random_images(6) if images is None else images
    return Trained(
        model=model,
        layers=tuple(layers),
        images=images,
        labels=np.arange(len(images)) % 4,
        run=Run("tiny", "fcn", "translate", 0.2, folds=3, fold=2, seed=5, vcp=0.0),
        settings=Settings(**{"shifts": [], "angles": [], "permutations": permutations, "images": None, **settings}),
    )


def sharing_network(size=16, seed=0):
    """Return a free network that was made from a convolutional one, and that."""
    cnn, fcn = (build_network(name, (size, size, 1), 4, seed=seed) for name in ("cnn", "fcn"))
    for number in (1, 2, 3):
        kernel, bias = (np.array(weight) for weight in cnn.get_layer(f"conv_{number}").get_weights())
        bias = np.random.default_rng(number).normal(size=bias.shape).astype("float32")
        cnn.get_layer(f"conv_{number}").set_weights([kernel, bias])
        free = fcn.get_layer(f"free_{number}")
        repeated = np.broadcast_to(kernel.reshape(1, -1, kernel.shape[-1]), free.kernel.shape)
        free.set_weights([repeated, np.broadcast_to(bias, free.bias.shape)])
    for name in ("dense", "logits"):
        fcn.get_layer(name).set_weights(cnn.get_layer(name).get_weights())
    return fcn, cnn
