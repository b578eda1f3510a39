"""Files that were cut off, changed, or belong to something else."""

import shutil

import numpy as np
import pytest

from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.storage.checkpoint_file import checkpoint_identity, read_checkpoint
from freeconv.storage.csv_files import read_csv, read_summed, write_csv
from freeconv.storage.hdf5 import read_h5
from freeconv.storage.pictures import read_svg
from freeconv.storage.shard_file import read_shard
from freeconv.study import grid, paths
from tests.faults import writers
from tests.faults.writers import PARAMS, WRITERS, one_run, prepare_report, write_one_checkpoint

METRICS = b"metrics.json"
CELL = ("mnist-5k", "fcn", "translate", 0.2)


def array_bytes(path):
    """Return what an HDF5 file is read as."""
    arrays, attributes = read_h5(path)
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}, attributes


def checkpoint_bytes(path):
    """Return what a checkpoint is read as; a refused one is reported and deleted."""
    run, _ = one_run()
    found = read_checkpoint(path, checkpoint_identity([run], False, "0" * 64, {"backend": "tensorflow"}), 3)
    if found is None:
        raise FreeconvError("reported on standard output")
    return repr(found)


def table_text(path):
    """Return what a table of results is read as."""
    frame, config = read_csv(path)
    return frame.to_csv(), config


def summed_bytes(path):
    """Return what a table of the report is read as."""
    return read_summed(path, paths.sums_file())


# Kind of file to one of that kind, and to the function that reads it.
KINDS = {
    "data": (paths.data_file("mnist-5k"), array_bytes),
    "shard": (paths.shard_file("mnist-5k", "translate", 0.2, 0), array_bytes),
    "train": (paths.run_file(*CELL, 0), array_bytes),
    "checkpoint": (paths.checkpoint_file("ab12"), checkpoint_bytes),
    "distance": (paths.distance_file(*CELL), table_text),
    "measure": (paths.measure_file(*CELL), table_text),
    "table": ("reports/tables/accuracy.csv", summed_bytes),
    "metrics": ("reports/metrics.json", summed_bytes),
    "sums": (paths.sums_file(), lambda path: summed_bytes("reports/metrics.json")),
    "figure": (grid.figure_files(PARAMS)[0], read_svg),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a file of every kind."""
    folder = tmp_path_factory.mktemp("damage")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare_report()
        WRITERS["shard"].write()
        write_one_checkpoint()
    return folder


@pytest.fixture(params=list(KINDS))
def stored(request, folder, tmp_path, monkeypatch):
    """Return a file, the function that reads it, and its content."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    path, read = KINDS[request.param]
    if request.param == "figure":
        assert path.endswith(".svg")
    return tmp_path / path, path, read, (tmp_path / path).read_bytes()


def is_reported(file, path, read, content, damaged) -> tuple[bool, bool]:
    """Return whether a damaged file is refused in one line, and whether it is read as something else than it was."""
    file.write_bytes(content)
    expected = read(path)
    file.write_bytes(damaged)
    try:
        return False, read(path) != expected
    except FreeconvError as error:
        return "\n" not in str(error), False
    finally:
        file.write_bytes(content)


@pytest.mark.representative
def test_cut_off(stored, count):
    *about, content = stored
    for length in {0, 1, 8, 100, *(len(content) * part // 16 for part in range(16)), len(content) - 1}:
        if length < len(content):
            reported, changed = is_reported(*about, content, content[:length])
            # The lines of SHA256SUMS that are not of the file that is read may be gone.
            if about[1] != paths.sums_file():
                assert reported, length
            count("a file that is cut off", reported=reported, changed=changed)
            assert not changed, length


@pytest.mark.parametrize("width", [1, 64], ids=["one bit", "64 bytes"])
def test_changed(stored, count, width):
    """What goes unnoticed is where nothing is stored."""
    *about, content = stored
    rng = np.random.default_rng(len(content))
    noticed = within = 0
    # Of SHA256SUMS, only the line of one file is read.
    sums = about[1] == paths.sums_file()
    end = content.find(b"\n", content.find(METRICS)) if sums else len(content)
    start = content.rfind(b"\n", 0, end) + 1
    for place in rng.integers(0, len(content), 150):
        damaged = bytearray(content)
        if width == 1:
            damaged[place] ^= 1 << int(rng.integers(8))
        else:
            damaged[place : place + width] = rng.bytes(len(damaged[place : place + width]))
        if bytes(damaged) != content:
            reported, changed = is_reported(*about, content, bytes(damaged))
            noticed += reported
            within += place < end and place + width > start
            name = "a flipped bit" if width == 1 else "64 bytes that are others"
            count(name, reported=reported, changed=changed)
            assert not changed, place
    assert noticed >= (within if sums else 11) > 0


@pytest.mark.representative
def test_another_kind_of_file(stored, folder, count):
    *about, content = stored
    for kind, (other, _) in KINDS.items():
        foreign = (folder / other).read_bytes()
        if foreign != content and kind != about[1]:
            reported, changed = is_reported(*about, content, foreign)
            # A file of ours in the same format is read as what it is: whoever reads it then compares configurations.
            ours = (about[2] is array_bytes and other.endswith(".h5")) or (
                about[2] is table_text and other.startswith("results/") and other.endswith(".csv")
            )
            assert reported or ours or about[1] == paths.sums_file()
            if not ours:
                count("a file of another kind", reported=reported, changed=changed)
                assert not changed, other


@pytest.mark.representative
def test_a_shard_of_another_level(folder, monkeypatch, count):
    monkeypatch.chdir(folder)
    path, _ = KINDS["shard"]
    config = grid.shard_config(PARAMS, "mnist-5k", "translate", 0.2, 0)
    data_sha256 = read_h5(paths.data_file("mnist-5k"))[1]["content_sha256"]
    read_shard(path, config, data_sha256)
    other = config.model_copy(update={"level": 0.4})
    for wanted, sha256, key in ((other, data_sha256, "level"), (config, "1" * 64, "data")):
        with pytest.raises(FreeconvError, match=f"{path}: expected .*{key}"):
            read_shard(path, wanted, sha256)
        count("a file from other parameters or data", reported=1)


@pytest.mark.representative
@pytest.mark.parametrize("kind", ["train", "distance", "measure"])
def test_results_from_other_parameters(folder, tmp_path, monkeypatch, count, kind):
    """They are left out of the tables and named, and come back when they are right."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    tables = {path: (tmp_path / path).read_bytes() for path in paths.table_files()}
    path, _ = KINDS[kind]
    right = (tmp_path / path).read_bytes()
    if kind == "train":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writers, "PARAMS", PARAMS.model_copy(update={"seed": 7}))
            WRITERS[kind].write()
        # it is the study's only run
        with pytest.raises(FreeconvError, match=f"none that can be used; first: {path}: expected seed = 0, received 7"):
            make_tables(PARAMS)
    else:
        frame, config = read_csv(path)
        config["train"]["seed"] = 7
        write_csv(path, frame, config)
        (problem,) = make_tables(PARAMS)
        assert problem.text().startswith(f"{path}: expected train.seed = 0, received 7")
    (tmp_path / path).write_bytes(right)
    make_tables(PARAMS)
    changed = {path: (tmp_path / path).read_bytes() for path in paths.table_files()} != tables
    count("a file from other parameters or data", reported=1, recovered=not changed, changed=changed)
    assert not changed
