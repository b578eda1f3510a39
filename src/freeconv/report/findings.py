"""What a figure shows, in one sentence made from the numbers behind it."""

from collections.abc import Callable

import pandas as pd

from freeconv.report.panels import layer_title
from freeconv.report.titles import network_title
from freeconv.vocabulary import level_text


def finding(name: str, rows: pd.DataFrame) -> str:
    """Return what a figure shows; empty where its numbers are too few, or no sentence is known for it.

    Args:
        name: of the figure, as `grid.figures` gives it; `vcp` for those of missing connections.
        rows: the numbers behind it: its file `.csv`.
    """
    if name not in SENTENCES or rows.empty:
        return ""
    return SENTENCES[name](rows)


def _answer(rows: pd.DataFrame) -> str:
    """Say how accurate networks are at the lowest level and at their best one."""
    rows = rows.dropna(subset="ours")
    parts = []
    for network, its in rows.groupby("network", sort=False):
        lowest, best = its.sort_values("level").iloc[0], its.sort_values("ours").iloc[-1]
        part = f"{100 * lowest['ours']:.1f} % at level {level_text(lowest['level'])}"
        if best["level"] != lowest["level"]:
            part += f" and {100 * best['ours']:.1f} % at level {level_text(best['level'])}, its best"
        parts.append(f"the {network_title(str(network))} is right on {part}")
    return f"Of translated images {'; '.join(parts)}." if parts else ""


def _accuracy(rows: pd.DataFrame) -> str:
    """Say how accurate networks are after the last epoch on held-out images as they are."""
    return _by_network(_last_epoch(rows[rows["metric"] == "val_acc"]), "mean", "Of held-out images {parts}.")


def _swap(rows: pd.DataFrame) -> str:
    """Say how accurate networks are after the last epoch on images with exchanged quadrants."""
    return _by_network(_last_epoch(rows[rows["metric"] == "swap_acc"]), "mean", "With quadrants exchanged {parts}.")


def _transfer(rows: pd.DataFrame) -> str:
    """Say how accurate networks are on images shifted to the right as far as was tried."""
    shifts = rows[rows["measure"] == "horizontal_shift_acc"]
    furthest = shifts["setting"].max() if len(shifts) else 0
    if furthest <= 0:
        return ""
    shifted = shifts[shifts["setting"] == furthest]
    medians = shifted.groupby(["network", "level"], sort=False)["value"].median().reset_index()
    return _by_network(medians, "value", f"Of images shifted right by {100 * furthest:.0f} % of their width {{parts}}.")


def _networks(rows: pd.DataFrame) -> str:
    """Say how accurate each network is on translated images."""
    text = "After training, of translated images {parts}."
    return _by_network(rows[rows["measure"] == "translate_acc"], "mean", text)


def _last_epoch(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each network's and level's last epoch."""
    return rows[rows["epoch"] == rows.groupby(["network", "level"])["epoch"].transform("max")]


def _by_network(rows: pd.DataFrame, column: str, text: str) -> str:
    """Return a sentence about a share at the lowest and the highest level, network by network; empty without any."""
    rows, form = rows.assign(share=100 * rows[column]), "the {network} is right on {ends}"
    parts = [
        _of_ends(its, "share", "{:.1f} %", form, network=network_title(str(network)))
        for network, its in rows.groupby("network", sort=False)
    ]
    return text.format(parts="; ".join(filter(None, parts))) if any(parts) else ""


def _distance(rows: pd.DataFrame) -> str:
    """Say how far neighbouring kernels of the first layer are apart in the end."""
    first = rows[rows["layer"].str.endswith("_1")]
    first = first[(first["measure"] == "euclidean") & (first["radius"] == first["radius"].min())]
    last = first[first["epoch"] == first.groupby("level")["epoch"].transform("max")]
    text = "After training, kernels {radius} apart are at {ends} of the distance of independent kernels."
    radius = "one position" if (first["radius"] == 1).all() else f"{first['radius'].min()} positions"
    return _of_ends(last, "distance", "{:.0f} %", text, radius=radius)


def _by_radius(rows: pd.DataFrame) -> str:
    """Say how much nearer neighbouring kernels of the first layer are than all."""
    first = _first_layer(rows)
    nearest = first[first["radius"] == first["radius"].min()]
    text = "In {layer}, neighbouring kernels are at {ends} of the mean distance of all pairs."
    return _of_ends(nearest, "median", "{:.0f} %", text, layer=_layer(first))


def _signal(rows: pd.DataFrame) -> str:
    """Say how large the mean of a weight of the first layer is beside its spread over positions."""
    first = _first_layer(rows)
    text = "In {layer}, the mean of a weight over positions is {ends} its standard deviation."
    return _of_ends(first, "median", "{:.2f} times", text, layer=_layer(first))


def _shared(rows: pd.DataFrame) -> str:
    """Say how far the first layer is from sharing."""
    first = _first_layer(rows)
    text = "{layer} lies {ends} of its own size away from the best shared kernel."
    return _of_ends(first, "median", "{:.0f} %", text, layer=_layer(first).capitalize())


def _shared_accuracy(rows: pd.DataFrame) -> str:
    """Say what sharing all kernels costs."""
    whole, shared = (rows[rows["layer"] == layer].set_index("level")["median"] for layer in ("none", "all"))
    lost = (whole - shared).dropna().rename("lost").reset_index()
    return _of_ends(lost, "lost", "{:.1f} points", "One kernel for all positions of each layer costs {ends}.")


def _first_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first free layer."""
    layers = sorted(set(rows["layer"]) - {"all", "none"})
    return rows[rows["layer"] == layers[0]] if layers else rows[:0]


def _layer(rows: pd.DataFrame) -> str:
    """Return the name of a layer within a sentence."""
    return layer_title(rows["layer"].iloc[0]).lower() if len(rows) else ""


def _of_ends(rows: pd.DataFrame, column: str, form: str, text: str, **words: str) -> str:
    """Return a sentence about a number at the lowest and the highest level; empty where there is none."""
    rows = rows.dropna(subset=column).sort_values("level")
    if rows.empty:
        return ""
    ends = rows.iloc[[0, -1]] if rows["level"].nunique() > 1 else rows.iloc[[0]]
    parts = [f"{form.format(row[column])} (level {level_text(row['level'])})" for _, row in ends.iterrows()]
    return text.format(ends=" and ".join(parts), **words)


SENTENCES: dict[str, Callable[[pd.DataFrame], str]] = {
    "answer": _answer,
    "accuracy": _accuracy,
    "vcp": _accuracy,
    "swap": _swap,
    "transfer": _transfer,
    "networks": _networks,
    "distance": _distance,
    "distance-by-radius": _by_radius,
    "signal-to-noise": _signal,
    "distance-to-shared": _shared,
    "shared-accuracy": _shared_accuracy,
}
