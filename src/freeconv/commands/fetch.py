"""Datasets: from a package, a download site, a mirror or a user's folder to `data/<dataset>.h5`."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import freeconv
from freeconv.data.image_folder import folder_sha256, read_images
from freeconv.data.layout import Note
from freeconv.data.selection import selected
from freeconv.data.sources import existing_source
from freeconv.datasets import DATASETS, BuiltinDataset
from freeconv.machine.download import file_sha256, official_file
from freeconv.study import paths


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
        dataset: a built-in one (`freeconv.datasets`), or the name of one of the user's own.
        path: the file to write. It holds `images` (n, height, width, channels), uint8 in [0, 255]; `labels` (n,),
            int64; and the attributes `dataset`, `config` (dataset, seed and limit), `source`, `raw_sha256`, `licence`,
            `classes` and `versions`; of the user's own images also `read`: by which rules they were converted, what
            was passed over and what is suspicious. Compressed with gzip, which every HDF5 installation reads.
        seed: the study's seed, ≥ 0.
        mirror: folder or URL that stands in for the download sites of `mnist` and `cifar10`, files directly in it or
            in a subfolder named like the dataset; the environment variable FREECONV_MIRROR, if set, wins.
        source: folder, zip or tar file of a dataset of the user's own (see `freeconv.data.image_folder`).
        limit: largest number of images: of a larger dataset a subset is stored, drawn by the random stream
            `("limit", dataset)`, in the dataset's order.

    Raises:
        FreeconvError: no site answers, a file is not the official one, or the user's images are not as required.
    """
    from freeconv.storage.hdf5 import write_h5  # here: the Snakefile needs only `raw_sha256`

    mirror = os.environ.get("FREECONV_MIRROR") or mirror
    notes: list[Note] | None = None
    if dataset in DATASETS:
        member = DATASETS[dataset]
        loaded = member.read(_raw_files(member, mirror))
        shuffled, licence = member.sorted_by_class, member.licence
        origin = member.source if isinstance(member.source, str) else member.source()
    else:
        folder = existing_source(dataset, source)
        loaded, notes = read_images(folder, psutil.virtual_memory().available)
        shuffled = True
        origin, licence = folder.name, "not stated; that of the images' owner"
    images, labels = selected(loaded.images, loaded.labels, dataset, shuffled, limit, seed)
    attributes: dict[str, Any] = {
        "dataset": dataset,
        "config": {"dataset": dataset, "seed": seed, "limit": limit},
        "source": origin,
        "raw_sha256": _raw_sha256(dataset, source),
        "licence": licence,
        "classes": list(loaded.classes),
        "versions": {"freeconv": freeconv.__version__, "numpy": np.__version__},
    }
    if notes is not None:
        attributes["read"] = [note._asdict() for note in notes]
        _print_notes(dataset, images, labels, loaded.classes, notes)
    write_h5(path, {"images": images, "labels": labels}, attributes, "gzip")
    _share(Path(path))


def _share(path: Path) -> None:
    """Let a study in a folder of its own and the project have one file on the disk where they have equal data."""
    other = paths.project_folder() / path
    if path.is_absolute() or not other.is_file() or other.samefile(path) or file_sha256(other) != file_sha256(path):
        return
    linked = path.with_name(f".{path.name}.link")
    try:
        linked.unlink(missing_ok=True)
        os.link(other, linked)
        linked.replace(path)
    except OSError:  # on another disk, or on one without links: it is a file of its own
        linked.unlink(missing_ok=True)


def _print_notes(
    dataset: str, images: np.ndarray, labels: np.ndarray, classes: Sequence[str], notes: Iterable[Note]
) -> None:
    """Print what is stored of a user's own images and what became of the others, for the log."""
    size = " x ".join(map(str, images.shape[1:]))
    counts = zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True)
    lines = [
        f"{len(images):,} images of {size}: {', '.join(f'{name} {count:,}' for name, count in counts)}",
        *(note.text() for note in notes),
    ]
    print(*(f"{dataset}: {line}" for line in lines), sep="\n", file=sys.stderr)


def _raw_files(dataset: BuiltinDataset, mirror: str | None) -> dict[str, Path]:
    """Return a built-in dataset's raw files by name."""
    if dataset.packaged:
        path = dataset.packaged()
        return {path.name: path}
    return {
        name: official_file(dataset.name, name, sha256, dataset.sites, mirror) for name, sha256 in dataset.files.items()
    }


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
    if dataset in DATASETS:
        member = DATASETS[dataset]
        if member.packaged:
            return file_sha256(member.packaged())
        return hashlib.sha256(json.dumps(dict(member.files), sort_keys=True).encode()).hexdigest()
    path = existing_source(dataset, source)
    if path.is_file():
        return file_sha256(path)
    return folder_sha256(path)
