import subprocess
import sys

import numpy as np
import pytest

from freeconv.commands.rerun import check_out, first_difference, rerun, stored_job
from freeconv.commands.train import train
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.study import grid, paths
from tests.tiny_jobs import checkpoint_path, config, data_path, run_path, shard_path, write_tiny

JOB = config(levels=[0.2], fold_indices=[2], epochs=2)
(RUN,) = JOB.runs()
FILE = grid.run_file(RUN)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return the folder of a study with one run."""
    folder = tmp_path_factory.mktemp("study")
    write_tiny(folder)
    places = shard_path(folder), run_path(folder), checkpoint_path(folder)
    train(JOB, data_path(folder), *places, lambda *_: None, threads=1)
    return folder


@pytest.fixture
def here(study, monkeypatch):
    """Work in the study's folder."""
    monkeypatch.chdir(study)
    return study


def test_the_job_is_what_the_file_says(here):
    job = stored_job(FILE)
    assert job == JOB
    assert stored_job(FILE, epochs=7).epochs == 7


def test_a_run_is_trained_again_into_a_file_of_its_own(here, tmp_path):
    before = (here / FILE).read_bytes()
    kept = here / paths.shard_file("tiny", "translate", 0.2, 1)
    shard = kept.read_bytes()
    kept.unlink()  # as with shards.keep: false
    out, work = tmp_path / "again.h5", tmp_path / "work"
    work.mkdir()
    try:
        rerun(stored_job(FILE), out, work, lambda *_: None, threads=1)
    finally:
        kept.write_bytes(shard)
    assert (here / FILE).read_bytes() == before
    one, two = (read_h5(path)[0] for path in (FILE, out))
    timed = {"history/cpu_seconds"}
    assert all(np.array_equal(one[name], two[name], equal_nan=True) for name in one if name not in timed)
    assert first_difference(FILE, out) == "the same accuracies and losses in all 2 epochs, bit for bit"


def test_what_differs_is_said(here, tmp_path):
    arrays, attributes = read_h5(FILE)
    arrays["history/val_acc"][1] += 0.25
    write_h5(tmp_path / "other.h5", arrays, attributes, "none")
    said = first_difference(FILE, tmp_path / "other.h5")
    before = 100 * arrays["history/val_acc"][1]
    assert said.startswith("other numbers from epoch 2 on; validation accuracy after epoch 2: ")
    assert said.endswith(f"{before - 25:.2f} %, now {before:.2f} %")


def test_nothing_is_written_over(here, tmp_path):
    with pytest.raises(FreeconvError, match=r"--out .*: expected a file that is not there yet, received one"):
        check_out(FILE)
    check_out(tmp_path / "new.h5")


def test_a_file_that_is_no_runs_is_refused(here):
    with pytest.raises(FreeconvError, match=r"tiny\.h5: expected the file of a run, .*received another one"):
        stored_job(paths.data_file("tiny"))


TAKES_ALL_OPTIONS = pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0), reason="pdb of Python 3.13.0 takes a program's options for its own (gh-125115)"
)


@pytest.mark.parametrize("debugger", [[], pytest.param(["-m", "pdb"], marks=TAKES_ALL_OPTIONS)])
def test_from_the_command_line_and_under_a_debugger(here, debugger):
    command = [sys.executable, *debugger, "-m", "freeconv", "rerun", FILE, "--out", FILE]
    done = subprocess.run(command, input="continue\nquit\n", capture_output=True, text=True, cwd=here)
    assert f"--out {FILE}: expected a file that is not there yet" in done.stderr
    if not debugger:
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
