"""Kernels, images and a classifier that measures are tested on."""

import numpy as np


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
