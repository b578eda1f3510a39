"""The file of a shard, read into memory."""

from pathlib import Path

import numpy as np

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN
from freeconv.storage.hdf5 import read_h5
from freeconv.study.jobs import ShardConfig, check_config


def read_shard(path: str | Path, config: ShardConfig, data_sha256: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read a shard, whole, and refuse one that is not what `config` says.

    Args:
        path: the shard's file.
        config: what the shard must have been made from.
        data_sha256: the content of the dataset that it must have been made from, if it is known.

    Returns:
        Images (n, height, width, channels), uint8 in [0, 255] or float16 on the [0, 1] scale (see `make_shard`), and
        labels (n,), int64.

    Raises:
        FreeconvError: the file is missing or damaged, was made from another configuration, or is no shard.
    """
    arrays, attributes = read_h5(path)
    check_config(path, attributes.get("config"), config.dump())
    if data_sha256 is not None:
        check_config(path, {"data_sha256": attributes.get("data_sha256")}, {"data_sha256": data_sha256})
    images, labels = arrays.get("images"), arrays.get("labels")
    if images is None or labels is None or images.ndim != 4 or labels.shape != images.shape[:1] or not len(labels):
        raise FreeconvError(f"{path}: expected images with a label each, received a shard without; {AGAIN}")
    return images, labels
