"""Shards: augmented passes over a whole dataset, stored once and read by every run that trains on them."""

from pathlib import Path

import cv2
import h5py
import numpy as np

import freeconv
from freeconv.data.passes import augmented_pass
from freeconv.storage.dataset_file import read_dataset
from freeconv.storage.hdf5 import write_h5
from freeconv.study.jobs import ShardConfig
from freeconv.vocabulary import Compression


def make_shard(config: ShardConfig, data_path: str | Path, path: str | Path, compression: Compression = "zstd") -> None:
    """Augment every image of a dataset once and store the result.

    The paper draws new augmentations every epoch; training here cycles through `aug.copies` such passes.

    Args:
        config: dataset, augmentation, level, copy and seed; the random stream is
            `("shard", dataset, augmentation, level, copy_index)`.
        data_path: the dataset's HDF5 file, made by `freeconv fetch`.
        path: the shard to write. It holds `images` (n, height, width, channels), uint8 in [0, 255] and rounded, or
            for the unclipped noises float16 on the [0, 1] scale; `labels` (n,), int64; and the attributes `config`,
            `data_sha256` (the content the shard was made from) and `versions`.
        compression: `"zstd"`, `"gzip"` or `"none"`.

    Raises:
        FreeconvError: the dataset's file is missing, damaged, of another dataset or from other parameters.
    """
    dataset = read_dataset(data_path, config.data())
    images = augmented_pass(
        dataset.images,
        config.dataset,
        config.augmentation,
        config.form,
        config.level,
        config.copy_index,
        config.seed,
    )
    write_h5(
        path,
        {"images": images, "labels": dataset.labels},
        {
            "config": config.dump(),
            "data_sha256": dataset.sha256,
            "versions": {
                "freeconv": freeconv.__version__,
                "h5py": h5py.__version__,
                "numpy": np.__version__,
                "opencv": cv2.__version__,
            },
        },
        compression,
    )
