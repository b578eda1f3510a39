"""Figures: what training sees, accuracy and kernel distance by epoch, and what trained networks are like."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
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
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from freeconv import layout, runs
from freeconv.configs import Augmentation, check_config
from freeconv.errors import FreeconvError
from freeconv.params import Params
from freeconv.storage import read_h5, read_summed, write_bytes
from freeconv.variants import parse_variant

DPI = 150
SAMPLE_ROWS = 3
METRIC_TITLES = {
    "train_acc": "Training",
    "val_acc": "Validation",
    "translate_acc": "Translated validation",
    "rotate_acc": "Rotated validation",
    "noise_acc": "Validation with noise",
    "edge_noise_acc": "Validation with edge noise",
}
ACCURACY_METRICS = ("train_acc", "val_acc", "translate_acc")
SHOWN_NETWORKS = ("fcn", "cnn")
LEVEL_TITLES = {
    "none": "Level",
    "translate": "Translation\n(share of image size)",
    "rotate": "Rotation\n(share of 360°)",
    "noise": "Noise\n(standard deviation)",
    "edge_noise": "Edge noise\n(standard deviation)",
}
VCP_TITLE = "Missing connections\n(share)"
# measure of `measure.MEASURE_COLUMNS`: label of its axis, units per unit of `setting`
TRANSFER_PANELS = {
    "horizontal_shift_acc": ("Shift to the right (% of width)", 100),
    "vertical_shift_acc": ("Shift down (% of height)", 100),
    "angle_acc": ("Turn counter-clockwise (degrees)", 1),
}
# augmentation and panel: how far one unit of level goes in training, in units of `setting`
TRANSFER_RANGES = {
    ("translate", "horizontal_shift_acc"): 1,
    ("translate", "vertical_shift_acc"): 1,
    ("rotate", "angle_acc"): 360,
}
MEASURE_TITLES = {"euclidean": "Euclidean", "cosine": "cosine"}
DASHED = (0, (4, 3))
PALETTE = sns.color_palette("colorblind")
NETWORK_COLORS = {"fcn": PALETTE[0], "cnn": PALETTE[1]}
LAYER_STYLES: list[dict[str, Any]] = [
    {"color": color, "marker": marker, "markersize": 4}
    for color, marker in zip((PALETTE[0], PALETTE[1], PALETTE[4]), "s^D", strict=True)
]
SHARED_STYLES: dict[str, dict[str, Any]] = {
    "all": {"color": "0.55", "marker": "v", "markersize": 4},
    "none": {"color": "black", "marker": "o", "markersize": 4},
}
UNTRAINED: dict[str, Any] = {"color": "0.25", "linestyle": "", "marker": "o", "markerfacecolor": "white", "zorder": 5}
TRAINED: dict[str, Any] = {"color": "0.35", "linestyle": "", "marker": "|", "markersize": 9, "markeredgewidth": 2}
INDEPENDENT: dict[str, Any] = {"color": "0.35", "linestyle": DASHED, "linewidth": 1, "zorder": 1}
NULL_COLOR = "0.87"
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

    Cells without runs are left out and named in the figure; where there are none at all, it says so.

    Args:
        params: the study. At the paths of `layout` there must be its shards and, of each dataset, the first run of the
            free network that the table `runs` names: it says how many positions layers have.
        folder: where `make_tables` put its tables, and where the folder `figures` goes.

    Raises:
        FreeconvError: a table, a shard or that run is missing or damaged.
    """
    tables = {name: read_table(folder, name) for name in ("accuracy_by_epoch", "distance", "measures", "runs")}
    with style():
        for dataset in params.data.datasets:
            rows = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
            positions = _positions(rows)
            for subject, name in runs.figures(params):
                figure = _draw(params, dataset, subject, name, rows, positions)
                for suffix in ("png", "svg"):
                    save(figure, layout.figure_file(folder, dataset, subject, name, suffix))


def read_table(folder: str, name: str) -> pd.DataFrame:
    """Read and verify one table that `make_tables` wrote.

    Raises:
        FreeconvError: the table or `tables/SHA256SUMS` is missing, or the table is not what it was.
    """
    path = Path(f"{folder}/tables/{name}.csv")
    if not path.is_file():
        raise FreeconvError(f"{path}: expected a table, received nothing: run `freeconv tables` first")
    text = {"table": str, "protocol": str}  # of `compared`: else `1` would be a number, and nothing NaN
    frame = pd.read_csv(io.BytesIO(read_summed(path, layout.sums_file(folder))), dtype=text)
    return frame.fillna({name: "" for name in text if name in frame})


def _positions(tables: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return how many positions the free layers have that a dataset's tables name; nothing without a free run."""
    study = tables["runs"]
    paths = study.loc[study["network"] == "fcn", "path"]
    layers = {*tables["distance"]["layer"], *tables["measures"]["layer"].dropna()} - {"none", "all"}
    if paths.empty:
        return {}
    arrays, _ = read_h5(paths.iloc[0], [f"network/{layer}/kernel" for layer in layers])
    return {layer: len(arrays[f"network/{layer}/kernel"]) for layer in layers}


def _draw(
    params: Params, dataset: str, subject: Any, name: str, tables: Mapping[str, pd.DataFrame], positions: dict[str, int]
) -> Figure:
    """Draw one of `runs.figures` from the rows of a dataset."""
    networks = [network for network in SHOWN_NETWORKS if network in params.train.networks]
    curves, distances, measures = (tables[table] for table in ("accuracy_by_epoch", "distance", "measures"))
    if subject == "vcp":
        level = float(name.removeprefix("accuracy-"))
        return draw_vcp(curves[(curves["augmentation"] == "translate") & (curves["level"] == level)], params.vcp.levels)
    if name == "swap":
        return draw_swap_accuracy(curves[curves["level"] == 0], networks)
    levels = params.levels(subject)
    if name == "samples":
        return draw_samples(_samples(params, dataset, subject, levels), levels, subject)
    if name == "accuracy":
        return draw_accuracy(curves[curves["augmentation"] == subject], networks, levels, subject)
    if name == "distance":
        return draw_distance(distances[distances["augmentation"] == subject], levels, subject, positions)
    trained_as = np.where(measures["level"] > 0, subject, "none")
    chosen = measures[(measures["augmentation"] == trained_as) & measures["level"].isin(levels)]
    if name == "transfer":
        return draw_transfer(chosen, networks, levels, subject)
    return draw_sharing(chosen, levels, subject, positions)


def _samples(params: Params, dataset: str, augmentation: Augmentation, levels: list[float]) -> np.ndarray:
    """Read the same few images of different classes from the first shard of every level.

    Returns:
        (images, levels, height, width, channels), of the shards' type: uint8, or floats on the [0, 1] scale.
    """
    columns = []
    for level in levels:
        config = runs.shard_config(params, dataset, runs.trained_as(augmentation, level), level, 0)
        path = layout.shard_file(dataset, config.augmentation, level, 0)
        arrays, attributes = read_h5(path)
        check_config(path, attributes.get("config"), config.dump())
        chosen = np.sort(np.unique(arrays["labels"], return_index=True)[1][:SAMPLE_ROWS])
        columns.append(arrays["images"][chosen])
    return np.stack(columns, axis=1)


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
            axes.set_title(layout.level_text(levels[column]))
    figure.suptitle(_one_line(LEVEL_TITLES[augmentation]), fontsize="medium")
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


def draw_accuracy(curves: pd.DataFrame, networks: Sequence[str], levels: Sequence[float], augmentation: str) -> Figure:
    """Draw accuracy by epoch, one column per network (Ott et al. 2019, Figures 3 and 4).

    Args:
        curves: rows of `tables.accuracy_by_epoch` of one dataset and augmentation.
        networks: the columns.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.

    Returns:
        Training, validation and translated validation accuracy from top to bottom: mean over folds as a line, 95 %
        interval as a band.
    """
    curves = curves[curves["network"].isin(networks) & curves["level"].isin(levels)]
    if curves.empty:
        return _no_runs()
    figure = new_figure(1.6 + 3.6 * len(networks), 7.8)
    grid = figure.subplots(len(ACCURACY_METRICS), len(networks), sharex=True, sharey="row", squeeze=False)
    for row, metric in enumerate(ACCURACY_METRICS):
        for column, network in enumerate(networks):
            axes = grid[row, column]
            chosen = curves[(curves["metric"] == metric) & (curves["network"] == network)]
            _draw_levels(axes, chosen, levels, "level", "epoch", "mean")
            axes.set_title(network.upper() if row == 0 else "")
            axes.set_ylabel(f"{METRIC_TITLES[metric]} accuracy" if column == 0 else "")
            axes.set_xlabel("Epoch" if row == len(ACCURACY_METRICS) - 1 else "")
        _limit_to_shares(grid[row, 0])
    found = {network: curves.loc[curves["network"] == network, "level"] for network in networks}
    _level_legend(figure, levels, found, LEVEL_TITLES[augmentation])
    return figure


def draw_vcp(curves: pd.DataFrame, shares: Sequence[float]) -> Figure:
    """Draw accuracy by epoch of free networks that lack connections (Ott et al. 2019, Figures C.1 and C.2).

    Args:
        curves: rows of `tables.accuracy_by_epoch` of one dataset, augmentation and level.
        shares: the lines, in the order of the legend: shares of missing connections.

    Returns:
        A panel each for training accuracy and for accuracy on held-out images as they are, translated, rotated, noisy
        and noisy at the edge: mean over folds as a line, 95 % interval as a band.
    """
    variants = curves["network"].map(parse_variant)
    free = np.array([variant.kind == "fcn" for variant in variants], dtype=bool)
    curves = curves.assign(vcp=[variant.vcp for variant in variants])[free]
    curves = curves[curves["vcp"].isin(shares)]
    if curves.empty:
        return _no_runs()
    figure = new_figure(10, 5.4)
    for axes, (metric, title) in zip(figure.subplots(2, 3, sharex=True).flat, METRIC_TITLES.items(), strict=True):
        _draw_levels(axes, curves[curves["metric"] == metric], shares, "vcp", "epoch", "mean")
        axes.set_title(title)
        _limit_to_shares(axes)
    figure.supxlabel("Epoch", fontsize="medium")
    figure.supylabel("Accuracy", fontsize="medium")
    _level_legend(figure, shares, {"fcn": curves["vcp"]}, VCP_TITLE)
    return figure


def draw_swap_accuracy(curves: pd.DataFrame, networks: Sequence[str]) -> Figure:
    """Draw accuracy by epoch on images whose quadrants I and III are exchanged (Ott et al. 2019, Figure 6).

    Args:
        curves: rows of `tables.accuracy_by_epoch` of one dataset at level 0; of several augmentations, whose level 0 is
            the same runs, the first counts.
        networks: the lines.

    Returns:
        Mean over folds as a line, 95 % interval as a band; the mean on images as they are as a thin dashed line.
    """
    keys = ["network", "metric", "epoch"]
    curves = curves[curves["network"].isin(networks)].drop_duplicates(keys)
    if curves.empty:
        return _no_runs()
    figure = new_figure(6.6, 3.6)
    axes = figure.subplots()
    handles: list[Artist] = []
    for network in networks:
        color = NETWORK_COLORS[network]
        swap, plain = (
            curves[(curves["network"] == network) & (curves["metric"] == metric)] for metric in ("swap_acc", "val_acc")
        )
        _draw_line(axes, plain[["epoch", "mean"]], "epoch", "mean", color=color, linewidth=0.8, linestyle=DASHED)
        _draw_line(axes, swap, "epoch", "mean", color=color, linewidth=2)
        if not swap.empty:
            name = network.upper()
            handles.append(Line2D([], [], color=color, linewidth=2, label=f"{name}, quadrants swapped"))
            handles.append(Line2D([], [], color=color, linewidth=0.8, linestyle=DASHED, label=f"{name}, as they are"))
    axes.set(xlabel="Epoch", ylabel="Validation accuracy")
    axes.xaxis.set_major_locator(_whole_numbers())
    _limit_to_shares(axes)
    absent = [network.upper() for network in networks if network not in set(curves["network"])]
    _legend(figure, handles, "Images", f"not run: {', '.join(absent)}" if absent else "")
    return figure


def draw_distance(
    distances: pd.DataFrame, levels: Sequence[float], augmentation: str, positions: Mapping[str, int]
) -> Figure:
    """Draw kernel distance by epoch, one column per radius (Ott et al. 2019, Figures 5, B.6 and B.7).

    Args:
        distances: rows of `tables.distance` of one dataset and augmentation.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.
        positions: layer to its number of positions, for the dashed line at which independent kernels are expected:
            √(2 / positions), or 1 for the cosine distance.

    Returns:
        One row of panels per layer and measure, without those of radii that do not fit the layer. The ring at epoch 0
        is the untrained networks' median.
    """
    distances = distances[distances["level"].isin(levels)]
    if distances.empty:
        return _no_runs()
    radii = distances["radius"].unique()
    rows = list(distances[["layer", "measure"]].drop_duplicates().itertuples(index=False, name=None))
    width, height = min(3.6, 8.4 / len(radii)), 3.2 if len(rows) < 3 else 2.4
    figure = new_figure(1.8 + width * len(radii), 0.6 + height * len(rows))
    grid = figure.subplots(len(rows), len(radii), sharex=True, sharey="row", squeeze=False)
    for row, (layer, measure) in enumerate(rows):
        of_row = distances[(distances["layer"] == layer) & (distances["measure"] == measure)]
        for axes, radius in zip(grid[row], radii, strict=True):
            chosen = of_row[of_row["radius"] == radius]
            if chosen.empty:
                axes.remove()
                continue
            _draw_levels(axes, chosen, levels, "level", "epoch", "median")
            if layer in positions:
                _draw_independent(axes, measure, positions[layer])
            untrained = chosen.loc[chosen["epoch"] == 0, "median"].median()
            axes.plot(0, untrained, **UNTRAINED, clip_on=False)
            axes.set_title(f"Radius {radius}" if row == 0 else "")
            axes.margins(y=0.1)
        name = f"{_layer_title(layer)}:\nmean" if distances["layer"].nunique() > 1 else "Mean"
        grid[row, 0].set_ylabel(f"{name} {MEASURE_TITLES[measure]} distance")
    for column in grid.T:
        lowest = [axes for axes in column if axes.figure is not None][-1]
        lowest.set_xlabel("Epoch (0: untrained)")
        lowest.tick_params(labelbottom=True)
    _level_legend(
        figure,
        levels,
        {"fcn": distances["level"]},
        LEVEL_TITLES[augmentation],
        [Line2D([], [], **UNTRAINED, label="untrained")],
    )
    return figure


def _draw_independent(axes: Axes, measure: str, positions: int) -> None:
    """Draw the distance expected of independent kernels."""
    expected = np.sqrt(2 / positions) if measure == "euclidean" else 1.0
    label = f"independent: √(2/{positions})" if measure == "euclidean" else "independent: 1"
    axes.axhline(expected, **INDEPENDENT)
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


def draw_transfer(
    measures: pd.DataFrame, networks: Sequence[str], levels: Sequence[float], augmentation: str
) -> Figure:
    """Draw how accurate trained networks are on images that are shifted or turned by a fixed amount.

    Args:
        measures: rows with the columns `measure.MEASURE_COLUMNS` of one dataset, of networks trained under one
            augmentation.
        networks: the rows of panels.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.

    Returns:
        A column each for shift to the right, shift down, and turn: median over folds as a line, lowest and highest as a
        band. Where the panel shows what a network was trained with, ticks at its foot show how far: one each way for
        every level within the panel.
    """
    measures = measures[measures["network"].isin(networks) & measures["level"].isin(levels)]
    if measures.empty:
        return _no_runs()
    colors = _level_colors(levels)
    columns = ["network", "measure", "level", "setting"]
    summary = _over_folds(measures[measures["measure"].isin(TRANSFER_PANELS)].sort_values("setting"), columns)
    figure = new_figure(10.4, 0.8 + 2.6 * len(networks))
    grid = figure.subplots(len(networks), len(TRANSFER_PANELS), sharex="col", sharey=True, squeeze=False)
    for row, network in enumerate(networks):
        for column, (measure, (label, unit)) in enumerate(TRANSFER_PANELS.items()):
            axes = grid[row, column]
            chosen = summary[(summary["network"] == network) & (summary["measure"] == measure)]
            _draw_levels(axes, chosen.assign(setting=unit * chosen["setting"]), levels, "level", "setting", "median")
            axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 4.5, 5, 9, 10]))
            axes.set_xlabel(label if row == len(networks) - 1 else "")
            axes.set_ylabel(f"{network.upper()}: accuracy" if column == 0 else "")
            if (augmentation, measure) in TRANSFER_RANGES:
                drawn = {level: color for level, color in colors.items() if level in set(chosen["level"])}
                _draw_trained_range(axes, drawn, unit * TRANSFER_RANGES[augmentation, measure])
    _limit_to_shares(grid[0, 0])
    found = {network: measures.loc[measures["network"] == network, "level"] for network in networks}
    ranges = any(shown == augmentation for shown, _ in TRANSFER_RANGES)
    _level_legend(
        figure,
        levels,
        found,
        LEVEL_TITLES[augmentation],
        [Line2D([], [], **TRAINED, label="limit in training")] * ranges,
    )
    return figure


def _draw_trained_range(axes: Axes, colors: Mapping[float, Any], unit: float) -> None:
    """Mark at the foot of a panel how far images of each level were moved in training, where that is within it."""
    low, high = axes.get_xlim()
    for level, color in colors.items():
        ends = [end for end in (-unit * level, unit * level) if level > 0 and low <= end <= high]
        axes.plot(ends, [0] * len(ends), **{**TRAINED, "color": color}, transform=axes.get_xaxis_transform())


def draw_sharing(
    measures: pd.DataFrame, levels: Sequence[float], augmentation: str, positions: Mapping[str, int]
) -> Figure:
    """Draw how alike the kernels of trained free networks are over positions (docs/measures.md).

    Args:
        measures: rows with the columns `measure.MEASURE_COLUMNS` of one dataset, of networks trained under one
            augmentation.
        levels: the lines of (a), in the order of the legend, and the abscissa of (b) to (d).
        augmentation: which one the levels are of.
        positions: layer to its number of positions, for the dashed lines in (c), √(1 − 1 / positions), at which
            independent kernels are expected.

    Returns:
        (a) Kernel distance by radius, one panel per layer, divided by its mean over all pairs of kernels; the gray band
        holds 95 % of what random reassignments of kernels to positions give, at the level and fold where that is
        widest, and is cut off where it goes far beyond the lines. (b) Signal-to-noise of weights over positions, with
        their quartiles. (c) Distance to the best shared kernel. (d) Accuracy as trained, and with kernels replaced by
        their mean over positions. Medians over folds; the bands of (a), (c) and (d) reach from the lowest fold to the
        highest.
    """
    measures = measures[(measures["network"] == "fcn") & measures["level"].isin(levels)]
    layers = sorted(set(measures["layer"].dropna()) - {"none", "all"})
    if not layers:
        return _no_runs()
    figure = new_figure(10.4, 6.8)
    rows = figure.add_gridspec(2, 1, height_ratios=[1.2, 1])
    _draw_distance_by_radius(rows[0], measures[measures["measure"] == "euclidean_distance"], layers, levels)
    _level_legend(
        figure,
        levels,
        {"fcn": measures["level"]},
        LEVEL_TITLES[augmentation],
        [Patch(color=NULL_COLOR, label="reassigned\nat random")],
    )
    handles = _draw_by_level(rows[1], measures, layers, positions, _one_line(LEVEL_TITLES[augmentation]))
    _legend(figure, handles, "Free layers", below=True)
    return figure


def _draw_distance_by_radius(
    place: SubplotSpec, measures: pd.DataFrame, layers: Sequence[str], levels: Sequence[float]
) -> None:
    """Draw part (a) of `draw_sharing`."""
    keys = ["layer", "level", "fold", "setting"]
    wide = measures.pivot(index=keys, columns="statistic", values="value")
    relative = wide.div(wide["permuted_mean"], axis=0).sort_index().reset_index()
    shown = [layer for layer in layers if layer in set(relative["layer"])]
    radii = {layer: relative.loc[relative["layer"] == layer, "setting"].unique() for layer in shown}
    widths = [1.5 + len(radii[layer]) for layer in shown]
    panels = place.subgridspec(1, len(shown), width_ratios=widths).subplots(sharey=True, squeeze=False)[0]
    for axes, layer in zip(panels, shown, strict=True):
        chosen = relative[relative["layer"] == layer]
        null = chosen.groupby("setting").agg({"permuted_low": "min", "permuted_high": "max"})
        edges = np.array([*null.index, null.index[-1] + 1]) - 0.5
        axes.stairs(null["permuted_high"], edges, baseline=null["permuted_low"], fill=True, color=NULL_COLOR, zorder=0)
        summary = _over_folds(chosen.rename(columns={"observed": "value"}), ["level", "setting"])
        _draw_levels(axes, summary, levels, "level", "setting", "median", marker="o", markersize=3)
        axes.set(title=_layer_title(layer), xlabel="Radius (positions)", xlim=(edges[0], edges[-1]))
    panels[0].set_title("(a) " + panels[0].get_title())
    panels[0].set_ylabel("Distance / mean of all pairs")
    # Far radii have few pairs and a band so wide that it would press the lines together.
    low, high = min(1, relative["observed"].min()), max(1, relative["observed"].max())
    panels[0].set_ylim(low - 0.1 * (high - low) - 0.01, high + 0.1 * (high - low) + 0.01)


def _draw_by_level(
    place: SubplotSpec, measures: pd.DataFrame, layers: Sequence[str], positions: Mapping[str, int], title: str
) -> list[Artist]:
    """Draw parts (b) to (d) of `draw_sharing` over an abscissa of this title, and return the legend's entries."""
    noise, shared, accuracy = place.subgridspec(1, 3).subplots(squeeze=False)[0]
    of_measure = dict(list(measures.groupby("measure")))
    keys = ["layer", "level"]
    signal = of_measure["signal_to_noise"].groupby([*keys, "statistic"])["value"].median().unstack("statistic")
    signal = signal.rename(columns={"lower_quartile": "low", "upper_quartile": "high"}).reset_index()
    distances, accuracies = (_over_folds(of_measure[name], keys) for name in ("distance_to_shared", "shared_acc"))
    handles: list[Artist] = []
    for layer, style_of_layer in zip(layers, LAYER_STYLES, strict=False):
        for axes, summary in ((noise, signal), (shared, distances), (accuracy, accuracies)):
            _draw_line(axes, summary[summary["layer"] == layer], "level", "median", **style_of_layer)
        if layer in positions:
            shared.axhline(np.sqrt(1 - 1 / positions[layer]), **INDEPENDENT)
        handles.append(Line2D([], [], **style_of_layer, label=_layer_title(layer).lower()))
    for name, label in (("all", "all layers"), ("none", "as trained")):
        _draw_line(accuracy, accuracies[accuracies["layer"] == name], "level", "median", **SHARED_STYLES[name])
        handles.append(Line2D([], [], **SHARED_STYLES[name], label=label))
    handles.append(Line2D([], [], **INDEPENDENT, label="independent:\n√(1 − 1 / positions)"))
    noise.set(title="(b) Signal-to-noise", ylabel="|mean| / std over positions")
    shared.set(title="(c) Distance to shared kernel", ylabel="‖W − mean‖ / ‖W‖", xlabel=title)
    accuracy.set(title="(d) With shared kernels", ylabel="Validation accuracy")
    for axes in (noise, shared, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    noise.set_ylim(bottom=0)
    shared.set_ylim(0, 1.03)
    _limit_to_shares(accuracy)
    return handles


def _over_folds(measures: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return median, lowest and highest `value` over folds: columns keys, median, low, high."""
    values = measures.groupby(keys, sort=False)["value"]
    return values.agg(median="median", low="min", high="max").reset_index()


def _level_colors(levels: Iterable[float]) -> dict[float, Any]:
    """Return a colour for each level, darker for lower ones."""
    ordered = sorted(levels)
    # the lightest end of viridis is too pale for a line on white
    shades = np.linspace(0, 0.9, len(ordered))
    return dict(zip(ordered, matplotlib.colormaps["viridis"](shades), strict=True))


def _draw_levels(
    axes: Axes, table: pd.DataFrame, levels: Sequence[float], column: str, x: str, y: str, **line: Any
) -> None:
    """Draw one line for each level that the table has in a column; say so where it has none.

    The abscissa has whole numbers only.
    """
    colors = _level_colors(levels)
    for level in levels:
        _draw_line(axes, table[table[column] == level], x, y, color=colors[level], **line)
    axes.xaxis.set_major_locator(_whole_numbers())
    if table.empty:
        _say_no_runs(axes)


def _whole_numbers() -> MaxNLocator:
    """Return the ticks of an axis of epochs or positions."""
    return MaxNLocator(integer=True, min_n_ticks=1)


def _draw_line(axes: Axes, table: pd.DataFrame, x: str, y: str, **line: Any) -> None:
    """Draw a line, with a band where the table has `low` and `high`; of a single point a dot with a bar."""
    if table.empty:
        return
    single = len(table) == 1
    axes.plot(table[x], table[y], **{"marker": "o" if single else "", **line})
    if "low" in table and single:
        axes.vlines(table[x], table["low"], table["high"], color=line["color"], alpha=0.4)
    elif "low" in table:
        axes.fill_between(table[x], table["low"], table["high"], color=line["color"], alpha=0.15, linewidth=0)


def _limit_to_shares(axes: Axes) -> None:
    """Limit an ordinate to accuracies: intervals may leave [0, 1], accuracies cannot."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.01), min(high, 1.01))


def _level_legend(
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
    colors = _level_colors(levels)
    handles = [Line2D([], [], color=colors[level], label=layout.level_text(level)) for level in drawn]
    texts = {network: ", ".join(layout.level_text(level) for level in its) for network, its in absent.items() if its}
    if len(texts) == len(found) and len(set(texts.values())) == 1:
        texts = {"": next(iter(texts.values()))}
    notes = [fill(f"{network.upper()} not run: {text}".strip(), 18) for network, text in texts.items()]
    _legend(figure, [*handles, *others], title, "\n".join(notes))


def _legend(figure: Figure, handles: Sequence[Artist], title: str, note: str = "", below: bool = False) -> None:
    """Put a legend for all panels to their right, at the top or the bottom, a note behind its entries."""
    entries = [*handles, Line2D([], [], linestyle="", label=note)] if note else list(handles)
    figure.legend(
        handles=entries,
        title=title,
        loc="outside right lower" if below else "outside right upper",
        alignment="left",
    )


def _one_line(title: str) -> str:
    """Return a title without its line break."""
    return title.replace("\n", " ")


def _layer_title(layer: str) -> str:
    """Return a layer's name for readers: `Layer 1` for `free_1`."""
    return f"Layer {layer.rpartition('_')[2]}"


def _no_runs() -> Figure:
    """Return the figure of nothing."""
    figure = new_figure(5, 2.4)
    axes = figure.subplots()
    axes.set(xticks=[], yticks=[])
    _say_no_runs(axes)
    return figure


def _say_no_runs(axes: Axes) -> None:
    """Say in a panel that there is nothing to draw."""
    axes.text(0.5, 0.5, "no runs", transform=axes.transAxes, ha="center", va="center", color="0.35")


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


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure; equal figures give equal bytes.

    It is laid out the first time only: that takes most of the time.
    """
    suffix, drawn = Path(path).suffix, io.BytesIO()
    figure.savefig(drawn, format=suffix.removeprefix("."), metadata={"Date": None} if suffix == ".svg" else None)
    write_bytes(path, drawn.getvalue())
    figure.set_layout_engine(None)
