"""What all figures are made of: style, sizes, panels, lines by level, legends, files' content."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from freeconv.augmentations import AUGMENTATIONS
from freeconv.networks import NETWORKS
from freeconv.report.colors import BAND, GRID, LIGHT, SERIES, SOFT, TEXT, level_colors
from freeconv.report.titles import free_first, network_title
from freeconv.storage.pictures import sealed_svg
from freeconv.vocabulary import level_text

DPI = 150

# Inches: the text's width of a page with one column, and one of two columns.
WIDTHS = {"page": 6.9, "column": 3.3}

# Fonts that come with matplotlib: the same everywhere.
FONTS = {"sans": "DejaVu Sans", "serif": "DejaVu Serif"}

MOST_LINES = 5  # levels in one panel; more have a panel each

VCP_TITLE = "Missing connections\n(share)"


MEASURE_TITLES = {"euclidean": "Euclidean", "cosine": "cosine"}


DASHED = (0, (4, 3))


PALETTE = [light for light, _ in SERIES]


INDEPENDENT: dict[str, Any] = {"color": SOFT[0], "linestyle": DASHED, "linewidth": 1, "zorder": 1}


STYLE: dict[str, Any] = {
    "axes.edgecolor": SOFT[0],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": TEXT[0],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 5,
    "figure.facecolor": LIGHT,
    "grid.color": GRID[0],
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "pdf.fonttype": 42,  # text as text
    "savefig.facecolor": LIGHT,
    "svg.fonttype": "none",
    "svg.hashsalt": "freeconv",
    "text.color": TEXT[0],
    "xtick.color": SOFT[0],
    "ytick.color": SOFT[0],
}


def draw_samples(samples: np.ndarray, levels: list[float], augmentation: str) -> Figure:
    """Draw what training sees: one image per row, one level per column (Ott et al. 2019, Figures 2 and B.1 to B.4).

    Args:
        samples: (images, levels, height, width, channels), as `show_image` takes them.
        levels: the columns' levels.
        augmentation: which one the levels are of.
    """
    rows, columns = samples.shape[:2]
    side = min(0.95, figure_width() / columns)
    figure = wide_figure((rows * side + 0.55) / figure_width())
    grid = figure.subplots(rows, columns, squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        show_image(axes, samples[row, column])
        if row == 0:
            axes.set_title(level_text(levels[column]))
    figure.suptitle(one_line(AUGMENTATIONS[augmentation].level_title), fontsize="medium")
    return figure


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Show an image without axes.

    Args:
        axes: where.
        image: (height, width, 1 or 3); uint8, or floats on the [0, 1] scale, which are clipped.
    """
    shown = image if image.dtype == np.uint8 else np.clip(image.astype(np.float32), 0, 1)
    shown = shown[..., 0] if shown.shape[-1] == 1 else shown
    # not interpolated: files hold its own pixels, and no more
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1, interpolation="none")
    axes.set_axis_off()


def over_folds(measures: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return median, lowest and highest `value` over folds: columns keys, median, low, high."""
    values = measures.groupby(keys, sort=False)["value"]
    return values.agg(median="median", low="min", high="max").reset_index()


def percent(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its shares as per cent: the columns mean, median, low, high, lowest, highest that it has."""
    names = [name for name in ("mean", "median", "low", "high", "lowest", "highest") if name in table]
    return table.assign(**{name: 100 * table[name] for name in names})


def network_color(network: str) -> str:
    """Return a registered network's colour, the same in all studies: first the paper's two."""
    order = dict.fromkeys(["fcn", "cnn", *free_first(NETWORKS)])
    return PALETTE[list(order).index(network) % len(PALETTE)]


def draw_levels(
    axes: Axes, table: pd.DataFrame, levels: Sequence[float], column: str, x: str, y: str, **line: Any
) -> None:
    """Draw one line for each level that the table has in a column; say so where it has none.

    The abscissa has whole numbers only.
    """
    colors = level_colors(levels)
    for level in levels:
        draw_line(axes, table[table[column] == level], x, y, color=colors[level], **line)
    axes.xaxis.set_major_locator(whole_numbers())
    if table.empty:
        say(axes, "no runs")


def whole_numbers() -> MaxNLocator:
    """Return the ticks of an axis of epochs or positions."""
    return MaxNLocator(5, integer=True, min_n_ticks=1)


def draw_line(axes: Axes, table: pd.DataFrame, x: str, y: str, **line: Any) -> None:
    """Draw a line, with a band where the table has `low` and `high`; of a single point a dot with a bar."""
    if table.empty:
        return
    single = len(table) == 1
    axes.plot(table[x], table[y], **{"marker": "o" if single else "", **line})
    if "low" in table and single:
        axes.vlines(table[x], table["low"], table["high"], color=line["color"], alpha=0.4)
    elif "low" in table:
        axes.fill_between(table[x], table["low"], table["high"], color=line["color"], alpha=0.2, linewidth=0)


def draw_chance(axes: Axes, chance: float | None) -> None:
    """Draw the accuracy of guessing (a share) where the panel shows it."""
    if chance is not None and axes.get_ylim()[0] <= 100 * chance:
        axes.axhline(100 * chance, **INDEPENDENT)
        axes.annotate(
            "chance",
            (0, 100 * chance),
            xycoords=("axes fraction", "data"),
            xytext=(3, 2),
            textcoords="offset points",
            va="bottom",
            color=SOFT[0],
            fontsize="small",
        )


def limit_to_shares(axes: Axes) -> None:
    """Limit an ordinate to accuracies in per cent: intervals may leave 0 to 100, accuracies cannot.

    Where some are below a half, it begins at 0, so that chance is seen.
    """
    low, high = axes.get_ylim()
    axes.set_ylim(0 if low < 50 else low, min(high, 101))


CROWDED = 8  # points that lines may lie apart in the end, and be told apart no more
WIDE = 25  # points of a panel in which they cannot be


def zoom(axes: Axes, table: pd.DataFrame, x: str, y: str, draw: Callable[[Axes], None]) -> Axes | None:
    """Add an inset that shows where lines crowd: the later part, in which all lie within `CROWDED` points.

    Args:
        axes: with limits that are final.
        table: what is drawn.
        x: column of the abscissa.
        y: column of the ordinate, per cent.
        draw: draws the lines into other axes.

    Returns:
        The inset; None where lines do not crowd, or crowd at once.
    """
    low, high = axes.get_ylim()
    places = np.sort(table[x].unique())
    if table.empty or high - low < WIDE or len(places) < 6:
        return None
    least = table.groupby(x)[y].min().sort_index().to_numpy()
    most = table.groupby(x)[y].max().sort_index().to_numpy()
    apart = np.maximum.accumulate(most[::-1])[::-1] - np.minimum.accumulate(least[::-1])[::-1]
    crowded = np.flatnonzero(apart <= CROWDED)
    # the corner below the lines is free if they have risen early
    if not len(crowded) or crowded[0] > 0.5 * len(places) or least[crowded[0]] < low + 0.7 * (high - low):
        return None
    first = max(crowded[0], 1)
    inset = axes.inset_axes((0.5, 0.3, 0.48, 0.38))
    draw(inset)
    ordinates = table.loc[table[x] >= places[first], y]
    margin = 0.08 * max(ordinates.max() - ordinates.min(), 0.5)
    inset.set(xlim=(places[first], places[-1]), ylim=(ordinates.min() - margin, min(ordinates.max() + margin, 100.3)))
    inset.set_facecolor(LIGHT)
    inset.tick_params(labelsize="x-small", pad=1, length=2)
    inset.yaxis.set_major_locator(MaxNLocator(3))
    inset.xaxis.set_major_locator(MaxNLocator(3, integer=x == "epoch"))
    inset.set(xlabel="", ylabel="", title="")
    return inset


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], gap: float = 0.075) -> None:
    """Put names at the right of a panel, at the heights of lines' ends or as near as they do not cover one another.

    Args:
        axes: with limits that are final.
        ends: ordinate, text and colour of each.
        gap: between two names, as a share of the panel's height.
    """
    low, high = axes.get_ylim()
    ordered = sorted((end for end in ends if np.isfinite(end[0])), key=lambda end: end[0])
    heights = np.array([(end[0] - low) / (high - low) for end in ordered])
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + gap)
    if len(heights) and heights[-1] > 1:
        heights[-1] = 1
        for place in range(len(heights) - 2, -1, -1):
            heights[place] = min(heights[place], heights[place + 1] - gap)
    for (_, text, color), height in zip(ordered, heights, strict=True):
        axes.annotate(
            text,
            (1, height),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize="small",
            annotation_clip=False,
        )


def small_multiples(figure: Figure, count: int, rows: Any = None) -> list[Axes]:
    """Return panels that share their axes, of a page's width four beside one another, of a column's two.

    Args:
        figure: where, if `rows` is None.
        count: of the panels.
        rows: where else: a part of a grid.
    """
    across = multiples_across()
    down = -(-count // across)
    grid = (rows.subgridspec(down, across) if rows is not None else figure.add_gridspec(down, across)).subplots(
        sharex=True, sharey=True, squeeze=False
    )
    panels = list(grid.flat)
    for number, axes in enumerate(panels):
        below = number + across >= count
        axes.tick_params(labelbottom=below)
    for axes in panels[count:]:
        axes.remove()
    return panels[:count]


def multiples_across() -> int:
    """Return how many small panels stand beside one another."""
    return 2 if is_column() else 4


def level_legend(
    figure: Figure,
    levels: Sequence[float],
    found: Mapping[str, Iterable[float]],
    title: str,
    others: Sequence[Artist] = (),
    lines: bool = True,
) -> None:
    """Put one legend of levels for all panels above them, and name levels that were not run.

    Args:
        figure: where.
        levels: what was asked for, in the order of the legend.
        found: network to the levels that it has.
        title: the legend's.
        others: entries behind the levels.
        lines: whether levels have entries.
    """
    absent = {network: [level for level in levels if level not in set(its)] for network, its in found.items()}
    drawn = [level for level in levels if not all(level in its for its in absent.values())] if lines else []
    colors = level_colors(levels)
    handles = [Line2D([], [], color=colors[level], label=level_text(level)) for level in drawn]
    texts = {
        f"{network_title(network)} not run": ", ".join(map(level_text, its)) for network, its in absent.items() if its
    }
    if len(texts) == len(found) and len(set(texts.values())) == 1:
        texts = {"not run": next(iter(texts.values()))}
    notes = [fill(f"{who}: {text}", 40 if is_column() else 60) for who, text in texts.items()]
    legend(figure, [*handles, *others], one_line(title) if lines else "", "\n".join(notes))


def legend(figure: Figure, handles: Sequence[Artist], title: str = "", note: str = "") -> None:
    """Put a legend for all panels above them, a note behind its entries."""
    entries = [*handles, Line2D([], [], linestyle="", label=note)] if note else list(handles)
    if not entries:
        return
    size = float(matplotlib.rcParams["font.size"])
    # a letter is about 0.6 as wide as the font is high, and the line before a label as wide as five letters
    widest = size * (0.6 * max(len(line) for entry in entries for line in str(entry.get_label()).split("\n")) + 4)
    columns = int(max(1, min(len(entries), 72 * figure_width() // widest)))
    figure.legend(handles=entries, title=title or None, loc="outside upper left", alignment="left", ncols=columns)


def one_line(title: str) -> str:
    """Return a title without its line break."""
    return title.replace("\n", " ")


def layer_title(layer: str) -> str:
    """Return a layer's name for readers: `Layer 1` for `free_1`."""
    return f"Layer {layer.rpartition('_')[2]}"


def no_runs(why: str = "no runs") -> Figure:
    """Return the figure of nothing."""
    figure = wide_figure(0.3)
    axes = figure.subplots()
    axes.set(xticks=[], yticks=[])
    say(axes, why)
    return figure


def say(axes: Axes, why: str) -> None:
    """Say in a panel why there is nothing to draw."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=SOFT[0])


def band_patch(label: str) -> Artist:
    """Return the legend's entry of a gray band."""
    return matplotlib.patches.Patch(color=BAND[0], linewidth=0, label=label)


def figure_width() -> float:
    """Return the width that figures have in the current style, in inches."""
    return float(matplotlib.rcParams["figure.figsize"][0])


def is_column() -> bool:
    """Return whether figures are as narrow as a column in the current style."""
    return figure_width() < 5


def wide_figure(aspect: float) -> Figure:
    """Return an empty figure as wide as the style says; its height is in units of the width."""
    return new_figure(figure_width(), figure_width() * aspect)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, outside pyplot's global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def style(width: str = "page", font: str = "sans") -> Iterator[None]:
    """Draw in one style, whatever matplotlibrc says, and leave the caller's style as it was.

    Args:
        width: of figures, one of `WIDTHS`.
        font: one of `FONTS`.
    """
    size = 7 if width == "column" else 8
    sizes: dict[str, Any] = {
        **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize", "figure.labelsize", "legend.fontsize"), size),
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), size - 1),
        "legend.title_fontsize": size,
        "font.family": FONTS[font],
        "figure.figsize": (WIDTHS[width], WIDTHS[width]),
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in (STYLE | sizes).items():
            matplotlib.rcParams[name] = value  # type: ignore[index]
        yield


def image_of(figure: Figure, kind: str) -> bytes:
    """Return a figure as the content of a file, `svg`, `pdf` or `png`; equal figures give equal bytes.

    It is laid out the first time only: that takes most of the time.
    """
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
        for axes in figure.axes:  # the layout's last bits are not the same each time, and names in SVG are hashes of it
            axes.set_position(np.round(axes.get_position(original=True).bounds, 9).tolist())
    drawn = io.BytesIO()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(drawn, format=kind, metadata=undated.get(kind))
    content = drawn.getvalue()
    return sealed_svg(content.decode()).encode() if kind == "svg" else content
