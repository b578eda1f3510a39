"""Shards: augmented passes over a whole dataset, stored once and read by every run that trains on them."""

from pathlib import Path

import cv2
import h5py
import numpy as np

import freeconv
from freeconv.augment import AUGMENT
from freeconv.configs import Compression, ShardConfig, check_config
from freeconv.errors import FreeconvError
from freeconv.storage import read_h5, write_h5
from freeconv.streams import random_stream

PIECE_IMAGES = 4096  # bounds the float32 copies: 50 MB each at 32 × 32 × 3


def make_shard(config: ShardConfig, data_path: str | Path, path: str | Path, compression: Compression = "zstd") -> None:
    """Augment every image of a dataset once and store the result.

    The paper draws new augmentations every epoch; training here cycles through `aug.copies` such passes.

    Args:
        config: dataset, augmentation, level, copy and seed; the random stream is
            `("shard", dataset, augmentation, level, copy_index)`.
        data_path: the dataset's HDF5 file, made by `freeconv.fetch`.
        path: the shard to write. It holds `images` (n, height, width, channels), uint8 in [0, 255] and rounded, or
            for the unclipped noises float16 on the [0, 1] scale; `labels` (n,), int64; and the attributes `config`,
            `data_sha256` (the content the shard was made from) and `versions`.
        compression: `"zstd"`, `"gzip"` or `"none"`.

    Raises:
        FreeconvError: the dataset's file is missing, damaged or of another dataset.
    """
    arrays, attributes = read_h5(data_path)
    if attributes.get("dataset") != config.dataset:
        raise FreeconvError(
            f"{data_path}: expected dataset = {config.dataset!r}, received {attributes.get('dataset')!r}; "
            "remove the file and run again"
        )
    write_h5(
        path,
        {"images": _augmented(arrays.pop("images"), config), "labels": arrays["labels"]},
        {
            "config": config.dump(),
            "data_sha256": attributes["content_sha256"],
            "versions": {
                "freeconv": freeconv.__version__,
                "h5py": h5py.__version__,
                "numpy": np.__version__,
                "opencv": cv2.__version__,
            },
        },
        compression,
    )


def read_shard(path: str | Path, config: ShardConfig, data_sha256: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a shard, whole, and refuse one that is not what `config` says.

    Args:
        path: the shard's file.
        config: what the shard must have been made from.
        data_sha256: the content of the dataset that it must have been made from.

    Returns:
        Images (n, height, width, channels), uint8 in [0, 255] or float16 on the [0, 1] scale (see `make_shard`), and
        labels (n,), int64.

    Raises:
        FreeconvError: the file is missing or damaged, or was made from another configuration.
    """
    arrays, attributes = read_h5(path)
    check_config(path, attributes.get("config"), config.dump())
    check_config(path, {"data_sha256": attributes.get("data_sha256")}, {"data_sha256": data_sha256})
    return arrays["images"], arrays["labels"]


def _augmented(images: np.ndarray, config: ShardConfig) -> np.ndarray:
    """Return the augmented pass over uint8 images, in the type that a shard stores."""
    rng = random_stream(config.seed, "shard", config.dataset, config.augmentation, config.level, config.copy_index)
    unclipped = config.augmentation in ("noise", "edge_noise")
    form = {"form": config.form} if config.form else {}
    augmented = np.empty(images.shape, np.float16 if unclipped else np.uint8)
    for start in range(0, len(images), PIECE_IMAGES):
        piece = slice(start, start + PIECE_IMAGES)
        scaled = images[piece].astype(np.float32) / np.float32(255)
        result = AUGMENT[config.augmentation](scaled, config.level, rng, **form)
        augmented[piece] = result if unclipped else np.rint(result * 255)
    return augmented
