"""The authors' own runs at level 0 on MNIST, as far as they trained, or cut short."""

from importlib.resources import files

import numpy as np
import pandas as pd

from freeconv.analysis.distance import TRACE_COLUMNS
from freeconv.analysis.settling import FEWEST_EPOCHS

# Epochs at which the table has every run that got so far, besides its last.
EPOCHS = (5, 10, 24, 50, 100)


def authors_runs() -> pd.DataFrame:
    """Return the numbers of the authors' 25 runs per network, five per fold, trained on MNIST without augmentation.

    Taken from the results that come with their program (github.com/jordanott/WeightSharing).

    Returns:
        Columns network, fold, run, length (epochs trained), epoch (those of `EPOCHS`, 0 for distances, and the run's
        last), metric, value, and median_to_epoch (over the epochs so far; NaN for distances).
    """
    with files("freeconv.analysis").joinpath("authors_runs.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def authors_study(epochs: int | None = None, runs: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the authors' runs as a study: what they would have been, had training ended after some epochs.

    Values are medians over all epochs, as in the paper's tables. How far a metric still moves is taken from the last
    two epochs in the table.

    Args:
        epochs: one of `EPOCHS`; as far as they trained if None.
        runs: as `authors_runs` returns them; all of them if None.

    Returns:
        Values and traces as `judgement.judge` takes them, runs of a fold as seeds.
    """
    runs = authors_runs() if runs is None else runs
    runs = runs if epochs is None else runs[runs["epoch"] <= epochs]
    is_distance = runs["metric"].str.contains("distance")
    accuracies, distances = runs[~is_distance], runs[is_distance]
    rows = []
    for (network, fold, run, metric), group in accuracies.groupby(["network", "fold", "run", "metric"]):
        points = group.sort_values("epoch")
        last = points.iloc[-1]
        stopped = last["epoch"] == last["length"]
        rows.append((network, fold, run, metric, last["median_to_epoch"], _drift(points), last["epoch"], stopped))
    columns = ["network", "fold", "seed", "metric", "value", "drift", "epochs", "stopped"]
    values = pd.DataFrame(rows, columns=columns).assign(dataset="mnist", augmentation="translate", level=0.0)
    traces = distances.rename(columns={"run": "seed", "value": "distance"}).assign(
        dataset="mnist",
        augmentation="translate",
        level=0.0,
        layer="free_1",
        measure="euclidean",
        radius=distances["metric"].str[-1].astype(int),
    )
    return values, traces[list(TRACE_COLUMNS)].reset_index(drop=True)


def _drift(points: pd.DataFrame) -> float:
    """Return how far a metric moved in a fifth of the epochs, between the last two in the table."""
    if len(points) < 2 or points["epoch"].iloc[-1] < FEWEST_EPOCHS:
        return np.nan
    epochs, values = points["epoch"].to_numpy(float), points["value"].to_numpy(float)
    return float((values[-1] - values[-2]) / (epochs[-1] - epochs[-2]) * epochs[-1] / 5)
