"""Pictures that are verified when they are read: PNG by its own checksums, SVG by one in its second line."""

import hashlib
import re
import zlib
from pathlib import Path

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN, read_bytes

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SVG_HEAD = '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'


def sealed_svg(text: str) -> str:
    """Return an SVG file's content with its SHA-256, which `read_svg` compares.

    Args:
        text: an SVG file, with or without an XML declaration.
    """
    below = re.sub(r"^<\?xml[^>]*\?>\s*", "", text)
    return f"{SVG_HEAD}<!-- SHA-256 of all below: {_sha256(below)} -->\n{below}"


def read_svg(path: str | Path) -> str:
    """Return the content of an SVG file, verified by the SHA-256 that `sealed_svg` wrote.

    Raises:
        FreeconvError: the file is missing, is none of ours, or was changed or damaged.
    """
    text = read_bytes(path).decode(errors="replace")
    below = text.split("\n", 2)[-1]
    if text != sealed_svg(below):
        raise FreeconvError(f"{path}: expected an SVG file as it was written, received another one; {AGAIN}")
    return text


def _sha256(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_png(path: str | Path) -> bytes:
    """Return the content of a PNG file, verified by the checksums that PNG has.

    Raises:
        FreeconvError: the file is missing, is no PNG file, or is damaged.
    """
    content = read_bytes(path)
    start, kind = len(PNG_SIGNATURE), b""
    while content.startswith(PNG_SIGNATURE) and len(content) >= start + 12 and kind != b"IEND":
        kind, end = content[start + 4 : start + 8], start + 8 + int.from_bytes(content[start : start + 4])
        if zlib.crc32(content[start + 4 : end]) != int.from_bytes(content[end : end + 4]):
            break
        start = end + 4
    if kind != b"IEND" or start != len(content):
        raise FreeconvError(f"{path}: expected a PNG file, received a damaged or foreign one; {AGAIN}")
    return content
