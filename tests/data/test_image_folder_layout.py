"""Which files of one's own are images of which class, and what is said about the others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from freeconv.commands.fetch import fetch, raw_sha256
from freeconv.data.image_folder import Reading, count_images, folder_sha256, read_images
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import read_h5
from tests.data.pictures import encoded, picture, two_classes, write_files

ONE, TWO, THREE, FOUR = (encoded(picture(n, 6, 8)) for n in range(4))
CLASSES = {"a/0.png": ONE, "a/1.png": TWO, "b/0.png": THREE, "b/1.png": FOUR}


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own"


@pytest.fixture
def read(own):
    """Read files beside those of two classes."""

    def function(files: dict[str, bytes], classes: dict[str, bytes] = CLASSES) -> Reading:
        return read_images(write_files(own, classes | files))

    return function


@pytest.fixture
def refusal(read, own):
    """The one line with which files are refused, by all that reads them."""

    def function(files: dict[str, bytes] | None = None, classes: dict[str, bytes] = CLASSES) -> str:
        messages = set()
        for refuse in (lambda: read(files or {}, classes), lambda: count_images(own), lambda: folder_sha256(own)):
            with pytest.raises(FreeconvError) as refused:
                refuse()
            messages.add(str(refused.value))
        (message,) = messages
        assert "\n" not in message
        return message.removeprefix(f"{own}: ")

    return function


def counts(reading: Reading) -> dict[str, int]:
    """How many images each class has."""
    return dict(zip(reading.images.classes, np.bincount(reading.images.labels).tolist(), strict=True))


def notes(reading: Reading) -> list[tuple]:
    """What is said about a dataset: kind, what, number and first names."""
    return [tuple(note) for note in reading.notes]


# --- what is hidden


@pytest.mark.parametrize(
    ("file", "named"),
    [
        (".ipynb_checkpoints/0-checkpoint.png", ".ipynb_checkpoints"),
        ("a/.ipynb_checkpoints/0-checkpoint.png", "a/.ipynb_checkpoints"),
        ("a/._0.png", "a/._0.png"),
        ("__MACOSX/a/._0.png", "__MACOSX"),
        ("@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "@eaDir"),
        ("a/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "a/@eaDir"),
        ("a/Thumbs.db", "a/Thumbs.db"),
        (".git/objects/0.png", ".git"),
        (".thumbnails/normal/0.png", ".thumbnails"),
        ("$RECYCLE.BIN/1/0.png", "$RECYCLE.BIN"),
        ("#recycle/0.png", "#recycle"),
        ("lost+found/0.png", "lost+found"),
        ("a/.DS_Store", "a/.DS_Store"),
        ("desktop.ini", "desktop.ini"),
    ],
)
def test_hidden_names_are_neither_classes_nor_images(read, file, named):
    reading = read({file: b"anything"})
    assert counts(reading) == {"a": 2, "b": 2}
    assert notes(reading) == [("passed over", "hidden files and folders", 1, [named])]


def test_thousands_of_hidden_files_are_one_line(read):
    reading = read({f"a/._{number}.png": b"" for number in range(2000)})
    (note,) = reading.notes
    assert note.number == 2000
    assert note.text().startswith("passed over: hidden files and folders: 2,000 (a/._0.png, a/._1.png, ")
    assert note.text().endswith("a/._1005.png and 1,990 more)")


# --- other files


def test_files_of_other_kinds_are_counted_by_suffix(read):
    reading = read({"a/0.heic": b"", "b/1.HEIC": b"", "readme.txt": b"", "a/LICENSE": b"", "b/0.npy": b""})
    assert counts(reading) == {"a": 2, "b": 2}
    assert notes(reading) == [
        ("passed over", "files of other kinds, .heic", 2, ["a/0.heic", "b/1.HEIC"]),
        ("passed over", "files of other kinds, .npy", 1, ["b/0.npy"]),
        ("passed over", "files of other kinds, .txt", 1, ["readme.txt"]),
        ("passed over", "files of other kinds, no suffix", 1, ["a/LICENSE"]),
    ]


@pytest.mark.parametrize(
    ("suffix", "form"),
    [
        ("webp", "WEBP"),
        ("bmp", "BMP"),
        ("tif", "TIFF"),
        ("TIFF", "TIFF"),
        ("gif", "GIF"),
        ("jfif", "JPEG"),
        ("pgm", "PPM"),
    ],
)
def test_a_class_of_another_format_is_read(read, suffix, form):
    reading = read({f"c/{n}.{suffix}": encoded(picture(9 + n, 6, 8), form) for n in range(3)})
    assert counts(reading) == {"a": 2, "b": 2, "c": 3}


def test_classes_without_images_are_named(read, own):
    (own / "empty/inner").mkdir(parents=True)
    reading = read({"d/0.heic": b""})
    assert counts(reading) == {"a": 2, "b": 2}
    assert ("passed over", "classes without images", 2, ["d", "empty"]) in notes(reading)


def test_images_outside_a_class_are_named(read):
    reading = read({"preview.png": ONE, "cover.jpg": b""})
    assert notes(reading) == [("passed over", "images outside a class's folder", 2, ["cover.jpg", "preview.png"])]


# --- where classes are


def test_images_in_deeper_folders_belong_to_the_class_above(read):
    reading = read({"a/close-ups/9.png": encoded(picture(9, 6, 8)), "b/x/y/z/1.png": encoded(picture(8, 6, 8))})
    assert counts(reading) == {"a": 3, "b": 3}
    assert notes(reading) == [
        ("read", "images in deeper folders, as of the class above", 2, ["a/close-ups/9.png", "b/x/y/z/1.png"])
    ]
    np.testing.assert_array_equal(reading.images.images[2, ..., 0], picture(9, 6, 8))


PARTS = {
    "train": {"train/a/0.png": ONE, "train/b/0.png": TWO},
    "val": {"val/a/0.png": THREE},
    "valid": {"valid/b/0.png": THREE},
    "validation": {"validation/b/1.png": THREE},
    "test": {"test/b/0.png": FOUR, "test/c/0.png": encoded(picture(7, 6, 8))},
    "Test": {"Test/b/7.png": FOUR},
}


@pytest.mark.parametrize(
    "parts",
    [("train", "val"), ("train", "valid", "test"), ("train", "validation"), ("train", "Test"), ("train", "test")],
)
def test_parts_are_joined(read, parts):
    files = {name: content for part in parts for name, content in PARTS[part].items()}
    reading = read(files, {})
    assert len(reading.images.images) == len(files)
    assert notes(reading) == [("read", "parts that are joined", len(parts), sorted(parts))]
    expected = sorted({name.split("/")[1] for name in files})
    assert list(reading.images.classes) == expected
    in_order = [expected.index(name.split("/")[1]) for name in sorted(files)]
    assert reading.images.labels.tolist() == in_order


def test_one_part_alone(read):
    reading = read({}, PARTS["train"])
    assert counts(reading) == {"a": 1, "b": 1}
    assert notes(reading) == []


def test_unlabelled_images_of_a_part_are_passed_over(read):
    reading = read({"test/1.png": ONE, "test/2.png": TWO}, PARTS["train"])
    assert counts(reading) == {"a": 1, "b": 1}
    assert notes(reading) == [("passed over", "images outside a class's folder", 2, ["test/1.png", "test/2.png"])]


def test_classes_without_images_in_parts(read, own):
    (own / "train/c").mkdir(parents=True)
    assert ("passed over", "classes without images", 1, ["train/c"]) in notes(read(PARTS["val"], PARTS["train"]))


def test_a_class_may_be_called_train(read):
    assert counts(read({"train/0.png": encoded(picture(9, 6, 8))})) == {"a": 2, "b": 2, "train": 1}


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (PARTS["train"], "expected the classes either in train or beside, received images in a, b, too; move them"),
        (PARTS["test"] | PARTS["val"], "expected the classes either in test, val or beside, received images in a, b"),
    ],
)
def test_parts_beside_classes_are_refused(refusal, files, complaint):
    assert refusal(files).startswith(complaint)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (
            {"train/1.png": ONE, "test/2.png": TWO},
            "received images directly in test, train; arrange them in",
        ),
        (
            {"1.png": ONE, "2.png": TWO},
            "received none there, but 1.png, 2.png; arrange the images",
        ),
        ({"a/1.png": ONE, "a/2.png": TWO}, "received only 'a' (as in a/1.png); add a folder for each class"),
        ({"a/1.png": ONE, "b/2.heic": TWO}, "received only 'a' (as in a/1.png; without images that are read: b); add"),
        ({"a/1.heic": ONE, "b/1.heic": TWO}, "received none; arrange the images in one folder a class"),
        ({"train/a/1.png": ONE, "val/a/2.png": TWO}, "received only 'a' (as in train/a/1.png)"),
        ({}, "received none; arrange"),
    ],
)
def test_folders_without_two_classes_are_refused(refusal, own, files, complaint):
    own.mkdir()
    assert complaint in refusal(files, {})


@pytest.mark.parametrize("top", ["flowers/", "download/flowers/", "flowers/train/", "x/y/z/"])
def test_folders_above_the_classes(read, top):
    reading = read({}, {f"{top}{name}": content for name, content in CLASSES.items()})
    assert counts(reading) == {"a": 2, "b": 2}
    assert notes(reading) == []


def test_a_folder_above_the_parts(read):
    files = {f"data/{name}": content for part in ("train", "val") for name, content in PARTS[part].items()}
    reading = read({"readme.md": b"", "data/about.txt": b""}, files)
    assert counts(reading) == {"a": 2, "b": 1}
    assert ("read", "parts that are joined", 2, ["data/train", "data/val"]) in notes(reading)


def test_names_that_no_line_can_hold(read, own):
    odd = os.fsencode(own) + b"/a/\xff\n.png"
    write_files(own, CLASSES)
    with open(odd, "wb") as file:
        file.write(encoded(np.full((6, 8), 3, np.uint8)))
    (note,) = read({}).notes
    assert note.text() == r"warning: images of one value only: 1 (a/\udcff\n.png)"


# --- what is neither a file nor a folder


def devices(folder):
    (folder / "a/link.png").symlink_to("/dev/zero")


def pipe(folder):
    os.mkfifo(folder / "a/link.png")


def link_to_pipe(folder):
    os.mkfifo(folder.parent / "pipe")
    (folder / "a/link.png").symlink_to(folder.parent / "pipe")


def loop(folder):
    (folder / "a/link.png").symlink_to(folder / "a/link.png")


def nothing(folder):
    (folder / "a/link.png").symlink_to(folder / "nowhere")


def folder_loop(folder):
    (folder / "a/link.png").symlink_to(folder)


def pipe_without_suffix(folder):
    os.mkfifo(folder / "notes")


SPECIAL = {
    devices: "received a/link.png (a device); remove it",
    pipe: "received a/link.png (a pipe)",
    link_to_pipe: "received a/link.png (a pipe)",
    loop: "received a/link.png (Too many levels of symbolic links)",
    nothing: "received a/link.png (No such file or directory)",
    folder_loop: "received a/link.png (a link to a folder that holds it)",
    pipe_without_suffix: "received notes (a pipe)",
}


@pytest.mark.parametrize("make", SPECIAL)
def test_what_would_never_end_is_refused_by_name(refusal, own, make):
    write_files(own, CLASSES)
    make(own)
    message = refusal()
    assert message.startswith("expected files and folders, received ")
    assert SPECIAL[make] in message


def test_a_hidden_pipe_is_not_touched(read, own):
    write_files(own, CLASSES)
    os.mkfifo(own / ".socket")
    assert notes(read({})) == [("passed over", "hidden files and folders", 1, [".socket"])]


def test_many_special_files_are_counted(refusal, own):
    write_files(own, CLASSES)
    for number in range(1000):
        (own / f"a/{number:03}.link").symlink_to("/dev/zero")
    message = refusal()
    assert "a/000.link (a device), a/001.link (a device), " in message
    assert message.endswith(" and 990 more; remove them, or put what is linked in its place")


def test_links_to_images_and_folders_are_followed(read, own, tmp_path):
    write_files(tmp_path / "elsewhere", {"c/0.png": encoded(picture(9, 6, 8))})
    write_files(own, CLASSES)
    (own / "c").symlink_to(tmp_path / "elsewhere/c")
    (own / "a/9.png").symlink_to(tmp_path / "elsewhere/c/0.png")
    assert counts(read({})) == {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_source_that_is_no_folder_is_refused(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    source = {"pipe": tmp_path / "pipe", "device": "/dev/zero"}[kind]
    with pytest.raises(FreeconvError, match=f"which is a {kind}; correct data.folders.own"):
        raw_sha256("own", source)


def test_a_large_file_is_not_read_into_memory(own, read):
    write_files(own, CLASSES)
    with (own / "a/large.pgm").open("wb") as file:
        file.write(b"P5 8 6 255\n")
        file.truncate(2**33)
    with pytest.raises(FreeconvError, match=r"at most 67108864 bytes, received more in a/large\.pgm; remove it"):
        read({})


# --- what is recorded


def test_what_was_read_is_printed_and_stored(own, tmp_path, capfd):
    write_files(own, {**CLASSES, "a/._0.png": b"", "a/notes.txt": b"", "b/2.png": ONE})
    fetch("mine", tmp_path / "mine.h5", 0, source=own)
    assert capfd.readouterr().err.splitlines() == [
        "mine: 5 images of 6 x 8 x 1: a 2, b 3",
        "mine: passed over: files of other kinds, .txt: 1 (a/notes.txt)",
        "mine: passed over: hidden files and folders: 1 (a/._0.png)",
        "mine: warning: equal images in different classes: 1 (a/0.png = b/2.png)",
    ]
    stored = read_h5(tmp_path / "mine.h5")[1]["read"]
    assert stored[0] == {
        "kind": "passed over",
        "what": "files of other kinds, .txt",
        "number": 1,
        "first": ["a/notes.txt"],
    }
    assert [note["kind"] for note in stored] == ["passed over", "passed over", "warning"]
    assert json.dumps(stored)


def test_what_is_passed_over_changes_no_hash(own):
    write_files(own, CLASSES)
    before = folder_sha256(own)
    write_files(own, {".ipynb_checkpoints/0.png": ONE, "a/._0.png": b"", "notes.txt": b"", "0.png": ONE})
    assert folder_sha256(own) == before
    write_files(own, {"a/close-ups/0.png": ONE})
    assert folder_sha256(own) != before


def test_the_modules_are_light():
    code = (
        "import sys, freeconv.data.image_folder; "
        "print(sorted({'PIL', 'cv2', 'h5py', 'psutil', 'pandas', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_two_classes_are_read_in_the_order_of_their_names(read):
    reading = read({}, two_classes(ONE, TWO, THREE, FOUR))
    expected = np.stack([picture(n, 6, 8) for n in (0, 2, 1, 3)])
    np.testing.assert_array_equal(reading.images.images[..., 0], expected)
