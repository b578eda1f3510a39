"""HDF5 files that are whole or absent: atomic writes, verified reads."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from freeconv.configs import Compression
from freeconv.errors import FreeconvError

CHUNK_ROWS = 256


def _filters(compression: Compression) -> dict[str, Any]:
    """Return the keyword arguments of `h5py.Group.create_dataset` for a compression."""
    if compression == "zstd":
        import hdf5plugin  # 46 MB: only where a file uses it, so that a bare GPU host can do without

        return dict(hdf5plugin.Zstd(clevel=1))
    if compression == "gzip":
        return {"compression": "gzip", "compression_opts": 4}
    return {}


def content_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of named arrays: names, dtypes, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def write_h5(
    path: str | Path,
    arrays: Mapping[str, np.ndarray],
    attributes: Mapping[str, Any],
    compression: Compression = "zstd",
) -> None:
    """Write arrays and attributes to an HDF5 file, all or nothing.

    The file is written under a fixed temporary name beside `path`, flushed to disk, read back and renamed, so
    `path` never holds half a file. There must be one writer per path.

    Args:
        path: the file to write; missing folders are made.
        arrays: name to array; a name may hold slashes (`"history/val_acc"`). Compressed arrays with more
            than one axis are stored in chunks of 256 along the first.
        attributes: name to value; dicts and lists are stored as JSON text. `compression` and `content_sha256`
            are added.
        compression: `"zstd"` (needs hdf5plugin), `"gzip"` or `"none"`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    digest = content_sha256(arrays)
    try:
        with h5py.File(temporary, "w") as file:
            for name, array in arrays.items():
                large = array.ndim > 1 and array.size > 0 and compression != "none"
                file.create_dataset(
                    name,
                    data=array,
                    chunks=(min(CHUNK_ROWS, len(array)), *array.shape[1:]) if large else None,
                    **(_filters(compression) if large else {}),
                )
            for name, value in attributes.items():
                file.attrs[name] = json.dumps(value) if isinstance(value, dict | list) else value
            file.attrs["compression"] = compression
            file.attrs["content_sha256"] = digest
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        read_h5(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_h5(path: str | Path, names: Iterable[str] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read and verify a file written by `write_h5`.

    Args:
        path: the file.
        names: the arrays wanted; all, and only then checked against `content_sha256`, if None.

    Returns:
        Arrays by name, and attributes by name with JSON texts parsed.

    Raises:
        FreeconvError: the file is missing, is no HDF5 file, is cut off, lacks an array, or its content is not what
            was written.
    """
    path = Path(path)
    if not path.is_file():
        raise FreeconvError(f"{path}: expected an HDF5 file, received nothing: the file does not exist")
    arrays: dict[str, np.ndarray] = {}
    try:
        with h5py.File(path, "r") as file:
            attributes = {name: _parsed(value) for name, value in file.attrs.items()}
            _filters(attributes.get("compression", "none"))  # registers the filter that reading needs
            if names is None:
                file.visititems(
                    lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            else:
                for name in names:
                    if name not in file:
                        raise FreeconvError(
                            f"{path}: expected the array {name}, received a file without it; remove the file and run "
                            "again"
                        )
                    arrays[name] = file[name][()]
    except (OSError, RuntimeError) as error:
        raise FreeconvError(
            f"{path}: expected an HDF5 file, received a damaged or foreign one ({error}); remove it and run again"
        ) from error
    if names is None and attributes.get("content_sha256") != content_sha256(arrays):
        raise FreeconvError(
            f"{path}: expected content with SHA-256 {attributes.get('content_sha256')}, "
            f"received {content_sha256(arrays)}; remove the file and run again"
        )
    return arrays, attributes


def _parsed(value: Any) -> Any:
    """Return an attribute's value, JSON objects and lists parsed."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value.item() if isinstance(value, np.generic) else value


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all: under a temporary name, then renamed. Missing folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
