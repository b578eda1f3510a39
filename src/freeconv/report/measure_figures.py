"""Figures of what trained networks are like: accuracy on moved images, and how alike kernels are."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from freeconv.analysis.distance import run_columns
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.colors import BAND, SOFT, TEXT, level_colors
from freeconv.report.panels import (
    DASHED,
    INDEPENDENT,
    MOST_LINES,
    PALETTE,
    band_patch,
    draw_levels,
    draw_line,
    is_column,
    label_ends,
    layer_title,
    legend,
    level_legend,
    limit_to_shares,
    no_runs,
    one_line,
    over_folds,
    percent,
    say,
    wide_figure,
)
from freeconv.report.titles import network_title
from freeconv.vocabulary import level_text

# of measures: label of its axis, units per unit of `setting`
TRANSFER_PANELS = {
    "horizontal_shift_acc": ("Shift to the right (% of width)", 100),
    "vertical_shift_acc": ("Shift down (% of height)", 100),
    "angle_acc": ("Turn counter-clockwise (degrees)", 1),
}


# Of networks with more free layers than there are styles, the first ones come again.
LAYER_STYLES: list[dict[str, Any]] = [
    {"color": PALETTE[color], "marker": marker, "markersize": 3.5}
    for color, marker in zip((0, 1, 4, 2, 3, 5), "s^DPX*", strict=True)
]


SHARED_STYLES: dict[str, dict[str, Any]] = {
    "all": {"color": SOFT[0], "marker": "v", "markersize": 3.5, "linestyle": DASHED},
    "none": {"color": TEXT[0], "marker": "o", "markersize": 3.5},
}


TRAINED: dict[str, Any] = {"color": SOFT[0], "linestyle": "", "marker": "|", "markersize": 8, "markeredgewidth": 1.8}


def draw_transfer(
    measures: pd.DataFrame, networks: Sequence[str], levels: Sequence[float], augmentation: str
) -> Figure:
    """Draw how accurate trained networks are on images that are shifted or turned by a fixed amount.

    Args:
        measures: rows with the columns `measures.MEASURE_COLUMNS` of one dataset, of networks trained under one
            augmentation.
        networks: the rows of panels.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.

    Returns:
        A column each for shift to the right, shift down, and turn, in per cent. Of up to `MOST_LINES` levels the median
        over folds as a line, lowest and highest as a band; where the panel shows what a network was trained with, ticks
        at its foot show how far: one each way for every level within the panel. Of more levels a map of the medians, a
        row per level.
    """
    measures = measures[measures["network"].isin(networks) & measures["level"].isin(levels)]
    if measures.empty:
        return no_runs("not measured")
    colors, moved = level_colors(levels), AUGMENTATIONS[augmentation].moved
    columns = ["network", "measure", "level", "setting"]
    summary = percent(over_folds(measures[measures["measure"].isin(TRANSFER_PANELS)].sort_values("setting"), columns))
    many = len(levels) > MOST_LINES
    figure = wide_figure((0.5 if is_column() else 0.27) * len(networks) + 0.16)
    grid = figure.subplots(len(networks), len(TRANSFER_PANELS), sharex="col", sharey=True, squeeze=False)
    image = None
    for row, network in enumerate(networks):
        for column, (measure, (label, unit)) in enumerate(TRANSFER_PANELS.items()):
            axes = grid[row, column]
            chosen = summary[(summary["network"] == network) & (summary["measure"] == measure)]
            chosen = chosen.assign(setting=unit * chosen["setting"])
            if many:
                image = _draw_map(axes, chosen, levels) or image
                axes.set_ylabel(f"{network_title(network)}: level" if column == 0 else "")
            else:
                draw_levels(axes, chosen, levels, "level", "setting", "median")
                axes.set_ylabel(f"{network_title(network)}: accuracy (%)" if column == 0 else "")
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 4.5, 5, 9, 10]))
            title = label.replace(" (", "\n(") if is_column() else label
            axes.set_xlabel(title if row == len(networks) - 1 else "")
            if measure in moved and not many:
                drawn = {level: color for level, color in colors.items() if level in set(chosen["level"])}
                _draw_trained_range(axes, drawn, unit * moved[measure])
    if many and image is not None:
        figure.colorbar(image, ax=grid, label="Accuracy (%)", shrink=0.8)
    elif not many:
        limit_to_shares(grid[0, 0])
    found = {network: measures.loc[measures["network"] == network, "level"] for network in networks}
    limit = [Line2D([], [], **TRAINED, label="limit in training")] * bool(moved and not many)
    level_legend(figure, levels, found, AUGMENTATIONS[augmentation].level_title, limit, lines=not many)
    return figure


def _draw_map(axes: Axes, chosen: pd.DataFrame, levels: Sequence[float]) -> Any:
    """Draw medians as a map, settings across and levels up; return what the scale of colours is of."""
    wide = chosen.pivot(index="level", columns="setting", values="median").reindex(sorted(levels))
    axes.set_yticks(range(len(levels)), [level_text(level) for level in sorted(levels)])
    axes.grid(visible=False)
    if chosen.empty:
        say(axes, "not measured")
        return None
    return axes.pcolormesh(wide.columns, range(len(wide)), wide, shading="nearest", cmap="cividis", vmin=0, vmax=100)


def _draw_trained_range(axes: Axes, colors: Mapping[float, Any], unit: float) -> None:
    """Mark at the foot of a panel how far images of each level were moved in training, where that is within it."""
    low, high = axes.get_xlim()
    for level, color in colors.items():
        ends = [end for end in (-unit * level, unit * level) if level > 0 and low <= end <= high]
        axes.plot(ends, [0] * len(ends), **{**TRAINED, "color": color}, transform=axes.get_xaxis_transform())


def free_layers(measures: pd.DataFrame, measure: str) -> list[str]:
    """Return the free layers that a measure has rows of."""
    layers = measures.loc[measures["measure"] == measure, "layer"].dropna()
    return sorted(set(layers) - {"none", "all", ""})


def distance_by_radius(measures: pd.DataFrame) -> pd.DataFrame:
    """Return kernel distances by radius in per cent of the mean over all pairs of kernels.

    Args:
        measures: rows with the columns `measures.MEASURE_COLUMNS` of one free network.

    Returns:
        Columns layer, level, radius, median, low, high (over folds), and null_low and null_high, between which 95 % of
        random reassignments of kernels to positions lie, at the fold where that is widest.
    """
    chosen = measures[measures["measure"] == "euclidean_distance"]
    keys = ["layer", "level", *run_columns(chosen), "setting"]
    wide = chosen.pivot(index=keys, columns="statistic", values="value")
    wide = wide.reindex(columns=["observed", "permuted_mean", "permuted_low", "permuted_high"])  # of no rows, too
    relative = (100 * wide.div(wide["permuted_mean"], axis=0)).reset_index().rename(columns={"setting": "radius"})
    cells = relative.groupby(["layer", "level", "radius"])
    found = cells["observed"].agg(median="median", low="min", high="max")
    return found.assign(null_low=cells["permuted_low"].min(), null_high=cells["permuted_high"].max()).reset_index()


def draw_distance_by_radius(rows: pd.DataFrame, levels: Sequence[float], augmentation: str) -> Figure:
    """Draw kernel distance by radius, a panel for each layer.

    Args:
        rows: as `distance_by_radius` returns them.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.

    Returns:
        Medians over folds as lines, from the lowest fold to the highest as bands. The gray band is that of random
        reassignments, at the level where it is widest, and is cut off where it goes far beyond the lines.
    """
    rows = rows[rows["level"].isin(levels)]
    layers = sorted(set(rows["layer"]))
    if not layers:
        return no_runs("not measured")
    radii = {layer: sorted(rows.loc[rows["layer"] == layer, "radius"].unique()) for layer in layers}
    figure = wide_figure(0.85 if is_column() else 0.46)
    widths = [1.5 + len(radii[layer]) for layer in layers]
    panels = figure.subplots(1, len(layers), sharey=True, squeeze=False, width_ratios=widths)[0]
    colors = level_colors(levels)
    for axes, layer in zip(panels, layers, strict=True):
        chosen = rows[rows["layer"] == layer]
        null = chosen.groupby("radius").agg({"null_low": "min", "null_high": "max"})
        edges = np.array([*null.index, null.index[-1] + 1]) - 0.5
        axes.stairs(null["null_high"], edges, baseline=null["null_low"], fill=True, color=BAND[0], zorder=0)
        draw_levels(axes, chosen, levels, "level", "radius", "median", marker="o", markersize=3)
        axes.set(title=layer_title(layer), xlim=(edges[0], edges[-1]))
    panels[0].set_ylabel("Distance (% of the mean of all pairs)")
    # Far radii have few pairs and a band so wide that it would press the lines together.
    low, high = min(100, rows["low"].min()), max(100, rows["high"].max())
    panels[0].set_ylim(low - 0.1 * (high - low) - 1, high + 0.1 * (high - low) + 1)
    figure.supxlabel("Radius (positions)")
    for axes, layer in zip(panels, layers if len(levels) <= MOST_LINES else [], strict=False):
        last = rows[(rows["layer"] == layer) & (rows["radius"] == radii[layer][-1])]
        label_ends(axes, [(row.median_, level_text(row.level), colors[row.level]) for row in _rows(last)], 0.05)
    level_legend(
        figure,
        levels,
        {"fcn": rows["level"]},
        AUGMENTATIONS[augmentation].level_title,
        [band_patch("reassigned at random")],
    )
    return figure


def _rows(table: pd.DataFrame) -> list[Any]:
    """Return rows as tuples with names; `median_`, because tables have a method of that name."""
    return list(table.rename(columns={"median": "median_"}).itertuples(index=False))


def signal_to_noise(measures: pd.DataFrame) -> pd.DataFrame:
    """Return the signal-to-noise of weights: columns layer, level, median, low and high (quartiles over weights).

    Args:
        measures: rows with the columns `measures.MEASURE_COLUMNS` of one free network.
    """
    chosen = measures[measures["measure"] == "signal_to_noise"]
    wide = chosen.groupby(["layer", "level", "statistic"])["value"].median().unstack("statistic")
    renamed = wide.rename(columns={"lower_quartile": "low", "upper_quartile": "high"}).reset_index()
    return renamed.reindex(columns=["layer", "level", "median", "low", "high"])


def by_level(measures: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return a measure in per cent over folds: columns layer, level, median, low and high.

    Args:
        measures: rows with the columns `measures.MEASURE_COLUMNS` of one free network.
        measure: `distance_to_shared` or `shared_acc`.
    """
    return percent(over_folds(measures[measures["measure"] == measure], ["layer", "level"]))


def draw_signal_to_noise(rows: pd.DataFrame, augmentation: str) -> Figure:
    """Draw the signal-to-noise of weights over positions by level, with their quartiles.

    Args:
        rows: as `signal_to_noise` returns them.
        augmentation: which one the levels are of.
    """
    return _draw_by_level(rows, augmentation, "|mean| / std over positions", lambda axes: axes.set_ylim(bottom=0))


def draw_distance_to_shared(rows: pd.DataFrame, augmentation: str, positions: Mapping[str, int]) -> Figure:
    """Draw the distance to the best shared kernel by level, and that of independent kernels dashed.

    Args:
        rows: as `by_level` returns them, of `distance_to_shared`.
        augmentation: which one the levels are of.
        positions: layer to its number of positions, for the dashed lines, √(1 − 1 / positions).
    """

    def finish(axes: Axes) -> None:
        for layer in sorted(set(rows["layer"]) & set(positions)):
            axes.axhline(100 * np.sqrt(1 - 1 / positions[layer]), **INDEPENDENT)
        axes.set_ylim(0, 103)

    others = [Line2D([], [], **INDEPENDENT, label="independent")] if positions else []
    return _draw_by_level(rows, augmentation, "‖W − mean‖ (% of ‖W‖)", finish, others)


def draw_shared_accuracy(rows: pd.DataFrame, augmentation: str) -> Figure:
    """Draw accuracy as trained, and with the kernels of one layer or of all replaced by their mean over positions.

    Args:
        rows: as `by_level` returns them, of `shared_acc`.
        augmentation: which one the levels are of.
    """
    others: list[Artist] = []

    def finish(axes: Axes) -> None:
        for name, label in (("all", "all layers"), ("none", "as trained")):
            draw_line(axes, rows[rows["layer"] == name], "level", "median", **SHARED_STYLES[name])
            others.append(Line2D([], [], **SHARED_STYLES[name], label=label))
        limit_to_shares(axes)

    return _draw_by_level(rows, augmentation, "Validation accuracy (%)", finish, others)


def _draw_by_level(
    rows: pd.DataFrame, augmentation: str, label: str, finish: Any, others: Sequence[Artist] = ()
) -> Figure:
    """Draw a line for each layer over the levels of an augmentation, and what `finish` adds to the panel."""
    if rows.empty:
        return no_runs("not measured")
    figure = wide_figure(0.85 if is_column() else 0.46)
    axes = figure.subplots()
    handles: list[Artist] = []
    layers = sorted(set(rows["layer"]) - {"none", "all"})
    for layer, style_of_layer in zip(layers, cycle(LAYER_STYLES), strict=False):
        draw_line(axes, rows[rows["layer"] == layer], "level", "median", **style_of_layer)
        handles.append(Line2D([], [], **style_of_layer, label=layer_title(layer).lower()))
    axes.set(xlabel=one_line(AUGMENTATIONS[augmentation].level_title), ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    finish(axes)
    legend(figure, [*handles, *others])
    return figure
