"""Memory that a job frees after a batch and needs again for the next one."""

import ctypes
import os

# Options of mallopt(3), and the largest value that one of them takes.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees, until it ends.

    glibc hands large arrays back to the system as soon as they are freed, and the system fills those of the next batch
    with zeros anew: a quarter of the time of a free network's epoch on a processor (`benchmarks/freed_memory.py`). A
    process that keeps them stays as large as it ever was. No number depends on it.

    Settings of the environment (`MALLOC_TRIM_THRESHOLD_` and its like, `GLIBC_TUNABLES`) are respected, and C libraries
    other than glibc are left as they are.

    Returns:
        Whether the process now does.
    """
    if "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return False
    done = [set_option(option, LARGEST) for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD)]
    return all(done)
