"""Figures: what training sees, accuracy and kernel distance by epoch, and what trained networks are like."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from freeconv.analysis.distance import distance_key
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.panels import (
    DASHED,
    INDEPENDENT,
    MEASURE_TITLES,
    UNTRAINED,
    VCP_TITLE,
    draw_levels,
    draw_line,
    layer_title,
    legend,
    level_legend,
    limit_to_shares,
    network_color,
    new_figure,
    no_runs,
    whole_numbers,
)
from freeconv.report.titles import metric_title, network_title

SAMPLE_ROWS = 3

AUTHORS = Patch(color="0.4", alpha=0.25, linewidth=0, label="the authors'\nruns, level 0")


ACCURACY_METRICS = ("train_acc", "val_acc", "translate_acc")


def draw_accuracy(
    curves: pd.DataFrame,
    networks: Sequence[str],
    levels: Sequence[float],
    augmentation: str,
    authors: pd.DataFrame | None = None,
) -> Figure:
    """Draw accuracy by epoch, one column per network (Ott et al. 2019, Figures 3 and 4).

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset and augmentation.
        networks: the columns.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.
        authors: between which values the authors' runs at level 0 lie (`authors.authors_envelope`), if the dataset
            stands beside theirs.

    Returns:
        Training, validation and translated validation accuracy from top to bottom: mean over folds as a line, 95 %
        interval as a band. Where there is level 0, a gray band from the lowest to the highest of the authors' runs.
    """
    curves = curves[curves["network"].isin(networks) & curves["level"].isin(levels)]
    if curves.empty:
        return no_runs()
    figure = new_figure(1.6 + 3.6 * len(networks), 7.8)
    grid = figure.subplots(len(ACCURACY_METRICS), len(networks), sharex=True, sharey="row", squeeze=False)
    drawn = []
    for row, metric in enumerate(ACCURACY_METRICS):
        for column, network in enumerate(networks):
            axes = grid[row, column]
            chosen = curves[(curves["metric"] == metric) & (curves["network"] == network)]
            draw_levels(axes, chosen, levels, "level", "epoch", "mean")
            drawn.append(_draw_authors(axes, authors, network, metric, chosen))
            axes.set_title(network_title(network) if row == 0 else "")
            axes.set_ylabel(f"{metric_title(metric)} accuracy" if column == 0 else "")
            axes.set_xlabel("Epoch" if row == len(ACCURACY_METRICS) - 1 else "")
        limit_to_shares(grid[row, 0])
    found = {network: curves.loc[curves["network"] == network, "level"] for network in networks}
    band = [AUTHORS] if any(drawn) else []
    level_legend(figure, levels, found, AUGMENTATIONS[augmentation].level_title, band)
    return figure


def _draw_authors(
    axes: Axes, authors: pd.DataFrame | None, network: str, metric: str, ours: pd.DataFrame, color: Any = "0.4"
) -> bool:
    """Draw between which values the authors' runs lie, as far as ours at level 0 were trained, and say whether."""
    epochs = ours.loc[ours["level"] == 0, "epoch"]
    if authors is None or epochs.empty:
        return False
    theirs = authors[(authors["network"] == network) & (authors["metric"] == metric)]
    theirs = theirs[theirs["epoch"] <= epochs.max()]
    axes.fill_between(
        theirs["epoch"], theirs["lowest"], theirs["highest"], color=color, alpha=0.25, linewidth=0, zorder=0
    )
    return not theirs.empty


def draw_vcp(curves: pd.DataFrame, networks: Mapping[str, float]) -> Figure:
    """Draw accuracy by epoch of free networks that lack connections (Ott et al. 2019, Figures C.1 and C.2).

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset, augmentation and level.
        networks: the lines, in the order of the legend: names of networks, and their shares of missing connections.

    Returns:
        A panel each, as in the paper, for training accuracy and for accuracy on held-out images as they are and
        changed by each augmentation that networks are evaluated on: mean over folds as a line, 95 % interval as a band.
    """
    curves = curves.assign(vcp=curves["network"].map(networks)).dropna(subset="vcp")
    metrics = [metric for metric in curves["metric"].unique() if metric not in ("swap_acc", "clean_train_acc")]
    if not metrics:
        return no_runs()
    rows, shares = -(-len(metrics) // 3), list(networks.values())
    figure = new_figure(10, 2.7 * rows)
    panels = list(figure.subplots(rows, 3, sharex=True, squeeze=False).flat)
    for number, (axes, metric) in enumerate(zip(panels, metrics, strict=False)):
        draw_levels(axes, curves[curves["metric"] == metric], shares, "vcp", "epoch", "mean")
        axes.set_title(metric_title(metric))
        axes.tick_params(labelbottom=number + 3 >= len(metrics))
        limit_to_shares(axes)
    for axes in panels[len(metrics) :]:
        axes.remove()
    figure.supxlabel("Epoch", fontsize="medium")
    figure.supylabel("Accuracy", fontsize="medium")
    level_legend(figure, shares, {"fcn": curves["vcp"]}, VCP_TITLE)
    return figure


def draw_swap_accuracy(curves: pd.DataFrame, networks: Sequence[str], authors: pd.DataFrame | None = None) -> Figure:
    """Draw accuracy by epoch on images whose quadrants I and III are exchanged (Ott et al. 2019, Figure 6).

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset at level 0; of several augmentations, whose level 0
            is the same runs, the first counts.
        networks: the lines.
        authors: as for `draw_accuracy`.

    Returns:
        Mean over folds as a line, 95 % interval as a band; the mean on images as they are as a thin dashed line. Paler
        bands reach from the lowest to the highest of the authors' runs.
    """
    keys = ["network", "metric", "epoch"]
    curves = curves[curves["network"].isin(networks)].drop_duplicates(keys)
    if curves.empty:
        return no_runs()
    figure = new_figure(6.6, 3.6)
    axes = figure.subplots()
    handles: list[Artist] = []
    for network in networks:
        color = network_color(network)
        swap, plain = (
            curves[(curves["network"] == network) & (curves["metric"] == metric)] for metric in ("swap_acc", "val_acc")
        )
        draw_line(axes, plain[["epoch", "mean"]], "epoch", "mean", color=color, linewidth=0.8, linestyle=DASHED)
        draw_line(axes, swap, "epoch", "mean", color=color, linewidth=2)
        drawn = _draw_authors(axes, authors, network, "swap_acc", swap, color)
        if not swap.empty:
            name = network_title(network)
            handles.append(Line2D([], [], color=color, linewidth=2, label=f"{name}, quadrants swapped"))
            handles.append(Line2D([], [], color=color, linewidth=0.8, linestyle=DASHED, label=f"{name}, as they are"))
            if drawn:
                handles.append(Patch(color=color, alpha=0.25, linewidth=0, label=f"{name}, the authors' runs"))
    axes.set(xlabel="Epoch", ylabel="Validation accuracy")
    axes.xaxis.set_major_locator(whole_numbers())
    limit_to_shares(axes)
    absent = [network_title(network) for network in networks if network not in set(curves["network"])]
    legend(figure, handles, "Images", f"not run: {', '.join(absent)}" if absent else "")
    return figure


def draw_distance(
    distances: pd.DataFrame,
    levels: Sequence[float],
    augmentation: str,
    positions: Mapping[str, int],
    authors: pd.DataFrame | None = None,
) -> Figure:
    """Draw kernel distance by epoch, one column per radius (Ott et al. 2019, Figures 5, B.6 and B.7).

    Args:
        distances: rows of `medians.distance` of one dataset and augmentation.
        levels: the lines, in the order of the legend.
        augmentation: which one the levels are of.
        positions: layer to its number of positions, for the dashed line at which independent kernels are expected:
            √(2 / positions), or 1 for the cosine distance.
        authors: as for `draw_accuracy`.

    Returns:
        One row of panels per layer and measure, without those of radii that do not fit the layer. The ring at epoch 0
        is the untrained networks' median. Where there is level 0, a gray band of the first layer reaches from the
        lowest to the highest of the authors' runs.
    """
    distances = distances[distances["level"].isin(levels)]
    if distances.empty:
        return no_runs()
    radii = distances["radius"].unique()
    rows = list(distances[["layer", "measure"]].drop_duplicates().itertuples(index=False, name=None))
    width, height = min(3.6, 8.4 / len(radii)), 3.2 if len(rows) < 3 else 2.4
    figure = new_figure(1.8 + width * len(radii), 0.6 + height * len(rows))
    grid = figure.subplots(len(rows), len(radii), sharex=True, sharey="row", squeeze=False)
    drawn = []
    for row, (layer, measure) in enumerate(rows):
        of_row = distances[(distances["layer"] == layer) & (distances["measure"] == measure)]
        for axes, radius in zip(grid[row], radii, strict=True):
            chosen = of_row[of_row["radius"] == radius]
            if chosen.empty:
                axes.remove()
                continue
            draw_levels(axes, chosen, levels, "level", "epoch", "median")
            theirs = authors if layer.endswith("_1") else None
            drawn.append(_draw_authors(axes, theirs, "fcn", distance_key(radius, measure), chosen))
            if layer in positions:
                _draw_independent(axes, measure, positions[layer])
            untrained = chosen.loc[chosen["epoch"] == 0, "median"].median()
            axes.plot(0, untrained, **UNTRAINED, clip_on=False)
            axes.set_title(f"Radius {radius}" if row == 0 else "")
            axes.margins(y=0.1)
        name = f"{layer_title(layer)}:\nmean" if distances["layer"].nunique() > 1 else "Mean"
        grid[row, 0].set_ylabel(f"{name} {MEASURE_TITLES[measure]} distance")
    for column in grid.T:
        lowest = [axes for axes in column if axes.figure is not None][-1]
        lowest.set_xlabel("Epoch (0: untrained)")
        lowest.tick_params(labelbottom=True)
    level_legend(
        figure,
        levels,
        {"fcn": distances["level"]},
        AUGMENTATIONS[augmentation].level_title,
        [Line2D([], [], **UNTRAINED, label="untrained"), *([AUTHORS] if any(drawn) else [])],
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
