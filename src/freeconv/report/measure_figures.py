"""Figures of what trained networks are like: accuracy on moved images, and how alike kernels are."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from freeconv.analysis.distance import run_columns
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.colors import level_colors
from freeconv.report.panels import (
    INDEPENDENT,
    PALETTE,
    draw_levels,
    draw_line,
    layer_title,
    legend,
    level_legend,
    limit_to_shares,
    new_figure,
    no_runs,
    one_line,
    over_folds,
    say,
)
from freeconv.report.titles import network_title

# of measures: label of its axis, units per unit of `setting`
TRANSFER_PANELS = {
    "horizontal_shift_acc": ("Shift to the right (% of width)", 100),
    "vertical_shift_acc": ("Shift down (% of height)", 100),
    "angle_acc": ("Turn counter-clockwise (degrees)", 1),
}


SHARING_MEASURES = ("euclidean_distance", "signal_to_noise", "distance_to_shared", "shared_acc")


# Of networks with more free layers than there are styles, the first ones come again.
LAYER_STYLES: list[dict[str, Any]] = [
    {"color": PALETTE[color], "marker": marker, "markersize": 4}
    for color, marker in zip((0, 1, 4, 2, 3, 5), "s^DPX*", strict=True)
]


SHARED_STYLES: dict[str, dict[str, Any]] = {
    "all": {"color": "0.55", "marker": "v", "markersize": 4},
    "none": {"color": "black", "marker": "o", "markersize": 4},
}


TRAINED: dict[str, Any] = {"color": "0.35", "linestyle": "", "marker": "|", "markersize": 9, "markeredgewidth": 2}


NULL_COLOR = "0.87"


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
        A column each for shift to the right, shift down, and turn: median over folds as a line, lowest and highest as a
        band. Where the panel shows what a network was trained with, ticks at its foot show how far: one each way for
        every level within the panel.
    """
    measures = measures[measures["network"].isin(networks) & measures["level"].isin(levels)]
    if measures.empty:
        return no_runs()
    colors, moved = level_colors(levels), AUGMENTATIONS[augmentation].moved
    columns = ["network", "measure", "level", "setting"]
    summary = over_folds(measures[measures["measure"].isin(TRANSFER_PANELS)].sort_values("setting"), columns)
    figure = new_figure(10.4, 0.8 + 2.6 * len(networks))
    grid = figure.subplots(len(networks), len(TRANSFER_PANELS), sharex="col", sharey=True, squeeze=False)
    for row, network in enumerate(networks):
        for column, (measure, (label, unit)) in enumerate(TRANSFER_PANELS.items()):
            axes = grid[row, column]
            chosen = summary[(summary["network"] == network) & (summary["measure"] == measure)]
            draw_levels(axes, chosen.assign(setting=unit * chosen["setting"]), levels, "level", "setting", "median")
            axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 4.5, 5, 9, 10]))
            axes.set_xlabel(label if row == len(networks) - 1 else "")
            axes.set_ylabel(f"{network_title(network)}: accuracy" if column == 0 else "")
            if measure in moved:
                drawn = {level: color for level, color in colors.items() if level in set(chosen["level"])}
                _draw_trained_range(axes, drawn, unit * moved[measure])
    limit_to_shares(grid[0, 0])
    found = {network: measures.loc[measures["network"] == network, "level"] for network in networks}
    level_legend(
        figure,
        levels,
        found,
        AUGMENTATIONS[augmentation].level_title,
        [Line2D([], [], **TRAINED, label="limit in training")] * bool(moved),
    )
    return figure


def _draw_trained_range(axes: Axes, colors: Mapping[float, Any], unit: float) -> None:
    """Mark at the foot of a panel how far images of each level were moved in training, where that is within it."""
    low, high = axes.get_xlim()
    for level, color in colors.items():
        ends = [end for end in (-unit * level, unit * level) if level > 0 and low <= end <= high]
        axes.plot(ends, [0] * len(ends), **{**TRAINED, "color": color}, transform=axes.get_xaxis_transform())


def draw_sharing(
    measures: pd.DataFrame, network: str, levels: Sequence[float], augmentation: str, positions: Mapping[str, int]
) -> Figure:
    """Draw how alike the kernels of a trained free network are over positions (docs/measures.md).

    Args:
        measures: rows with the columns `measures.MEASURE_COLUMNS` of one dataset, of networks trained under one
            augmentation.
        network: the free network that is drawn.
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
    measures = measures[(measures["network"] == network) & measures["level"].isin(levels)]
    measures = measures[measures["measure"].isin(SHARING_MEASURES)]
    layers = sorted(set(measures["layer"].dropna()) - {"none", "all"})
    if not layers:
        return no_runs()
    figure = new_figure(10.4, 6.8)
    rows = figure.add_gridspec(2, 1, height_ratios=[1.2, 1])
    _draw_distance_by_radius(rows[0], measures[measures["measure"] == "euclidean_distance"], layers, levels)
    level_legend(
        figure,
        levels,
        {network: measures["level"]},
        AUGMENTATIONS[augmentation].level_title,
        [Patch(color=NULL_COLOR, label="reassigned\nat random")],
    )
    handles = _draw_by_level(rows[1], measures, layers, positions, one_line(AUGMENTATIONS[augmentation].level_title))
    legend(figure, handles, "Free layers", below=True)
    return figure


def _draw_distance_by_radius(
    place: SubplotSpec, measures: pd.DataFrame, layers: Sequence[str], levels: Sequence[float]
) -> None:
    """Draw part (a) of `draw_sharing`."""
    if measures.empty:
        axes = place.subgridspec(1, 1).subplots(squeeze=False)[0, 0]
        axes.set(title="(a) Distance by radius", xticks=[], yticks=[])
        say(axes, "not measured")
        return
    keys = ["layer", "level", *run_columns(measures), "setting"]
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
        summary = over_folds(chosen.rename(columns={"observed": "value"}), ["level", "setting"])
        draw_levels(axes, summary, levels, "level", "setting", "median", marker="o", markersize=3)
        axes.set(title=layer_title(layer), xlabel="Radius (positions)", xlim=(edges[0], edges[-1]))
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
    of_measure = {name: measures[measures["measure"] == name] for name in SHARING_MEASURES}
    keys = ["layer", "level"]
    signal = of_measure["signal_to_noise"].groupby([*keys, "statistic"])["value"].median().unstack("statistic")
    signal = signal.rename(columns={"lower_quartile": "low", "upper_quartile": "high"}).reset_index()
    distances, accuracies = (over_folds(of_measure[name], keys) for name in ("distance_to_shared", "shared_acc"))
    for axes, summary in ((noise, signal), (shared, distances), (accuracy, accuracies)):
        if summary.empty:
            say(axes, "not measured")
    handles: list[Artist] = []
    for layer, style_of_layer in zip(layers, cycle(LAYER_STYLES), strict=False):
        for axes, summary in ((noise, signal), (shared, distances), (accuracy, accuracies)):
            draw_line(axes, summary[summary["layer"] == layer], "level", "median", **style_of_layer)
        if layer in positions:
            shared.axhline(np.sqrt(1 - 1 / positions[layer]), **INDEPENDENT)
        handles.append(Line2D([], [], **style_of_layer, label=layer_title(layer).lower()))
    for name, label in (("all", "all layers"), ("none", "as trained")):
        draw_line(accuracy, accuracies[accuracies["layer"] == name], "level", "median", **SHARED_STYLES[name])
        handles.append(Line2D([], [], **SHARED_STYLES[name], label=label))
    handles.append(Line2D([], [], **INDEPENDENT, label="independent:\n√(1 − 1 / positions)"))
    noise.set(title="(b) Signal-to-noise", ylabel="|mean| / std over positions")
    shared.set(title="(c) Distance to shared kernel", ylabel="‖W − mean‖ / ‖W‖", xlabel=title)
    accuracy.set(title="(d) With shared kernels", ylabel="Validation accuracy")
    for axes in (noise, shared, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    noise.set_ylim(bottom=0)
    shared.set_ylim(0, 1.03)
    limit_to_shares(accuracy)
    return handles
