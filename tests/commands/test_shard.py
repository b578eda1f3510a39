import errno
import os

import h5py
import numpy as np
import pytest

from freeconv.augmentations import AUGMENTATIONS
from freeconv.commands.shard import make_shard
from freeconv.data import passes
from freeconv.errors import FreeconvError
from freeconv.seeds import random_stream
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.storage.shard_file import read_shard
from freeconv.study.jobs import ShardConfig
from tests.tiny_jobs import data_about

COUNT = 23


def config(augmentation="translate", level=0.3, **other) -> ShardConfig:
    values = {
        "dataset": "tiny",
        "copy_index": 0,
        "seed": 0,
        "form": next(iter(AUGMENTATIONS[augmentation].forms), None),
    } | other
    return ShardConfig(augmentation=augmentation, level=level, **values)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (COUNT, 12, 12, 3), dtype=np.uint8),
        "labels": rng.integers(0, 10, COUNT),
    }
    path = tmp_path / "data" / "tiny.h5"
    write_h5(path, arrays, data_about(), "none")
    return path


def sha256(data) -> str:
    return read_h5(data)[1]["content_sha256"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shards" / "copy-0.h5"


@pytest.mark.parametrize("augmentation", list(AUGMENTATIONS))
def test_a_shard_is_the_augmented_dataset(data, path, augmentation):
    wanted = config(augmentation)
    make_shard(wanted, data, path)
    images, labels = read_shard(path, wanted, sha256(data))
    original, attributes = read_h5(data)
    scaled = original["images"].astype(np.float32) / 255
    expected = AUGMENTATIONS[augmentation].apply(scaled, 0.3, random_stream(0, "shard", "tiny", augmentation, 0.3, 0))
    if augmentation in ("noise", "edge_noise"):
        assert images.dtype == np.float16
        np.testing.assert_allclose(images, expected, atol=1e-3)
        assert images.min() < 0
        assert images.max() > 1
    else:
        assert images.dtype == np.uint8
        np.testing.assert_allclose(images / 255, expected, atol=0.501 / 255)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, original["labels"])
    stored = read_h5(path)[1]
    assert stored["config"] == wanted.dump()
    assert stored["data_sha256"] == attributes["content_sha256"]
    assert set(stored["versions"]) == {"freeconv", "h5py", "numpy", "opencv"}
    assert stored["compression"] == "zstd"


@pytest.mark.parametrize("augmentation", ["none", "translate", "rotate"])
def test_level_0_keeps_every_byte(data, path, augmentation):
    wanted = config(augmentation, 0.0)
    make_shard(wanted, data, path)
    np.testing.assert_array_equal(read_shard(path, wanted, sha256(data))[0], read_h5(data)[0]["images"])


@pytest.mark.parametrize("augmentation", ["translate", "edge_noise"])
def test_equal_configurations_give_equal_bytes(data, path, augmentation):
    make_shard(config(augmentation), data, path)
    first = path.read_bytes()
    path.unlink()
    make_shard(config(augmentation), data, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("augmentation", ["translate", "rotate", "noise", "edge_noise"])
def test_the_piece_size_does_not_matter(data, path, monkeypatch, augmentation):
    wanted = config(augmentation)
    make_shard(wanted, data, path)
    whole = read_shard(path, wanted, sha256(data))[0]
    monkeypatch.setattr(passes, "PIECE_IMAGES", 5)
    make_shard(wanted, data, path)
    np.testing.assert_array_equal(read_shard(path, wanted, sha256(data))[0], whole)


@pytest.mark.parametrize("other", [{"copy_index": 1}, {"seed": 1}, {"level": 0.4}])
def test_copies_seeds_and_levels_differ(data, path, other):
    make_shard(config(), data, path)
    first = read_shard(path, config(), sha256(data))[0]
    write_h5(data, read_h5(data)[0], data_about(other.get("seed", 0)), "none")
    make_shard(config(**other), data, path)
    assert not np.array_equal(read_shard(path, config(**other), sha256(data))[0], first)


@pytest.mark.parametrize(
    ("key", "value", "other"),
    [("level", 0.4, 0.3), ("copy_index", 1, 0), ("augmentation", "rotate", "translate"), ("seed", 5, 0)],
)
def test_a_shard_of_another_configuration_is_refused(data, path, key, value, other):
    make_shard(config(), data, path)
    with pytest.raises(FreeconvError, match=f"expected {key} = {value!r}, received {other!r}") as refused:
        read_shard(path, config(**{key: value}), sha256(data))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_changed_pixel_is_refused(data, path):
    make_shard(config(), data, path, "none")
    with h5py.File(path, "r+") as file:
        file["images"][0, 0, 0, 0] ^= 1
    with pytest.raises(FreeconvError, match="SHA-256"):
        read_shard(path, config(), sha256(data))


def test_a_missing_shard_is_refused(path):
    with pytest.raises(FreeconvError, match="does not exist"):
        read_shard(path, config(), "")


def test_a_shard_of_other_data_is_refused(data, path):
    make_shard(config(), data, path)
    with pytest.raises(FreeconvError, match="expected data_sha256 = 'other'"):
        read_shard(path, config(), "other")


def test_data_of_another_dataset_is_refused(data, path):
    with pytest.raises(FreeconvError, match="expected dataset = 'other', received 'tiny'"):
        make_shard(config(dataset="other"), data, path)
    assert not path.parent.exists()


@pytest.mark.parametrize("kept", [0, 100, 2000])
def test_cut_off_data_is_refused_and_leaves_nothing(data, path, kept):
    data.write_bytes(data.read_bytes()[:kept])
    with pytest.raises(FreeconvError, match=r"tiny\.h5: "):
        make_shard(config(), data, path)
    assert not path.parent.exists()


def test_a_failed_write_leaves_the_old_shard_and_no_other_file(data, path, monkeypatch):
    make_shard(config(), data, path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(FreeconvError, match="No space left on device"):
        make_shard(config(copy_index=1), data, path)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before
