"""What the report's pictures show, in words: alternative texts and captions."""

from typing import NamedTuple

from freeconv.datasets import paper_dataset

TITLES = {
    "none": "no augmentation",
    "translate": "translation",
    "rotate": "rotation",
    "noise": "noise",
    "edge_noise": "edge noise",
}


# The figures of Ott et al. 2019 that ours stand beside: figure and what it is about, and for some the dataset.
PAPER_FIGURES = {
    ("accuracy", "translate", "mnist"): "3",
    ("accuracy", "translate", "cifar10"): "4",
    ("distance", "translate", "mnist"): "5",
    ("distance", "rotate", "mnist"): "B.6",
    ("distance", "noise", "mnist"): "B.7",
    ("swap", "none", "mnist"): "6",
    ("accuracy", "vcp", "mnist"): "C.1",
    ("accuracy", "vcp", "cifar10"): "C.2",
}


PAPER_DRAWINGS = {
    "free-layer": "1",
    "translate": "2",
    "edge_noise": "B.1",
    "noise": "B.2",
    "swap": "B.3",
    "rotate": "B.4",
    "radii": "B.5",
}


class Words(NamedTuple):
    """What stands for a picture and below it."""

    alt: str
    caption: str


def figure_words(dataset: str, subject: str, name: str) -> Words:
    """Return the words of a figure.

    Args:
        dataset: of which dataset.
        subject: an augmentation or `vcp`, as `runs.figures` gives it.
        name: of the figure, as `runs.figures` gives it.

    Raises:
        ValueError: there is no such figure.
    """
    kind, _, level = name.partition("-")
    which = f"share of missing connections, trained at translation {level}" if subject == "vcp" else TITLES[subject]
    words = {
        "samples": Words(
            f"A grid of images of {dataset}: one image per row, one level of {which} per column.",
            f"What training sees: the same images of {dataset} at each level of {which}, from the first augmented "
            "pass.",
        ),
        "accuracy": Words(
            f"Line charts by epoch, one line per level of {which}: training, validation and translated validation "
            "accuracy from top to bottom, one column per network.",
            "Accuracy by epoch: mean over folds, with its 95 % t-interval as a band. Top: in training, on augmented "
            "images. Middle: on held-out images. Bottom: on held-out images translated.",
        ),
        "distance": Words(
            f"Line charts by epoch, one line per level of {which}: distance between kernels of free layers, one panel "
            "per radius.",
            "Distance between the kernels of a free layer by epoch: median over folds. Ring: the untrained network. "
            "Dashed: the distance expected of independent kernels. Lower is more alike.",
        ),
        "swap": Words(
            "Line charts by epoch, two lines per network: accuracy on held-out images as they are, and with two "
            "quadrants exchanged.",
            f"Accuracy by epoch on held-out images of {dataset} whose quadrants I and III are exchanged, of networks "
            "trained on images as they are: mean over folds, with its 95 % t-interval as a band. Thin and dashed: on "
            "held-out images as they are.",
        ),
        "transfer": Words(
            f"Line charts, one line per level of {which}: accuracy on held-out images against the shift to the right, "
            "the shift down, and the turn that all of them are moved by, one row per network.",
            "Accuracy of trained networks on held-out images that are all moved by the same amount: shifted to the "
            f"right, shifted down, turned. One line per level of {which} in training: median over folds, lowest and "
            "highest as a band. Ticks at the foot, where there are any: how far training moved images.",
        ),
        "sharing": Words(
            f"Line charts by level of {which}: kernel distance by radius for each free layer, signal-to-noise of "
            "weights, distance to the best shared kernel, and accuracy with shared kernels.",
            f"How alike the kernels of trained free layers are, by level of {which} in training: medians over folds. "
            "(a) Kernel distance by radius, divided by its mean over all pairs; gray: 95 % of random reassignments of "
            "kernels to positions. (b) Signal-to-noise of weights, with quartiles. (c) Distance to the best shared "
            "kernel; dashed: of independent kernels. (d) Accuracy as trained, and with the kernels of one layer or of "
            "all replaced by their mean. Bands of (a), (c) and (d): lowest and highest fold.",
        ),
    }
    if subject == "vcp" and kind == "accuracy":
        words["accuracy"] = Words(
            f"Six line charts by epoch, one line per {which}: accuracy in training, on held-out images, and on "
            "held-out images translated, rotated, with noise and with edge noise.",
            f"Accuracy of free networks on {dataset} by epoch, one line per {which}: in training, on held-out images "
            "as they are, and on held-out images changed in four ways; mean over folds, with its 95 % t-interval as a "
            "band.",
        )
    if kind not in words:
        raise ValueError(f"`name` must be that of a figure of `runs.figures`. Received: {name=}")
    return _with_paper(words[kind], PAPER_FIGURES.get((kind, subject, paper_dataset(dataset) or "")))


def drawing_words(name: str) -> Words:
    """Return the words of a drawing.

    Args:
        name: `free-layer`, `radii`, `<dataset>-swap` or `<dataset>-<augmentation>`, as `runs.drawing_files` has them.

    Raises:
        ValueError: there is no such drawing.
    """
    dataset, _, kind = ("", "", name) if name in ("free-layer", "radii") else name.rpartition("-")
    row = f"One image of {dataset} in a row of panels, at growing levels"
    exactly = "Training draws the amount at random up to the level; here it is exactly the level."
    words = {
        "free-layer": Words(
            "Two drawings of a layer with 9 × 9 inputs below and 3 × 3 outputs above, connected by lines in nine "
            "colours; in the right one crosses mark inputs without connection.",
            "A free layer: each position has a kernel, and so a colour, of its own. Right: some connections are "
            "missing, drawn by the layer that trains.",
        ),
        "radii": Words(
            "A grid of positions with one marked by a cross, and rings of coloured positions around it.",
            "Which kernels a position's kernel is compared with: those at exactly the radius, counted in positions "
            "along rows, columns or diagonals.",
        ),
        "swap": Words(
            f"An image of {dataset} beside the same image with its upper right and lower left quarters exchanged.",
            "The quadrant swap: quadrants I and III of held-out images change places.",
        ),
        "translate": Words(f"{row} of translation.", f"Translation: the image is shifted. {exactly}"),
        "rotate": Words(f"{row} of rotation.", f"Rotation: the image is turned. {exactly}"),
        "noise": Words(
            f"{row} of noise.", "Noise on all pixels, its standard deviation on the [0, 1] scale being the level."
        ),
        "edge_noise": Words(
            f"{row} of edge noise.",
            "Edge noise: noise on pixels near the border only, its standard deviation on the [0, 1] scale being the "
            "level.",
        ),
    }
    if kind not in words:
        raise ValueError(f"`name` must be that of a drawing of `runs.drawing_files`. Received: {name=}")
    return _with_paper(words[kind], PAPER_DRAWINGS[kind])


def _with_paper(words: Words, figure: str | None) -> Words:
    """Return words whose caption names the paper's figure, if there is one."""
    return words if figure is None else words._replace(caption=f"{words.caption} The paper's Figure {figure}.")
