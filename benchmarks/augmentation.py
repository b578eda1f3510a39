"""Translation and rotation run at least six times as fast on one core as in Keras's ImageDataGenerator.

Images a second on one core, 28 × 28 × 1 and 32 × 32 × 3, float32: `freeconv.augmentations` against iterating over
`ImageDataGenerator.flow` (SciPy underneath, as in the authors' program) with the same ranges, bilinear interpolation
and fill 'nearest'. The two take turns. And the largest difference from `scipy.ndimage` on the same shifts and angles.

Targets: ≥ 6 times as fast; difference ≤ 0.0001.

    python benchmarks/augmentation.py
"""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from measuring import arguments, compared, measured, round_robin, write_result
from scipy import ndimage

from freeconv.augmentations import AUGMENTATIONS

COMMAND = "python benchmarks/augmentation.py"
SHAPES = {"28 × 28 × 1": (28, 28, 1), "32 × 32 × 3": (32, 32, 3)}
SHIFT, DEGREES = 0.2, 45
LEVELS = {"translate": SHIFT, "rotate": DEGREES / 360}
RANGES: dict[str, dict[str, float]] = {
    "translate": {"width_shift_range": SHIFT, "height_shift_range": SHIFT},
    "rotate": {"rotation_range": DEGREES},
}
ROUNDS, IMAGES, SAMPLE, BATCH = 15, 4096, 256, 256


def ours(name: str, images: np.ndarray) -> Callable[[], Any]:
    """Return one pass over the images with our augmentation."""
    rng = np.random.default_rng(0)
    return lambda: AUGMENTATIONS[name].apply(images, LEVELS[name], rng)


def keras_generator(name: str, images: np.ndarray) -> Callable[[], Any]:
    """Return one pass over the images with Keras's generator."""
    generator = ImageDataGenerator(fill_mode="nearest", **RANGES[name])
    batches = generator.flow(images, batch_size=BATCH, shuffle=False)

    def one_pass() -> None:
        for _ in range(len(batches)):
            next(batches)

    return one_pass


def largest_difference(name: str, images: np.ndarray) -> float:
    """Return the largest difference of our augmentation from SciPy's, drawing the same numbers."""
    augmented = AUGMENTATIONS[name].apply(images, LEVELS[name], np.random.default_rng(1))
    rng = np.random.default_rng(1)
    if name == "translate":
        shifts = rng.uniform(-SHIFT, SHIFT, (len(images), 2)) * images.shape[1:3]
        expected = [
            ndimage.shift(image, (*shift, 0), order=1, mode="nearest")
            for image, shift in zip(images, shifts, strict=True)
        ]
    else:
        expected = [
            ndimage.rotate(image, angle, reshape=False, order=1, mode="nearest")
            for image, angle in zip(images, rng.uniform(-DEGREES, DEGREES, len(images)), strict=True)
        ]
    return float(np.abs(augmented - np.array(expected)).max())


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    options = arguments(__doc__).parse_args(command_line)
    rounds, number, sample = (2, 256, 16) if options.quick else (ROUNDS, IMAGES, SAMPLE)
    cores, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, {min(cores)})
    cv2.setNumThreads(1)
    try:
        measurements, comparisons = [], []
        for size, shape in SHAPES.items():
            images = np.random.default_rng(0).random((number, *shape), "float32")
            for name in LEVELS:
                seconds = round_robin(
                    {"freeconv": ours(name, images), "ImageDataGenerator": keras_generator(name, images)}, rounds
                )
                measurements += [
                    measured(f"{name} {size}: {contestant}", number / times, "images/s")
                    for contestant, times in seconds.items()
                ]
                comparisons.append(
                    compared(
                        f"{name} {size}: freeconv / ImageDataGenerator, images a second",
                        seconds["ImageDataGenerator"] / seconds["freeconv"],
                        "≥ 6",
                    )
                )
                comparisons.append(
                    compared(
                        f"{name} {size}: largest difference from SciPy",
                        largest_difference(name, images[:sample]),
                        "≤ 0.0001",
                    )
                )
    finally:
        os.sched_setaffinity(0, cores)
        cv2.setNumThreads(threads)
    write_result(
        "augmentation",
        __doc__,
        COMMAND,
        f"{rounds} rounds of {number} images; SciPy on {sample} images",
        measurements,
        comparisons,
        options,
    )


if __name__ == "__main__":
    main()
