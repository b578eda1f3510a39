"""`freeconv drawings`: explanatory drawings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeconv.analysis.distance import largest_radius
from freeconv.architectures.layers import Free
from freeconv.architectures.table_a2 import table_a2
from freeconv.report.illustrations import (
    CONTACTS,
    LEVELS,
    SAMPLE_CLASS,
    VCP,
    draw_classes,
    draw_free_layer,
    draw_levels,
    draw_radii,
    draw_swap,
)
from freeconv.report.panels import image_of, style
from freeconv.seeds import stream_seed
from freeconv.storage.atomic import write_bytes
from freeconv.storage.dataset_file import Dataset, read_content, read_dataset
from freeconv.study import grid as study_grid
from freeconv.study import paths
from freeconv.study.params import Params


def make_drawings(params: Params, folder: str = paths.REPORTS) -> None:
    """Draw everything for every dataset of a study: the files of `grid.drawing_files`.

    Args:
        params: the study; its datasets must be there, at the paths of `paths`. Noise and missing connections are
            drawn by streams called `"drawing"`. Radii are those of `distance.radii` that fit the first dataset's grid.
        folder: where the folder `drawings` goes.

    Raises:
        FreeconvError: a dataset is missing, damaged or from other parameters.
    """
    files = {name: (paths.data_file(name), study_grid.data_config(params, name)) for name in params.data.datasets}
    datasets = {name: read_dataset(*file) for name, file in files.items()}
    names = {name: list(read_content(*file).counts) for name, file in files.items()}
    images = {name: sample_image(dataset) for name, dataset in datasets.items()}
    grid = first_grid(images[params.data.datasets[0]].shape)
    radii = [radius for radius in params.distance.radii if radius <= largest_radius(grid)]
    forms = params.aug.forms.model_dump()
    with style(font=params.report.figures.font):
        drawings = {}
        for dataset, image in images.items():
            for augmentation in study_grid.drawn_augmentations(params):
                drawings[f"{dataset}-{augmentation}"] = draw_levels(
                    image, augmentation, LEVELS, params.seed, forms.get(augmentation)
                )
            drawings[f"{dataset}-swap"] = draw_swap(image)
            drawings[f"{dataset}-classes"] = draw_classes(samples(datasets[dataset], names[dataset]))
        drawings["free-layer"] = draw_free_layer(VCP, stream_seed(params.seed, "drawing", "free-layer") % 2**31)
        drawings["radii"] = draw_radii(grid, radii)
        for path in study_grid.drawing_files(params, folder):
            write_bytes(path, image_of(drawings[Path(path).stem], Path(path).suffix.removeprefix(".")))


def first_grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of positions of the first free layer of Table A.2 for images of `shape`."""
    rows, columns, _ = table_a2(Free)(shape)[0].output(shape)
    return rows, columns


def samples(dataset: Dataset, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the first images of each class: name to uint8 (≤ CONTACTS, height, width, channels)."""
    return {
        names[label]: dataset.images[dataset.labels == label][:CONTACTS] for label in np.unique(dataset.labels).tolist()
    }


def sample_image(dataset: Dataset) -> np.ndarray:
    """Return the image that drawings show, the first of class 5, or the first where none is: float32 in [0, 1]."""
    image = dataset.images[int(np.argmax(dataset.labels == SAMPLE_CLASS))]
    return image.astype(np.float32) / np.float32(255)
