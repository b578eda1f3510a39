"""CSV tables and summed files that are verified when they are read."""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN, read_bytes, write_text
from freeconv.storage.hdf5 import describe_h5
from freeconv.study import paths as study_paths


def write_csv(path: str | Path, frame: pd.DataFrame, config: Mapping[str, Any]) -> None:
    """Write a table with the configuration that it was made from, whole or not at all.

    Args:
        path: the file to write. Its first line is `# ` and a JSON object of `config` and the SHA-256 of that and of
            the lines below; these are the table as CSV, numbers with 9 significant digits.
        frame: the table; its index is left out.
        config: what decides the content.
    """
    text = frame.to_csv(index=False, float_format="%.9g")
    head = {"config": dict(config)}
    write_text(path, f"# {json.dumps({**head, 'sha256': _csv_sha256(head, text.encode())})}\n{text}")


def read_csv(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read and verify a table written by `write_csv`.

    Returns:
        The table and its configuration.

    Raises:
        FreeconvError: the file is missing, is none of `write_csv`, or is not what was written.
    """
    content = read_bytes(path)
    line, _, text = content.partition(b"\n")
    try:
        head = json.loads(line.removeprefix(b"# ")) if line.startswith(b"# ") else {}
        expected = head.pop("sha256")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FreeconvError(
            f"{path}: expected a first line with configuration and SHA-256, received another one; {AGAIN}"
        ) from error
    received = _csv_sha256(head, text)
    if received != expected:
        raise FreeconvError(
            f"{path}: expected content with SHA-256 {expected}, received {received}: the file was changed or damaged; "
            f"{AGAIN}"
        )
    try:
        return pd.read_csv(io.BytesIO(text)), head["config"]
    except (ValueError, LookupError) as error:
        raise FreeconvError(
            f"{path}: expected a table with its configuration, received another one; {AGAIN}"
        ) from error


def check_made_from(path: str | Path, stored: Any, runs: Iterable[str | Path]) -> None:
    """Refuse a table that was made from other runs than those that are there.

    Runs that are not there, or cannot be read, which their own readers name, are passed over.

    Args:
        path: the table's file.
        stored: what it says of the runs that it was made from: the content of each, in the order of `runs`.
        runs: their files.

    Raises:
        FreeconvError: names the table and the run.
    """
    runs = list(runs)
    known = stored if isinstance(stored, list) and len(stored) == len(runs) else [None] * len(runs)
    for run, expected in zip(runs, known, strict=True):
        try:
            received = describe_h5(run)[1].get("content_sha256") if Path(run).is_file() else expected
        except FreeconvError:
            continue
        if received != expected:
            raise FreeconvError(
                f"{path}: expected to be made from {run} with content {received}, received one of {expected}; {AGAIN}"
            )


def _csv_sha256(head: Mapping[str, Any], text: bytes) -> str:
    """Return the SHA-256 of what a CSV file's first line says and of the lines below."""
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode() + b"\n" + text).hexdigest()


def write_sums(paths: Iterable[str | Path], path: str | Path) -> None:
    """Write the SHA-256 of files, as `sha256sum -c` reads it in the folder of `path`."""
    folder = Path(path).parent
    lines = [
        f"{hashlib.sha256(Path(name).read_bytes()).hexdigest()}  {os.path.relpath(name, folder)}\n" for name in paths
    ]
    write_text(path, "".join(lines))


def read_summed(path: str | Path, sums: str | Path) -> bytes:
    """Return the content of a file that `write_sums` named in `sums`.

    Raises:
        FreeconvError: one of the two is missing, or the file is not what it was.
    """
    content = read_bytes(path)
    lines = read_bytes(sums).decode(errors="replace").splitlines()
    name = os.path.relpath(path, Path(sums).parent)
    expected = {other: sha256 for sha256, _, other in (line.partition("  ") for line in lines)}.get(name)
    if expected is None:
        raise FreeconvError(f"{path}: expected its SHA-256 in {sums}, received none; remove both and run again")
    received = hashlib.sha256(content).hexdigest()
    if received != expected:
        raise FreeconvError(
            f"{path}: expected content with SHA-256 {expected}, as in {sums}, received {received}: one of the two was "
            "changed or damaged; remove both and run again"
        )
    return content


def read_table(folder: str, name: str) -> pd.DataFrame:
    """Read and verify one table that `make_tables` wrote.

    Raises:
        FreeconvError: the table or `tables/SHA256SUMS` is missing, or the table is not what it was.
    """
    path = Path(f"{folder}/tables/{name}.csv")
    if not path.is_file():
        raise FreeconvError(f"{path}: expected a table, received nothing: run `freeconv tables` first")
    text = {"table": str, "protocol": str}  # of `compared`: else `1` would be a number, and nothing NaN
    frame = pd.read_csv(io.BytesIO(read_summed(path, study_paths.sums_file(folder))), dtype=text)
    return frame.fillna({name: "" for name in text if name in frame})
