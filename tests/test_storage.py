import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from freeconv.errors import FreeconvError
from freeconv.storage import read_h5, write_h5, write_text

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


@settings(max_examples=25)
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


def test_a_cut_off_file_is_refused(path):
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FreeconvError, match=r"file\.h5.*remove") as refused:
            read_h5(path)
        assert "\n" not in str(refused.value)


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
    with pytest.raises(FreeconvError, match="SHA-256 None"):
        read_h5(path)


def test_a_failed_write_leaves_what_was_there(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr("freeconv.storage.os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_h5(path, {"other": np.zeros(3)}, {})
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "other")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["file.h5"]


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_h5(tmp_path / name, ARRAYS, ATTRIBUTES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_array_is_named(tmp_path):
    write_h5(tmp_path / "file.h5", {"history/val_acc": np.zeros(3)}, {}, "none")
    with pytest.raises(FreeconvError, match=r"file\.h5: expected the array network/dense/kernel, received") as error:
        read_h5(tmp_path / "file.h5", ["history/val_acc", "network/dense/kernel"])
    assert "\n" not in str(error.value)
