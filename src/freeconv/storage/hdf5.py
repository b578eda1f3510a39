"""HDF5 files that are whole or absent, and verified when they are read."""

import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN, check_readable, hindrance, write_bytes
from freeconv.vocabulary import Compression

CHUNK_ROWS = 256

# HDF5's format of 2015 has checksums in all its own structures; the default one, of 1998, has none.
FORMAT = ("v110", "v110")

# What h5py and json raise for bytes that are not what they should be.
DAMAGE = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class Array(NamedTuple):
    """What a file says of an array that it holds: NumPy's name of the type, shape, SHA-256 of the values."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


def _filters(compression: Compression) -> dict[str, Any]:
    """Return the keyword arguments of `h5py.Group.create_dataset` for a compression."""
    if compression == "zstd":
        import hdf5plugin  # 46 MB: only where a file uses it, so that a bare GPU host can do without

        # the checksum is over compressed bytes: what is damaged never reaches the library that decompresses
        return {**hdf5plugin.Zstd(clevel=1), "fletcher32": True}
    if compression == "gzip":
        return {"compression": "gzip", "compression_opts": 4, "fletcher32": True}
    return {}


def _described(array: np.ndarray) -> Array:
    """Return what a file says of an array."""
    values = np.ascontiguousarray(array)
    digest = hashlib.sha256(values.data if values.size else b"")
    return Array(array.dtype.str, array.shape, digest.hexdigest())


def _json_sha256(value: Any) -> str:
    """Return the SHA-256 of a value as JSON, keys in order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_h5(
    path: str | Path,
    arrays: Mapping[str, np.ndarray],
    attributes: Mapping[str, Any],
    compression: Compression = "zstd",
) -> None:
    """Write arrays and attributes to an HDF5 file, all or nothing, as `write_bytes` does.

    Needs as much memory again as the file is long.

    Args:
        path: the file to write; missing folders are made.
        arrays: name to array; a name may hold slashes (`"history/val_acc"`). Compressed arrays with more
            than one axis are stored in chunks of 256 along the first.
        attributes: name to value: text, number, or a dict or list, stored as JSON text. Added are `compression`;
            `arrays`, type, shape and SHA-256 of each array as JSON; `content_sha256`, a function of these alone; and
            last `attributes_sha256`, of all other attributes.
        compression: `"zstd"` (needs hdf5plugin), `"gzip"` or `"none"`.

    Raises:
        FreeconvError: the file cannot be written, another process is writing it, or the disk holds other content.
    """
    described = {name: _described(array) for name, array in arrays.items()}
    stored = {
        **{name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in attributes.items()},
        "compression": compression,
        "arrays": json.dumps(described),
        "content_sha256": _json_sha256(described),
    }
    # In memory first: a disk that refuses to write can make HDF5 crash the process.
    content = io.BytesIO()
    with h5py.File(content, "w", libver=FORMAT) as file:
        for name, array in arrays.items():
            large = array.ndim > 1 and array.size > 0 and compression != "none"
            dataset = file.create_dataset(
                name,
                data=array,
                chunks=(min(CHUNK_ROWS, len(array)), *array.shape[1:]) if large else None,
                **(_filters(compression) if large else {}),
            )
            # HDF5 places an array's chunks where it is closed: left to Python, the same content has not always the
            # same bytes, by which DVC compares files
            dataset.id.close()
        for name, value in stored.items():
            _write_attribute(file, name, value)
        read_back = {name: _value(value) for name, value in file.attrs.items()}
        _write_attribute(file, "attributes_sha256", _json_sha256(read_back))
    write_bytes(path, content.getbuffer())


def _write_attribute(file: h5py.File, name: str, value: Any) -> None:
    """Write an attribute; text of a fixed length, because text of any length would lie where HDF5 has no checksum."""
    if isinstance(value, str):
        encoded = value.encode()
        file.attrs.create(name, np.array(encoded), dtype=h5py.string_dtype(length=max(len(encoded), 1)))
    else:
        file.attrs[name] = value


def _value(stored: Any) -> Any:
    """Return an attribute's value as Python has it: text, number, list."""
    if isinstance(stored, bytes):
        return stored.decode()
    return stored.tolist() if isinstance(stored, np.generic | np.ndarray) else stored


def read_h5(path: str | Path, names: Iterable[str] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file written by `write_h5` and verify what is read.

    Args:
        path: the file.
        names: the arrays wanted; all if None. Only these are read and verified; the attributes always are.

    Returns:
        Arrays by name, and attributes by name with JSON texts parsed.

    Raises:
        UnreadableError: the file cannot be read at the moment.
        FreeconvError: the file is missing, is no HDF5 file or none of `write_h5`, is cut off, lacks an array, has links
            or data outside itself, claims more than it holds, or holds anything but what was written.
    """
    path = Path(path)
    with _opened(path) as file:
        described, attributes = _read_header(path, file)
        wanted = list(described if names is None else names)
        for name in wanted:
            if name not in described:
                raise FreeconvError(f"{path}: expected the array {name}, received a file without it; {AGAIN}")
        _check_layout(path, file, described, wanted)
        _filters(attributes.get("compression", "none"))  # registers the filter that reading needs
        arrays = {}
        for name in wanted:
            arrays[name] = file[name][()]
            received = _described(arrays[name])
            if received != described[name]:
                raise FreeconvError(
                    f"{path}: expected {name} with SHA-256 {described[name].sha256}, received {received.sha256}: the "
                    f"file was changed or damaged; {AGAIN}"
                )
    return arrays, attributes


def describe_h5(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what a file written by `write_h5` says of its arrays, without reading them, and its attributes.

    Raises:
        FreeconvError: as `read_h5` does, but for what only the arrays show.
    """
    path = Path(path)
    with _opened(path) as file:
        return _read_header(path, file)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; whatever goes wrong with its bytes is reported in one line."""
    check_readable(path, "an HDF5 file")
    try:
        with h5py.File(path, "r", locking=False) as file:  # files of this name are never written to
            yield file
    except MemoryError as error:
        raise (hindrance(path, error) or error) from error
    except DAMAGE as error:
        if unreadable := hindrance(path, error):
            raise unreadable from error
        problem = " ".join(str(error).split()) or type(error).__name__
        raise FreeconvError(
            f"{path}: expected an HDF5 file, received a damaged or foreign one ({problem}); {AGAIN}"
        ) from error


def _read_header(path: Path, file: h5py.File) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what a file says of its arrays, and its other attributes with JSON parsed, verified."""
    stored = {name: _value(value) for name, value in file.attrs.items()}
    expected = stored.pop("attributes_sha256", None)
    if expected is None:
        raise FreeconvError(
            f"{path}: expected a file with SHA-256 of its attributes, received one without, which this version did not "
            f"write; {AGAIN}"
        )
    received = _json_sha256(stored)
    if received != expected:
        raise FreeconvError(
            f"{path}: expected attributes with SHA-256 {expected}, received {received}: the file was changed or "
            f"damaged; {AGAIN}"
        )
    attributes = {name: _parsed(value) for name, value in stored.items()}
    described = {
        name: Array(dtype, tuple(shape), sha256) for name, (dtype, shape, sha256) in attributes.pop("arrays").items()
    }
    return described, attributes


def _parsed(value: Any) -> Any:
    """Return an attribute's value, JSON objects and lists parsed."""
    return json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value


def _check_layout(path: Path, file: h5py.File, described: Mapping[str, Array], wanted: Iterable[str]) -> None:
    """Refuse a file whose links or data lead out of it, or that holds other arrays than it says.

    Nothing is read of any array, and no link is followed before its kind is known.
    """
    groups = {str(parent) for name in described for parent in Path(name).parents} - {"."}
    links: dict[str, int] = {}
    # what the function returns would end the visit
    file.id.links.visit(lambda name, link: links.update({name.decode(): link.type}), info=True)
    if leading := [name for name, kind in links.items() if kind != h5py.h5l.TYPE_HARD]:
        raise FreeconvError(
            f"{path}: expected data in the file itself, received the link {leading[0]}; remove the file: it may name "
            "others of this machine"
        )
    if links.keys() != groups | described.keys():
        unlike = sorted(links.keys() ^ (groups | described.keys()))
        raise FreeconvError(
            f"{path}: expected the arrays that its attributes name, received others, as {unlike[0]}; {AGAIN}"
        )
    for name in wanted:
        dataset = file[name]
        if dataset.is_virtual or dataset.external:
            raise FreeconvError(
                f"{path}: expected data in the file itself, received {name} stored in another file; remove the file: "
                "it may name others of this machine"
            )
        if (dataset.dtype.str, dataset.shape) != described[name][:2]:
            raise FreeconvError(
                f"{path}: expected {name} of type and shape {described[name][:2]}, received "
                f"{(dataset.dtype.str, dataset.shape)}; {AGAIN}"
            )
        if not _is_allocated(dataset):
            raise FreeconvError(
                f"{path}: expected {name} to be stored whole, received a claim of {dataset.shape} values of "
                f"{dataset.dtype} of which the file holds less; {AGAIN}"
            )


def _is_allocated(dataset: h5py.Dataset) -> bool:
    """Return whether a file holds all of an array that it claims to; else reading would fill memory with nothing."""
    if dataset.chunks is None:
        return dataset.id.get_storage_size() == dataset.nbytes
    chunks = math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return dataset.id.get_num_chunks() == chunks
