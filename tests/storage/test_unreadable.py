"""Files that cannot be read at the moment are not called damaged, removed or replaced."""

import errno
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from freeconv.commands.growth import found_results
from freeconv.errors import FreeconvError
from freeconv.storage import hdf5
from freeconv.storage.atomic import HINDRANCES, UnreadableError
from freeconv.storage.checkpoint_file import read_checkpoint
from freeconv.storage.csv_files import read_csv
from freeconv.storage.hdf5 import describe_h5, read_h5, write_h5
from freeconv.storage.pictures import read_png, read_svg
from freeconv.storage.results import read_runs
from freeconv.study import grid
from tests.made_study import small_params, write_data, write_run, write_runs

PARAMS = small_params(aug={"translate": [0]}, train={"folds": 3, "epochs": 4, "held_out": [0], "networks": ["fcn"]})


@pytest.fixture
def path(project):
    """Return the file of a run."""
    write_runs(PARAMS)
    return grid.run_files(PARAMS)[0]


@contextmanager
def no_handles():
    """Have no file handle left."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def is_unreadable(read, *words):
    """Fail unless a reader says in one line that a file cannot be read, and nothing of removing it."""
    with pytest.raises(UnreadableError) as error:
        read()
    text = str(error.value)
    assert "\n" not in text
    assert "remove" not in text
    assert "damaged" not in text
    assert all(word in text for word in words), text


@pytest.mark.parametrize("read", [read_h5, describe_h5, read_csv, read_png, read_svg])
def test_no_file_handles(path, read):
    with no_handles():
        is_unreadable(lambda: read(path), path, "Too many open files; raise the limit of open files (ulimit -n)")


@pytest.mark.parametrize("number", sorted(HINDRANCES))
def test_whatever_the_system_answers(path, monkeypatch, number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(hdf5.h5py, "File", refused)
    is_unreadable(lambda: read_h5(path), os.strerror(number), HINDRANCES[number])


def test_an_error_of_the_disk_while_it_is_read(path, monkeypatch):
    def failing(*_, **__):
        raise OSError(errno.EIO, "Can't synchronously read data")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", failing)
    is_unreadable(lambda: read_h5(path), "Input/output error; check the disk, keep the file")


def test_memory_that_does_not_suffice(path, monkeypatch):
    def failing(*_, **__):
        raise MemoryError

    monkeypatch.setattr(h5py.Dataset, "__getitem__", failing)
    is_unreadable(lambda: read_h5(path), "Cannot allocate memory; free memory")


def test_a_file_that_another_program_has_locked(path):
    hold = f"import h5py, time; f = h5py.File({path!r}, 'r+', locking=True); print('held', flush=True); time.sleep(60)"
    read = f"from freeconv.storage.hdf5 import read_h5; read_h5({path!r})"
    environment = {**os.environ, "HDF5_USE_FILE_LOCKING": "TRUE"}
    holder = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, env=environment)
    try:
        assert holder.stdout.readline() == b"held\n"
        done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, env=environment)
    finally:
        holder.kill()
        holder.wait()
    assert "UnreadableError" in done.stderr
    assert "wait for the program that has locked it" in done.stderr
    assert "remove" not in done.stderr.splitlines()[-1]


def test_links_in_a_circle_and_folders(project):
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    is_unreadable(lambda: read_h5("a"), "Too many levels of symbolic links; repair the link")
    Path("folder").mkdir()
    with pytest.raises(FreeconvError, match="folder: expected an HDF5 file, received something else"):
        read_h5("folder")
    with pytest.raises(FreeconvError, match="folder: expected a file, received something else"):
        read_csv("folder")


def test_tables_are_not_made_without_what_cannot_be_read(path):
    write_data("mnist-5k")
    with no_handles():
        is_unreadable(lambda: read_runs(PARAMS))


def test_training_does_not_replace_a_run_that_cannot_be_read(path, project):
    content = (project / path).read_bytes()
    (job,) = grid.jobs(PARAMS)
    with no_handles():
        is_unreadable(lambda: found_results(job, grid.run_file, lambda run: {}, "attic"))
    assert (project / path).read_bytes() == content
    assert not (project / "attic").exists()


def test_a_checkpoint_that_cannot_be_read_is_kept(project):
    write_h5("checkpoint.h5", {"identity": np.zeros(3, "uint8")}, {}, "none")
    with no_handles():
        is_unreadable(lambda: read_checkpoint("checkpoint.h5", {}, 3))
    assert (project / "checkpoint.h5").exists()


@pytest.mark.parametrize("shape", [(2**42,), (2**21, 2**21), (0x7FFFFFFF, 1, 1, 64)])
@pytest.mark.parametrize("chunks", [None, True])
def test_headers_that_claim_what_no_disk_holds(project, shape, chunks):
    write_h5("a.h5", {"x": np.zeros((2, 2))}, {}, "none")
    described = {"x": ["<f8", list(shape), "0" * 64]}
    with h5py.File("a.h5", "r+") as file:
        del file["x"]
        file.create_dataset("x", shape, "<f8", chunks=chunks)
        hdf5._write_attribute(file, "arrays", hdf5.json.dumps(described))
        del file.attrs["attributes_sha256"]
        values = {name: hdf5._value(value) for name, value in file.attrs.items()}
        hdf5._write_attribute(file, "attributes_sha256", hdf5._json_sha256(values))
    with pytest.raises(FreeconvError, match=r"a.h5: expected x to be stored whole, received a claim of .*; remove"):
        read_h5("a.h5")


def test_a_run_that_grows_finds_its_file_again(path):
    """What could not be read a moment ago is used when it can be."""
    (run,) = grid.runs(PARAMS)
    write_run(run, 4)
    with no_handles(), pytest.raises(UnreadableError):
        read_runs(PARAMS)
    assert len(read_runs(PARAMS)[0]) == 1
