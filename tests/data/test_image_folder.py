"""What becomes of images of one's own: converted by one rule, or refused in one line."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from freeconv.commands.fetch import fetch
from freeconv.data.decoding import RefusedImageError, decode, read_header
from freeconv.data.image_folder import Reading, count_images, read_images
from freeconv.data.jpeg import is_whole
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import read_h5
from tests.data.pictures import encoded, exif, picture, smooth, two_classes, write_files


@pytest.fixture
def read(tmp_path):
    """Read the images of two classes, the first of each in turn."""

    def function(*contents: bytes, memory: int | None = None) -> Reading:
        return read_images(write_files(tmp_path / "own", two_classes(*contents)), memory)

    return function


@pytest.fixture
def refusal(read):
    """The one line with which images are refused."""

    def function(*contents: bytes, memory: int | None = None) -> str:
        with pytest.raises(FreeconvError) as refused:
            read(*contents, memory=memory)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    return function


def values(reading: Reading, index: int = 0) -> np.ndarray:
    """The values of an image in the order of names: gray ones as (height, width)."""
    image = reading.images.images[index]
    return image[..., 0] if image.shape[2] == 1 else image


def said(reading: Reading, kind: str) -> dict[str, int]:
    """What is said about a dataset, with numbers of files."""
    return {note.what: note.number for note in reading.notes if note.kind == kind}


# --- what was read before has the same values


BEFORE = {
    "gray": {f"{'ab'[n % 2]}/{n}.png": encoded(picture(n, 9, 7)) for n in range(8)},
    "parts": {f"{'test' if n > 5 else 'train'}/{'ab'[n % 2]}/{n}.png": encoded(picture(n, 9, 7)) for n in range(9)},
    "colour": {f"{'abc'[n % 3]}/{n}.png": encoded(picture(n, 9, 7, 3)) for n in range(9)},
    "mixed": {f"{'ab'[n % 2]}/{n}.png": encoded(picture(n, 9, 7, 3) if n == 3 else picture(n, 9, 7)) for n in range(8)},
    "jpeg": {f"{'ab'[n % 2]}/{n}.jpg": encoded(picture(n, 16, 12, 3), "JPEG", quality=80) for n in range(8)},
    "turned": {
        f"{'ab'[n % 2]}/{n}.jpg": encoded(picture(n, 16, 12, 3), "JPEG", quality=80, exif=exif(6)) for n in range(8)
    },
    "one-bit": {f"{'ab'[n % 2]}/{n}.png": encoded(Image.fromarray(picture(n, 9, 7)).convert("1")) for n in range(8)},
    "palette": {
        f"{'ab'[n % 2]}/{n}.png": encoded(Image.fromarray(picture(n, 9, 7) // 32 * 32).convert("P")) for n in range(8)
    },
    "opaque": {
        f"{'ab'[n % 2]}/{n}.png": encoded(np.dstack([picture(n, 9, 7, 3), np.full((9, 7), 255, np.uint8)]))
        for n in range(8)
    },
}
# SHA-256 of the arrays that commit b843630 stored: with seed 0, and with seed 3 and a limit of 5.
DIGESTS = {
    "gray": (
        "376771a8b883dea795fb2c0e5233c9813fbd2594ca35b5609a1f9112457c8b3a",
        "52d51bf0babbfddb6f25366d20636e85df2c61af0ab1e2aade55f2c4b0a6c8e7",
    ),
    "parts": (
        "599a90670f062a9c11972e192896ffa4779db0817d9455ff26113b95c9c7dd64",
        "e86fea707d5489e029338073b7f462112a4e825c463bd7c4575869263e65db35",
    ),
    "colour": (
        "ae34b3582cd437f4b9eb5688a74c09bc22b5ea0248d348eeda77e54e7b8f15c0",
        "72cc5a3f233f50d8e8cdcbe75604b53b1484c34095dbcb3d18801179f277a2cd",
    ),
    "mixed": (
        "4e3718ed3f1b68f634b57969364d86565ceaf9f22ca9274cffba6799121e012a",
        "c303a0f156232d4f9a7aa67e745cf4c38b9938d6f3ff642cb87ed5572937af12",
    ),
    "jpeg": (
        "55b5cf1d89f2caf63a5a4d30e8cdde32fe89a70a4ff7b75569d4fcea87b3f7b7",
        "42499cc36dae1ac77a6d26fc08164d90ca72b08ad267712171d3cb312bc170a5",
    ),
    "turned": (
        "dc8c965bc4b76a88da612937b8b0fb9d86c470b2cea7f1f3139641e9cea1656a",
        "afd6bd6873f8c51c01b696bfba93cea153bfa8f56f330435c94791bdaf239185",
    ),
    "one-bit": (
        "8ba7fe873fbba0863175edf4daa6bd0a35df361a44d3c2b714705310fbb2eef8",
        "f51ca8e0f77d33dfdf87f639caacea1c4fef3f71a12e4045ed757440c68cab1f",
    ),
    "palette": (
        "136b2f860fc048f52bd831bdc54b86786b238873fdf76f4f5acf24e8dae36d84",
        "2e15d79fc1448e87cfd8d25ec17521d37341d0d718d0e5ee3dfb12b73f221b83",
    ),
    "opaque": (
        "cd818cf2bd744cfaa727de1badb9ac0e79f4e6b6bd6b1334e1c8a4cd148a67ef",
        "8faca3d0c4d66c90c49a8c12ba82c687eff9150d48cb9b563d080a2e94acc650",
    ),
}


@pytest.mark.parametrize("dataset", BEFORE)
def test_arrays_are_those_of_the_version_before(dataset, tmp_path):
    source = write_files(tmp_path / dataset, BEFORE[dataset])
    fetch(dataset, tmp_path / "all.h5", 0, source=source)
    fetch(dataset, tmp_path / "some.h5", 3, source=source, limit=5)
    received = (read_h5(tmp_path / name)[1]["content_sha256"] for name in ("all.h5", "some.h5"))
    assert tuple(received) == DIGESTS[dataset]


# --- transparency is laid on white


ALPHA = np.zeros((6, 8), np.uint8)
ALPHA[1:4, 2:5] = 255
OPAQUE = ALPHA == 255
FADING = ALPHA.copy()
FADING[5, 5] = 128


def ink(alpha: np.ndarray, channels: int = 3) -> np.ndarray:
    """Black ink, of which alone the opacity is stored."""
    return np.dstack([np.zeros((*alpha.shape, channels), np.uint8), alpha])


def palette() -> Image.Image:
    image = Image.fromarray(OPAQUE.astype(np.uint8), "P")
    image.putpalette([200, 10, 10, 0, 0, 0])
    return image


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(ink(ALPHA)), id="RGB and alpha"),
        pytest.param(encoded(ink(ALPHA, 1)), id="gray and alpha"),
        pytest.param(encoded(ink(ALPHA), "TIFF"), id="TIFF"),
        pytest.param(encoded(ink(ALPHA), "WEBP", lossless=True), id="WebP"),
        pytest.param(encoded(palette(), transparency=0), id="palette"),
        pytest.param(encoded(palette(), transparency=bytes([0, 255])), id="palette with opacities"),
        pytest.param(encoded(palette(), "GIF", transparency=0), id="GIF"),
        pytest.param(encoded(np.where(OPAQUE, 0, 7).astype("u1"), transparency=7), id="a gray value"),
        pytest.param(
            encoded(np.dstack([np.where(OPAQUE, 0, 7)] * 3).astype("u1"), transparency=(7, 7, 7)), id="a colour"
        ),
        pytest.param(encoded(Image.fromarray(~OPAQUE), transparency=1), id="a bit"),
        pytest.param(encoded(np.where(OPAQUE, 0, 700).astype("u2"), transparency=700), id="a gray value of 16 bits"),
        pytest.param(cv2.imencode(".png", ink(ALPHA).astype("u2") * 257)[1].tobytes(), id="16 bits"),
    ],
)
def test_transparency_is_laid_on_white(read, content):
    reading = read(content, content)
    expected = np.where(OPAQUE, 0, 255)
    for index in range(2):
        image = values(reading, index)
        np.testing.assert_array_equal(image, expected if image.ndim == 2 else np.dstack([expected] * 3))
    assert said(reading, "converted")["transparency laid on white"] == 2


def test_half_transparency(read):
    reading = read(encoded(ink(FADING)), encoded(ink(FADING, 1)))
    assert values(reading)[5, 5].tolist() == [127, 127, 127]
    np.testing.assert_array_equal(values(reading)[..., 0], values(reading, 1)[..., 1])
    red = np.dstack([np.full((6, 8), 200), np.zeros((6, 8)), np.zeros((6, 8)), np.full((6, 8), 51)]).astype(np.uint8)
    assert values(read(encoded(red), encoded(ink(FADING))))[0, 0].tolist() == [244, 204, 204]


def test_gray_with_opacity_stays_gray(read):
    assert read(encoded(ink(ALPHA, 1)), encoded(picture(0, 6, 8))).images.images.shape == (2, 6, 8, 1)


def test_opaque_images_are_not_called_converted(read):
    opaque = np.dstack([picture(0, 6, 8, 3), np.full((6, 8), 255, np.uint8)])
    assert said(read(encoded(opaque), encoded(picture(1, 6, 8, 3))), "converted") == {}


# --- other depths


def deep(largest: int, *shape: int) -> np.ndarray:
    """Values of 16 bits up to `largest`, which is one of them."""
    image = np.random.default_rng(largest).integers(0, largest + 1, shape).astype(np.uint16)
    image.flat[0] = largest
    return image


@pytest.mark.parametrize("form", ["png", "tiff", "pgm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_gray_is_scaled_by_its_real_depth(read, form, bits):
    image = deep(2**bits - 1, 6, 8)
    content = cv2.imencode(f".{form}", image)[1].tobytes()
    reading = read(content, content)
    np.testing.assert_array_equal(values(reading), np.rint(image / (2**bits - 1) * 255))
    assert said(reading, "converted") == {f"16-bit values, of which {bits} bits are used, to 8 bits": 2}
    assert reading.images.images.shape == (2, 6, 8, 1)


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_colours(read, form, bits, alpha):
    image = deep(2**bits - 1, 6, 8, 3)
    stored = image[..., ::-1]
    if alpha:
        stored = np.dstack([stored, np.full((6, 8), 65535, np.uint16)])
    content = cv2.imencode(f".{form}", stored)[1].tobytes()
    np.testing.assert_array_equal(values(read(content, content)), np.rint(image / (2**bits - 1) * 255))


def test_one_depth_for_all_images_of_a_dataset(read):
    light, dark, usual = deep(4095, 6, 8), deep(200, 6, 8), picture(0, 6, 8)
    reading = read(encoded(dark), encoded(light), encoded(usual))
    np.testing.assert_array_equal(values(reading, 0), np.rint(dark / 4095 * 255))
    np.testing.assert_array_equal(values(reading, 1), usual)
    np.testing.assert_array_equal(values(reading, 2), np.rint(light / 4095 * 255))


def test_a_declared_depth_is_kept(read):
    image = deep(1000, 6, 8)
    content = b"P5 8 6 1000\n" + image.astype(">u2").tobytes()
    np.testing.assert_allclose(values(read(content, content)), image / 1000 * 255, atol=0.51)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (encoded(picture(0, 6, 8).astype(np.float32), "TIFF"), "32-bit floating-point numbers in b/1.png"),
        (encoded(picture(0, 6, 8).astype(np.int32), "TIFF"), "32-bit integers in b/1.png"),
        (encoded(Image.new("LAB", (8, 6)), "TIFF"), "LAB colours in b/1.png"),
        (encoded(deep(4095, 6, 8), "TIFF", tiffinfo={262: 0}), "16-bit values of which 0 is white in b/1.png"),
    ],
    ids=["float", "int32", "LAB", "0 is white"],
)
def test_values_without_a_rule_are_refused(refusal, content, complaint):
    message = refusal(encoded(picture(0, 6, 8)), content)
    assert complaint in message
    assert "; save it " in message


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(refusal, form):
    pages = [Image.fromarray(picture(n, 6, 8, 3)) for n in range(3)]
    content = encoded(pages[0], form, save_all=True, append_images=pages[1:])
    assert "expected one image a file, received 3 in b/1.png; save the one" in refusal(
        encoded(picture(0, 6, 8)), content
    )


# --- colours, palettes and formats


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_looks_as_it_did(read, form):
    image = smooth(0, 32, 32)
    content = encoded(Image.fromarray(image).convert("CMYK"), form)
    reading = read(content, content)
    np.testing.assert_allclose(values(reading).astype(int), image, atol=6)
    assert said(reading, "converted") == {"CMYK to RGB": 2}


def test_a_palette_is_its_colours(read):
    image = Image.fromarray(picture(0, 6, 8) % 3, "P")
    image.putpalette([1, 2, 3, 40, 50, 60, 255, 0, 9])
    colours = np.array([[1, 2, 3], [40, 50, 60], [255, 0, 9]])
    for form in ("PNG", "GIF", "BMP", "TIFF"):
        reading = read(encoded(image, form), encoded(image))
        np.testing.assert_array_equal(values(reading), colours[picture(0, 6, 8) % 3])
        assert said(reading, "converted") == {"palette to RGB": 2}


@pytest.mark.parametrize("form", ["BMP", "TIFF", "PPM", "WEBP", "GIF"])
def test_gray_in_other_formats(read, form):
    image = picture(0, 6, 8)
    options = {"lossless": True} if form == "WEBP" else {}
    reading = read(encoded(image, form, **options), encoded(picture(1, 6, 8)))
    found = values(reading)
    np.testing.assert_array_equal(found if found.ndim == 2 else found[..., 1], image)


@pytest.mark.parametrize("form", ["BMP", "TIFF", "PPM", "WEBP", "PNG"])
def test_colours_in_other_formats(read, form):
    options = {"lossless": True} if form == "WEBP" else {}
    reading = read(encoded(picture(0, 6, 8, 3), form, **options), encoded(picture(1, 6, 8, 3)))
    np.testing.assert_array_equal(values(reading), picture(0, 6, 8, 3))


def test_mixed_modes_become_rgb(read):
    gray, colour = picture(0, 6, 8), picture(1, 6, 8, 3)
    reading = read(encoded(gray), encoded(colour), encoded(deep(255, 6, 8)), encoded(palette()))
    np.testing.assert_array_equal(values(reading, 0), np.dstack([gray] * 3))
    np.testing.assert_array_equal(values(reading, 1), np.dstack([deep(255, 6, 8)] * 3))
    np.testing.assert_array_equal(values(reading, 2), colour)
    assert said(reading, "converted")["gray to RGB, beside images in colour"] == 2


# --- orientation


TURNS = {
    1: Image.Transpose.ROTATE_180,  # done twice
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", TURNS)
def test_images_are_turned_as_exif_says(read, tmp_path, form, orientation):
    image = smooth(0, 24, 16)
    options = {"lossless": True} if form == "WEBP" else {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    content = encoded(image, form, exif=exif(orientation), **options)
    upright = Image.fromarray(image).transpose(TURNS[orientation])
    if orientation == 1:
        upright = upright.transpose(TURNS[orientation])
    reading = read(content, content)
    np.testing.assert_allclose(values(reading).astype(int), np.asarray(upright), atol=4)
    assert count_images(tmp_path / "own") == (2, values(reading).shape, 2)


def test_16_bits_are_turned_too(read):
    image = deep(4095, 6, 8)
    content = encoded(image, exif=exif(6))
    np.testing.assert_array_equal(values(read(content, content)), np.rot90(np.rint(image / 4095 * 255), -1))


# --- damage


def jpeg(seed: int = 0, side: int = 96, **options) -> bytes:
    image = Image.fromarray(picture(seed, side // 4, side // 4, 3)).resize((side, side), Image.Resampling.BICUBIC)
    return encoded(image, "JPEG", **{"quality": 85, **options})


def test_whole_jpegs_are_whole():
    for seed in range(4):
        for side in (8, 28, 33, 96):
            for options in ({}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0, "quality": 98}):
                assert is_whole(jpeg(seed, side, **options)), (seed, side, options)
    for value in (0, 128, 255):
        assert is_whole(encoded(Image.new("L", (32, 32), value), "JPEG"))
        assert is_whole(encoded(Image.new("CMYK", (40, 40), (value, 0, 9, 0)), "JPEG"))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}], ids=str)
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content, middle: content[:middle], id="cut off"),
        pytest.param(lambda content, middle: content[:middle] + b"\xff\xd9", id="cut off and ended"),
        pytest.param(lambda content, middle: content[:middle] + content[middle + 300 :], id="a piece is missing"),
        pytest.param(lambda content, middle: content[: middle - 200] + content[middle:], id="another is missing"),
    ],
)
def test_a_jpeg_with_pixels_missing_is_refused(refusal, options, damage):
    content = jpeg(2, **options)
    message = refusal(jpeg(1), damage(content, len(content) * 2 // 3))
    assert "damaged or foreign file, b/1.png; replace or remove it" in message


@pytest.mark.parametrize("fill", [bytes(400), b"\x55" * 400], ids=["zeros", "others"])
def test_a_jpeg_with_another_middle_is_refused(refusal, fill):
    content = jpeg(2)
    middle = len(content) // 2
    assert "damaged" in refusal(jpeg(1), content[:middle] + fill + content[middle + 400 :])


def test_a_progressive_jpeg_without_its_last_scans_is_refused(refusal):
    content = jpeg(progressive=True)
    last = content.rindex(b"\xff\xda")
    assert "damaged" in refusal(jpeg(1), content[:last] + b"\xff\xd9")


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_other_formats_cut_off_are_refused(refusal, form, kept):
    content = encoded(picture(0, 40, 40, 3), form)
    message = refusal(encoded(picture(1, 40, 40)), content[: int(len(content) * kept)])
    assert "damaged or foreign file, b/1.png" in message


def test_a_png_with_a_changed_bit_is_refused(refusal):
    content = bytearray(encoded(picture(0, 40, 40), compress_level=0))  # stored, so that only the checksum shows it
    content[800] ^= 1
    assert "damaged or foreign file, b/1.png" in refusal(encoded(picture(1, 40, 40)), bytes(content))


WHOLE = {
    **{form: encoded(smooth(0, 24, 20), form) for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM")},
    "progressive": encoded(smooth(0, 24, 20), "JPEG", progressive=True, exif=exif(6)),
    "CMYK": encoded(Image.fromarray(smooth(0, 24, 20)).convert("CMYK"), "JPEG"),
    "16 bits": cv2.imencode(".png", smooth(0, 24, 20).astype(np.uint16) * 257)[1].tobytes(),
    "LZW": encoded(Image.fromarray(smooth(0, 24, 20)).convert("P"), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_files_damaged_at_random_are_images_or_refused(content):
    rng = np.random.default_rng(len(content))
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(len(changed), size=rng.integers(1, 5)):
            changed[place] = rng.integers(256)
        changed = bytes(changed[: rng.integers(len(changed) // 2, 2 * len(changed))])
        try:
            header = read_header(io.BytesIO(changed))
            pixels = decode(changed).pixels
        except RefusedImageError:
            continue
        assert pixels.dtype == np.uint8
        assert pixels.shape[2:] in ((), (3,))
        assert sorted(pixels.shape[:2]) == sorted((header.height, header.width))


def test_many_bad_files_are_counted_in_one_go(refusal):
    good = encoded(picture(0, 40, 40))
    cut = [good[:700]] * 700  # only decoding shows it
    other = [encoded(picture(0, 40, 41))] * 100
    message = refusal(*([good] * 1000), *([b"no image"] * 200), *cut, *other)
    assert "received 1,000 others: a/1000.png (a damaged or foreign file), " in message
    assert message.endswith(" and 990 more; replace or remove them")
    assert len(message) < 1000


def test_the_size_of_most_images_is_the_one_expected(refusal):
    message = refusal(encoded(picture(0, 9, 9)), *(encoded(picture(n, 6, 8)) for n in range(3)))
    assert "images of one size, 6 x 8 (as a/2.png), received 9 x 9 in a/0.png; resize or remove it" in message


# --- what is suspicious


def test_constant_images_and_duplicates_are_named(read):
    same, flat = encoded(picture(0, 6, 8)), encoded(np.full((6, 8), 7, np.uint8))
    reading = read(same, same, encoded(picture(1, 6, 8)), flat, same, encoded(picture(2, 6, 8)))
    warnings = [note for note in reading.notes if note.kind == "warning"]
    assert [(note.what, note.first) for note in warnings] == [
        ("images of one value only", ["b/3.png"]),
        ("equal images in different classes", ["a/0.png = b/1.png"]),
    ]


def test_images_that_only_their_colours_hide_are_equal(read):
    gray = picture(0, 6, 8)
    reading = read(encoded(gray), encoded(np.dstack([gray] * 3)), encoded(picture(1, 6, 8)))
    assert said(reading, "warning") == {"equal images in different classes": 1}


def test_duplicates_in_one_class_are_no_warning(read):
    same = encoded(picture(0, 6, 8))
    assert said(read(same, encoded(picture(1, 6, 8)), same), "warning") == {}


def test_many_constant_images_are_counted(read):
    reading = read(*(encoded(np.full((6, 8), n, np.uint8)) for n in range(30)))
    (warning,) = [note for note in reading.notes if note.kind == "warning"]
    assert warning.number == 30
    assert warning.text().endswith(" and 20 more)")


# --- memory


def claims(height: int, width: int) -> bytes:
    """A file of a few bytes that claims to be a large image."""
    return b"P5 %d %d 255\n" % (width, height)


def test_more_images_than_memory_are_refused_before_any_is_decoded(refusal):
    message = refusal(*([claims(3000, 4000)] * 100), memory=10**9)
    assert message.endswith(
        "own: expected images that fit 1.0 GB of free memory, received 100 of 3000 x 4000 x 1, which need 2.4 GB; "
        "make them smaller or fewer"
    )


@pytest.mark.parametrize(("memory", "refused"), [(2 * 2 * 48, False), (2 * 2 * 48 - 1, True)])
def test_memory_is_counted_to_the_byte(read, refusal, memory, refused):
    images = (encoded(picture(0, 6, 8)), encoded(picture(1, 6, 8)))
    if refused:
        assert "of free memory" in refusal(*images, memory=memory)
    else:
        assert len(read(*images, memory=memory).images.images) == 2


def test_colours_need_more_memory(refusal):
    assert "of free memory" in refusal(encoded(picture(0, 6, 8)), encoded(picture(1, 6, 8, 3)), memory=2 * 2 * 48)
