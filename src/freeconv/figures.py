"""Figures: what training sees, accuracy by epoch, kernel distance by epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from freeconv import layout, runs
from freeconv.configs import Augmentation, check_config
from freeconv.errors import FreeconvError
from freeconv.params import Params
from freeconv.storage import read_h5

DPI = 150
SAMPLE_ROWS = 3
SHOWN_METRICS = {
    "train_acc": "Training accuracy",
    "val_acc": "Validation accuracy",
    "translate_acc": "Translated validation accuracy",
}
SHOWN_NETWORKS = ("fcn", "cnn")
LEVEL_TITLES = {
    "none": "Level",
    "translate": "Translation\n(share of image size)",
    "rotate": "Rotation\n(share of 360°)",
    "noise": "Noise\n(standard deviation)",
    "edge_noise": "Edge noise\n(standard deviation)",
}
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


def make_figures(params: Params, folder: str = layout.REPORTS) -> None:
    """Draw all figures of a study, as PNG and SVG: the files of `runs.figure_files`.

    Args:
        params: the study; its shards must be there, at the paths of `layout`.
        folder: where `make_tables` put its tables, and where the folder `figures` goes.

    Raises:
        FreeconvError: a table or shard is missing or damaged.
    """
    curves = read_table(folder, "accuracy_by_epoch")
    distances = read_table(folder, "distance")
    study = read_table(folder, "runs")
    for dataset in params.data.datasets:
        positions = _positions(study, dataset)
        for augmentation in runs.augmentations(params):
            levels = params.levels(augmentation)
            with _style():
                figures = {
                    "samples": draw_samples(_samples(params, dataset, augmentation, levels), levels, augmentation),
                    "accuracy": draw_accuracy(_of(curves, dataset, augmentation), levels, augmentation),
                }
                if positions:
                    chosen = _of(distances, dataset, augmentation)
                    figures["distance"] = draw_distance(chosen, levels, augmentation, positions)
                for name, figure in figures.items():
                    for suffix in ("png", "svg"):
                        save(figure, layout.figure_file(folder, dataset, augmentation, name, suffix))


def read_table(folder: str, name: str) -> pd.DataFrame:
    """Read one table that `make_tables` wrote.

    Raises:
        FreeconvError: the table is missing.
    """
    path = Path(f"{folder}/tables/{name}.csv")
    if not path.is_file():
        raise FreeconvError(f"{path}: expected a table, received nothing: run `freeconv tables` first")
    return pd.read_csv(path)


def _of(table: pd.DataFrame, dataset: str, augmentation: str) -> pd.DataFrame:
    """Return the rows of one dataset and augmentation."""
    return table[(table["dataset"] == dataset) & (table["augmentation"] == augmentation)]


def _positions(study: pd.DataFrame, dataset: str) -> int:
    """Return the number of positions of a dataset's first free layer; 0 if no free network was trained."""
    positions = study.loc[(study["dataset"] == dataset) & (study["network"] == "fcn"), "positions"]
    return int(positions.iloc[0]) if len(positions) else 0


def _samples(params: Params, dataset: str, augmentation: Augmentation, levels: list[float]) -> np.ndarray:
    """Read the same few images of different classes from the first shard of every level.

    Returns:
        (images, levels, height, width, channels), of the shards' type: uint8, or floats on the [0, 1] scale.
    """
    columns = []
    for level in levels:
        config = runs.shard_config(params, dataset, runs.trained_as(augmentation, level), level, 0)
        path = layout.shard_file(dataset, config.augmentation, level, 0)
        # tells of a missing or foreign file, and registers the filter that reading the images needs
        arrays, attributes = read_h5(path, ["labels"])
        check_config(path, attributes.get("config"), config.dump())
        labels = arrays["labels"]
        chosen = np.sort(np.unique(labels, return_index=True)[1][:SAMPLE_ROWS])
        with h5py.File(path, "r") as file:
            columns.append(file["images"][chosen])  # these rows only: a shard can hold hundreds of megabytes
    return np.stack(columns, axis=1)


def draw_samples(samples: np.ndarray, levels: list[float], augmentation: str) -> Figure:
    """Draw what training sees: one image per row, one level per column (Ott et al. 2019, Figures 2 and B.1 to B.4).

    Args:
        samples: (images, levels, height, width, channels); uint8, or floats on the [0, 1] scale, which are clipped.
        levels: the columns' levels.
        augmentation: which one the levels are of.
    """
    rows, columns = samples.shape[:2]
    figure = _figure(max(columns * 0.95, 3) + 0.2, rows * 0.95 + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        image = samples[row, column]
        image = image if image.dtype == np.uint8 else np.clip(image.astype(np.float32), 0, 1)
        gray = image.shape[-1] == 1
        axes.imshow(image[..., 0] if gray else image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
        axes.set_axis_off()
        if row == 0:
            axes.set_title(layout.level_text(levels[column]))
    figure.suptitle(LEVEL_TITLES[augmentation].replace("\n", " "), fontsize="medium")
    return figure


def draw_accuracy(curves: pd.DataFrame, levels: list[float], augmentation: str) -> Figure:
    """Draw accuracy by epoch, FCN left and CNN right (Ott et al. 2019, Figures 3 and 4).

    Args:
        curves: rows of `tables.accuracy_by_epoch` of one dataset and augmentation.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.

    Returns:
        Training, validation and translated validation accuracy from top to bottom: mean over folds as a line, 95 %
        interval as a band.
    """
    networks = [network for network in SHOWN_NETWORKS if network in set(curves["network"])]
    figure = _figure(1.6 + 3.6 * len(networks), 7.8)
    grid = figure.subplots(len(SHOWN_METRICS), len(networks), sharex=True, sharey="row", squeeze=False)
    for row, (metric, title) in enumerate(SHOWN_METRICS.items()):
        for column, network in enumerate(networks):
            axes = grid[row, column]
            chosen = curves[(curves["metric"] == metric) & (curves["network"] == network)]
            _draw_lines(axes, chosen, levels, "mean")
            if row == 0:
                axes.set_title(network.upper())
            axes.set_ylabel(title if column == 0 else "")
            axes.set_xlabel("Epoch" if row == len(SHOWN_METRICS) - 1 else "")
        # intervals may leave [0, 1], accuracies cannot
        low, high = grid[row, 0].get_ylim()
        grid[row, 0].set_ylim(max(low, -0.01), min(high, 1.01))
    _legend(figure, grid[0, 0], augmentation)
    return figure


def draw_distance(distances: pd.DataFrame, levels: list[float], augmentation: str, positions: int) -> Figure:
    """Draw kernel distance by epoch, one panel per radius (Ott et al. 2019, Figures 5, B.6 and B.7).

    Args:
        distances: rows of `tables.distance` of one dataset and augmentation.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.
        positions: number of positions of the layer, for the dashed line at which independent kernels are expected:
            √(2 / positions), or 1 for the cosine distance.

    Returns:
        One row of panels per measure.
    """
    radii, measures = distances["radius"].unique(), distances["measure"].unique()
    figure = _figure(1.6 + 3.6 * len(radii), 0.4 + 3.2 * len(measures))
    grid = figure.subplots(len(measures), len(radii), sharex=True, sharey="row", squeeze=False)
    for row, measure in enumerate(measures):
        for column, radius in enumerate(radii):
            axes = grid[row, column]
            chosen = distances[(distances["measure"] == measure) & (distances["radius"] == radius)]
            _draw_lines(axes, chosen, levels, "median")
            _draw_independent(axes, measure, positions)
            if row == 0:
                axes.set_title(f"Radius {radius}")
            axes.set_ylabel(f"Mean {measure} distance" if column == 0 else "")
            axes.set_xlabel("Epoch (0: untrained)" if row == len(measures) - 1 else "")
    _legend(figure, grid[0, 0], augmentation)
    return figure


def _draw_independent(axes: Axes, measure: str, positions: int) -> None:
    """Draw the distance expected of independent kernels."""
    expected = np.sqrt(2 / positions) if measure == "euclidean" else 1.0
    label = f"independent: √(2/{positions})" if measure == "euclidean" else "independent: 1"
    axes.axhline(expected, color="0.35", linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    axes.annotate(
        label,
        (1, expected),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        color="0.25",
        fontsize="small",
        bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
    )


def _draw_lines(axes: Axes, table: pd.DataFrame, levels: list[float], value: str) -> None:
    """Draw one line per level, with a band where the table has `low` and `high`."""
    # the lightest end of viridis is too pale for a line on white
    colors = [matplotlib.colormaps["viridis"](0.9 * rank / max(len(levels) - 1, 1)) for rank in range(len(levels))]
    ranks = {level: rank for rank, level in enumerate(sorted(levels))}
    for level in levels:
        line = table[np.isclose(table["level"], level)]
        color = colors[ranks[level]]
        marker = "o" if len(line) == 1 else ""
        axes.plot(line["epoch"], line[value], color=color, marker=marker, label=layout.level_text(level))
        if "low" in line and len(line) == 1:
            axes.vlines(line["epoch"], line["low"], line["high"], color=color, alpha=0.4)
        elif "low" in line:
            axes.fill_between(line["epoch"], line["low"], line["high"], color=color, alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _legend(figure: Figure, axes: Axes, augmentation: str) -> None:
    """Put one legend for all panels to their right."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, title=LEVEL_TITLES[augmentation], loc="outside right upper", alignment="left")


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, outside pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def _style() -> Iterator[None]:
    """Draw in one style, whatever matplotlibrc says, and leave the caller's style as it was."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure; equal figures give equal bytes."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    svg = Path(path).suffix == ".svg"
    figure.savefig(path, dpi=DPI, metadata={"Date": None} if svg else None)
