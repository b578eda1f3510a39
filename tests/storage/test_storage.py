import ast
import errno
import fcntl
import os
import subprocess
import time
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from freeconv.errors import FreeconvError
from freeconv.machine.clock import repair_times
from freeconv.storage import atomic, hdf5
from freeconv.storage.atomic import write_text
from freeconv.storage.csv_files import read_csv, read_summed, write_csv, write_sums
from freeconv.storage.hdf5 import describe_h5, read_h5, write_h5
from freeconv.storage.pictures import read_png, read_svg, sealed_svg

ARRAYS = {"images": np.arange(3000, dtype="uint8").reshape(300, 10), "history/loss": np.ones(4, "float32")}
ATTRIBUTES = {"config": {"level": 0.2}, "grid": [13, 13], "seconds": 1.5, "device": "CPU"}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "file.h5"
    write_h5(path, ARRAYS, ATTRIBUTES)
    return path


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_what_is_written_is_read(tmp_path, compression):
    path = tmp_path / "file.h5"
    write_h5(path, ARRAYS, ATTRIBUTES, compression)
    arrays, attributes = read_h5(path)
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert ATTRIBUTES.items() <= attributes.items()
    assert [file.name for file in tmp_path.iterdir()] == ["file.h5"]


@settings(max_examples=25, deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from(["uint8", "float16", "float32", "int64"]), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0)
    )
)
def test_any_array_survives(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("any") / "file.h5"
    write_h5(path, {"array": array}, {})
    np.testing.assert_array_equal(read_h5(path)[0]["array"], array)


def test_some_arrays_can_be_read_alone(path):
    assert set(read_h5(path, ["history/loss"])[0]) == {"history/loss"}
    with pytest.raises(FreeconvError, match="nothing"):
        read_h5(path, ["nothing"])


def refusal(path, read=read_h5) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(FreeconvError) as refused:
        read(path)
    line = str(refused.value)
    assert line.startswith(f"{path}: expected ")
    assert "remove" in line
    assert "\n" not in line
    return line


def is_same(path) -> bool:
    """Whether a file is refused, else whether it is read as it was written."""
    try:
        arrays, attributes = read_h5(path)
    except FreeconvError as error:
        return str(error).startswith(f"{path}: expected ") and "\n" not in str(error)
    stored = {name: arrays[name].tobytes() for name in arrays}
    return (
        stored == {name: array.tobytes() for name, array in ARRAYS.items()} and ATTRIBUTES.items() <= attributes.items()
    )


def test_a_cut_off_file_is_refused(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refusal(path)


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_a_changed_byte_is_noticed_or_changes_nothing(tmp_path, compression):
    path = tmp_path / "file.h5"
    write_h5(path, ARRAYS, ATTRIBUTES, compression)
    whole = path.read_bytes()
    # a prime step and a start of its own for each kind: over time, all parts of the format
    for position in range(len(compression), len(whole), 29):
        for change in (0xFF, 1 << position % 8):
            changed = bytearray(whole)
            changed[position] ^= change
            path.write_bytes(changed)
            assert is_same(path), (position, change)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_overwritten_bytes_are_noticed_or_change_nothing(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "file.h5"
    write_h5(path, ARRAYS, ATTRIBUTES, data.draw(st.sampled_from(["zstd", "gzip", "none"])))
    whole = path.read_bytes()
    start, text = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.binary(min_size=1, max_size=600))
    path.write_bytes((whole[:start] + text + whole[start + len(text) :])[: len(whole)])
    assert is_same(path)


def test_what_is_read_alone_is_verified_alone(path):
    with h5py.File(path, "r+") as file:
        file["images"][0, 0] = 7
    assert read_h5(path, ["history/loss"])[0]["history/loss"].tolist() == [1, 1, 1, 1]
    assert "expected images with SHA-256" in refusal(path, lambda path: read_h5(path, ["images"]))


def test_arrays_are_described_without_being_read(path):
    arrays, attributes = describe_h5(path)
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == {
        "images": ("|u1", (300, 10)),
        "history/loss": ("<f4", (4,)),
    }
    assert attributes == read_h5(path)[1]
    with h5py.File(path, "r+") as file:
        file.attrs["seconds"] = 2.5
    assert "expected attributes with SHA-256" in refusal(path, describe_h5)


def test_the_identity_of_content_is_that_of_the_arrays(tmp_path):
    def identity(arrays, attributes=ATTRIBUTES, compression="none"):
        write_h5(tmp_path / "file.h5", arrays, attributes, compression)
        return read_h5(tmp_path / "file.h5")[1]["content_sha256"]

    first = identity(ARRAYS)
    assert identity(dict(reversed(ARRAYS.items())), {}, "zstd") == first
    others = [
        {"images": ARRAYS["images"]},
        {**ARRAYS, "images": ARRAYS["images"].reshape(10, 300)},
        {**ARRAYS, "images": ARRAYS["images"].astype("int16")},
        {**ARRAYS, "images": ARRAYS["images"] + 1},
        {"pictures": ARRAYS["images"], "history/loss": ARRAYS["history/loss"]},
    ]
    assert len({first, *map(identity, others)}) == 6


@pytest.mark.parametrize("change", ["config", "seconds", "device", "arrays", "content_sha256", "new"])
def test_a_changed_attribute_is_refused(path, change):
    with h5py.File(path, "r+") as file:
        file.attrs[change] = "other"
    refusal(path, lambda path: read_h5(path, []))


def test_a_file_of_an_earlier_version_is_refused(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["attributes_sha256"]
    assert refusal(path).endswith("which this version did not write; remove the file and run again")


def with_external_link(file, other):
    del file["images"]
    file["images"] = h5py.ExternalLink(other, "images")


def with_external_group(file, other):
    del file["history"]
    file["history"] = h5py.ExternalLink(other, "history")


def with_further_link(file, other):
    file["history/more"] = h5py.ExternalLink(other, "images")


def with_soft_link(file, other):
    file["more"] = h5py.SoftLink("/images")


def with_external_storage(file, other):
    del file["images"]
    file.create_dataset("images", (300, 10), "uint8", external=[(str(other), 0, 3000)])


def with_virtual_dataset(file, other):
    del file["images"]
    layout = h5py.VirtualLayout((300, 10), "uint8")
    layout[:] = h5py.VirtualSource(other, "images", (300, 10))
    file.create_virtual_dataset("images", layout)


@pytest.mark.parametrize(
    "change",
    [
        with_external_link,
        with_external_group,
        with_further_link,
        with_soft_link,
        with_external_storage,
        with_virtual_dataset,
    ],
)
def test_what_leads_out_of_a_file_is_refused_and_not_followed(path, tmp_path, change):
    other = tmp_path / "other.h5"
    write_h5(other, ARRAYS, ATTRIBUTES, "none")
    with h5py.File(path, "r+") as file:
        change(file, other)
    other.unlink()
    assert "expected data in the file itself, received" in refusal(path)
    assert "expected data in the file itself, received" in refusal(path, lambda path: read_h5(path, ["images"]))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1 << 40, 10), "uint8"), ((300, 10), "int8"), ((300,), "uint8"), ((), "S1000")]
)
def test_an_array_of_another_size_is_refused_before_it_is_read(path, shape, dtype):
    with h5py.File(path, "r+") as file:
        del file["images"]
        # of the largest, HDF5 stores nothing: it would be filled with zeros when read
        file.create_dataset("images", shape, dtype, chunks=(256, 10) if len(shape) == 2 else None)
    assert "expected images of type and shape" in refusal(path)


def test_arrays_that_nobody_wrote_are_refused(path):
    with h5py.File(path, "r+") as file:
        file["history/more"] = 1
    assert "received others, as history/more" in refusal(path)


def test_a_file_that_cannot_be_read_is_not_called_damaged(path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refused)
    with pytest.raises(FreeconvError, match="received Permission denied; change its owner or permissions"):
        read_h5(path)
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(FreeconvError, match="received Permission denied; change its owner or permissions"):
        read_csv(path)


def test_a_changed_value_is_refused(path):
    with h5py.File(path, "r+") as file:
        file["history/loss"][2] = 3
    with pytest.raises(FreeconvError, match="SHA-256"):
        read_h5(path)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "file.h5"
    path.write_text("not HDF5")
    with pytest.raises(FreeconvError, match="damaged or foreign"):
        read_h5(path)
    with h5py.File(path, "w") as file:
        file["images"] = 1
    refusal(path)


def test_a_failed_write_leaves_what_was_there(path, monkeypatch):
    before = path.read_bytes()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(full))
    line = f"^{path}: expected to write it, received No space left on device; make room on the disk .* and run again$"
    with pytest.raises(FreeconvError, match=line):
        write_h5(path, {"other": np.zeros(3)}, {})
    with pytest.raises(FreeconvError, match=line):
        write_text(path, "other")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["file.h5"]


@pytest.mark.parametrize("damage", [lambda held: held[:-1] + b"x", lambda held: held[:-1], lambda held: held + b"x"])
def test_what_the_disk_does_not_hold_is_not_taken(path, monkeypatch, damage):
    before = path.read_bytes()
    monkeypatch.setattr(atomic, "_flush", lambda file: file.write_bytes(damage(file.read_bytes())))
    with pytest.raises(FreeconvError, match=f"^{path}: expected to read back what was written, received other content"):
        write_h5(path, {"other": np.zeros(3)}, {})
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["file.h5"]


def test_a_file_has_one_writer(path):
    before, temporary = path.read_bytes(), path.with_name(f".{path.name}.tmp")
    with temporary.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FreeconvError, match="expected to be the one writer, received a file that another process"):
            write_h5(path, {"other": np.zeros(3)}, {})
    assert path.read_bytes() == before
    # what a killed writer left is no obstacle
    assert temporary.exists()
    write_h5(path, ARRAYS, ATTRIBUTES)
    assert path.read_bytes() == before
    assert not temporary.exists()


def test_the_same_content_has_the_same_bytes_whoever_still_holds_an_array(path, monkeypatch):
    before, held, create = path.read_bytes(), [], h5py.File.create_dataset

    def create_and_hold(*arguments, **options):
        held.append(create(*arguments, **options))
        return held[-1]

    monkeypatch.setattr(h5py.File, "create_dataset", create_and_hold)
    write_h5(path, ARRAYS, ATTRIBUTES)
    assert len(held) == len(ARRAYS)
    assert path.read_bytes() == before


def test_a_writer_that_renames_before_the_next_one_locks_loses_nothing(path, monkeypatch):
    """The next one has then opened what has become the file itself, and must not write into it."""
    before, temporary, lock = path.read_bytes(), path.with_name(f".{path.name}.tmp"), fcntl.flock

    def flock_late(file, operation):
        monkeypatch.setattr(fcntl, "flock", lock)
        os.replace(temporary, path.with_name("renamed"))
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    write_h5(path, ARRAYS, ATTRIBUTES)
    assert path.read_bytes() == before
    assert path.with_name("renamed").read_bytes() == b""


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_can_be_written(path, monkeypatch, number):
    def no_locks(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    write_text(path, "text")
    assert path.read_text() == "text"


def test_times_in_the_future_become_now(tmp_path):
    late, early = tmp_path / "late", tmp_path / "early"
    for file, moment in ((late, time.time() + 86400), (early, 1e9)):
        file.touch()
        os.utime(file, (moment, moment))
    assert repair_times([late, early, tmp_path / "none"]) == [str(late)]
    assert abs(late.stat().st_mtime - time.time()) < 60
    assert early.stat().st_mtime == 1e9


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_h5(tmp_path / name, ARRAYS, ATTRIBUTES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_array_is_named(tmp_path):
    write_h5(tmp_path / "file.h5", {"history/val_acc": np.zeros(3)}, {}, "none")
    with pytest.raises(FreeconvError, match=r"file\.h5: expected the array network/dense/kernel, received") as error:
        read_h5(tmp_path / "file.h5", ["history/val_acc", "network/dense/kernel"])
    assert "\n" not in str(error.value)


TABLE = pd.DataFrame({"fold": [0, 1], "layer": ["free_1", None], "distance": [0.123456789, float("nan")]})
CONFIG = {"level": 0.2, "radii": [1, 2], "network": "fcn", "images": None}


def test_a_table_is_read_with_its_configuration(tmp_path):
    path = tmp_path / "folder/0.2.csv"
    write_csv(path, TABLE, CONFIG)
    frame, config = read_csv(path)
    pd.testing.assert_frame_equal(frame, TABLE)
    assert config == CONFIG
    pd.testing.assert_frame_equal(pd.read_csv(path, comment="#"), TABLE)


def test_any_change_of_a_table_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "0.2.csv"
    write_csv(path, TABLE, CONFIG)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refusal(path, read_csv)
    lines = set()
    for position in range(len(whole)):
        for change in (0xFF, 0x20):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ change]) + whole[position + 1 :])
            try:
                frame, config = read_csv(path)
            except FreeconvError as error:
                lines.add(str(error).partition(", received")[2].partition(": ")[2])
            else:
                pd.testing.assert_frame_equal(frame, TABLE)
                assert config == CONFIG
    assert lines == {"", "the file was changed or damaged; remove the file and run again"}


def test_summed_files_are_those_that_were_summed(tmp_path):
    files = [tmp_path / "tables/a.csv", tmp_path / "metrics.json"]
    sums = tmp_path / "tables/SHA256SUMS"
    for path in files:
        write_text(path, f"a,b\n{path.name},1\n")
    write_sums(files, sums)
    for path in files:
        assert read_summed(path, sums) == path.read_bytes()
        whole = path.read_bytes()
        for other in (b"", whole[:-1], whole + b"\n", whole.replace(b"1", b"2")):
            path.write_bytes(other)
            refusal(path, lambda path: read_summed(path, sums))
        path.write_bytes(whole)
    other = tmp_path / "tables/b.csv"
    other.write_text("")
    assert "expected its SHA-256 in" in refusal(other, lambda path: read_summed(path, sums))
    done = subprocess.run(["sha256sum", "--check", "--strict", sums.name], cwd=sums.parent, capture_output=True)
    assert done.returncode == 0
    sums.write_bytes(b"\xff\n")
    refusal(files[0], lambda path: read_summed(path, sums))
    sums.unlink()
    with pytest.raises(FreeconvError, match=f"^{sums}: .*does not exist"):
        read_summed(files[0], sums)


PNG = cv2.imencode(".png", np.arange(64, dtype="uint8").reshape(8, 8))[1].tobytes()
SVG = sealed_svg('<svg xmlns="http://www.w3.org/2000/svg"><text>√(1 − 1)</text></svg>\n').encode()


@pytest.mark.parametrize(
    ("whole", "read"), [(PNG, read_png), (SVG, lambda path: read_svg(path).encode())], ids=["png", "svg"]
)
def test_a_changed_picture_is_refused(tmp_path, whole, read):
    path = tmp_path / "picture"
    path.write_bytes(whole)
    assert read(path) == whole
    changed = [whole[:length] for length in range(len(whole))] + [whole + b"\n", b"<svg>", whole[:8]]
    changed += [whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in range(len(whole))]
    for content in changed:
        path.write_bytes(content)
        refusal(path, read)


UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


@pytest.mark.parametrize("path", sorted(Path(hdf5.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_stored_is_run(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not UNSAFE & {name.partition(".")[0] for name in names}
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert keywords.get("allow_pickle", "False") == "False"
            assert not name.endswith(("read_pickle", "torch.load", "load_model"))
            assert name not in ("eval", "exec", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load")
