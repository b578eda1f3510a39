"""One image's file to uint8 values, by the one rule of docs/datasets.md: what a person sees is kept, or refused."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from freeconv.data.jpeg import is_whole

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

IMAGE_PIXELS = 2**24  # an image, as 4096 × 4096
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners put into 16
GRAY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I")
COLOUR = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
ORIENTATION, PHOTOMETRIC = 0x0112, 0x0106  # tags of EXIF and TIFF

# What is said of converted images: the rule.
WHITE_GROUND = "transparency laid on white"
TURNED = "turned or mirrored as EXIF says"
PRINT_COLOURS = "CMYK to RGB"
PALETTE = "palette to RGB"
ONE_BIT = "1 bit to 0 and 255"

# Of each EXIF orientation but 1, what turns or mirrors stored pixels into what a person sees.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}


class RefusedImageError(Exception):
    """An image that is not read.

    Attributes:
        expected: in words.
        received: in words, to be followed by the file's name.
        advice: what to do.
    """

    def __init__(self, expected: str, received: str, advice: str) -> None:
        super().__init__(received)
        self.expected, self.received, self.advice = expected, received, advice


class Header(NamedTuple):
    """What a file says of its image, before anything is decoded.

    Attributes:
        height: in pixels, as a person sees it.
        width: likewise.
        gray: whether it is stored without colours; a palette counts as colours.
        deep: whether values have 16 bits.
    """

    height: int
    width: int
    gray: bool
    deep: bool


class Decoded(NamedTuple):
    """An image.

    Attributes:
        pixels: uint8 (height, width) or (height, width, 3): red, green, blue.
        rules: by which rules it was converted, in words; empty for 8-bit images in gray or RGB.
    """

    pixels: np.ndarray
    rules: list[str]


def damaged() -> RefusedImageError:
    """Return what is wrong with a file that is no image, or not all of one."""
    return RefusedImageError(
        "a PNG or JPEG image, or another that is read (docs/datasets.md)",
        "a damaged or foreign file,",
        "replace or remove it",
    )


def read_header(file: BinaryIO) -> Header:
    """Return what an image's file says of it.

    Raises:
        RefusedImageError: it is no image that is read, an animation, of a kind without a rule, or of more than 2²⁴
            pixels.
    """
    with _opened(file) as image:
        width, height = image.size
        if width * height > IMAGE_PIXELS:
            raise RefusedImageError(
                f"images of at most {IMAGE_PIXELS} pixels", f"{width * height} in", "resize or remove it"
            )
        # TIFF's size is that of the turned image already
        if _orientation(image) > 4 and image.format != "TIFF":
            width, height = height, width
        return Header(height, width, image.mode in GRAY, _is_deep(image))


def decode(content: bytes, bits: int = 16) -> Decoded:
    """Return an image as a person sees it.

    Args:
        content: of its file.
        bits: how many of 16 bits are used where values have 16: 2^bits - 1 is white.

    Raises:
        RefusedImageError: as of `read_header`, or the file is cut off or damaged.
    """
    with _opened(io.BytesIO(content)) as image:
        rules = []
        if _is_deep(image):
            colours, alpha = _deep_samples(image, content)
            rules.append(f"16-bit values, of which {bits} bits are used, to 8 bits")
            colours = _scaled(colours, 2**bits - 1)
            if alpha is not None:
                alpha = _scaled(alpha, 2 ** used_bits(int(alpha.max())) - 1)
        else:
            colours, alpha = _samples(image, content)
            rules += [rule for mode, rule in MODE_RULES.items() if image.mode == mode]
        if alpha is not None and alpha.min() < 255:
            colours = _on_white(colours, alpha)
            rules.append(WHITE_GROUND)
        turn = UPRIGHT.get(_orientation(image))
        if turn:
            colours = turn(colours)
            rules.append(TURNED)
    return Decoded(colours, rules)


MODE_RULES = {"1": ONE_BIT, "P": PALETTE, "PA": PALETTE, "CMYK": PRINT_COLOURS}


def largest_value(content: bytes) -> int:
    """Return the largest value of an image whose values have 16 bits, transparency left out; errors as of `decode`."""
    with _opened(io.BytesIO(content)) as image:
        return int(_deep_samples(image, content)[0].max())


def used_bits(largest: int) -> int:
    """Return how many bits values up to `largest` use, of the depths that cameras and scanners have."""
    return next(bits for bits in DEPTHS if largest < 2**bits)


@contextmanager
def _opened(file: BinaryIO) -> Iterator["ImageFile"]:
    """Open an image without decoding it; whatever goes wrong with its bytes is a RefusedImageError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that nobody reads
            with Image.open(file, formats=FORMATS) as image:
                _check_kind(image)
                yield image
    # what Pillow's readers raise for bytes that are not what they should be
    except (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        LookupError,
        ArithmeticError,
        EOFError,
        AttributeError,
        Image.DecompressionBombError,
    ) as error:
        raise damaged() from error


def _check_kind(image: "ImageFile") -> None:
    """Refuse images for which there is no rule that keeps what a person sees."""
    expected = "images with one rule to 8 bits"
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a phone's photo, with smaller copies of it behind
        raise RefusedImageError("one image a file", f"{frames} in", "save the one that is meant, or remove the file")
    if image.mode not in (*GRAY, *COLOUR) or (image.mode == "I" and image.format != "PPM"):
        kind = {"I": "32-bit integers", "F": "32-bit floating-point numbers"}.get(image.mode, f"{image.mode} colours")
        raise RefusedImageError(expected, f"{kind} in", "save it as gray or RGB with 8 or 16 bits")
    if image.format == "TIFF" and _is_deep(image) and image.getexif().get(PHOTOMETRIC) == 0:
        raise RefusedImageError(expected, "16-bit values of which 0 is white in", "save it with 0 as black")


def _is_deep(image: "ImageFile") -> bool:
    """Return whether an image's values have more than 8 bits."""
    return image.mode.startswith("I") or any(";16" in str(tile.args) for tile in image.tile)


def _orientation(image: "ImageFile") -> int:
    """Return how a person sees the stored pixels: EXIF's number, 1 for as they are."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode the image to look behind it
    orientation = image.getexif().get(ORIENTATION, 1)
    return orientation if isinstance(orientation, int) else 1


def _samples(image: "ImageFile", content: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint8 values, gray (height, width) or RGB (height, width, 3), and opacity (height, width), if stored."""
    _check_whole(image, content)
    image.load()
    transparent = "transparency" in image.info
    if image.mode == "1":
        gray = np.asarray(image, np.uint8) * np.uint8(255)
        return gray, np.where(gray.astype(bool) == bool(image.info["transparency"]), 0, 255) if transparent else None
    gray_alike = image.mode in ("L", "LA", "La")
    if transparent or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        values = np.asarray(image.convert("LA" if gray_alike else "RGBA"))
        return values[..., 0] if gray_alike else values[..., :3], values[..., -1]
    return np.asarray(image if gray_alike else image.convert("RGB")), None


def _deep_samples(image: "ImageFile", content: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint16 values, gray or RGB, and those of opacity, if stored; shapes as of `_samples`."""
    import cv2

    _check_whole(image, content)
    image.load()
    alpha: np.ndarray | None = None
    if image.mode.startswith("I"):
        colours: np.ndarray = np.asarray(image).astype(np.uint16)
    else:
        # Pillow keeps 8 of the 16 bits of colours
        read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if read is None or read.dtype != np.uint16 or read.ndim != 3:
            raise ValueError("OpenCV cannot read it")
        alpha = read[..., 3] if read.shape[2] == 4 else None
        colours = read[..., 0] if image.mode == "LA" else read[..., 2::-1]
    if "transparency" in image.info and alpha is None:
        key = np.equal(colours, image.info["transparency"])
        alpha = np.where(key if key.ndim == 2 else key.all(axis=2), 0, 65535).astype(colours.dtype)
    return colours, alpha


def _check_whole(image: "ImageFile", content: bytes) -> None:
    """Raise a ValueError for damage that decoding alone would not show."""
    from PIL import Image

    if image.format == "PNG":
        with Image.open(io.BytesIO(content), formats=("PNG",)) as checked:
            checked.verify()  # the checksums
    if image.format in ("JPEG", "MPO") and not is_whole(content):
        raise ValueError("pixels are missing in the middle")


def _scaled(values: np.ndarray, white: int) -> np.ndarray:
    """Return uint16 values as uint8, `white` as 255, rounded."""
    return np.minimum((values.astype(np.uint32) * 510 + white) // (2 * white), 255).astype(np.uint8)


def _on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return uint8 values laid on white by their opacity, rounded."""
    opacity = (alpha if colours.ndim == 2 else alpha[..., None]).astype(np.uint32)
    return ((colours * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
