"""What a study's datasets will hold, and whether its training jobs can use it, before anything is fetched."""

from pathlib import Path
from typing import Any, NamedTuple

from freeconv.data.folds import held_out_images, kept_for_test
from freeconv.data.sources import existing_source
from freeconv.datasets import DATASETS
from freeconv.errors import FreeconvError
from freeconv.networks import network_sizes
from freeconv.study import grid, paths
from freeconv.study.jobs import TrainConfig
from freeconv.study.params import Params


class ImageSet(NamedTuple):
    """What a dataset will hold: images, at most `data.limit`; their (height, width, channels); number of classes."""

    images: int
    shape: tuple[int, ...]
    classes: int


def check_images(params: Params) -> None:
    """Refuse, before any job starts, what training jobs would refuse of a study's images; nothing is decoded.

    Raises:
        FreeconvError: images are missing, too few for the folds or a batch, or too small for a network.
    """
    sets = {dataset: image_set(params, dataset, stored=False) for dataset in params.data.datasets}
    for job in grid.jobs(params):
        check_job(job, sets[job.dataset])


def check_job(job: TrainConfig, data: ImageSet) -> None:
    """Refuse images that are too few for a job's folds or batch, or too small for its network."""
    if job.test:
        data = data._replace(images=data.images - kept_for_test(job.dataset, data.images))
    if job.folds > data.images:
        raise FreeconvError(
            f"train.folds: expected at most the {data.images} images of {job.dataset}, received {job.folds}; take "
            "fewer folds or more images"
        )
    largest = min(data.images - held_out_images(data.images, job.folds, fold) for fold in job.fold_indices)
    if job.batch > largest:
        raise FreeconvError(
            f"train.batch: expected at most the {largest} images of the training folds of {job.dataset}, "
            f"received {job.batch}"
        )
    network_sizes(job.variant.kind, data.shape, data.classes, job.variant.layers)


def image_set(params: Params, dataset: str, stored: bool = True) -> ImageSet:
    """Return what a dataset will hold. Of a user's own images the files are counted, and none is decoded.

    Args:
        params: the study.
        dataset: its name.
        stored: whether the shape of a user's own images is that in the dataset's file, if there is one; else that in
            the header of the first image.

    Raises:
        FreeconvError: the user's own images are missing, none, or the first of them is damaged.
    """
    if dataset in DATASETS:
        member = DATASETS[dataset]
        found = ImageSet(member.images, member.shape, len(member.classes))
    else:
        from freeconv.data.image_folder import count_images

        known = description(paths.data_file(dataset), "images") if stored else None
        source = existing_source(dataset, params.data.folders.get(dataset))
        found = ImageSet(*count_images(source, known[0][1:] if known else None))
    return found._replace(images=min(found.images, params.data.limit or found.images))


def description(path: str | Path, array: str) -> tuple[tuple[int, ...], int, dict[str, Any]] | None:
    """Return an array's shape and bytes a value, and the attributes of its HDF5 file; None if they cannot be read."""
    if not Path(path).is_file():
        return None
    import numpy as np

    from freeconv.storage.hdf5 import describe_h5

    try:
        arrays, attributes = describe_h5(path)
        return arrays[array].shape, np.dtype(arrays[array].dtype).itemsize, attributes
    except (FreeconvError, KeyError):
        return None
