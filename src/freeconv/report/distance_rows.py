"""Kernel distances as figures show them: with the runs' spread, in per cent of those of independent kernels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

CELL = ["dataset", "trained", "level", "epoch"]


def with_spread(distances: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Return kernel distances by epoch with those of the lowest and of the highest run.

    Args:
        distances: as `medians.distance` returns them, of the FCN.
        history: as `medians.history_table` returns it.

    Returns:
        The same rows, with the columns low and high; NaN where no run is known.
    """
    if distances.empty:
        return distances.assign(low=np.nan, high=np.nan)
    named = distances.assign(
        trained=np.where(distances["level"] > 0, distances["augmentation"], "none"),
        name=distances["layer"] + "_" + distances["measure"] + "_" + distances["radius"].astype(str),
    )
    recorded = [name for name in named["name"].unique() if name in history]
    runs = history[history["network"] == "fcn"].rename(columns={"augmentation": "trained"})
    of_cells = runs.groupby(CELL, sort=False)[recorded]
    for column, wide in {"low": of_cells.min(), "high": of_cells.max()}.items():
        long = wide.melt(var_name="name", value_name=column, ignore_index=False).reset_index()
        named = named.merge(long, on=[*CELL, "name"], how="left")
    return named.drop(columns=["trained", "name"])


def in_percent(distances: pd.DataFrame, positions: Mapping[str, int]) -> pd.DataFrame:
    """Return kernel distances in per cent of those of independent kernels.

    Args:
        distances: as `with_spread` returns them, of one dataset.
        positions: layer to its number of positions; distances of others are left out.

    Returns:
        Columns augmentation, level, layer, radius, measure, epoch, median (as it was), independent (the distance
        expected of independent kernels), distance, low and high (per cent).
    """
    known = distances[distances["layer"].isin(list(positions))]
    expected = independent(known, positions)
    columns = ["augmentation", "level", "layer", "radius", "measure", "epoch", "median"]
    numbers = {to: 100 * known[of] / expected for to, of in (("distance", "median"), ("low", "low"), ("high", "high"))}
    return known[columns].assign(independent=expected, **numbers)


def independent(distances: pd.DataFrame, positions: Mapping[str, int]) -> pd.Series:
    """Return the distance expected of independent kernels for each row: √(2 / positions), or 1 for cosine distances.

    Args:
        distances: columns layer and measure.
        positions: layer to its number of positions; NaN for layers without.
    """
    euclidean = (2 / distances["layer"].map(dict(positions)).astype(float)) ** 0.5
    return euclidean.where(distances["measure"] == "euclidean", 1.0)
