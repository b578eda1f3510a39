"""`freeconv rerun`: one stored run trained once more, by the configuration in its file, beside it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from freeconv.commands.progress import Progress
from freeconv.commands.shard import make_shard
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import describe_h5, read_h5
from freeconv.study import paths
from freeconv.study.grid import run_file
from freeconv.study.jobs import RunConfig, TrainConfig


def stored_job(path: str | Path, epochs: int | None = None) -> TrainConfig:
    """Return the job that trains a stored run alone.

    Args:
        path: the run's file.
        epochs: to train; as many as the run has if None.

    Raises:
        FreeconvError: the file is missing, damaged, or no run's.
    """
    _, attributes = describe_h5(path)
    stored = attributes.get("config")
    if not isinstance(stored, dict) or "fold" not in stored or "epochs" not in attributes:
        raise FreeconvError(f"{path}: expected the file of a run, as results/train/…/fold-0.h5, received another one")
    run = RunConfig.model_validate(stored).dump()
    level, fold, seed = run.pop("level"), run.pop("fold"), run.pop("train_seed", 0)
    job = {**run, "levels": [level], "fold_indices": [fold], "train_seeds": [seed]}
    return TrainConfig.model_validate({**job, "epochs": epochs or int(attributes["epochs"])})


def rerun(job: TrainConfig, out: str | Path, work: str | Path, progress: Progress, threads: int) -> None:
    """Train a job of one run into a file of its own; shards that the study has not kept are made for it.

    Args:
        job: as `stored_job` returns it.
        out: the file to write, which is not there yet (see `check_out`).
        work: an empty folder for shards and the checkpoint.
        progress: called after each epoch.
        threads: of the processor; all of them if 0.

    Raises:
        FreeconvError: data is missing or damaged.
    """
    from freeconv.commands.train import train  # needs Keras, which takes seconds: first comes what can be refused

    (run,) = job.runs()
    train(
        job,
        paths.data_file(job.dataset),
        _shard_path(job, Path(work)),
        lambda asked: str(out) if asked == run else run_file(asked),  # networks may start from another's weights
        lambda key: Path(work, f"{key}.h5"),
        progress,
        threads=threads,
    )


def check_out(out: str | Path) -> None:
    """Refuse to write over a file, the run's own among them.

    Raises:
        FreeconvError: it is there.
    """
    if Path(out).exists():
        raise FreeconvError(f"--out {out}: expected a file that is not there yet, received one; name another")


def _shard_path(job: TrainConfig, work: Path) -> Callable[[RunConfig, int], str | Path]:
    """Return the function that gives a shard's file: that of the study, or one made now."""

    def shard(run: RunConfig, copy_index: int) -> str | Path:
        config = run.shard(copy_index)
        kept = paths.shard_file(config.dataset, config.augmentation, config.level, copy_index)
        if Path(kept).is_file():
            return kept
        made = work / f"shard-{copy_index}.h5"
        if not made.is_file():
            make_shard(config, paths.data_file(job.dataset), made)
        return made

    return shard


def first_difference(path: str | Path, other: str | Path) -> str:
    """Return how the histories of two runs differ, in a sentence."""
    (one, _), (two, _) = (read_h5(file, ["history/val_acc", "history/train_loss"]) for file in (path, other))
    epochs = min(len(values) for arrays in (one, two) for values in arrays.values())
    different = np.any([one[name][:epochs] != two[name][:epochs] for name in one], axis=0)
    if not different.any():
        return f"the same accuracies and losses in all {epochs} epochs, bit for bit"
    epoch = int(np.argmax(different))
    accuracies = [100 * float(arrays["history/val_acc"][epochs - 1]) for arrays in (one, two)]
    return (
        f"other numbers from epoch {epoch + 1} on; validation accuracy after epoch {epochs}: "
        f"{accuracies[0]:.2f} %, now {accuracies[1]:.2f} %"
    )
