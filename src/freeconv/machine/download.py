"""Official raw files: from a mirror or the download sites, checked against their hashes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from freeconv.errors import FreeconvError

TIMEOUT_S = (10, 60)  # to connect, between two packets


def official_file(folder: str, name: str, sha256: str, sites: Iterable[str], mirror: str | None) -> Path:
    """Return the path of a raw file with the official SHA-256: in a mirror's folder, or downloaded to the user's cache.

    Args:
        folder: of the file in a mirror and in the cache: the dataset's name.
        name: the file's.
        sha256: what it must have.
        sites: folders of the download sites, the first tried first.
        mirror: folder or URL that stands in for them; None if there is none.

    Raises:
        FreeconvError: no site has it, or what they have is not the official file.
    """
    if mirror is None:
        return _download(folder, name, sha256, sites)
    if mirror.startswith(("http://", "https://")):
        base = mirror.rstrip("/")
        return _download(folder, name, sha256, (f"{base}/{folder}/", f"{base}/"))
    folders = (Path(mirror) / folder, Path(mirror))
    path = next((place / name for place in folders if (place / name).is_file()), None)
    if path is None:
        raise FreeconvError(
            f"{name}: expected it in the mirror {folders[0]} or {folders[1]}, received nothing: the file does not "
            "exist; correct FREECONV_MIRROR or data.mirror"
        )
    received = file_sha256(path)
    if received != sha256:
        raise FreeconvError(
            f"{path}: expected SHA-256 {sha256}, received {received}: the file is altered or cut off; "
            "replace it with the official file"
        )
    return path


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(folder: str, name: str, expected: str, sites: Iterable[str]) -> Path:
    """Return a file from the user's cache, downloaded from the first site that has it with the official SHA-256."""
    import pooch
    import requests

    cache = pooch.os_cache("freeconv") / folder
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
