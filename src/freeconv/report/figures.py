"""Figures: what training sees, accuracy and kernel distance by epoch, and what trained networks are like."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeconv.report.panels import (
    DASHED,
    INDEPENDENT,
    LEVEL_TITLES,
    MEASURE_TITLES,
    PALETTE,
    UNTRAINED,
    VCP_TITLE,
    _draw_levels,
    _draw_line,
    _layer_title,
    _legend,
    _level_legend,
    _limit_to_shares,
    _no_runs,
    _whole_numbers,
    new_figure,
)
from freeconv.study.network_names import parse_variant

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


NETWORK_COLORS = {"fcn": PALETTE[0], "cnn": PALETTE[1]}


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
