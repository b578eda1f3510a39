"""What Snakemake notes down in `.snakemake`: the files that jobs are making, and with which parameters files were made.

Each note is a file with the name of the file that it is about in base64; a name too long for the file system is cut
into folders that begin with `@`.
"""

import base64
import json
from binascii import Error as Base64Error
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from freeconv.machine.place import NOTES

MARKS = Path(".snakemake/incomplete")


class Mark(NamedTuple):
    """The note that a job makes a file: it is there while the job waits in a queue or runs, and after it was killed.

    Attributes:
        begin: when the job was started or queued, in seconds since 1970.
        queue: its number in a cluster's queue; None if it runs on this machine.
    """

    begin: float
    queue: str | None


def marks() -> dict[str, Mark]:
    """Return the files that jobs are making, by path."""
    found = {}
    for note in MARKS.rglob("*"):
        with suppress(OSError, ValueError, Base64Error):  # it may be gone by now, or half written
            name = "".join(part.removeprefix("@") for part in note.relative_to(MARKS).parts)
            if note.is_file():
                path = base64.urlsafe_b64decode(name).decode()
                text = note.read_text()
                queue = json.loads(text).get("external_jobid") if text.strip() else None
                found[path] = Mark(note.stat().st_mtime, queue)
    return found


def made_with(path: str) -> set[str] | None:
    """Return the parameters that a file was made with, each as Python writes it; None if there is no note of it."""
    name = base64.urlsafe_b64encode(path.encode()).decode()
    try:
        return set(map(str, json.loads(Path(NOTES, name).read_text())["params"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
