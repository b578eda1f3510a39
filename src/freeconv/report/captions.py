"""What the report's pictures show, in words: alternative texts and captions."""

from typing import NamedTuple

import pandas as pd

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
    "answer": Caption(
        "A line chart: accuracy on translated images against the level of {which} in training, a line for each "
        "network, the paper's values dashed.",
        "Accuracy on held-out images that are translated, against the level of {which} in training: medians with their "
        "95 % t-intervals over folds. Dashed, with diamonds: the paper's medians.",
    ),
    "accuracy": Caption(
        "Line charts by epoch of training, validation and translated validation accuracy at each level of {which}.",
        "Accuracy by epoch: mean over folds, with its 95 % t-interval as a band. Training: in training, on augmented "
        "images. Validation: on held-out images. Translated: on held-out images translated. Gray, where there is any: "
        "from the lowest to the highest of the authors' own runs at level 0.",
    ),
    "distance": Caption(
        "Line charts by epoch, a line for each level of {which} and each radius: distance between kernels of free "
        "layers.",
        "Distance between the kernels of a free layer by epoch, in per cent of the distance expected of independent "
        "kernels, which is dashed: median over runs, from the lowest run to the highest as a band. Epoch 0: the "
        "untrained networks. Lower is more alike. Gray, where there is any: from the lowest to the highest of the "
        "authors' own runs at level 0.",
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
        "Accuracy on held-out images against the shift to the right, the shift down, and the turn that all of them are "
        "moved by, at each level of {which}, one row per network.",
        "Accuracy of trained networks on held-out images that are all moved by the same amount: shifted to the right, "
        "shifted down, turned, for each level of {which} in training: median over folds; of up to five levels as "
        "lines, lowest and highest fold as a band. Ticks at the foot, where there are any: how far training moved "
        "images.",
    ),
    "networks": Caption(
        "Panels of dots with bars, a row per network and a dot per level of {which}: accuracy on translated images, "
        "equivariance error, distance to the best shared kernel.",
        "Networks after training, means with their 95 % t-intervals over runs, for each level of {which}: accuracy on "
        "held-out images that are translated; how far the output of the last convolution does not move along with the "
        "image, 0 being a convolution's; and how far the first free layer is from sharing one kernel, in per cent of "
        "its own size. Networks without convolutions, or without free layers, have no dot there.",
    ),
    "distance-by-radius": Caption(
        "Line charts against the radius, a panel for each free layer, a line per level of {which}: kernel distance.",
        "Distance between kernels of trained free layers by radius, in per cent of its mean over all pairs: median "
        "over folds, lowest and highest as a band. Gray: 95 % of random reassignments of kernels to positions.",
    ),
    "signal-to-noise": Caption(
        "A line chart by level of {which}, a line for each free layer: signal-to-noise of weights.",
        "Signal-to-noise of weights: the size of their mean over positions beside their standard deviation. Median "
        "over weights and folds, with the weights' quartiles as a band. Shared weights have no noise.",
    ),
    "distance-to-shared": Caption(
        "A line chart by level of {which}, a line for each free layer: distance to the best shared kernel.",
        "How far trained free layers are from layers that share one kernel, in per cent of their own size: median over "
        "folds, lowest and highest as a band. Dashed: independent kernels.",
    ),
    "shared-accuracy": Caption(
        "A line chart by level of {which}: accuracy as trained, and with shared kernels in one layer or in all.",
        "Accuracy on held-out images as trained, and with the kernels of one layer, or of all, replaced by their mean "
        "over positions: median over folds, lowest and highest as a band.",
    ),
    "kernels": Caption(
        "Grids of small kernels in red and blue, one for each position, by epoch and level of {which}.",
        "Kernels of the first free layer at every position, of one filter of one run, untrained and after some epochs; "
        "blue weights are negative, red ones positive. Where weights are shared, all kernels of a grid look alike.",
    ),
    "forest": Caption(
        "A forest plot: for each of the paper's claims our number with its interval, the paper's, and the verdict.",
        "The paper's claims about {dataset}, tested ones first: our number with its 95 % interval over folds (dot and "
        "bar), the paper's (diamond), and the verdict. Only decisions are in colour.",
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


def figure_caption(dataset: str, subject: str, name: str, finding: str = "", made_from: str = "") -> Caption:
    """Return the caption of a figure.

    Args:
        dataset: of which dataset.
        subject: an augmentation, `vcp` or `claims`, as `grid.figures` gives it.
        name: of the figure, as `grid.figures` gives it.
        finding: what it shows, in a sentence (`findings.finding`).
        made_from: what it is made from, in a sentence (`made_from`).

    Raises:
        ValueError: there is no such figure.
    """
    kind, level = name, ""
    if subject == "vcp":
        kind, level = "vcp", name.removeprefix("accuracy-")
    if kind not in FIGURES:
        raise ValueError(f"`name` must be that of a figure of `grid.figures`. Received: {name=}")
    which = AUGMENTATIONS[subject].title if subject in AUGMENTATIONS else ""
    caption = _filled(FIGURES[kind], dataset=dataset, which=which, level=level)
    caption = _with_paper(caption, PAPER_FIGURES.get((kind, subject, paper_dataset(dataset) or ""), ""))
    return caption._replace(text=" ".join(filter(None, [finding, caption.text, made_from])))


def made_from(runs: pd.DataFrame, images: int | None = None) -> str:
    """Return what a figure is made from, as `5 folds, 1 seed, 5,000 images, 6 epochs.` says it.

    Args:
        runs: rows of the table `runs` that it shows; an empty text if there are none.
        images: of the dataset, if that is known.
    """
    if runs.empty:
        return ""
    folds, seeds = runs["fold"].nunique(), runs["seed"].nunique()
    low, high = int(runs["epochs"].min()), int(runs["epochs"].max())
    parts = [f"{folds} fold{'s' * (folds != 1)}", f"{seeds} seed{'s' * (seeds != 1)}"]
    parts += [f"{images:,} images"] if images else []
    parts.append(f"{low} to {high} epochs" if low != high else f"{high} epoch{'s' * (high != 1)}")
    return f"{', '.join(parts)}."


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
