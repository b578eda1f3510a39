"""Numbers that change while the hash of the code that computes them does not would never be computed again."""

import json
import os
import subprocess
import sys

import pytest

from tests.golden.compute import GOLDEN
from tests.workflow.project import ROOT

RENEW = "If the change is meant, renew the stored numbers: make golden"


@pytest.fixture(scope="module")
def now():
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    del environment["XLA_FLAGS"]  # of tests/conftest.py
    command = [sys.executable, "-m", "tests.golden.compute"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def stored():
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("rule", ["fetch", "shard", "train", "distance", "measure", "tables"])
def test_numbers_are_those_that_were_stored(now, stored, rule):
    ours, theirs = now["rules"][rule]["numbers"], stored["rules"][rule]["numbers"]
    same_machine = now["machine"] == stored["machine"]
    assert ours.keys() == theirs.keys()
    assert any(entry["values"] for entry in ours.values())
    changed = [name for name in ours if not _equal(ours[name], theirs[name], same_machine)]
    if now["rules"][rule]["code"] == stored["rules"][rule]["code"]:
        text = f"numbers of {rule} changed, the hash of its code did not: move what decides them below the line"
    else:
        text = f"numbers of {rule} changed with its code. {RENEW}"
    assert not changed, f"{text}: {changed[:5]}"


def _equal(ours, theirs, same_machine: bool) -> bool:
    """Return whether numbers are equal: bit for bit on the machine that stored them, elsewhere to 1e-5."""
    if same_machine:
        return ours["sha256"] == theirs["sha256"]
    pairs = zip(ours["values"], theirs["values"], strict=True)
    return all(
        one is other if None in (one, other) else one == pytest.approx(other, rel=1e-5, abs=1e-5)
        for one, other in pairs
    )
