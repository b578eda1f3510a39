"""Augmentations of image batches, and the quadrant swap of the evaluation.

Shared conventions: `images` are float32, NHWC (n, height, width, channels), on the [0, 1] scale, grayscale or RGB;
`level` is the paper's augmentation level, a number ≥ 0; `rng` draws independently for each image, in the order of the
images, so a batch cut into pieces draws the same numbers as the whole. The input is never changed.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

EDGE_PIXELS = 5


def none(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Return the images as they are: the un-augmented training of the paper.

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: ignored but for its check, ≥ 0.
        rng: not used.

    Returns:
        The same array.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    _check(images, level)
    return images


def translate(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by its own random offset (paper figure 2).

    Shifts are continuous and uniform in ±level·height and ±level·width; pixels are interpolated bilinearly and pixels
    from outside take the value of the nearest edge pixel. Equal to `scipy.ndimage.shift(order=1, mode="nearest")`.

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: largest shift as a share of the image's size, ≥ 0.
        rng: draws (dy, dx) for each image.

    Returns:
        float32 of the same shape, within the range of the input.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    _check(images, level)
    count, height, width, _ = images.shape
    shifts = rng.uniform(-level, level, (count, 2)) * (height, width)
    matrices = np.tile(np.eye(2, 3), (count, 1, 1))
    matrices[:, :, 2] = shifts[:, ::-1]
    return _warp(images, matrices)


def rotate(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Rotate each image about its centre by its own random angle (paper appendix B, table B.3).

    Angles are uniform in ±360·level degrees, counter-clockwise if positive; interpolation and fill are those of
    `translate`. The centre is ((height - 1) / 2, (width - 1) / 2), where the authors' version of Keras, by a mistake
    corrected since, turned about a point one pixel off. Equal to
    `scipy.ndimage.rotate(reshape=False, order=1, mode="nearest")`.

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: largest angle as a share of 360°, ≥ 0.
        rng: draws one angle for each image.

    Returns:
        float32 of the same shape, within the range of the input.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    _check(images, level)
    count, height, width, _ = images.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    angles = rng.uniform(-360 * level, 360 * level, (count,))
    return _warp(images, [cv2.getRotationMatrix2D(centre, angle, 1.0) for angle in angles])


def noise(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise to every pixel (paper appendix B.2).

    As in the authors' program the result is not clipped, so values may leave [0, 1].

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: standard deviation of the noise, on the [0, 1] scale of the images, ≥ 0.
        rng: draws one normal number for each value.

    Returns:
        float32 of the same shape, of any range.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    _check(images, level)
    noisy = rng.standard_normal(images.shape, dtype=np.float32)
    noisy *= np.float32(level)
    noisy += images
    return noisy


def edge_noise(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise to the pixels within 5 pixels of the border (paper appendix B.1).

    This is the text's definition. The authors' program indexes the wrong axes and so gives most images noise in the
    top and bottom 5 rows only.

    Args:
        images: float32 of shape (n, height, width, 1 or 3); images of up to 10 pixels a side are border throughout.
        level: standard deviation of the noise, on the [0, 1] scale of the images, ≥ 0.
        rng: draws one normal number for each value, used or not.

    Returns:
        float32 of the same shape, of any range in the border.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    noisy = noise(images, level, rng)
    inner = slice(EDGE_PIXELS, -EDGE_PIXELS)
    noisy[:, inner, inner] = images[:, inner, inner]
    return noisy


def swap_quadrants(images: np.ndarray) -> np.ndarray:
    """Exchange quadrants I (top right) and III (bottom left) of each image (paper appendix B.3).

    Quadrants are the corner blocks of height // 2 × width // 2 pixels; an odd size's middle row or column stays.

    Args:
        images: float32 of shape (n, height, width, 1 or 3).

    Returns:
        A float32 copy of the same shape with the two blocks exchanged.

    Raises:
        ValueError: `images` is not as described.
    """
    _check(images, 0.0)
    height, width = images.shape[1:3]
    top, bottom = slice(0, height // 2), slice(height - height // 2, height)
    left, right = slice(0, width // 2), slice(width - width // 2, width)
    swapped = images.copy()
    swapped[:, top, right] = images[:, bottom, left]
    swapped[:, bottom, left] = images[:, top, right]
    return swapped


AUGMENT: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "none": none,
    "translate": translate,
    "rotate": rotate,
    "noise": noise,
    "edge_noise": edge_noise,
}


def _warp(images: np.ndarray, matrices: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """Move each image's content by its own 2 × 3 matrix, which maps (x, y) of the input to (x, y) of the output.

    OpenCV 5 interpolates with exact weights for 1, 3 and 4 channels; earlier releases, and other numbers of channels,
    round positions to 1/32 pixel.
    """
    images = np.ascontiguousarray(images)
    warped = np.empty_like(images)
    size = (images.shape[2], images.shape[1])
    for image, target, matrix in zip(images, warped, matrices, strict=True):
        cv2.warpAffine(image, matrix, size, target, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    return warped


def _check(images: np.ndarray, level: float) -> None:
    """Raise ValueError unless `images` is a float32 batch, grayscale or RGB, and `level` a finite number ≥ 0."""
    if not isinstance(images, np.ndarray) or images.dtype != np.float32:
        raise ValueError(f"images: expected a float32 array. Received: {getattr(images, 'dtype', type(images))}")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images: expected the shape (n, height, width, 1 or 3). Received: {images.shape}")
    if not (math.isfinite(level) and level >= 0):
        raise ValueError(f"level: expected a finite number ≥ 0. Received: {level!r}")
