"""Batches: the order in which a run sees its training images, and the seeds of its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from freeconv.data.folds import fold_index
from freeconv.seeds import random_stream, stream_seed

if TYPE_CHECKING:
    from freeconv.study.jobs import RunConfig


def epoch_batches(run: RunConfig, images: int, epoch: int) -> np.ndarray:
    """Return an epoch's batches: an index (steps, batch) in random order, the incomplete last batch left out.

    floor(n / batch) steps an epoch, as in the authors' program.

    Args:
        run: gives the fold, the batch and the random stream.
        images: number of images in the dataset.
        epoch: epochs done before this one.
    """
    train_index, _ = fold_index(images, run.folds, run.fold)
    steps = len(train_index) // run.batch
    rng = random_stream(run.seed, "train", *stream_name(run), epoch)
    return rng.permutation(train_index)[: steps * run.batch].reshape(steps, run.batch)


def stream_name(run: RunConfig) -> tuple[str | float | int, ...]:
    """Return what tells a run's random streams from those of others.

    Variants of a network start from the same weights and see the same batches, so that comparisons are paired.
    """
    seed = ("seed", run.train_seed) if run.train_seed else ()
    return (run.dataset, run.variant.kind, run.augmentation, run.level, run.fold, *seed)


def weights_seed(run: RunConfig) -> int:
    """Return the seed of a network's first weights."""
    return stream_seed(run.seed, "weights", *stream_name(run))
