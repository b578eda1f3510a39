"""The authors' own runs at level 0 on MNIST: as far as they trained, cut short, and where ours lie among them.

Taken from the results that come with their program (github.com/jordanott/WeightSharing): `authors_runs.csv` has each of
the 25 runs per network at some epochs, `authors_envelope.csv` the lowest, median and highest at every epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from freeconv.analysis.distance import TRACE_COLUMNS, distance_key
from freeconv.analysis.settling import FEWEST_EPOCHS

if TYPE_CHECKING:
    from freeconv.storage.run_file import Run

# Epochs at which the table has every run that got so far, besides its last.
EPOCHS = (5, 10, 24, 50, 100)

DATASET = "mnist"  # the paper's dataset that their runs are of
# Of the metrics, those that claims at level 0 are about.
JUDGED = (
    "train_acc",
    "val_acc",
    "translate_acc",
    "swap_acc",
    "distance_radius_1",
    "distance_radius_4",
)
ENVELOPE = ("lowest", "median", "highest")
AUTHORS_COLUMNS = (
    "dataset",
    "network",
    "metric",
    "epoch",
    "runs",
    *ENVELOPE,
    "their_runs",
    *(f"their_{name}" for name in ENVELOPE),
    "below",
    "inside",
    "above",
)


def authors_runs() -> pd.DataFrame:
    """Return the numbers of the authors' 25 runs per network, five per fold, trained on MNIST without augmentation.

    Returns:
        Columns network, fold, run, length (epochs trained), epoch (those of `EPOCHS`, 0 for distances, and the run's
        last), metric, value, and median_to_epoch (over the epochs so far; NaN for distances).
    """
    with files("freeconv.analysis").joinpath("authors_runs.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def authors_envelope() -> pd.DataFrame:
    """Return between which values the authors' runs at level 0 on MNIST lie, by epoch.

    Returns:
        Columns network, metric (accuracies, and kernel distances as `distance_key` names them), epoch (epochs trained),
        runs (that trained so far; 25 at first), lowest, median and highest.
    """
    with files("freeconv.analysis").joinpath("authors_envelope.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file).rename(columns={"epochs_trained": "epoch"})


def beside_authors(study: Sequence[Run], traces: pd.DataFrame, datasets: Sequence[str]) -> pd.DataFrame:
    """Return where runs at level 0 lie among the authors' own, by metric and epoch.

    At one epoch, a further run of theirs would lie inside 25 others with 92 % (24 of 26 places). Epochs of one run are
    not independent, so no test is made of how many lie inside.

    Args:
        study: the runs.
        traces: kernel distances, as `freeconv.storage.results.read_traces` returns them; of the first
            layers.
        datasets: those that stand beside MNIST.

    Returns:
        Columns `AUTHORS_COLUMNS`: lowest, median and highest of ours and of theirs, and how many of ours are below,
        inside and above theirs.
    """
    ours = pd.concat([_recorded(study), _traced(traces)], ignore_index=True)
    ours = ours[ours["dataset"].isin(datasets)]
    both = ours.merge(authors_envelope(), on=["network", "metric", "epoch"])
    both["below"], both["above"] = both["value"] < both["lowest"], both["value"] > both["highest"]
    both["inside"] = ~(both["below"] | both["above"])
    rows = []
    for (*keys, theirs), group in both.groupby(["dataset", "network", "metric", "epoch", "runs"], sort=False):
        values = group["value"]
        own = (len(values), values.min(), values.median(), values.max())
        counts = (int(group[name].sum()) for name in ("below", "inside", "above"))
        rows.append((*keys, *own, theirs, *group.iloc[0][list(ENVELOPE)], *counts))
    return pd.DataFrame(rows, columns=list(AUTHORS_COLUMNS))


def _recorded(study: Sequence[Run]) -> pd.DataFrame:
    """Return accuracies of runs at level 0: columns dataset, network, metric, epoch, value."""
    frames = [
        pd.DataFrame({"epoch": np.arange(1, len(values) + 1), "value": values.astype(float)}).assign(
            dataset=run.config.dataset, network=run.config.network, metric=metric
        )
        for run in study
        if run.config.level == 0
        for metric, values in run.history.items()
        if metric.endswith("_acc")
    ]
    columns = ["dataset", "network", "metric", "epoch", "value"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def _traced(traces: pd.DataFrame) -> pd.DataFrame:
    """Return kernel distances at level 0 likewise, those of several augmentations, which are the same, once."""
    first = traces[(traces["level"] == 0) & traces["layer"].astype(str).str.endswith("_1")]
    first = first.drop_duplicates(["dataset", "network", "fold", "seed", "radius", "measure", "epoch"])
    rows: Iterable[Any] = first.itertuples(index=False)
    names = [distance_key(row.radius, row.measure) for row in rows]
    found = first.assign(metric=names).rename(columns={"distance": "value"})
    return found[["dataset", "network", "metric", "epoch", "value"]]


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
    runs = runs[runs["metric"].isin(JUDGED)]
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
