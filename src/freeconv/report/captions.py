"""What the report's pictures show, in words: alternative texts and captions."""

from typing import NamedTuple

from freeconv.augmentations import AUGMENTATIONS
from freeconv.datasets import paper_dataset
from freeconv.report.titles import capitalized


class Caption(NamedTuple):
    """What stands for a picture, and the text below it."""

    alt: str
    text: str


# By kind of figure; `{which}` is what the levels are of.
FIGURES = {
    "samples": Caption(
        "A grid of images of {dataset}: one image per row, one level of {which} per column.",
        "What training sees: the same images of {dataset} at each level of {which}, from the first augmented pass.",
    ),
    "accuracy": Caption(
        "Line charts by epoch, one line per level of {which}: training, validation and translated validation accuracy "
        "from top to bottom, one column per network.",
        "Accuracy by epoch: mean over folds, with its 95 % t-interval as a band. Top: in training, on augmented "
        "images. Middle: on held-out images. Bottom: on held-out images translated. Gray, where there is any: from the "
        "lowest to the highest of the authors' own runs at level 0.",
    ),
    "distance": Caption(
        "Line charts by epoch, one line per level of {which}: distance between kernels of free layers, one panel per "
        "radius.",
        "Distance between the kernels of a free layer by epoch: median over folds. Ring: the untrained network. "
        "Dashed: the distance expected of independent kernels. Lower is more alike. Gray, where there is any: from the "
        "lowest to the highest of the authors' own runs at level 0.",
    ),
    "swap": Caption(
        "Line charts by epoch, two lines per network: accuracy on held-out images as they are, and with two quadrants "
        "exchanged.",
        "Accuracy by epoch on held-out images of {dataset} whose quadrants I and III are exchanged, of networks "
        "trained on images as they are: mean over folds, with its 95 % t-interval as a band. Thin and dashed: on "
        "held-out images as they are. Pale bands without a line, where there are any: from the lowest to the highest "
        "of the authors' own runs.",
    ),
    "transfer": Caption(
        "Line charts, one line per level of {which}: accuracy on held-out images against the shift to the right, the "
        "shift down, and the turn that all of them are moved by, one row per network.",
        "Accuracy of trained networks on held-out images that are all moved by the same amount: shifted to the right, "
        "shifted down, turned. One line per level of {which} in training: median over folds, lowest and highest as a "
        "band. Ticks at the foot, where there are any: how far training moved images.",
    ),
    "sharing": Caption(
        "Line charts by level of {which}: kernel distance by radius for each free layer, signal-to-noise of weights, "
        "distance to the best shared kernel, and accuracy with shared kernels.",
        "How alike the kernels of trained free layers are, by level of {which} in training: medians over folds. "
        "(a) Kernel distance by radius, divided by its mean over all pairs; gray: 95 % of random reassignments of "
        "kernels to positions. (b) Signal-to-noise of weights, with quartiles. (c) Distance to the best shared "
        "kernel; dashed: of independent kernels. (d) Accuracy as trained, and with the kernels of one layer or of "
        "all replaced by their mean. Bands of (a), (c) and (d): lowest and highest fold.",
    ),
    "vcp": Caption(
        "Line charts by epoch, one line per share of missing connections, trained at translation {level}: accuracy in "
        "training, on held-out images, and on held-out images changed in other ways, one panel each.",
        "Accuracy of free networks on {dataset} by epoch, one line per share of missing connections, trained at "
        "translation {level}: in training, on held-out images as they are, and on held-out images changed in other "
        "ways; mean over folds, with its 95 % t-interval as a band.",
    ),
}


# The figures of Ott et al. 2019 that ours stand beside: kind of figure and what it is about, and for some the dataset.
PAPER_FIGURES = {
    ("accuracy", "translate", "mnist"): "3",
    ("accuracy", "translate", "cifar10"): "4",
    ("distance", "translate", "mnist"): "5",
    ("distance", "rotate", "mnist"): "B.6",
    ("distance", "noise", "mnist"): "B.7",
    ("swap", "none", "mnist"): "6",
    ("vcp", "vcp", "mnist"): "C.1",
    ("vcp", "vcp", "cifar10"): "C.2",
}


# Drawings that are of no augmentation, and the paper's.
DRAWINGS = {
    "free-layer": (
        Caption(
            "Two drawings of a layer with 9 × 9 inputs below and 3 × 3 outputs above, connected by lines in nine "
            "colours; in the right one crosses mark inputs without connection.",
            "A free layer: each position has a kernel, and so a colour, of its own. Right: some connections are "
            "missing, drawn by the layer that trains.",
        ),
        "1",
    ),
    "radii": (
        Caption(
            "A grid of positions with one marked by a cross, and rings of coloured positions around it.",
            "Which kernels a position's kernel is compared with: those at exactly the radius, counted in positions "
            "along rows, columns or diagonals.",
        ),
        "B.5",
    ),
    "classes": (
        Caption(
            "Rows of images of {dataset}, a row for each class.",
            "Images of {dataset} as they are stored: the first eight of each class.",
        ),
        "",
    ),
    "swap": (
        Caption(
            "An image of {dataset} beside the same image with its upper right and lower left quarters exchanged.",
            "The quadrant swap: quadrants I and III of held-out images change places.",
        ),
        "B.3",
    ),
}


def figure_caption(dataset: str, subject: str, name: str) -> Caption:
    """Return the caption of a figure.

    Args:
        dataset: of which dataset.
        subject: an augmentation or `vcp`, as `grid.figures` gives it.
        name: of the figure, as `grid.figures` gives it.

    Raises:
        ValueError: there is no such figure.
    """
    kind, _, level = name.partition("-")
    if subject == "vcp" and kind == "accuracy":
        kind = "vcp"
    if kind not in FIGURES:
        raise ValueError(f"`name` must be that of a figure of `grid.figures`. Received: {name=}")
    which = "" if subject == "vcp" else AUGMENTATIONS[subject].title
    caption = _filled(FIGURES[kind], dataset=dataset, which=which, level=level)
    return _with_paper(caption, PAPER_FIGURES.get((kind, subject, paper_dataset(dataset) or ""), ""))


def drawing_caption(name: str) -> Caption:
    """Return the caption of a drawing.

    Args:
        name: `free-layer`, `radii`, `<dataset>-classes`, `<dataset>-swap` or `<dataset>-<augmentation>`, as
            `grid.drawing_files` has them.

    Raises:
        ValueError: there is no such drawing.
    """
    dataset, _, kind = ("", "", name) if name in DRAWINGS else name.rpartition("-")
    if kind in DRAWINGS:
        caption, figure = DRAWINGS[kind]
        return _with_paper(_filled(caption, dataset=dataset), figure)
    if kind not in AUGMENTATIONS:
        raise ValueError(f"`name` must be that of a drawing of `grid.drawing_files`. Received: {name=}")
    member = AUGMENTATIONS[kind]
    text = member.drawing or f"{capitalized(member.title)}."
    if member.exactly:
        text += " Training draws the amount at random up to the level; here it is exactly the level."
    alt = f"One image of {dataset} in a row of panels, at growing levels of {member.title}."
    return _with_paper(Caption(alt, text), member.figure)


def _filled(caption: Caption, **values: str) -> Caption:
    """Return a caption with the places in braces filled."""
    return Caption(*(text.format(**values) for text in caption))


def _with_paper(caption: Caption, figure: str) -> Caption:
    """Return a caption that names the paper's figure, if there is one."""
    return caption._replace(text=f"{caption.text} The paper's Figure {figure}.") if figure else caption
