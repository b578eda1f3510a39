"""The file of a run: its arrays and attributes, written and read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freeconv.storage.hdf5 import describe_h5, read_h5, write_h5
from freeconv.study.jobs import RunConfig, check_config
from freeconv.training.state import Result, history_names


def result_arrays(result: Result, history: str = "float32") -> dict[str, np.ndarray]:
    """Return a result as the arrays of an HDF5 file.

    Args:
        result: of a run after at least no epoch, its first kernels recorded.
        history: dtype of the history.

    Returns:
        `history/<name>` (epochs,), `kernels/<layer>` (snapshots, positions, kh · kw · channels, filters) float32 of
        each recorded layer, if there are any, `kernel_epochs` (snapshots,) int64 and, of a finished run,
        `network/<layer>/<variable>` float32.
    """
    arrays = {f"history/{name}": np.array(values, history) for name, values in result.history.items()}
    for layer in result.kernels[0]:
        arrays[f"kernels/{layer}"] = np.stack([kernels[layer] for kernels in result.kernels.values()])
    arrays |= {f"network/{name}": array for name, array in result.network.items()}
    arrays["kernel_epochs"] = np.array(list(result.kernels), "int64")
    return arrays


def write_run(path: str | Path, result: Result, about: dict[str, Any]) -> None:
    """Write a run's results file.

    Args:
        path: the HDF5 file to write: the arrays of `result_arrays`; as attributes the
            configuration, `seconds`, `overhead_seconds` and `about`.
        result: the run.
        about: further attributes: `grids`, the rows and columns of positions of each layer of `kernels`, `classes`,
            `images` (their number in the dataset), `weights_seed`, `stack` (how many runs were trained side by side),
            `data_sha256`, `versions`, `backend`, `device`; `parent_sha256`, the content of the file that the first
            weights are from, if they are not random.
    """
    # Trained weights look like noise: compression would take time and save nothing.
    times = {"seconds": result.seconds, "overhead_seconds": result.overhead_seconds}
    write_h5(path, result_arrays(result), {"config": result.run.dump(), **times, **about}, compression="none")


@dataclass(frozen=True)
class Run:
    """One run without its kernels and weights.

    Attributes:
        config: what was trained.
        path: its file.
        history: name (see `freeconv.training.state.history_names`) to float array (epochs,); accuracies are
            shares in [0, 1].
        attributes: the file's attributes.
    """

    config: RunConfig
    path: str
    history: dict[str, np.ndarray]
    attributes: dict[str, Any]


def read_run(config: RunConfig, path: str) -> Run:
    """Read one run's histories, not its kernels, and check that it is the run asked for."""
    names = history_names(config.evaluate)
    arrays, attributes = read_h5(path, [f"history/{name}" for name in names])
    check_config(path, attributes.get("config"), config.dump())
    return Run(config, path, {name: arrays[f"history/{name}"] for name in names}, attributes)


def read_network(config: RunConfig, path: str | Path, data_sha256: str) -> dict[str, np.ndarray]:
    """Read the trained network of a run.

    Args:
        config: the run asked for.
        path: its file.
        data_sha256: the content of the dataset that it must have been trained on.

    Returns:
        `<layer>/<variable>` to float32.

    Raises:
        FreeconvError: the file is missing or damaged, or of another run.
    """
    described, attributes = describe_h5(path)
    check_config(path, attributes.get("config"), config.dump())
    check_config(path, {"data_sha256": attributes.get("data_sha256")}, {"data_sha256": data_sha256})
    arrays, _ = read_h5(path, [name for name in described if name.startswith("network/")])
    return {name.removeprefix("network/"): array for name, array in arrays.items()}
