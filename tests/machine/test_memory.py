import ctypes
import os
import subprocess
import sys

import pytest

from freeconv.machine.memory import keep_freed_memory

WITHOUT_SETTINGS = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
# Page faults of ten arrays of 64 MiB, one after another, each written to.
FAULTS = """
import resource
from freeconv.machine.memory import keep_freed_memory
print({0})
size = 1 << 26
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    array = bytearray(b"x") * size
    del array
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(statement, **environment):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(statement)],
        env={**WITHOUT_SETTINGS, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_memory_that_was_freed_is_used_again():
    assert page_faults("False")[1] > 160
    kept, faults = page_faults("keep_freed_memory()")
    assert kept
    assert faults < page_faults("False")[1] / 4


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_settings_of_the_environment_are_respected(name):
    assert not page_faults("keep_freed_memory()", **{name: "1"})[0]


def test_other_c_libraries_are_left_as_they_are(monkeypatch):
    for name in list(os.environ):
        if name not in WITHOUT_SETTINGS:
            monkeypatch.delenv(name)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
