"""Operations on batches of images: what augmentations, evaluations and measures are made of.

Shared conventions: `images` are float32, NHWC (n, height, width, channels), on the [0, 1] scale, grayscale or RGB;
`level` is the paper's augmentation level, a number ≥ 0; `rng` draws independently for each image, in the order of the
images, so a batch cut into pieces draws the same numbers as the whole. The input is never changed. NumPy and OpenCV are
imported where they compute: who reads the names of augmentations need not wait for them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CENTERS = ("center", "keras-2018")


def shift(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Shift each image by its own offset.

    Pixels are interpolated bilinearly, and those from outside take the value of the nearest edge pixel. Equal to
    `scipy.ndimage.shift(order=1, mode="nearest")`.

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        shifts: floats of shape (n, 2), (down, right) in pixels: positive numbers move the content down and right.

    Returns:
        float32 of the same shape, within the range of the input.

    Raises:
        ValueError: `images` or `shifts` is not as described.
    """
    import numpy as np

    check_images(images)
    _check_finite("shifts", shifts, (len(images), 2))
    matrices = np.tile(np.eye(2, 3), (len(images), 1, 1))
    matrices[:, :, 2] = shifts[:, ::-1]
    return _warp(images, matrices)


def turn(images: np.ndarray, angles: np.ndarray, center: str = "center") -> np.ndarray:
    """Rotate each image by its own angle.

    Interpolation and fill are those of `shift`.

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        angles: floats of shape (n,), in degrees, counter-clockwise if positive.
        center: the point that stays, where pixel (0, 0) is centred on row 0 and column 0. `"center"`: ((height − 1)/2,
            (width − 1)/2), the image's centre; equal to `scipy.ndimage.rotate(reshape=False, order=1,
            mode="nearest")`. `"keras-2018"`: ((height + 1)/2, (width + 1)/2), one pixel further down and right, as in
            Keras 2 and keras-preprocessing 1.0: they composed T(o) · R(θ) · T(−o) with o = size/2 + 1/2 and mapped
            (row, column) of the result to that of the input by it, where size/2 − 1/2 would have been right. The
            content ends up to 2√2 pixels off: at 180°, 2 pixels down and 2 right.

    Returns:
        float32 of the same shape, within the range of the input.

    Raises:
        ValueError: `images`, `angles` or `center` is not as described.
    """
    import cv2

    check_images(images)
    _check_finite("angles", angles, (len(images),))
    check_form(center, CENTERS, "center")
    height, width = images.shape[1:3]
    off = 1 if center == "keras-2018" else -1
    point = ((width + off) / 2, (height + off) / 2)
    return _warp(images, [cv2.getRotationMatrix2D(point, angle, 1.0) for angle in angles])


def add_noise(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise to every pixel.

    The result is not clipped, so values may leave [0, 1].

    Args:
        images: float32 of shape (n, height, width, 1 or 3).
        level: standard deviation of the noise, on the [0, 1] scale of the images, ≥ 0.
        rng: draws one normal number for each value.

    Returns:
        float32 of the same shape, of any range.

    Raises:
        ValueError: `images` or `level` is not as described.
    """
    import numpy as np

    check_images(images, level)
    noisy = rng.standard_normal(images.shape, dtype=np.float32)
    noisy *= np.float32(level)
    noisy += images
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
    check_images(images)
    height, width = images.shape[1:3]
    top, bottom = slice(0, height // 2), slice(height - height // 2, height)
    left, right = slice(0, width // 2), slice(width - width // 2, width)
    swapped = images.copy()
    swapped[:, top, right] = images[:, bottom, left]
    swapped[:, bottom, left] = images[:, top, right]
    return swapped


def _warp(images: np.ndarray, matrices: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """Move each image's content by its own 2 × 3 matrix, which maps (x, y) of the input to (x, y) of the output.

    OpenCV 5 interpolates with exact weights for 1, 3 and 4 channels; earlier releases, and other numbers of channels,
    round positions to 1/32 pixel.
    """
    import cv2
    import numpy as np

    images = np.ascontiguousarray(images)
    warped = np.empty_like(images)
    size = (images.shape[2], images.shape[1])
    for image, target, matrix in zip(images, warped, matrices, strict=True):
        cv2.warpAffine(image, matrix, size, target, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    return warped


def check_images(images: np.ndarray, level: float = 0.0) -> None:
    """Raise ValueError unless `images` is a float32 batch, grayscale or RGB, and `level` a finite number ≥ 0."""
    import numpy as np

    if not isinstance(images, np.ndarray) or images.dtype != np.float32:
        raise ValueError(f"images: expected a float32 array. Received: {getattr(images, 'dtype', type(images))}")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images: expected the shape (n, height, width, 1 or 3). Received: {images.shape}")
    if not (math.isfinite(level) and level >= 0):
        raise ValueError(f"level: expected a finite number ≥ 0. Received: {level!r}")


def _check_finite(name: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `values` is an array of finite numbers of that shape."""
    import numpy as np

    if not isinstance(values, np.ndarray) or values.shape != shape:
        received = values.shape if isinstance(values, np.ndarray) else type(values)
        raise ValueError(f"{name}: expected an array of shape {shape}, one entry per image. Received: {received}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: expected finite numbers. Received: {values[~np.isfinite(values)][0]}")


def check_form(form: str, known: tuple[str, ...], name: str = "form") -> None:
    """Raise ValueError unless `form` is a known one."""
    if form not in known:
        raise ValueError(f"{name}: expected {' or '.join(map(repr, known))}. Received: {form!r}")
