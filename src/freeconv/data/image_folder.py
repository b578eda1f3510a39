"""Datasets of the user's own: folders and zip files of images."""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from freeconv.datasets import DATASETS, Images
from freeconv.errors import FreeconvError

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
IMAGE_BYTES = 2**26  # an image's file
IMAGE_PIXELS = 2**24  # an image, as 4096 × 4096


def existing_source(dataset: str, source: str | Path | None) -> Path:
    """Return the path of a user's folder or zip file."""
    if source is None:
        raise FreeconvError(
            f"{dataset}: expected {', '.join(DATASETS)} or a folder of images, received neither; add "
            f"{dataset} to data.folders"
        )
    if not Path(source).exists():
        raise FreeconvError(
            f"{dataset}: expected a folder or zip file of images, received {str(source)!r}, which does not exist; "
            f"correct data.folders.{dataset}"
        )
    return Path(source)


def read_image_files(path: Path) -> Images:
    """Read a folder or zip file of PNG and JPEG images of one size.

    Args:
        path: holds `train/<class>/<image>` and, if wanted, `test/<class>/<image>`, which are joined; or, where there
            is no such file, `<class>/<image>`. Files of other names or suffixes are passed over. Nothing of a zip
            file is written to disk.

    Returns:
        The images in the order of their names, grayscale if all of them are, else RGB.

    Raises:
        FreeconvError: no images, one class only, an image that cannot be decoded, or images of unequal sizes.
    """
    images, grayscale = np.empty(0, np.uint8), True
    with image_files(path) as (names, read):
        classes = sorted({class_name(name) for name in names})
        if len(classes) < 2:
            raise FreeconvError(
                f"{path}: expected images of at least two classes, received only {classes[0]!r} (as in {names[0]}); "
                "add a folder for each class"
            )
        for index, name in enumerate(names):
            image = decode_image(read(name), name, path)
            if index == 0:
                images = np.empty((len(names), *image.shape[:2], 3), np.uint8)
            if image.shape[:2] != images.shape[1:3]:
                raise FreeconvError(
                    f"{path}: expected images of one size, {_size(images[0])} (as {names[0]}), received "
                    f"{_size(image)} in {name}; resize or remove it"
                )
            grayscale = grayscale and image.ndim == 2
            images[index] = image[..., None] if image.ndim == 2 else image[..., ::-1]
    class_index = {name: index for index, name in enumerate(classes)}
    return Images(
        images=images[..., :1] if grayscale else images,
        labels=np.array([class_index[class_name(name)] for name in names], np.int64),
        classes=tuple(classes),
    )


def decode_image(content: bytes, name: str, path: Path) -> np.ndarray:
    """Return an image: uint8 (height, width) or (height, width, 3), colours in the order blue, green, red.

    Args:
        content: of a PNG or JPEG file.
        name: the file's, for the message.
        path: the folder or zip file that it is in, for the message.

    Raises:
        FreeconvError: the content is no such image, or one of more than 2²⁴ pixels.
    """
    import cv2
    from PIL import Image

    try:
        # Pillow reads the size alone: OpenCV would first unpack what claims to be gigabytes
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as header:
            pixels = math.prod(header.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pixels = 0
    if pixels > IMAGE_PIXELS:
        raise FreeconvError(
            f"{path}: expected images of at most {IMAGE_PIXELS} pixels, received {pixels} in {name}; resize or remove "
            "it"
        )
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_ANYCOLOR) if pixels else None
    if image is None:
        raise FreeconvError(
            f"{path}: expected a PNG or JPEG image, received a damaged or foreign file, {name}; replace or remove it"
        )
    return image


def _size(image: np.ndarray) -> str:
    """Return an image's size in words: `28 x 32` for a height of 28 and a width of 32."""
    return f"{image.shape[0]} x {image.shape[1]}"


@contextmanager
def image_files(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Open a folder or zip file; yield its images' names, sorted, and a function from name to bytes.

    Raises:
        FreeconvError: there are no images, or the zip file is damaged.
    """
    try:
        if path.is_dir():
            found = (file.relative_to(path).as_posix() for pattern in ("*/*", "*/*/*") for file in path.glob(pattern))
            yield _image_names(found, path), lambda name: (path / name).read_bytes()
        else:
            with zipfile.ZipFile(path) as archive:
                yield _image_names(archive.namelist(), path), lambda name: _unpacked(archive, name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, RuntimeError) as error:
        raise FreeconvError(
            f"{path}: expected a folder or zip file of readable images, received a damaged or foreign one ({error}); "
            "replace it"
        ) from error


def _unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a file of a zip file, unpacked no further than an image may be large."""
    with archive.open(name) as file:
        content = file.read(IMAGE_BYTES + 1)
    if len(content) > IMAGE_BYTES:
        raise FreeconvError(
            f"{archive.filename}: expected images of at most {IMAGE_BYTES} bytes, received more in {name}; remove it"
        )
    return content


def _image_names(names: Iterable[str], path: Path) -> list[str]:
    """Return those of `names` that are images of a dataset, sorted; `path` is for the message."""
    images = sorted({name for name in names if name.lower().endswith(IMAGE_SUFFIXES)})
    split = [name for name in images if name.count("/") == 2 and name.startswith(("train/", "test/"))]
    chosen = split or [name for name in images if name.count("/") == 1]
    if not chosen:
        raise FreeconvError(
            f"{path}: expected images train/<class>/*.png or .jpg, or <class>/*.png or .jpg, received none; arrange "
            "the images in one folder a class"
        )
    return chosen


def class_name(name: str) -> str:
    """Return the class of an image from its file's name: the folder that holds it."""
    return name.split("/")[-2]
