"""Times of files after a clock was moved back."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def repair_times(paths: Iterable[str | Path]) -> list[str]:
    """Give files that are dated in the future the time of now; return their paths.

    A clock that was moved back leaves such files, and Snakemake refuses an output that is older than its input. It
    decides by content what has changed, so a time can be changed.
    """
    now = time.time()
    changed = []
    for path in paths:
        with suppress(OSError):  # missing, or another user's
            if Path(path).stat().st_mtime > now:
                os.utime(path, (now, now))
                changed.append(str(path))
    return changed
