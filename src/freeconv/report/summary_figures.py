"""The figures that sum a study up: accuracy against the level of training, and the paper's claims."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.colors import CONTRADICTED, SOFT, SUPPORTED, TEXT
from freeconv.report.panels import (
    DASHED,
    draw_chance,
    draw_line,
    is_column,
    label_ends,
    legend,
    limit_to_shares,
    network_color,
    no_runs,
    one_line,
    percent,
    wide_figure,
    zoom,
)
from freeconv.report.titles import metric_title, network_title

# Only decisions are in colour.
VERDICT_COLORS = {"supported": SUPPORTED[0], "contradicted": CONTRADICTED[0]}


def draw_answer(
    compared: pd.DataFrame,
    networks: Sequence[str],
    augmentation: str,
    metric: str = "translate_acc",
    chance: float | None = None,
) -> Figure:
    """Draw accuracy against the level of training, ours and the paper's.

    Args:
        compared: rows of `paper.compare` of one dataset and augmentation.
        networks: those shown.
        augmentation: which one the levels are of.
        metric: the accuracy.
        chance: the accuracy of guessing, in [0, 1].

    Returns:
        Our medians in per cent as lines with dots, their 95 % intervals as bands and bars; the paper's dashed, with
        diamonds.
    """
    rows = compared[compared["network"].isin(networks) & (compared["metric"] == metric)]
    ours = percent(rows.rename(columns={"ours": "mean"})).dropna(subset="mean")
    theirs = percent(rows[["network", "level", "paper"]].rename(columns={"paper": "mean"})).dropna(subset="mean")
    if ours.empty:
        return no_runs()
    figure = wide_figure(0.85 if is_column() else 0.52)
    axes = figure.subplots()

    def draw(to: Axes) -> None:
        for network in networks:
            color = network_color(network)
            of_paper, own = (table[table["network"] == network] for table in (theirs, ours))
            draw_line(
                to, of_paper, "level", "mean", color=color, linestyle=DASHED, linewidth=1, marker="D", markersize=3
            )
            draw_line(to, own, "level", "mean", color=color, linewidth=2, marker="o", markersize=4)
            to.vlines(own["level"], own["low"], own["high"], color=color, linewidth=1.2)

    draw(axes)
    axes.set(xlabel=one_line(AUGMENTATIONS[augmentation].level_title), ylabel=f"{metric_title(metric)} accuracy (%)")
    limit_to_shares(axes)
    draw_chance(axes, chance)
    both = pd.concat([ours, theirs])
    zoom(axes, both, "level", "mean", draw)
    last = both[both["level"] == both["level"].max()].groupby("network")["mean"].mean()
    label_ends(axes, [(value, network_title(network), network_color(network)) for network, value in last.items()])
    names = [network for network in networks if network in set(both["network"])]
    handles = [
        Line2D([], [], color=network_color(name), linewidth=2, marker="o", label=f"{network_title(name)}, this study")
        for name in names
    ]
    dashed: dict[str, Any] = {"linestyle": DASHED, "linewidth": 1, "marker": "D", "markersize": 3}
    handles += [
        Line2D([], [], color=network_color(name), **dashed, label=f"{network_title(name)}, the paper")
        for name in names
        if name in set(theirs["network"])
    ]
    legend(figure, handles)
    return figure


def draw_claims(rows: pd.DataFrame) -> Figure:
    """Draw the paper's claims: ours with 95 % interval, the paper's value, and the verdict in a word.

    Args:
        rows: as `forest_rows.forest_rows` returns them.
    """
    if rows.empty:
        return no_runs("no claims")
    inches = 0.19 * len(rows) + 1.1
    width = 3.3 if is_column() else 6.9
    figure = wide_figure(inches / width)
    axes = figure.subplots()
    places = np.arange(len(rows))[::-1]
    shown: list[Any] = list(rows.itertuples(index=False))
    for place, row in zip(places, shown, strict=True):
        color = VERDICT_COLORS.get(str(row.verdict), SOFT[0])
        axes.plot([row.low, row.high], [place, place], color=color, linewidth=2)
        axes.plot(row.paper, place, marker="D", markersize=4.5, color=TEXT[0], markerfacecolor="none", linestyle="")
        axes.plot(row.ours, place, marker="o", markersize=4, color=color, linestyle="")
        axes.annotate(
            f"{row.mark} {row.verdict}",
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize="small",
            annotation_clip=False,
        )
    axes.axvline(0, color=SOFT[0], linewidth=0.8, zorder=0)
    axes.set_yticks(places, [name.replace("-", " ") for name in rows["id"]])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(
        "Accuracy: points\ndistance: % of independent kernels"
        if is_column()
        else "Difference (accuracy: points; distance: % of independent kernels)"
    )
    axes.spines["left"].set_visible(False)
    handles = [
        Line2D([], [], color=SOFT[0], marker="o", markersize=4, label="this study, 95 % interval"),
        Line2D(
            [], [], color=TEXT[0], marker="D", markersize=4.5, markerfacecolor="none", linestyle="", label="the paper"
        ),
    ]
    legend(figure, handles)
    return figure
