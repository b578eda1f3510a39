"""Whether a run's file can be what it says: of the run asked for, and with numbers that a run can have.

The hashes in a file say that it holds what was written. What was written may still be of another run, by another
version, or by a program with a fault.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN
from freeconv.storage.hdf5 import Array
from freeconv.study.code import train_code
from freeconv.study.jobs import RunConfig, check_config
from freeconv.training.state import LATER, history_names

# Attributes that every version has written, and their types.
NEEDED: dict[str, type] = {"classes": int, "images": int, "grids": dict, "data_sha256": str}


def check_run(
    path: str | Path,
    described: Mapping[str, Array],
    attributes: Mapping[str, Any],
    run: RunConfig,
    any_code: bool = False,
) -> None:
    """Refuse a file of another run than `run`, of other code, or whose arrays cannot be those of a run.

    Args:
        path: the file.
        described: what it says of its arrays.
        attributes: its attributes.
        run: the run asked for.
        any_code: whether it may have been trained by other code.

    Raises:
        FreeconvError: names the file and what differs first.
    """
    stored = stored_config(attributes)
    check_config(path, stored, run.dump())
    if "code" in attributes and not any_code:
        check_config(path, {"code": attributes["code"]}, {"code": train_code(run)})
    for name, kind in NEEDED.items():
        if not isinstance(attributes.get(name), kind):
            raise _impossible(path, f"the attribute {name}", f"a file with {attributes.get(name)!r}")
    if attributes["classes"] < 1 or attributes["images"] < run.folds:
        about = {name: attributes[name] for name in ("classes", "images")}
        raise _impossible(path, f"classes and at least {run.folds} images, one a fold", f"{about}")
    _check_history(path, described, attributes, run)
    _check_kernels(path, described, attributes)


def _check_history(
    path: str | Path, described: Mapping[str, Array], attributes: Mapping[str, Any], run: RunConfig
) -> None:
    """Refuse histories that are missing, not of one length, or longer than training was."""
    names = [name for name in history_names(run) if name not in LATER]
    if missing := [name for name in names if f"history/{name}" not in described]:
        raise _impossible(path, f"the history of {missing[0]}", "a file without it")
    histories = {name: array for name, array in described.items() if name.startswith("history/")}
    (epochs, *_), *_ = (*(array.shape for array in histories.values() if array.shape), (0,))
    for name, array in histories.items():
        if np.dtype(array.dtype).kind != "f" or array.shape != (epochs,) or not epochs:
            raise _impossible(path, f"{name} with a number for each epoch", f"{array.dtype} of shape {array.shape}")
    recorded = attributes.get("epochs")
    before = attributes["config"].get("epochs")  # in files of earlier versions: the most that there can be
    if recorded != epochs if recorded is not None else not before or epochs > before:
        raise _impossible(path, f"as many epochs as its record says, {recorded or before}", f"histories of {epochs}")


def _check_kernels(path: str | Path, described: Mapping[str, Array], attributes: Mapping[str, Any]) -> None:
    """Refuse kernels that are not those of the recorded layers, or not of one number of snapshots."""
    kernels = {name.removeprefix("kernels/"): of for name, of in described.items() if name.startswith("kernels/")}
    if not kernels:
        return
    snapshots = described["kernel_epochs"].shape if "kernel_epochs" in described else None
    for layer, array in kernels.items():
        grid = attributes["grids"].get(layer)
        positions = int(np.prod(grid)) if isinstance(grid, list) and len(grid) == 2 else None
        if len(array.shape) != 4 or array.shape[:1] != snapshots or array.shape[1] != positions:
            raise _impossible(
                path,
                f"kernels/{layer} with {positions} positions and a snapshot for each of kernel_epochs",
                array.shape,
            )


def stored_config(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's file says that it is; in files of earlier versions the epochs were part of it."""
    config = attributes.get("config")
    return {name: value for name, value in config.items() if name != "epochs"} if isinstance(config, dict) else {}


def check_values(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse numbers that no run can have: accuracies outside [0, 1], snapshots after epochs that were not trained.

    Args:
        path: the file.
        arrays: those that were read of it. An accuracy that earlier versions did not record may be NaN.

    Raises:
        FreeconvError: names the file, the array and the first such number.
    """
    for name, values in arrays.items():
        _, _, metric = name.rpartition("history/")
        if name.startswith("history/") and metric.endswith("_acc"):
            possible = (values >= 0) & (values <= 1) | (np.isnan(values) & (metric in LATER))
            if not possible.all():
                epoch = int(np.argmin(possible))
                raise _impossible(path, f"{metric} from 0 to 1", f"{values[epoch]:g} in epoch {epoch + 1}")
    epochs, snapshots = len(arrays.get("history/val_acc", [])), arrays.get("kernel_epochs")
    if snapshots is None or not epochs or not len(snapshots):
        return
    if snapshots[0] != 0 or snapshots[-1] > epochs or (np.diff(snapshots) <= 0).any():
        raise _impossible(path, f"kernel_epochs that rise from 0 to at most {epochs}", snapshots.tolist())


def _impossible(path: str | Path, expected: str, received: Any) -> FreeconvError:
    """Return the error of a file that holds what no run can."""
    return FreeconvError(f"{path}: expected {expected}, received {received}; {AGAIN}")
