"""Making a shard takes as long as augmenting its images: writing HDF5 is not what bounds it.

`freeconv.commands.shard.make_shard` on synthetic datasets of 60,000 images of 28 × 28 × 1 and 20,000 of 32 × 32 × 3,
translated, into a temporary folder; writing (hash, compression, flush to disk and reading back to verify) and reading
the dataset are timed inside the call, the rest is augmentation. Reading is `freeconv.storage.shard_file.read_shard`,
verified, too. Sizes and compressions take turns.

Target: writing ≤ 1.0 of augmentation with zstd, the default; gzip and none for comparison.

    python benchmarks/shards.py
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from measuring import arguments, compared, measured, round_robin, write_result

from freeconv.commands import shard
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.storage.shard_file import read_shard
from freeconv.study.jobs import ShardConfig

COMMAND = "python benchmarks/shards.py"
SHAPES = {"28 × 28 × 1": ((28, 28, 1), 60_000), "32 × 32 × 3": ((32, 32, 3), 20_000)}
COMPRESSIONS = {"zstd": "≤ 1.0", "gzip": None, "none": None}
ROUNDS, QUICK_IMAGES = 7, 300


def synthetic_images(number: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return uint8 images that compress about as photographs and digits do: smooth, dark areas black."""
    rng = np.random.default_rng(0)
    coarse = rng.random((number, 7, 7, shape[2]), "float32")
    images = np.stack([cv2.resize(image, shape[1::-1], interpolation=cv2.INTER_CUBIC) for image in coarse])
    return np.clip(510 * images.reshape(number, *shape) - 255, 0, 255).astype("uint8")


class Making:
    """Makes one shard again and again, and keeps how long its parts took.

    Attributes:
        seconds: part to one value per call.
    """

    def __init__(self, config: ShardConfig, data: Path, path: Path, compression: str) -> None:
        self.arguments = (config, data, path, compression)
        self.seconds: dict[str, list[float]] = {"reading the dataset": [], "writing": [], "augmentation": []}

    def __call__(self) -> None:
        """Make the shard."""
        begin = time.perf_counter()
        with (
            mock.patch.object(shard, "read_dataset", self._timed("reading the dataset", shard.read_dataset)),
            mock.patch.object(shard, "write_h5", self._timed("writing", shard.write_h5)),
        ):
            shard.make_shard(*self.arguments)
        total = time.perf_counter() - begin
        others = self.seconds["reading the dataset"][-1] + self.seconds["writing"][-1]
        self.seconds["augmentation"].append(total - others)

    def _timed(self, part: str, function: Callable) -> Callable:
        """Return `function`, adding its time to `part`."""

        def timed(*args: Any) -> Any:
            begin = time.perf_counter()
            try:
                return function(*args)
            finally:
                self.seconds[part].append(time.perf_counter() - begin)

        return timed


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    options = arguments(__doc__).parse_args(command_line)
    rounds = 2 if options.quick else ROUNDS
    measurements, comparisons = [], []
    with tempfile.TemporaryDirectory() as folder:
        for size, (shape, number) in SHAPES.items():
            number = QUICK_IMAGES if options.quick else number
            data = Path(folder, f"data-{shape[0]}.h5")
            labels = np.arange(number, dtype="int64") % 10
            config = ShardConfig(
                dataset="synthetic", augmentation="translate", form=None, level=0.2, copy_index=0, seed=0
            )
            about = {"dataset": "synthetic", "config": config.data().dump()}
            write_h5(data, {"images": synthetic_images(number, shape), "labels": labels}, about)
            sha256 = read_h5(data)[1]["content_sha256"]
            paths = {name: Path(folder, f"shard-{shape[0]}-{name}.h5") for name in COMPRESSIONS}
            making = {name: Making(config, data, path, name) for name, path in paths.items()}
            reading = {f"read {name}": partial(read_shard, path, config, sha256) for name, path in paths.items()}
            seconds = round_robin({**making, **reading}, rounds)
            for name, target in COMPRESSIONS.items():
                parts = {part: np.array(values[1:]) for part, values in making[name].seconds.items()}
                measurements.append(measured(f"{size}, {name}: make a shard", seconds[name], "s"))
                measurements += [measured(f"{size}, {name}: … {part}", values, "s") for part, values in parts.items()]
                measurements.append(measured(f"{size}, {name}: read a shard", seconds[f"read {name}"], "s"))
                measurements.append(measured(f"{size}, {name}: its size", paths[name].stat().st_size / 1e6, "MB"))
                ratios = parts["writing"] / parts["augmentation"]
                comparisons.append(compared(f"{size}, {name}: writing / augmentation, time", ratios, target))
    images = {size: QUICK_IMAGES if options.quick else number for size, (_, number) in SHAPES.items()}
    write_result(
        "shards",
        __doc__,
        COMMAND,
        f"{rounds} rounds; " + ", ".join(f"{number:,} images of {size}" for size, number in images.items()),
        measurements,
        comparisons,
        options,
    )


if __name__ == "__main__":
    main()
