"""The file of a run: its arrays and attributes, written, read, and continued."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN
from freeconv.storage.hdf5 import Array, describe_h5, read_h5, write_h5
from freeconv.storage.run_content import check_run, check_values
from freeconv.study import paths
from freeconv.study.jobs import OutdatedError, RunConfig
from freeconv.training.state import Result, history_names

ENVIRONMENT = ("versions", "backend", "device", "threads", "flags")


def result_arrays(result: Result, history: str = "float32") -> dict[str, np.ndarray]:
    """Return a result as the arrays of an HDF5 file.

    Args:
        result: of a run after at least no epoch, its first kernels recorded.
        history: dtype of the history.

    Returns:
        `history/<name>` (epochs,), `kernels/<layer>` (snapshots, positions, kh · kw · channels, filters) float32 of
        each recorded layer, if there are any, `kernel_epochs` (snapshots,) int64 and, of a finished run,
        `network/<layer>/<variable>` float32 and, if it can be continued, `state/…` (see
        `freeconv.training.state.kept_state`).
    """
    arrays = {f"history/{name}": np.array(values, history) for name, values in result.history.items() if values}
    for layer in next(iter(result.kernels.values()), {}):
        arrays[f"kernels/{layer}"] = np.stack([kernels[layer] for kernels in result.kernels.values()])
    arrays |= {f"network/{name}": array for name, array in result.network.items()}
    arrays |= {f"state/{name}": array for name, array in result.state.items()}
    arrays["kernel_epochs"] = np.array(list(result.kernels), "int64")
    return arrays


def write_run(path: str | Path, result: Result, about: Mapping[str, Any]) -> None:
    """Write a run's results file.

    Args:
        path: the HDF5 file to write: the arrays of `result_arrays`; as attributes the configuration, `epochs` (that it
            was trained), `stopped_early`, `seconds`, `overhead_seconds`, `stack` (how many runs were trained side by
            side), `versions`, `backend`, `device`, `flags` and `threads` where it began, `seams` (a list of these with
            `epoch`, the epochs done before: where it went on elsewhere) and `about`.
        result: the run.
        about: further attributes: `grids`, the rows and columns of positions of each layer of `kernels`, `classes`,
            `images` (their number in the dataset), `weights_seed`, `data_sha256`, `code` (hash of what trains);
            `parent_sha256`, the content of the file that the first weights are from, if they are not random.
    """
    first, *seams = result.environments or [{}]
    attributes = {
        "config": result.run.dump(),
        "epochs": result.epochs,
        "stopped_early": result.stopped_early,
        "seconds": result.seconds,
        "overhead_seconds": result.overhead_seconds,
        "stack": result.stack,
        "seams": seams,
        **{name: value for name, value in first.items() if name != "epoch"},
        **about,
    }
    # Trained weights look like noise: compression would take time and save nothing.
    write_h5(path, result_arrays(result), attributes, compression="none")


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


def read_run(config: RunConfig, path: str, epochs: int | None, any_code: bool = False) -> Run:
    """Read one run's histories, not its kernels, and check that it is the run asked for.

    Args:
        config: the run.
        path: its file.
        epochs: asked for; of a run that was trained longer, the first ones are read; all, however many, if None.
        any_code: whether it may have been trained by other code.

    Raises:
        FreeconvError: the file is missing or damaged, of another run, or the run has fewer epochs and did not stop
            early.
    """
    arrays, attributes = read_whole(config, path, lambda name: name.startswith("history/"), any_code=any_code)
    history = {name: arrays[f"history/{name}"] for name in history_names(config) if f"history/{name}" in arrays}
    if epochs is not None:
        _check_epochs(path, attributes, history["val_acc"], epochs)
    return Run(config, path, {name: values[:epochs] for name, values in history.items()}, attributes)


def read_whole(
    config: RunConfig, path: str | Path, wanted: Callable[[str], bool] = lambda _: True, any_code: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays of a run's file, and refuse one that is not of this run, or holds what no run can.

    Args:
        config: the run.
        path: its file.
        wanted: takes an array's name, returns whether it is read.
        any_code: whether it may have been trained by other code.

    Returns:
        Arrays by name, and the file's attributes.

    Raises:
        UnreadableError: the file cannot be read at the moment.
        FreeconvError: the file is missing or damaged, of another run, or impossible.
    """
    described, attributes = describe_h5(path)
    check_run(path, described, attributes, config, any_code)
    arrays, attributes = read_h5(path, [name for name in described if wanted(name)])
    check_values(path, arrays)
    return arrays, attributes


def _check_epochs(path: str | Path, attributes: Mapping[str, Any], accuracies: np.ndarray, epochs: int) -> None:
    """Refuse a run that has fewer epochs than asked for and did not stop early."""
    if len(accuracies) < epochs and not has_stopped_early(attributes, accuracies):
        raise OutdatedError(f"{path}: expected {epochs} epochs, received {len(accuracies)}; run snakemake")


def has_stopped_early(attributes: Mapping[str, Any], accuracies: np.ndarray) -> bool:
    """Return whether a run has stopped early; files of earlier versions do not say it.

    Args:
        attributes: of its file.
        accuracies: on the clean held-out fold, by epoch.
    """
    waited = len(accuracies) - _best_epoch(accuracies)
    return bool(attributes.get("stopped_early", waited >= attributes["config"]["patience"]))


def _best_epoch(accuracies: Sequence[float] | np.ndarray) -> int:
    """Return the epoch, counted from 1, of the best accuracy; 0 if there is none."""
    return int(np.argmax(accuracies)) + 1 if len(accuracies) else 0


def stored_epochs(described: Mapping[str, Array]) -> int:
    """Return how many epochs a run's file holds.

    Args:
        described: what it says of its arrays.
    """
    return described["history/val_acc"].shape[0]


def read_kernels(
    config: RunConfig, path: str | Path, epochs: int | None, any_code: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the kernels of a run's recorded layers.

    Args:
        config: the run.
        path: its file.
        epochs: asked for; snapshots after more are left out; all that there are if None.
        any_code: whether it may have been trained by other code.

    Returns:
        `kernel_epochs` (snapshots,) and `kernels/<layer>` (snapshots, …), and the file's attributes.

    Raises:
        FreeconvError: as `read_run`.
    """
    names = [name for name in describe_h5(path)[0] if name == "kernel_epochs" or name.startswith("kernels/")]
    wanted = {"history/val_acc", *names}
    arrays, attributes = read_whole(config, path, lambda name: name in wanted, any_code=any_code)
    if epochs is None:
        return {name: arrays[name] for name in names}, attributes
    _check_epochs(path, attributes, arrays["history/val_acc"], epochs)
    kept = arrays["kernel_epochs"] <= epochs
    return {name: arrays[name][kept] for name in names}, attributes


class TrainedLongerError(FreeconvError):
    """A run was trained longer than asked for, so that the network after these epochs is not stored."""


def read_network(config: RunConfig, path: str | Path, data_sha256: str, epochs: int) -> dict[str, np.ndarray]:
    """Read the trained network of a run.

    Args:
        config: the run asked for.
        path: its file.
        data_sha256: the content of the dataset that it must have been trained on.
        epochs: after which it is wanted, if the run did not stop early.

    Returns:
        `<layer>/<variable>` to float32.

    Raises:
        TrainedLongerError: the run has more epochs.
        FreeconvError: the file is missing or damaged, of another run, or the run has fewer epochs.
    """
    described, attributes = check_trained_on(config, path, data_sha256)
    names = [name for name in described if name.startswith("network/")]
    if not names:
        raise FreeconvError(f"{path}: expected a trained network, received a file without; {AGAIN}")
    arrays, _ = read_whole(config, path, lambda name: name == "history/val_acc" or name in names)
    _check_epochs(path, attributes, arrays["history/val_acc"], epochs)
    if stored_epochs(described) > epochs:
        raise TrainedLongerError(
            f"{path}: expected the network after {epochs} epochs, received that after {stored_epochs(described)}; ask "
            "for so many, or move the file away and run snakemake"
        )
    return {name.removeprefix("network/"): arrays[name] for name in names}


def check_trained_on(config: RunConfig, path: str | Path, data_sha256: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what a run's file says of its arrays, and its attributes.

    Raises:
        FreeconvError: the file is missing, or of another run, or of one on other data.
    """
    described, attributes = describe_h5(path)
    check_run(path, described, attributes, config)
    check_data_sha256(path, attributes, data_sha256)
    return described, attributes


def check_data_sha256(path: str | Path, attributes: Mapping[str, Any], data_sha256: str) -> None:
    """Refuse a run that was trained on other data.

    Raises:
        FreeconvError: names the file and both hashes.
    """
    if attributes.get("data_sha256") != data_sha256:
        raise FreeconvError(
            f"{path}: expected a run on data with SHA-256 {data_sha256}, received one on "
            f"{attributes.get('data_sha256')}; {AGAIN}"
        )


def read_result(run: RunConfig, path: str | Path, asked: int) -> tuple[Result, dict[str, Any]]:
    """Read all that a run has learned so far, and the file's attributes.

    Args:
        run: the run asked for.
        path: its file.
        asked: epochs that the run is to have. If these are more than it has, snapshots of its kernels that a run of so
            many epochs does not keep are left out.

    Raises:
        FreeconvError: as `read_whole`.
    """
    arrays, attributes = read_whole(run, path)
    result = result_of(run, asked, arrays)
    result.seconds = float(attributes.get("seconds", 0.0))
    result.overhead_seconds = float(attributes.get("overhead_seconds", 0.0))
    result.stack = int(attributes.get("stack", 0))
    first = {name: attributes[name] for name in ENVIRONMENT if name in attributes}
    result.environments = [{"epoch": 0, **first}, *attributes.get("seams", [])]
    if not result.finished:
        result.kernels = {epoch: of for epoch, of in result.kernels.items() if epoch % run.kernels_every == 0}
    return result, attributes


def result_of(run: RunConfig, asked: int, arrays: Mapping[str, np.ndarray]) -> Result:
    """Return the result that `result_arrays` turned into arrays."""

    def below(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    layers = below("kernels/")
    history = {name: values.tolist() for name, values in below("history/").items()}
    unknown = [float("nan")] * len(history.get("val_acc", []))
    return Result(
        run,
        asked,
        {name: history.get(name, list(unknown)) for name in history_names(run)},
        {
            epochs: {layer: kernels[snapshot] for layer, kernels in layers.items()}
            for snapshot, epochs in enumerate(arrays["kernel_epochs"].tolist())
        },
        below("network/"),
        below("state/"),
        best_epoch=_best_epoch(history.get("val_acc", [])),
    )


def seam_after(result: Result, environment: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is recorded of a run that goes on, if it does so elsewhere than before; else None.

    Args:
        result: the run.
        environment: on what it goes on. That of an earlier version may lack keys.
    """
    before = result.environments[-1]
    now = {name: environment[name] for name in ENVIRONMENT if name in environment}
    same = all(_deciding(before[name]) == _deciding(now[name]) for name in now if name in before)
    return None if same else {"epoch": result.epochs, **now}


def differs(result: Result, environment: Mapping[str, Any]) -> str | None:
    """Return the first of versions and backend in which a run was not trained as in an environment; None if in all."""
    for before in result.environments:
        for name in ("versions", "backend"):
            if name in before and _deciding(before[name]) != _deciding(environment[name]):
                return name
    return None


def _deciding(value: Any) -> Any:
    """Return what of an environment's value can decide numbers: not this project's version, whose code has a hash."""
    return {name: of for name, of in value.items() if name != "freeconv"} if isinstance(value, dict) else value


def to_attic(path: str | Path, attic: str | Path = paths.ATTIC, date: str | None = None) -> Path:
    """Move a file that another is to take the place of to `<attic>/<date-time>/<path>`, and return its new path.

    Args:
        path: the file.
        attic: a folder in the project's own; paths are relative to that.
        date: and time, the same for files that belong together; now if None.
    """
    date = date or time.strftime("%Y-%m-%d-%H%M%S")
    inside = Path(path).relative_to(Path(attic).parent)
    names = chain([date], (f"{date}-{number}" for number in count(2)))
    target = next(target for name in names if not (target := Path(attic, name, inside)).exists())
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)
    return target


def renew(path: str | Path) -> None:
    """Give a file that is left as it is the time of now, so that it is not older than what it is made from."""
    os.utime(path)
