"""Archives and IDX files of one's own."""

import gzip
import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from freeconv.commands.fetch import fetch, raw_sha256
from freeconv.data.image_folder import Reading, count_images, read_images
from freeconv.errors import FreeconvError
from freeconv.machine.download import file_sha256
from freeconv.storage.hdf5 import read_h5
from tests.data.pictures import encoded, picture, write_files

IMAGES = {f"{'ab'[n % 2]}/{n}.png": picture(n, 6, 8) for n in range(6)}
FILES = {name: encoded(image) for name, image in IMAGES.items()}
TARS = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


WRITERS = {"zip": write_zip, "tar.gz": write_tar}


@pytest.fixture(params=WRITERS)
def packed(request, tmp_path):
    """Put files in an archive: a zip, then a tar file."""
    return lambda files: WRITERS[request.param](tmp_path / f"own.{request.param}", files)


def check(reading: Reading) -> None:
    """Check that `IMAGES` were read."""
    names = sorted(IMAGES)
    np.testing.assert_array_equal(reading.images.images[..., 0], [IMAGES[name] for name in names])
    assert reading.images.labels.tolist() == ["ab".index(name[0]) for name in names]
    assert reading.images.classes == ("a", "b")


def refusal(path) -> str:
    with pytest.raises(FreeconvError) as refused:
        read_images(path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    return str(refused.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "name",
    [
        "{}",
        "flowers/{}",
        "./{}",
        "./flowers/./{}",
        "flowers//{}",
        "download/flowers/train/{}",
    ],
)
def test_names_as_people_pack_them(packed, name):
    path = packed({name.format(file): content for file, content in FILES.items()})
    check(read_images(path))
    assert count_images(path) == (6, (6, 8, 1), 2)


def test_backslashes(packed):
    check(read_images(packed({f"flowers\\{name}".replace("/", "\\"): content for name, content in FILES.items()})))


def test_what_a_mac_packs(packed):
    files = {f"flowers/{name}": content for name, content in FILES.items()}
    more = {f"__MACOSX/flowers/{name[0]}/._{name[2:]}": b"\0\5\26\7" for name in FILES}
    reading = read_images(packed({**files, **more, "flowers/.DS_Store": b""}))
    check(reading)
    ((kind, what, number, first),) = reading.notes
    assert (kind, what, number, first) == (
        "passed over",
        "hidden files and folders",
        2,
        ["__MACOSX", "flowers/.DS_Store"],
    )


@pytest.mark.parametrize("suffix", TARS)
def test_kinds_of_tar_files(tmp_path, suffix):
    # the last first: the order must come from the names
    path = write_tar(tmp_path / f"own.{suffix}", dict(reversed(FILES.items())), TARS[suffix])
    check(read_images(path))
    path.rename(tmp_path / "without suffix")
    check(read_images(tmp_path / "without suffix"))
    assert raw_sha256("own", tmp_path / "without suffix") == file_sha256(tmp_path / "without suffix")


@pytest.mark.parametrize("form", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_what_python_packs(tmp_path, form):
    write_files(tmp_path / "flowers", FILES)
    (tmp_path / "flowers/empty").mkdir()
    path = shutil.make_archive(str(tmp_path / "own"), form, tmp_path, "flowers")
    reading = read_images(Path(path))
    check(reading)
    assert [tuple(note) for note in reading.notes] == [("passed over", "classes without images", 1, ["flowers/empty"])]


def test_archive_and_folder_have_equal_arrays(packed, tmp_path):
    stored = []
    for source in (write_files(tmp_path / "own", FILES), packed(FILES)):
        fetch("own", tmp_path / "own.h5", 0, source=source)
        stored.append(read_h5(tmp_path / "own.h5")[1]["content_sha256"])
    assert stored[0] == stored[1]


@pytest.mark.parametrize(
    "name", ["../1.png", "a/../../1.png", "/etc/a/1.png", "..\\1.png", "C:\\a\\1.png", "C:/a/1.png", "a/../b/1.png"]
)
def test_names_that_leave_the_archive_are_refused(packed, name):
    message = refusal(packed({**FILES, name: FILES["a/0.png"]}))
    assert message == (
        f"expected names of files inside the archive, received {name}, which leads out of it; make the archive anew"
    )


def test_many_leaving_names_are_counted(packed):
    message = refusal(packed({**FILES, **{f"../{n:03}.png": b"" for n in range(1000)}}))
    assert "received ../000.png, " in message
    assert "../009.png and 990 more, which lead out of it" in message


def test_two_files_of_one_name_are_refused(packed):
    message = refusal(packed({**FILES, "./a/0.png": FILES["b/1.png"]}))
    assert message == "expected one file of each name, received several called a/0.png; make the archive anew"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.FIFOTYPE, "a device or pipe"),
        (tarfile.CHRTYPE, "a device or pipe"),
    ],
)
def test_special_members_are_refused(tmp_path, kind, words):
    path = write_tar(tmp_path / "own.tar", FILES, "w")
    member = tarfile.TarInfo("a/9.png")
    member.type, member.linkname = kind, "a/0.png"
    with tarfile.open(path, "a") as archive:
        archive.addfile(member)
    assert refusal(path).startswith(f"expected files and folders, received a/9.png ({words}); remove it")


@pytest.mark.parametrize("change", [lambda c: c[: len(c) // 2], lambda c: c[:40], lambda c: b"PK", lambda c: c[100:]])
def test_damaged_archives_are_refused(packed, change):
    path = packed(FILES)
    path.write_bytes(change(path.read_bytes()))
    assert "received a damaged or foreign one" in refusal(path)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "own.zip", FILES)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(signature, start + 1)
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


def test_bad_images_in_an_archive_are_named_at_once(packed):
    message = refusal(packed({**FILES, **{f"a/{n:03}x.png": b"none" for n in range(30)}}))
    assert "received 30 others: a/000x.png (a damaged or foreign file), " in message
    assert message.endswith("and 20 more; replace or remove them")


def test_a_zip_made_on_another_system(tmp_path):
    path = tmp_path / "own.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("flowers\\", "flowers\\a\\"):
            folder = zipfile.ZipInfo(name)
            folder.create_system, folder.external_attr = 0, 0x10
            archive.writestr(folder, b"")
        for name, content in FILES.items():
            member = zipfile.ZipInfo(f"flowers/{name}")
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, content)
    check(read_images(path))


# --- IDX files

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ARRAYS = (
    picture(0, 7, 28, 28),
    np.array([5, 0, 4, 1, 9, 2, 1], np.uint8),
    picture(1, 3, 28, 28),
    np.array([7, 2, 1], np.uint8),
)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


IDX = {name: idx(array) for name, array in zip(NAMES, ARRAYS, strict=True)}
GZIPPED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in IDX.items()}


def check_idx(path) -> None:
    reading = read_images(path)
    np.testing.assert_array_equal(reading.images.images, np.concatenate(ARRAYS[::2])[..., None])
    assert reading.images.classes == ("0", "1", "2", "4", "5", "7", "9")
    expected = [reading.images.classes.index(str(label)) for label in np.concatenate(ARRAYS[1::2])]
    assert reading.images.labels.tolist() == expected
    assert reading.images.labels.dtype == np.int64
    assert count_images(path) == (10, (28, 28, 1), 7)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(GZIPPED, id="packed"),
        pytest.param(IDX, id="not packed"),
        pytest.param({**dict(list(IDX.items())[:2]), **dict(list(GZIPPED.items())[2:])}, id="both"),
        pytest.param({name.replace("-idx", ".idx"): content for name, content in IDX.items()}, id="dots"),
        pytest.param(
            {f"FashionMNIST/raw/{name}": content for name, content in (IDX | GZIPPED).items()}, id="torchvision"
        ),
    ],
)
def test_idx_files(tmp_path, packed, files):
    check_idx(write_files(tmp_path / "fashion", files))
    check_idx(packed(files))


def test_idx_files_are_fetched_in_a_drawn_order(tmp_path):
    source = write_files(tmp_path / "fashion", GZIPPED)
    fetch("fashion", tmp_path / "fashion.h5", 0, source=source)
    arrays, attributes = read_h5(tmp_path / "fashion.h5")
    assert arrays["images"].shape == (10, 28, 28, 1)
    expected = {
        image.tobytes(): label
        for image, label in zip(np.concatenate(ARRAYS[::2]), np.concatenate(ARRAYS[1::2]), strict=True)
    }
    for image, label in zip(arrays["images"], arrays["labels"], strict=True):
        assert int(attributes["classes"][label]) == expected[image.tobytes()]
    assert attributes["read"][0]["what"] == "IDX files, train, then test"
    before = raw_sha256("fashion", source)
    write_files(source, {"notes.txt": b""})
    raw_sha256.cache_clear()
    assert raw_sha256("fashion", source) == before
    write_files(source, {f"{NAMES[1]}.gz": gzip.compress(idx(np.arange(7)))})
    raw_sha256.cache_clear()
    assert raw_sha256("fashion", source) != before


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({NAMES[3]: None}, "received none called t10k-labels-idx1-ubyte; add what is missing"),
        ({NAMES[0]: IDX[NAMES[0]][:-1]}, "expected 5488 bytes of data for the sizes (7, 28, 28)"),
        ({NAMES[0]: IDX[NAMES[1]]}, "magic number 00000803, received 00000801"),
        (
            {NAMES[1]: idx(np.arange(6))},
            "as many labels as images, 7 in train-images-idx3-ubyte, received 6 in",
        ),
        ({NAMES[2]: idx(picture(1, 3, 28, 27))}, "expected images of one size, 28 x 28 (as train-images"),
        ({NAMES[1]: idx(np.zeros(7)), NAMES[3]: idx(np.zeros(3))}, "at least two classes, received only [0]"),
        ({NAMES[2]: gzip.compress(IDX[NAMES[2]])[:-20]}, "packed by gzip or not, received a damaged one"),
        ({f"more/{NAMES[2]}": IDX[NAMES[2]]}, "expected IDX files in one folder, received some in ., more"),
    ],
)
def test_wrong_idx_files_are_refused(tmp_path, changes, complaint):
    files = {name: content for name, content in (IDX | changes).items() if content is not None}
    path = write_files(tmp_path / "fashion", files)
    with pytest.raises(FreeconvError) as refused:
        read_images(path)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_idx_files_of_more_than_the_memory_are_refused_by_their_headers(tmp_path):
    claimed = bytes([0, 0, 8, 3]) + np.array([2**30, 28, 28], ">u4").tobytes()
    path = write_files(tmp_path / "fashion", {**IDX, NAMES[0]: claimed})
    with pytest.raises(FreeconvError, match="free memory, received 1,073,741,827 of 28 x 28 x 1, which need "):
        read_images(path, 2**33)
