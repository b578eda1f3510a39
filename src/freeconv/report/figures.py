"""Figures by epoch: accuracy, missing connections, the quadrant swap, kernel distance."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from freeconv.analysis.distance import distance_key
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.colors import BAND, SOFT, TEXT, level_colors
from freeconv.report.distance_rows import independent
from freeconv.report.panels import (
    DASHED,
    INDEPENDENT,
    MEASURE_TITLES,
    MOST_LINES,
    PALETTE,
    VCP_TITLE,
    band_patch,
    draw_chance,
    draw_levels,
    draw_line,
    is_column,
    label_ends,
    layer_title,
    legend,
    level_legend,
    limit_to_shares,
    multiples_across,
    network_color,
    no_runs,
    percent,
    say,
    small_multiples,
    whole_numbers,
    wide_figure,
    zoom,
)
from freeconv.report.thinning import thinned
from freeconv.report.titles import metric_title, network_title
from freeconv.vocabulary import DistanceMeasure, level_text

SAMPLE_ROWS = 3

AUTHORS = "the authors' runs, level 0"

ACCURACY_METRICS = ("train_acc", "val_acc", "translate_acc")

# How the accuracies of one network are told apart, and radii in one panel.
METRIC_LINES: dict[str, dict[str, Any]] = {
    "train_acc": {"linestyle": (0, (1, 1.2)), "linewidth": 1},
    "val_acc": {"linestyle": DASHED, "linewidth": 1},
    "translate_acc": {"linestyle": "-", "linewidth": 1.6},
}
RADIUS_LINES: list[Any] = ["-", DASHED, (0, (1, 1.2)), (0, (6, 2, 1, 2))]


def draw_accuracy(
    curves: pd.DataFrame,
    networks: Sequence[str],
    levels: Sequence[float],
    augmentation: str,
    authors: pd.DataFrame | None = None,
    chance: float | None = None,
) -> Figure:
    """Draw accuracy by epoch (Ott et al. 2019, Figures 3 and 4).

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset and augmentation.
        networks: those shown.
        levels: in the order of the legend.
        augmentation: which one the levels are of.
        authors: between which values the authors' runs at level 0 lie (`authors.authors_envelope`), if the dataset
            stands beside theirs.
        chance: the accuracy of guessing, in [0, 1].

    Returns:
        Training, validation and translated validation accuracy in per cent: mean over folds as a line, 95 % interval as
        a band. Of up to `MOST_LINES` levels a line each, one row per accuracy and one column per network; of more a
        panel each, with all networks in it. Where there is level 0, a gray band from the lowest to the highest of the
        authors' runs.
    """
    curves = curves[curves["network"].isin(networks) & curves["level"].isin(levels)]
    if curves.empty:
        return no_runs()
    curves, theirs = percent(curves), None if authors is None else percent(authors)
    if len(levels) > MOST_LINES:
        return _draw_accuracy_by_level(curves, networks, levels, augmentation, theirs, chance)
    figure = wide_figure(1.9 if is_column() else 1.15)
    grid = figure.subplots(len(ACCURACY_METRICS), len(networks), sharex=True, sharey="row", squeeze=False)
    drawn, colors = [], level_colors(levels)
    for row, metric in enumerate(ACCURACY_METRICS):
        of_metric = curves[curves["metric"] == metric]
        for column, network in enumerate(networks):
            axes = grid[row, column]
            chosen = of_metric[of_metric["network"] == network]
            draw_levels(axes, chosen, levels, "level", "epoch", "mean")
            drawn.append(_draw_authors(axes, theirs, network, metric, chosen))
            axes.set_title(network_title(network) if row == 0 else "")
            axes.set_ylabel(f"{metric_title(metric)} accuracy (%)" if column == 0 else "")
            axes.set_xlabel("Epoch" if row == len(ACCURACY_METRICS) - 1 else "")
        limit_to_shares(grid[row, 0])
        for axes, network in zip(grid[row], networks, strict=True):
            chosen = of_metric[of_metric["network"] == network]
            draw_chance(axes, chance)
            lines = chosen[["level", "epoch", "mean"]]  # without bands, which would cover them
            again = partial(draw_levels, table=lines, levels=levels, column="level", x="epoch", y="mean")
            zoom(axes, chosen, "epoch", "mean", again)
            last = chosen[chosen["epoch"] == chosen.groupby("level")["epoch"].transform("max")]
            label_ends(axes, [(row.mean_, level_text(row.level), colors[row.level]) for row in _rows(last)])
    found = {network: curves.loc[curves["network"] == network, "level"] for network in networks}
    band = [band_patch(AUTHORS)] if any(drawn) else []
    level_legend(figure, levels, found, AUGMENTATIONS[augmentation].level_title, band)
    return figure


def _rows(table: pd.DataFrame) -> list[Any]:
    """Return rows as tuples with names; `mean_`, because tables have a method of that name."""
    return list(table.rename(columns={"mean": "mean_"}).itertuples(index=False))


def _draw_accuracy_by_level(
    curves: pd.DataFrame,
    networks: Sequence[str],
    levels: Sequence[float],
    augmentation: str,
    authors: pd.DataFrame | None,
    chance: float | None,
) -> Figure:
    """Draw what `draw_accuracy` says, a panel for each level, of many epochs some; arguments likewise, in per cent."""
    curves = thinned(curves)
    down = -(-len(levels) // multiples_across())
    figure = wide_figure(down * (0.36 if is_column() else 0.24) + 0.16)
    panels = small_multiples(figure, len(levels))
    drawn = []
    for axes, level in zip(panels, levels, strict=True):
        of_level = curves[curves["level"] == level]
        for network in networks:
            for metric, line in METRIC_LINES.items():
                chosen = of_level[(of_level["network"] == network) & (of_level["metric"] == metric)]
                draw_line(axes, chosen, "epoch", "mean", color=network_color(network), **line)
            translated = of_level[(of_level["network"] == network) & (of_level["metric"] == "translate_acc")]
            drawn.append(_draw_authors(axes, authors, network, "translate_acc", translated))
        axes.set_title(f"{AUGMENTATIONS[augmentation].title} {level_text(level)}")
        axes.xaxis.set_major_locator(whole_numbers())
        if of_level.empty:
            say(axes, "no runs")
    limit_to_shares(panels[0])
    translated = curves[curves["metric"] == "translate_acc"]
    for axes, level in zip(panels, levels, strict=True):
        draw_chance(axes, chance)
        of_level = translated.loc[translated["level"] == level, ["network", "epoch", "mean"]]
        zoom(axes, of_level, "epoch", "mean", partial(_draw_networks, table=of_level, networks=networks))
    figure.supxlabel("Epoch")
    figure.supylabel("Accuracy (%)")
    handles: list[Artist] = [
        Line2D([], [], color=network_color(network), linewidth=2, label=network_title(network)) for network in networks
    ]
    handles += [Line2D([], [], color=TEXT[0], **line, label=metric_title(name)) for name, line in METRIC_LINES.items()]
    handles += [band_patch(f"{AUTHORS}, translated")] if any(drawn) else []
    found = {network: curves.loc[curves["network"] == network, "level"] for network in networks}
    level_legend(figure, levels, found, AUGMENTATIONS[augmentation].level_title, handles, lines=False)
    return figure


def _draw_networks(axes: Axes, table: pd.DataFrame, networks: Sequence[str]) -> None:
    """Draw a line for each network of one accuracy."""
    for network in networks:
        draw_line(axes, table[table["network"] == network], "epoch", "mean", color=network_color(network))


def _draw_authors(
    axes: Axes, authors: pd.DataFrame | None, network: str, metric: str, ours: pd.DataFrame, color: str = BAND[0]
) -> bool:
    """Draw between which values the authors' runs lie, as far as ours at level 0 were trained, and say whether."""
    epochs = ours.loc[ours["level"] == 0, "epoch"]
    if authors is None or epochs.empty:
        return False
    theirs = authors[(authors["network"] == network) & (authors["metric"] == metric)]
    theirs = theirs[theirs["epoch"] <= epochs.max()]
    alpha = 1 if color == BAND[0] else 0.25
    axes.fill_between(
        theirs["epoch"], theirs["lowest"], theirs["highest"], color=color, alpha=alpha, linewidth=0, zorder=0
    )
    return not theirs.empty


def draw_vcp(curves: pd.DataFrame, networks: Mapping[str, float], chance: float | None = None) -> Figure:
    """Draw accuracy by epoch of free networks that lack connections (Ott et al. 2019, Figures C.1 and C.2).

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset, augmentation and level.
        networks: in the order of the legend: names of networks, and their shares of missing connections.
        chance: the accuracy of guessing, in [0, 1].

    Returns:
        Training accuracy and accuracy on held-out images as they are and changed by each augmentation that networks are
        evaluated on, in per cent: mean over folds as a line, 95 % interval as a band. Of up to `MOST_LINES` shares, a
        panel per accuracy, as in the paper; of more, a panel per share.
    """
    curves = percent(curves.assign(vcp=curves["network"].map(networks)).dropna(subset="vcp"))
    metrics = [metric for metric in curves["metric"].unique() if metric not in ("swap_acc", "clean_train_acc")]
    if not metrics:
        return no_runs()
    shares = list(networks.values())
    by_share = len(shares) > MOST_LINES
    across = multiples_across() if by_share else (2 if is_column() else 3)
    count = len(shares) if by_share else len(metrics)
    figure = wide_figure(-(-count // across) * (0.9 / across) + 0.16)
    handles: list[Artist] = []
    if by_share:
        panels = small_multiples(figure, count)
        colors = {metric: PALETTE[number % len(PALETTE)] for number, metric in enumerate(metrics)}
        for axes, share in zip(panels, shares, strict=True):
            of_share = curves[curves["vcp"] == share]
            for metric in metrics:
                draw_line(axes, of_share[of_share["metric"] == metric], "epoch", "mean", color=colors[metric])
            axes.set_title(f"{level_text(share)} missing")
            axes.xaxis.set_major_locator(whole_numbers())
            if of_share.empty:
                say(axes, "no runs")
        handles += [Line2D([], [], color=color, label=metric_title(metric)) for metric, color in colors.items()]
        limit_to_shares(panels[0])
    else:
        panels = list(figure.subplots(-(-count // across), across, sharex=True, squeeze=False).flat)
        for number, (axes, metric) in enumerate(zip(panels, metrics, strict=False)):
            draw_levels(axes, curves[curves["metric"] == metric], shares, "vcp", "epoch", "mean")
            axes.set_title(metric_title(metric))
            axes.tick_params(labelbottom=number + across >= count)
            limit_to_shares(axes)
        for axes in panels[count:]:
            axes.remove()
    for axes in panels[:count]:
        draw_chance(axes, chance)
    figure.supxlabel("Epoch")
    figure.supylabel("Accuracy (%)")
    level_legend(figure, shares, {"fcn": curves["vcp"]}, VCP_TITLE, handles, lines=not by_share)
    return figure


def draw_swap_accuracy(
    curves: pd.DataFrame,
    networks: Sequence[str],
    authors: pd.DataFrame | None = None,
    chance: float | None = None,
) -> Figure:
    """Draw accuracy by epoch on images whose quadrants I and III are exchanged (Ott et al. 2019, Figure 6).

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset at level 0; of several augmentations, whose level 0
            is the same runs, the first counts.
        networks: the lines.
        authors: as for `draw_accuracy`.
        chance: as for `draw_accuracy`.

    Returns:
        Mean over folds in per cent as a line, 95 % interval as a band; the mean on images as they are as a thin dashed
        line. Paler bands reach from the lowest to the highest of the authors' runs.
    """
    keys = ["network", "metric", "epoch"]
    curves = percent(curves[curves["network"].isin(networks)].drop_duplicates(keys))
    if curves.empty:
        return no_runs()
    theirs = None if authors is None else percent(authors)
    figure = wide_figure(0.85 if is_column() else 0.5)
    axes = figure.subplots()
    handles: list[Artist] = []
    for network in networks:
        color = network_color(network)
        swap, plain = (
            curves[(curves["network"] == network) & (curves["metric"] == metric)] for metric in ("swap_acc", "val_acc")
        )
        draw_line(axes, plain[["epoch", "mean"]], "epoch", "mean", color=color, linewidth=0.9, linestyle=DASHED)
        draw_line(axes, swap, "epoch", "mean", color=color, linewidth=2)
        drawn = _draw_authors(axes, theirs, network, "swap_acc", swap, color)
        if not swap.empty:
            name = network_title(network)
            handles.append(Line2D([], [], color=color, linewidth=2, label=f"{name}, quadrants swapped"))
            handles.append(Line2D([], [], color=color, linewidth=0.9, linestyle=DASHED, label=f"{name}, as they are"))
            if drawn:
                handles.append(Patch(color=color, alpha=0.25, linewidth=0, label=f"{name}, the authors' runs"))
    axes.set(xlabel="Epoch", ylabel="Validation accuracy (%)")
    axes.xaxis.set_major_locator(whole_numbers())
    limit_to_shares(axes)
    draw_chance(axes, chance)
    absent = [network_title(network) for network in networks if network not in set(curves["network"])]
    legend(figure, handles, "", f"not run: {', '.join(absent)}" if absent else "")
    return figure


def draw_distance(
    distances: pd.DataFrame,
    levels: Sequence[float],
    augmentation: str,
    positions: Mapping[str, int],
    authors: pd.DataFrame | None = None,
) -> Figure:
    """Draw kernel distance by epoch, all radii in one panel (Ott et al. 2019, Figures 5, B.6 and B.7).

    Args:
        distances: as `distance_rows.in_percent` returns them.
        levels: in the order of the legend.
        augmentation: which one the levels are of.
        positions: layer to its number of positions.
        authors: as for `draw_accuracy`.

    Returns:
        Distance in per cent of that of independent kernels: median over folds as a line, from the lowest run to the
        highest as a band, epoch 0 the untrained networks. A panel for each layer and measure; of more than
        `MOST_LINES` levels, one for each of them, too. Where there is level 0, a gray band of the first layer reaches
        from the lowest to the highest of the authors' runs.
    """
    distances = distances[distances["level"].isin(levels)]
    if distances.empty:
        return no_runs()
    radii = sorted(distances["radius"].unique())
    styles = {radius: RADIUS_LINES[number % len(RADIUS_LINES)] for number, radius in enumerate(radii)}
    kinds = list(distances[["layer", "measure"]].drop_duplicates().itertuples(index=False, name=None))
    colors = level_colors(levels)
    many = len(levels) > MOST_LINES
    distances = thinned(distances) if many else distances
    figure, panels = _distance_panels(len(kinds), len(levels), many)
    drawn = []
    for (layer, measure), of_kind in zip(kinds, panels, strict=True):
        chosen = distances[(distances["layer"] == layer) & (distances["measure"] == measure)]
        scaled = _authors_in_percent(authors if layer.endswith("_1") else None, layer, measure, positions)
        title = f"{layer_title(layer)}, {MEASURE_TITLES[measure]}" if len(kinds) > 1 or not many else ""
        for number, axes in enumerate(of_kind):
            shown = [levels[number]] if many else list(levels)
            drawn += _draw_radii(axes, chosen[chosen["level"].isin(shown)], shown, styles, colors, measure, scaled)
            of_level = f"{AUGMENTATIONS[augmentation].title} {level_text(levels[number])}" if many else ""
            axes.set_title(", ".join(filter(None, [of_level, title if number == 0 or not many else ""])))
        if not many:
            _label_distances(of_kind[0], chosen, colors)
    figure.supxlabel("Epoch (0: untrained)")
    figure.supylabel("Distance (% of independent kernels)")
    handles: list[Artist] = [
        Line2D([], [], color=TEXT[0], linestyle=styles[radius], label=f"radius {radius}") for radius in radii
    ]
    handles += [band_patch(AUTHORS)] if any(drawn) else []
    title = AUGMENTATIONS[augmentation].level_title
    level_legend(figure, levels, {"fcn": distances["level"]}, title, handles, lines=not many)
    return figure


def _distance_panels(kinds: int, levels: int, many: bool) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and its panels: of each layer and measure one, or, of many levels, one for each of them."""
    across = multiples_across() if many else min(kinds, 1 if is_column() else 2)
    down = -(-levels // across) * kinds if many else -(-kinds // across)
    figure = wide_figure(down * (0.9 / across if many else 0.75 / across if is_column() else 0.55 / across**0.6) + 0.16)
    if many:
        parts = figure.add_gridspec(kinds, 1)
        return figure, [small_multiples(figure, levels, parts[row, 0]) for row in range(kinds)]
    flat = list(figure.subplots(down, across, sharex=True, squeeze=False).flat)
    for axes in flat[kinds:]:
        axes.remove()
    return figure, [[axes] for axes in flat[:kinds]]


def _draw_radii(
    axes: Axes,
    distances: pd.DataFrame,
    levels: Sequence[float],
    styles: Mapping[int, Any],
    colors: Mapping[float, str],
    measure: DistanceMeasure,
    authors: pd.DataFrame | None,
) -> list[bool]:
    """Draw distances of one layer and measure by epoch, a line per radius and level.

    Returns:
        Of each radius, whether the authors' runs could be drawn behind it.
    """
    drawn = []
    for radius, style in styles.items():
        of_radius = distances[distances["radius"] == radius]
        for level in levels:
            line = {"color": colors[level], "linestyle": style}
            draw_line(axes, of_radius[of_radius["level"] == level], "epoch", "distance", **line)
        drawn.append(_draw_authors(axes, authors, "fcn", distance_key(radius, measure), of_radius))
    axes.axhline(100, **INDEPENDENT)
    axes.xaxis.set_major_locator(whole_numbers())
    if distances.empty:
        say(axes, "no runs")
    axes.margins(y=0.08)
    return drawn


def _label_distances(axes: Axes, distances: pd.DataFrame, colors: Mapping[float, str]) -> None:
    """Write each level at the end of its lowest line, and what independent kernels are at."""
    last = distances[distances["epoch"] == distances.groupby(["level", "radius"])["epoch"].transform("max")]
    lowest = last.sort_values("distance").drop_duplicates("level")
    ends = [(row.distance, level_text(row.level), colors[row.level]) for row in _rows(lowest)]
    label_ends(axes, [*ends, (100, "independent", SOFT[0])])


def _authors_in_percent(
    authors: pd.DataFrame | None, layer: str, measure: str, positions: Mapping[str, int]
) -> pd.DataFrame | None:
    """Return between which distances the authors' runs lie, in per cent of those of independent kernels."""
    if authors is None:
        return None
    scale = 100 / independent(pd.DataFrame({"layer": [layer], "measure": [measure]}), positions).iloc[0]
    return authors.assign(lowest=scale * authors["lowest"], highest=scale * authors["highest"])
