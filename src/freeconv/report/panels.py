"""What all figures are made of: style, panels, lines by level, legends, files' content."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from freeconv.augmentations import AUGMENTATIONS
from freeconv.networks import NETWORKS
from freeconv.report.colors import SERIES, level_colors
from freeconv.report.titles import free_first, network_title
from freeconv.vocabulary import level_text

DPI = 150


VCP_TITLE = "Missing connections\n(share)"


MEASURE_TITLES = {"euclidean": "Euclidean", "cosine": "cosine"}


DASHED = (0, (4, 3))


PALETTE = [light for light, _ in SERIES]


UNTRAINED: dict[str, Any] = {"color": "0.25", "linestyle": "", "marker": "o", "markerfacecolor": "white", "zorder": 5}


INDEPENDENT: dict[str, Any] = {"color": "0.35", "linestyle": DASHED, "linewidth": 1, "zorder": 1}


STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=1.15),
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same everywhere
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "svg.hashsalt": "freeconv",
}


def draw_samples(samples: np.ndarray, levels: list[float], augmentation: str) -> Figure:
    """Draw what training sees: one image per row, one level per column (Ott et al. 2019, Figures 2 and B.1 to B.4).

    Args:
        samples: (images, levels, height, width, channels), as `show_image` takes them.
        levels: the columns' levels.
        augmentation: which one the levels are of.
    """
    rows, columns = samples.shape[:2]
    figure = new_figure(max(columns * 0.95, 3) + 0.2, rows * 0.95 + 0.5)
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
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axes.set_axis_off()


def over_folds(measures: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return median, lowest and highest `value` over folds: columns keys, median, low, high."""
    values = measures.groupby(keys, sort=False)["value"]
    return values.agg(median="median", low="min", high="max").reset_index()


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
    return MaxNLocator(integer=True, min_n_ticks=1)


def draw_line(axes: Axes, table: pd.DataFrame, x: str, y: str, **line: Any) -> None:
    """Draw a line, with a band where the table has `low` and `high`; of a single point a dot with a bar."""
    if table.empty:
        return
    single = len(table) == 1
    axes.plot(table[x], table[y], **{"marker": "o" if single else "", **line})
    if "low" in table and single:
        axes.vlines(table[x], table["low"], table["high"], color=line["color"], alpha=0.4)
    elif "low" in table:
        axes.fill_between(table[x], table["low"], table["high"], color=line["color"], alpha=0.15, linewidth=0)


def limit_to_shares(axes: Axes) -> None:
    """Limit an ordinate to accuracies: intervals may leave [0, 1], accuracies cannot."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.01), min(high, 1.01))


def level_legend(
    figure: Figure,
    levels: Sequence[float],
    found: Mapping[str, Iterable[float]],
    title: str,
    others: Sequence[Artist] = (),
) -> None:
    """Put one legend of levels for all panels to their right, and name levels that were not run.

    Args:
        figure: where.
        levels: what was asked for, in the order of the legend.
        found: network to the levels that it has.
        title: the legend's.
        others: entries behind the levels.
    """
    absent = {network: [level for level in levels if level not in set(its)] for network, its in found.items()}
    drawn = [level for level in levels if not all(level in its for its in absent.values())]
    colors = level_colors(levels)
    handles = [Line2D([], [], color=colors[level], label=level_text(level)) for level in drawn]
    texts = {
        f"{network_title(network)} not run": ", ".join(map(level_text, its)) for network, its in absent.items() if its
    }
    if len(texts) == len(found) and len(set(texts.values())) == 1:
        texts = {"not run": next(iter(texts.values()))}
    notes = [fill(f"{who}: {text}", 18) for who, text in texts.items()]
    legend(figure, [*handles, *others], title, "\n".join(notes))


def legend(figure: Figure, handles: Sequence[Artist], title: str, note: str = "", below: bool = False) -> None:
    """Put a legend for all panels to their right, at the top or the bottom, a note behind its entries."""
    entries = [*handles, Line2D([], [], linestyle="", label=note)] if note else list(handles)
    figure.legend(
        handles=entries,
        title=title,
        loc="outside right lower" if below else "outside right upper",
        alignment="left",
    )


def one_line(title: str) -> str:
    """Return a title without its line break."""
    return title.replace("\n", " ")


def layer_title(layer: str) -> str:
    """Return a layer's name for readers: `Layer 1` for `free_1`."""
    return f"Layer {layer.rpartition('_')[2]}"


def no_runs() -> Figure:
    """Return the figure of nothing."""
    figure = new_figure(5, 2.4)
    axes = figure.subplots()
    axes.set(xticks=[], yticks=[])
    say(axes, "no runs")
    return figure


def say(axes: Axes, why: str) -> None:
    """Say in a panel why there is nothing to draw."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color="0.35")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, outside pyplot's global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def style() -> Iterator[None]:
    """Draw in one style, whatever matplotlibrc says, and leave the caller's style as it was."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def image_of(figure: Figure, kind: str) -> bytes:
    """Return a figure as the content of a file, `png` or `svg`; equal figures give equal bytes.

    It is laid out the first time only: that takes most of the time.
    """
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
        for axes in figure.axes:  # the layout's last bits are not the same each time, and names in SVG are hashes of it
            axes.set_position(np.round(axes.get_position(original=True).bounds, 9).tolist())
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return drawn.getvalue()
