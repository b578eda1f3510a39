"""The figure of more networks than the paper's two: how accurate each is, and how much sharing has emerged in it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from freeconv.analysis.intervals import interval
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.colors import level_colors
from freeconv.report.panels import INDEPENDENT, is_column, legend, no_runs, one_line, percent, wide_figure
from freeconv.report.titles import network_title
from freeconv.vocabulary import level_text

LABELS = {
    "translate_acc": "Translated\naccuracy (%)",
    "equivariance_error": "Equivariance error,\nlast convolution (%)",
    "distance_to_shared": "Distance to the best\nshared kernel, first\nlayer (%)",
}
PANELS = tuple(LABELS)
MOST_PANELS = 2  # of accuracies
MARKERS = "osD^vPX"  # levels are not told apart by colour alone
COLUMNS = ["network", "level", "measure", "mean", "low", "high", "runs"]


def network_rows(curves: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """Return how accurate networks are after training, and how much sharing has emerged in them.

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset and augmentation.
        measures: rows with the columns `measures.MEASURE_COLUMNS` of the same.

    Returns:
        Columns network, level, measure, mean, low, high, runs: shares, with their 95 % t-intervals over runs, NaN where
        there is none. `translate_acc` is that of the last epoch; `equivariance_error` from the image through the last
        convolution that has several positions, of networks that have any; `distance_to_shared` of the first free layer.
    """
    translated = curves[curves["metric"] == "translate_acc"]
    last = translated[translated["epoch"] == translated.groupby(["network", "level"])["epoch"].transform("max")]
    found = [last.assign(measure="translate_acc")[COLUMNS]]
    ways = {"equivariance_error": ("through", "last"), "distance_to_shared": ("observed", "first")}
    for measure, (statistic, place) in ways.items():
        chosen = measures[(measures["measure"] == measure) & (measures["statistic"] == statistic)]
        layers = chosen.dropna(subset="value").groupby("network")["layer"].agg(place)  # rows are in the network's order
        chosen = chosen[chosen["layer"] == chosen["network"].map(layers)]
        found += [
            pd.DataFrame([(network, level, measure, values.mean(), *interval(values), len(values))], columns=COLUMNS)
            for (network, level), values in chosen.groupby(["network", "level"], sort=False)["value"]
        ]
    return pd.concat([rows for rows in found if len(rows)] or found, ignore_index=True)


def draw_networks(
    rows: pd.DataFrame,
    networks: Sequence[str],
    levels: Sequence[float],
    augmentation: str,
    positions: Mapping[str, int],
) -> Figure:
    """Draw networks below one another: accuracy on translated images, and emerged sharing in two measures.

    Args:
        rows: as `network_rows` returns them.
        networks: those shown, from top to bottom.
        levels: those shown, in the order of the legend.
        augmentation: which one the levels are of.
        positions: network to the number of positions of its first free layer.

    Returns:
        Means over runs in per cent as dots, 95 % t-intervals as bars; of few levels, accuracies in a panel each.
        Dashed, in the last panel: the distance that independent kernels have.
    """
    rows = percent(rows[rows["network"].isin(networks) & rows["level"].isin(levels)])
    if rows.empty:
        return no_runs()
    # accuracies of levels are far apart: few of them have a panel each, where networks can be told apart
    single = [[level] for level in levels] if len(levels) <= MOST_PANELS else [list(levels)]
    shown = [("translate_acc", its) for its in single] + [(measure, list(levels)) for measure in PANELS[1:]]
    high = 0.3 * len(networks) + 0.9
    figure = wide_figure(len(shown) * high / 3.3 if is_column() else high / 6.9)
    panels = figure.subplots(*((len(shown), 1) if is_column() else (1, len(shown))), sharey=True)
    colors, places = level_colors(levels), {network: -place for place, network in enumerate(networks)}
    for axes, (measure, its) in zip(panels, shown, strict=True):
        for level in its:
            place = list(levels).index(level)
            chosen = rows[(rows["measure"] == measure) & (rows["level"] == level)]
            heights = chosen["network"].map(places) - 0.4 * (place / max(len(levels) - 1, 1) - 0.5) * (len(its) > 1)
            axes.hlines(heights, chosen["low"], chosen["high"], color=colors[level], linewidth=1.4)
            marker = MARKERS[place % len(MARKERS)]
            axes.plot(chosen["mean"], heights, linestyle="", marker=marker, markersize=4, color=colors[level])
        label = LABELS[measure] + f",\nlevel {level_text(its[0])}" * (len(its) == 1)
        axes.set(xlabel=label, ylim=(0.6 - len(networks), 0.6))
        axes.set_yticks(list(places.values()), [network_title(network) for network in networks])
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="y", length=0)
    for axes in panels[len(single) :]:
        axes.set_xlim(left=min(0, axes.get_xlim()[0]))  # 0 is sharing
    for count in sorted(set(positions.values())):
        panels[-1].axvline(100 * np.sqrt(1 - 1 / count), **INDEPENDENT)
    found = [level for level in levels if level in set(rows["level"])]
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=MARKERS[levels.index(level) % len(MARKERS)],
            color=colors[level],
            markersize=4,
            label=level_text(level),
        )
        for level in found
    ]
    others = [Line2D([], [], **INDEPENDENT, label="independent kernels")] if positions else []
    absent = [network_title(network) for network in networks if network not in set(rows["network"])]
    note = f"not run: {', '.join(absent)}" if absent else ""
    legend(figure, [*handles, *others], one_line(AUGMENTATIONS[augmentation].level_title), note)
    return figure
