"""Images and folders of them for tests."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, *shape: int) -> np.ndarray:
    """Return random values: uint8 of a shape."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(seed: int, *shape: int) -> np.ndarray:
    """Return a smooth image in colour, which JPEG hardly changes."""
    small = Image.fromarray(picture(seed, 3, 3, 3))
    return np.asarray(small.resize(shape[::-1], Image.Resampling.BICUBIC))


def encoded(image: np.ndarray | Image.Image, form: str = "PNG", **options) -> bytes:
    """Return a file's content."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    """Return EXIF that says how a camera was held."""
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def two_classes(*contents: bytes, suffix: str = "png") -> dict[str, bytes]:
    """Return files of two classes by name: `a/0` the first, `b/1` the second, `a/2` the third, and so on."""
    return {f"{'ab'[number % 2]}/{number}.{suffix}": content for number, content in enumerate(contents)}


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
