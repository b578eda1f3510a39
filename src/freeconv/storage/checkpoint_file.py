"""Where training stands: what runs have learned so far, and the files from which a killed job goes on.

A checkpoint holds all that the rest of the training depends on: the networks' weights, what layers keep beside them,
Adam's moments and steps, which networks of a stack are left, and each run's history, which early stopping reads, and
kernels. Random streams of batches are derived from the seed, the run and the epoch, so the number of epochs done is
enough for them.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from freeconv.errors import FreeconvError
from freeconv.storage.atomic import AGAIN, UnreadableError
from freeconv.storage.hdf5 import describe_h5, read_h5, write_h5
from freeconv.storage.run_file import ENVIRONMENT, result_arrays, result_of
from freeconv.study.code import train_code
from freeconv.study.jobs import RunConfig
from freeconv.training.state import MOMENTS, Checkpoint, Result, State

WRITING_SHARE = 1 / 20  # of a job's time goes at most into writing checkpoints


def checkpoint_identity(
    stack: Sequence[RunConfig],
    stacked: bool,
    data_sha256: str,
    environment: Mapping[str, Any],
    parents: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all that decides the numbers of a stack but for how long it is trained, as plain JSON types.

    Args:
        stack: the runs.
        stacked: whether their networks are of the form that is trained side by side.
        data_sha256: hash of the dataset's content.
        environment: versions, backend, device and threads (see `freeconv.machine.environment.environment`).
        parents: contents of the files that the first weights are from; none if these are random.
    """
    return {
        "runs": [run.dump() for run in stack],
        "stacked": stacked,
        "data_sha256": data_sha256,
        "code": train_code(stack[0]),
        "parents": list(parents),
        **environment,
    }


def checkpoint_key(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an identity, the name of its checkpoint."""
    return hashlib.sha256(_text(identity)).hexdigest()


def _text(identity: Any) -> bytes:
    return json.dumps(identity, sort_keys=True).encode()


def write_checkpoint(path: str | Path, identity: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """Write a checkpoint, all or nothing; that one cannot be written is reported in one line on standard output.

    Training can go on without it, so a full disk does not end a job of many hours.

    Args:
        path: the HDF5 file to write. All is in arrays, because these are covered by the file's hash.
        identity: all that decides the numbers (see `checkpoint_identity`).
        checkpoint: where training stands.
    """
    results, members, state = checkpoint
    arrays = {
        "identity": np.frombuffer(_text(identity), "uint8"),
        "members": np.array(members, "int64"),
        "best_epochs": np.array([result.best_epoch for result in results], "int64"),
        "seconds": np.array([result.seconds for result in results], "float64"),
        "overhead_seconds": np.array([result.overhead_seconds for result in results], "float64"),
        "environments": np.frombuffer(_text([result.environments for result in results]), "uint8"),
    }
    for number, result in enumerate(results):
        # Early stopping compares accuracies as they were computed.
        arrays |= {f"runs/{number}/{name}": array for name, array in result_arrays(result, "float64").items()}
    for name, value in state.items():
        if isinstance(value, list):
            arrays |= {f"state/{name}/{number}": array for number, array in enumerate(value)}
        else:
            arrays[f"state/{name}"] = value
    try:
        write_h5(path, arrays, {}, compression="none")
    except FreeconvError as error:
        _say(f"a checkpoint cannot be written, training goes on without it: {error}")


def read_checkpoint(path: str | Path, identity: Mapping[str, Any], asked: int) -> Checkpoint | None:
    """Return the checkpoint of a stack, or None if there is none.

    A file that is damaged, cut off or not of this stack is named in one line on standard output and deleted.

    Raises:
        UnreadableError: there is one that cannot be read at the moment.

    Args:
        path: the file.
        identity: all that decides the numbers (see `checkpoint_identity`).
        asked: the epochs that the runs are to have.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        arrays, _ = read_h5(path)
        if "identity" not in arrays:
            raise FreeconvError(f"{path}: expected a checkpoint, received another HDF5 file")
        stored = json.loads(arrays["identity"].tobytes())
        differing = [key for key in sorted({*stored, *identity}) if stored.get(key) != identity.get(key)]
        if differing:
            raise FreeconvError(f"{path}: expected the checkpoint of this job, received one with other {differing[0]}")
        runs = [RunConfig.model_validate_json(json.dumps(run)) for run in stored["runs"]]
        return _from_arrays(runs, asked, arrays)
    except UnreadableError:
        raise  # hours of training may be in it
    except Exception as error:  # whatever is wrong with the file: the job does not depend on it
        reason = error if isinstance(error, FreeconvError) else f"{path}: {error!r}"
        _say(f"a checkpoint cannot be used and is deleted, what the runs' files lack is trained: {reason}")
        delete_checkpoint(path)
        return None


def read_recorded(path: str | Path) -> list[tuple[Result, dict[str, Any]]]:
    """Read what the runs of any checkpoint have recorded so far, without networks.

    Checkpoints of the version of 2026-11-22 are read, too. The file stays as it is; its job may be running.

    Returns:
        Each run with at least one epoch, `asked` unknown and 0; and attributes as its file would have them, as far as
        a checkpoint knows them.

    Raises:
        FreeconvError: the file is missing, damaged, or no checkpoint.
    """
    described, _ = describe_h5(path)
    names = [name for name in described if not name.startswith("state/") and "/network/" not in name]
    arrays, _ = read_h5(path, [name for name in names if "/state/" not in name])
    try:
        identity = json.loads(arrays["identity"].tobytes())
        # earlier versions trained for as many epochs as the run's configuration said, on one machine
        configs = [{name: of for name, of in run.items() if name != "epochs"} for run in identity["runs"]]
        runs = [RunConfig.model_validate_json(json.dumps(config)) for config in configs]
        environment = {name: identity[name] for name in ENVIRONMENT if name in identity}
        if "environments" not in arrays:
            arrays["environments"] = np.frombuffer(_text([[{"epoch": 0, **environment}]] * len(runs)), "uint8")
        checkpoint = _from_arrays(runs, 0, {name: of for name, of in arrays.items() if not name.startswith("state/")})
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise FreeconvError(f"{path}: expected a checkpoint, received another file; {AGAIN}") from error
    found = []
    for result in checkpoint.results:
        first, *seams = result.environments
        attributes = {
            "config": result.run.dump(),
            "epochs": result.epochs,
            "stopped_early": result.stopped_early,
            "seconds": result.seconds,
            "overhead_seconds": result.overhead_seconds,
            "seams": seams,
            **{name: identity[name] for name in ("data_sha256", "code")},
            **{name: value for name, value in first.items() if name != "epoch"},
        }
        if result.epochs:
            found.append((result, attributes))
    return found


def _from_arrays(runs: Sequence[RunConfig], asked: int, arrays: Mapping[str, np.ndarray]) -> Checkpoint:
    """Return the checkpoint that `write_checkpoint` turned into arrays."""

    def below(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    environments = json.loads(arrays["environments"].tobytes())
    results = []
    for number, run in enumerate(runs[: len(arrays["seconds"])]):
        result = result_of(run, asked, below(f"runs/{number}/"))
        result.seconds = float(arrays["seconds"][number])
        result.overhead_seconds = float(arrays["overhead_seconds"][number])
        result.best_epoch = int(arrays["best_epochs"][number])
        result.environments = environments[number]
        results.append(result)
    state: State = {}
    if "state/step" in arrays:
        state = {name: _numbered(below(f"state/{name}/")) for name in ("weights", *MOMENTS, "fixed")}
        state["step"] = arrays["state/step"]
    return Checkpoint(results, arrays["members"].tolist(), state)


def _numbered(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return arrays named by their positions in the order of these."""
    return [arrays[str(number)] for number in range(len(arrays))]


def delete_checkpoint(path: str | Path) -> None:
    """Delete a checkpoint; one that cannot be deleted stays."""
    with suppress(OSError):
        Path(path).unlink(missing_ok=True)


def checkpoint_writer(
    path: str | Path, identity: Mapping[str, Any], minutes: float
) -> Callable[[Callable[[], Checkpoint]], None]:
    """Return a function to be called after every epoch, which writes a checkpoint if the last one is old enough.

    It takes a function that returns where training stands and calls it only when that is to be written, so that nothing
    is copied off the device in between. Checkpoints that take long, those of large stacks on slow disks, are written
    more rarely, so that they take at most a share of `WRITING_SHARE` of the time.

    Args:
        path: the file to write.
        identity: all that decides the numbers (see `checkpoint_identity`).
        minutes: from one checkpoint to the next, at least; 0 writes one after every epoch.
    """
    last, pause = time.monotonic(), 60 * minutes

    def save(checkpoint: Callable[[], Checkpoint]) -> None:
        nonlocal last, pause
        begin = time.monotonic()
        if begin - last >= pause:
            write_checkpoint(path, identity, checkpoint())
            last = time.monotonic()
            pause = max(60 * minutes, (last - begin) / WRITING_SHARE) if minutes else 0.0

    return save


def _say(text: str) -> None:
    """Print one line."""
    print(" ".join(text.split()), flush=True)
