"""Whether a JPEG file holds all its pixels: decoders fill what is missing in the middle with gray, without a word."""

import io
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

START_OF_SCAN, END_OF_IMAGE, RESTART_INTERVAL = 0xDA, 0xD9, 0xDD
RESTARTS = range(0xD0, 0xD8)
HUFFMAN, PROGRESSIVE = (0xC0, 0xC1, 0xC2), 0xC2  # kinds of frames; data in arithmetic coding may rightly end early
FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
COEFFICIENTS = 64
# Without 0xFF, which would begin a marker. Fixed, so that a file is always judged alike.
FILL = [np.random.default_rng(seed).integers(0, 255, 64, dtype=np.uint8).tobytes() for seed in (0, 1)]
UNUSED = 16  # bytes at the end of data that no pixel needs: junk of a few is harmless
RUNS = 32  # of so many, each one's end is tried; with more, the last one's


class Scan(NamedTuple):
    """Coded data of a file.

    Attributes:
        header: what the scan says of itself.
        runs: where its runs of data begin and end: one, or one between each two restart markers.
        restarts: the restart markers' numbers, 0 to 7.
    """

    header: bytes
    runs: list[tuple[int, int]]
    restarts: list[int]

    def refines(self) -> bool:
        """Return whether the scan adds bits to what earlier ones hold, of which some change no pixel."""
        return self.header[-1] >= 16


class Coded(NamedTuple):
    """What a JPEG file is made of.

    Attributes:
        frame: the kind of coding; None if there is no frame.
        header: what the frame says of itself.
        scans: the coded data.
        interval: blocks from one restart marker to the next; 0 if there are none.
    """

    frame: int | None
    header: bytes
    scans: list[Scan]
    interval: int


def is_whole(content: bytes) -> bool:
    """Return whether all pixels of a JPEG file come from its own data, and its data are all used.

    JPEG has no checksums. Decoded again with other data behind each run of data, an image that lacks some has other
    pixels; and one that leaves the last of its own data unused has the same, whatever takes their place.

    Args:
        content: of a file that can be decoded.
    """
    coded = parse(content)
    if coded.frame not in HUFFMAN or not coded.scans:
        return True
    if not (_restarts_follow(coded) and _is_complete(coded)):
        return False
    runs = [run for scan in coded.scans for run in scan.runs]
    pixels = _pixels(content)
    if not np.array_equal(pixels, _pixels(_with_fill(content, runs))):
        return False
    tried = [run for scan in coded.scans if not scan.refines() for run in scan.runs]
    tried = [run for run in (tried if len(tried) <= RUNS else tried[-1:]) if run[1] - run[0] > 2 * UNUSED]
    return all(_needs_its_end(content, run, pixels) for run in tried)


def _restarts_follow(coded: Coded) -> bool:
    """Return whether restart markers count from 0 to 7 and again, and of an image in one scan none is missing."""
    if any(scan.restarts != [index % 8 for index in range(len(scan.restarts))] for scan in coded.scans):
        return False
    components = coded.header[5]
    if not coded.interval or coded.scans[0].header[0] != components or components == 1:
        return True
    height, width = (int.from_bytes(coded.header[start : start + 2]) for start in (1, 3))
    sampling = coded.header[7 : 6 + 3 * components : 3]
    rows = math.ceil(height / 8 / max(factors & 15 for factors in sampling))
    columns = math.ceil(width / 8 / max(factors >> 4 for factors in sampling))
    return not height or len(coded.scans[0].runs) == math.ceil(rows * columns / coded.interval)


def _is_complete(coded: Coded) -> bool:
    """Return whether the scans hold every component, and of a progressive image every coefficient to its last bit."""
    components = coded.header[6 : 6 + 3 * coded.header[5] : 3]
    lacking = {(component, index) for component in components for index in range(COEFFICIENTS)}
    for scan in coded.scans:
        begin, end, bits = scan.header[-3:]
        if coded.frame != PROGRESSIVE:
            begin, end, bits = 0, COEFFICIENTS - 1, 0
        if bits & 15 == 0:
            lacking -= {(component, index) for component in scan.header[1:-3:2] for index in range(begin, end + 1)}
    return not lacking


def _needs_its_end(content: bytes, run: tuple[int, int], pixels: np.ndarray) -> bool:
    """Return whether pixels depend on the last bytes of a run."""
    cut = run[1] - UNUSED
    cut -= content[cut - 1] == 0xFF  # a pair of FF and 00 stays together
    replaced = (_pixels(content[:cut] + fill + content[run[1] :]) for fill in FILL)
    return not all(np.array_equal(pixels, other) for other in replaced)


def parse(content: bytes) -> Coded:
    """Return what a JPEG file is made of, as far as it can be followed."""
    frame, header, scans, interval = None, b"", [], 0
    for marker, position, end in _segments(content):
        body = content[position:end]
        if marker in FRAMES and frame is None:
            frame, header = marker, body
        elif marker == RESTART_INTERVAL:
            interval = int.from_bytes(body)
        elif marker == START_OF_SCAN and len(body) >= 4:
            scans.append(_scan(content, body, end))
    return Coded(frame, header, scans, interval)


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each segment's marker, and where what it says begins and ends, up to the end of the image."""
    position = 2
    while position + 4 <= len(content):
        marker = content[position + 1]
        if content[position] != 0xFF or marker == END_OF_IMAGE:
            return
        if marker == 0xFF:  # fill
            position += 1
            continue
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4])
        yield marker, position + 4, end
        position = end
        while marker == START_OF_SCAN:
            position = _next_marker(content, position)
            if position + 1 >= len(content) or content[position + 1] not in RESTARTS:
                break
            position += 2


def _scan(content: bytes, header: bytes, begin: int) -> Scan:
    """Return the scan whose data begin at a place."""
    runs: list[tuple[int, int]] = []
    restarts: list[int] = []
    while True:
        end = _next_marker(content, begin)
        runs.append((begin, end))
        if end + 1 >= len(content) or content[end + 1] not in RESTARTS:
            return Scan(header, runs, restarts)
        restarts.append(content[end + 1] - RESTARTS[0])
        begin = end + 2


def _next_marker(content: bytes, position: int) -> int:
    """Return where the next marker in coded data begins; the content's end if there is none."""
    while True:
        position = content.find(b"\xff", position)
        if position < 0 or position + 1 >= len(content):
            return len(content)
        if content[position + 1] not in (0, 0xFF):
            return position
        position += 1 if content[position + 1] else 2


def _with_fill(content: bytes, runs: list[tuple[int, int]]) -> bytes:
    """Return content with other data behind each run."""
    pieces, before = [], 0
    for _, end in runs:
        pieces += [content[before:end], FILL[0]]
        before = end
    return b"".join([*pieces, content[before:]])


def _pixels(content: bytes) -> Any:
    """Return the pixels as stored; None if they cannot be decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError):
        return None
