"""Explanatory drawings: one image under growing levels, the quadrant swap, the free layer, positions at a radius.

They are drawn by the functions that train and measure, so they show what the study does.
"""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from freeconv.analysis.distance import largest_radius
from freeconv.augmentations import AUGMENTATIONS
from freeconv.images import swap_quadrants
from freeconv.report.panels import draw_samples, new_figure, show_image
from freeconv.seeds import random_stream
from freeconv.vocabulary import level_text

LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)  # the paper's


SAMPLE_CLASS = 5  # a five and a dog: unlike a zero or an eight they show a turn


VCP = 0.15  # as in the paper's Figure 1


CONTACTS, CONTACT_CLASSES = 8, 40  # images of a class, classes


FREE_LAYER_SIZE, FREE_LAYER_KERNEL = 9, 3  # pixels: the paper's Figure 1


def draw_levels(
    image: np.ndarray,
    augmentation: str,
    levels: Sequence[float],
    seed: int,
    form: str | None,
) -> Figure:
    """Draw one image under growing levels, in one row (Ott et al. 2019, Figures 2, B.1, B.2 and B.4).

    Training draws shifts and angles at random up to the level; here they are exactly the level.

    Args:
        image: float32 (height, width, 1 or 3), on the [0, 1] scale.
        augmentation: `translate`, shifted to the left by level · width; `rotate`, turned clockwise by level · 360°;
            `noise` or `edge_noise`, the same noise at all levels, as strong as each says.
        levels: the panels (a), (b) and so on, each ≥ 0.
        seed: the study's seed; noise is drawn by its stream `("drawing", augmentation)`.
        form: of the augmentation; None if it has only one.
    """
    panels = np.concatenate([at_level(image[None], augmentation, level, seed, form) for level in levels])
    figure = draw_samples(panels[None], list(levels), augmentation)
    for axes, letter, level in zip(figure.axes, ascii_lowercase, levels, strict=False):
        axes.set_title(f"({letter}) {level_text(level)}")
    return figure


def at_level(images: np.ndarray, augmentation: str, level: float, seed: int, form: str | None) -> np.ndarray:
    """Return images at exactly one level of an augmentation (see `draw_levels`)."""
    member = AUGMENTATIONS[augmentation]
    rng = random_stream(seed, "drawing", augmentation)
    return (member.exactly or member.apply)(images, level, rng, **({"form": form} if form else {}))


def draw_swap(image: np.ndarray) -> Figure:
    """Draw an image and the same with quadrants I and III exchanged (Ott et al. 2019, Figure B.3).

    Args:
        image: float32 (height, width, 1 or 3), on the [0, 1] scale.
    """
    height, width = image.shape[:2]
    figure = new_figure(5, 2.8)
    swapped = swap_quadrants(image[None])[0]
    panels = (("(a) Image", image, "I", "III"), ("(b) I and III swapped", swapped, "III", "I"))
    for axes, (title, shown, top_right, bottom_left) in zip(figure.subplots(1, 2), panels, strict=True):
        show_image(axes, shown)
        axes.set_title(title)
        line = {"color": "tab:orange", "linewidth": 1, "linestyle": (0, (4, 3))}
        axes.axhline((height - 1) / 2, **line)
        axes.axvline((width - 1) / 2, **line)
        box = {"facecolor": "black", "alpha": 0.7, "linewidth": 0, "pad": 2}
        text = {"color": "tab:orange", "transform": axes.transAxes, "weight": "bold", "bbox": box}
        axes.text(0.97, 0.97, top_right, ha="right", va="top", **text)
        axes.text(0.03, 0.03, bottom_left, ha="left", va="bottom", **text)
    return figure


def draw_classes(samples: Mapping[str, np.ndarray]) -> Figure:
    """Draw a contact sheet: some images of each class, a row each, as they are stored.

    Args:
        samples: class to images, uint8 (n, height, width, 1 or 3) with n from 1 to CONTACTS; at most CONTACT_CLASSES
            classes are drawn, and said how many more there are.
    """
    drawn = dict(list(samples.items())[:CONTACT_CLASSES])
    figure = new_figure(0.7 * CONTACTS + 1.5, 0.75 * len(drawn) + 0.5)
    rows = figure.subplots(len(drawn), CONTACTS, squeeze=False)
    for axes, (name, images) in zip(rows, drawn.items(), strict=True):
        for ax in axes:
            ax.set_axis_off()
        for ax, image in zip(axes, images, strict=False):
            show_image(ax, image)
        shown = name if len(name) <= 16 else f"{name[:15]}…"
        axes[0].text(-0.15, 0.5, shown, ha="right", va="center", transform=axes[0].transAxes, parse_math=False)
    if more := len(samples) - len(drawn):
        figure.supxlabel(f"and {more} more classes")
    return figure


def draw_free_layer(vcp: float, seed: int) -> Figure:
    """Draw a free layer without and with missing connections (Ott et al. 2019, Figure 1).

    The layer has 9 × 9 inputs and receptive fields of 3 × 3 that tile them, so each of the 3 × 3 positions has a
    kernel, and a colour, of its own.

    Args:
        vcp: probability that a connection is missing, 0 ≤ vcp < 1.
        seed: seed of the layer, which decides what is missing.

    Raises:
        ValueError: `vcp` is not as described.
    """
    missing = missing_connections(vcp, seed)
    figure = new_figure(9, 3.9)
    left, right = figure.subplots(1, 2)
    _draw_layer(left, np.zeros_like(missing))
    _draw_layer(right, missing)
    left.set_title("(a) A kernel of its own at every position")
    right.set_title(f"(b) {missing.sum()} of {missing.size} connections missing ({100 * missing.mean():.0f} %)")
    return figure


def missing_connections(vcp: float, seed: int) -> np.ndarray:
    """Return which inputs of the drawn free layer are not connected: bool (9, 9), from a real layer's mask.

    Args:
        vcp: as for `FreeConv2D`.
        seed: as for `FreeConv2D`.
    """
    from freeconv.layers.free_conv_2d import FreeConv2D  # takes seconds: it imports Keras

    size, kernel = FREE_LAYER_SIZE, FREE_LAYER_KERNEL
    if vcp == 0:
        return np.zeros((size, size), bool)
    layer = FreeConv2D(1, kernel, strides=kernel, vcp=vcp, seed=seed)
    layer.build((None, size, size, 1))
    grid = size // kernel
    # (position's row, position's column, kernel's row, kernel's column) to (row, column) of the input
    mask = np.asarray(layer.mask).reshape(grid, grid, kernel, kernel).transpose(0, 2, 1, 3)
    return mask.reshape(size, size) == 0


def _draw_layer(axes: Axes, missing: np.ndarray) -> None:
    """Draw inputs as a plane, outputs as squares above it, and the connections between them.

    Args:
        axes: where.
        missing: bool (9, 9), which inputs are not connected.
    """
    size, kernel = FREE_LAYER_SIZE, FREE_LAYER_KERNEL

    def seen(row: float, column: float, height: float = 0) -> tuple[float, float]:
        """Return where a point of space is drawn: rows go to the front, seen from above and the left."""
        return column + 0.45 * (size - row), 0.5 * (size - row) + height

    def square(row: float, column: float, side: float, height: float = 0) -> list[tuple[float, float]]:
        corners = ((0, 0), (0, side), (side, side), (side, 0))
        return [seen(row + down, column + right, height) for down, right in corners]

    colors = sns.color_palette("tab10")
    del colors[7]  # gray
    height = 5.5
    for (row, column), absent in np.ndenumerate(missing):
        color = colors[row // kernel * (size // kernel) + column // kernel]
        tint = (*color, 0.12 if absent else 0.45)
        axes.add_patch(Polygon(square(row, column, 1), facecolor=tint, edgecolor="0.35", linewidth=0.5, zorder=1))
        center = seen(row + 0.5, column + 0.5)
        if absent:
            axes.plot(*center, marker="x", color="black", markersize=6, markeredgewidth=1.4, zorder=3)
        else:
            output = seen((row // kernel + 0.5) * kernel, (column // kernel + 0.5) * kernel, height)
            ends = zip(center, output, strict=True)
            axes.plot(*ends, color=color, linewidth=0.7, alpha=0.75, zorder=2)
    for position, color in enumerate(colors):
        row, column = (kernel * index for index in divmod(position, size // kernel))
        axes.add_patch(Polygon(square(row, column, kernel), fill=False, edgecolor="0.2", linewidth=1.2, zorder=1))
        row, column = row + kernel / 2 - 0.6, column + kernel / 2 - 0.6
        axes.add_patch(
            Polygon(square(row, column, 1.2, height), facecolor=color, edgecolor="0.2", linewidth=0.7, zorder=4)
        )
    axes.set_aspect("equal")
    axes.autoscale_view()
    axes.set_axis_off()


def ring(grid: tuple[int, int], radius: int) -> np.ndarray:
    """Return which positions lie at a radius from the middle one, as `distance.kernel_distance` compares them.

    Args:
        grid: rows and columns of positions.
        radius: Chebyshev distance in positions, from 1 to `distance.largest_radius(grid)`.

    Returns:
        bool of the grid's shape; the middle position is (rows // 2, columns // 2).

    Raises:
        ValueError: the radius does not fit the grid.
    """
    largest = largest_radius(grid)
    if not 1 <= radius <= largest:
        raise ValueError(f"radius: expected 1 to {largest} on a grid of {grid[0]} × {grid[1]}. Received: {radius}")
    rows, columns = np.indices(grid)
    return np.maximum(abs(rows - grid[0] // 2), abs(columns - grid[1] // 2)) == radius


def draw_radii(grid: tuple[int, int], radii: Sequence[int]) -> Figure:
    """Draw which kernels a position's kernel is compared with (Ott et al. 2019, Figure B.5).

    Args:
        grid: rows and columns of positions of a free layer.
        radii: Chebyshev distances in positions.

    Raises:
        ValueError: a radius does not fit the grid.
    """
    rows, columns = grid
    figure = new_figure(5.6, 3.3)
    axes = figure.subplots()
    for row, column in np.ndindex(rows, columns):
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor="white", edgecolor="0.75", linewidth=0.6))
    middle = (columns // 2 + 0.5, rows // 2 + 0.5)
    axes.plot(*middle, marker="x", linestyle="", color="black", markersize=8, markeredgewidth=2, label="a kernel")
    for radius, color in zip(radii, sns.color_palette("deep", len(radii)), strict=True):
        found = np.argwhere(ring(grid, radius))
        for number, (row, column) in enumerate(found):
            label = f"at radius {radius} of it: {len(found)}" if number == 0 else None
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=color, edgecolor="white", linewidth=1, label=label))
    axes.set(xlim=(-0.1, columns + 0.1), ylim=(rows + 0.1, -0.1), aspect="equal")
    axes.set_title(f"{rows} × {columns} positions")
    axes.set_axis_off()
    figure.legend(loc="outside right center")
    return figure
