"""Medians over folds and epochs, and curves by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from freeconv.analysis.distance import distance_key, run_columns
from freeconv.analysis.intervals import mean_and_interval
from freeconv.analysis.settling import settled_change, stopped_early
from freeconv.vocabulary import Aggregate, Cell, level_text, trained_as

if TYPE_CHECKING:
    from freeconv.storage.run_file import Run


PLOTTED_METRICS = ("val_acc", "translate_acc")


def runs_by_cell(cells: Iterable[Cell], study: Sequence[Run]) -> dict[Cell, list[Run]]:
    """Return the runs behind each cell that has any, folds in order; level 0 of all augmentations is the same runs."""
    trained: dict[tuple[str, str, float, str], list[Run]] = {}
    for run in study:
        config = run.config
        trained.setdefault((config.dataset, config.augmentation, config.level, config.network), []).append(run)
    found = {
        cell: trained.get((cell.dataset, trained_as(cell.augmentation, cell.level), cell.level, cell.network), [])
        for cell in cells
    }
    return {cell: folds for cell, folds in found.items() if folds}


def _recorded(folds: Sequence[Run], metrics: Iterable[str]) -> list[str]:
    """Return those of some metrics that the runs of a cell have recorded."""
    return [metric for metric in metrics if all(metric in run.history for run in folds)]


def median(histories: Sequence[dict[str, np.ndarray]], metric: str, aggregate: Aggregate) -> float:
    """Return the median of a metric over folds.

    Args:
        histories: per fold, metric to array (epochs,); folds may have different numbers of epochs.
        metric: which metric.
        aggregate: `"all-epochs"` pools all epochs of all folds, which is how the authors' program made Tables 1, 2
            and B.1 to B.3 of Ott et al. 2019; `"final"` takes the last epoch of each fold; `"best"` takes, of each
            fold, the (first) epoch of highest `val_acc`, whichever the metric.
    """
    if aggregate == "all-epochs":
        return float(np.median(np.concatenate([history[metric] for history in histories])))
    if aggregate == "final":
        return float(np.median([history[metric][-1] for history in histories]))
    return float(np.median([history[metric][np.argmax(history["val_acc"])] for history in histories]))


def accuracy(by_cell: dict[Cell, list[Run]], metrics: Sequence[str], aggregate: Aggregate) -> pd.DataFrame:
    """Return the medians of all metrics (Ott et al. 2019, Tables 1, 2 and B.1 to B.3, Figure 6).

    Returns:
        Columns dataset, augmentation, level, network, metric, median (share in [0, 1]), runs (how many are behind it).
    """
    rows = [
        (*cell, metric, median([run.history for run in folds], metric, aggregate), len(folds))
        for cell, folds in by_cell.items()
        for metric in _recorded(folds, metrics)
    ]
    return pd.DataFrame(rows, columns=[*Cell._fields, "metric", "median", "runs"])


def run_values(
    by_cell: dict[Cell, list[Run]],
    metrics: Sequence[str],
    aggregate: Aggregate,
    made: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return what each run alone contributes to a cell.

    Args:
        by_cell: the runs of each cell.
        metrics: which metrics.
        aggregate: as for `median`.
        made: day on which the file at a path was made, as 2026-11-25, where known.

    Returns:
        Columns dataset, augmentation, level, network, metric, fold, value: the run's median over its epochs, its last
        or its best epoch, as `report.aggregate` says; seed, drift (how far the
        metric moves over the last fifth of the epochs), epochs, stopped (early) and made.
    """
    rows = [
        (
            *cell,
            metric,
            run.config.fold,
            median([run.history], metric, aggregate),
            run.config.train_seed,
            settled_change(run.history[metric]),
            len(run.history["val_acc"]),
            stopped_early(run.history["val_acc"], run.config.patience),
            (made or {}).get(run.path, ""),
        )
        for cell, folds in by_cell.items()
        for metric in _recorded(folds, metrics)
        for run in folds
    ]
    about = ["seed", "drift", "epochs", "stopped", "made"]
    return pd.DataFrame(rows, columns=[*Cell._fields, "metric", "fold", "value", *about])


def search(networks: Mapping[str, tuple[str, int, float]], study: Sequence[Run]) -> pd.DataFrame:
    """Return the cells of the hyperparameter search (Ott et al. 2019, Table A.1), the best of each network marked.

    Args:
        networks: those of the search by name: registered network, number of (free) convolutions, learning rate.
        study: the runs.

    Returns:
        Columns dataset, network (`cnn` or `fcn`), layers, learning_rate, val_acc (highest of a run, median over its
        folds), val_loss (lowest of a run, median), epochs (trained, median), runs, chosen (whether val_acc is the
        network's highest; of equal ones the first).
    """
    rows = []
    for dataset in dict.fromkeys(run.config.dataset for run in study):
        for network, searched in networks.items():
            folds = [run for run in study if (run.config.dataset, run.config.network) == (dataset, network)]
            if folds:
                best = [
                    (run.history["val_acc"].max(), run.history["val_loss"].min(), len(run.history["val_acc"]))
                    for run in folds
                ]
                rows.append((dataset, *searched, *np.median(best, axis=0), len(folds)))
    columns = ["dataset", "network", "layers", "learning_rate", "val_acc", "val_loss", "epochs", "runs"]
    frame = pd.DataFrame(rows, columns=columns)
    best_rows = frame.groupby(["dataset", "network"], sort=False)["val_acc"].idxmax()
    return frame.assign(chosen=frame.index.isin(best_rows))


def accuracy_by_epoch(by_cell: dict[Cell, list[Run]], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the curves of all metrics by epoch (Ott et al. 2019, Figures 3 and 4).

    Returns:
        Columns dataset, augmentation, level, network, metric, epoch, mean, low, high, runs.
    """
    keys = [*Cell._fields, "metric"]
    curves = {
        (*cell, metric): mean_and_interval([run.history[metric] for run in folds], bounds=(0, 1))
        for cell, folds in by_cell.items()
        for metric in _recorded(folds, metrics)
    }
    return pd.concat(curves, names=[*keys, None]).reset_index(keys).reset_index(drop=True)


def run_table(study: Sequence[Run]) -> pd.DataFrame:
    """Return one row per run: what it is, how long it took, on what it ran, and its file.

    Returns:
        Columns dataset, network, augmentation, level, fold, seed, epochs (trained), last_val_acc and best_val_acc (of
        the last epoch, the highest), positions (of the first layer), seconds (of training), overhead_seconds (its share
        of what its job did besides), device, backend, threads, precision, flags (of the environment), versions, path.
    """
    return pd.DataFrame(
        {
            **{key: getattr(run.config, key) for key in ("dataset", "network", "augmentation", "level", "fold")},
            "seed": run.config.train_seed,
            "epochs": len(run.history["val_acc"]),
            "last_val_acc": float(run.history["val_acc"][-1]),
            "best_val_acc": float(run.history["val_acc"].max()),
            "positions": int(np.prod(next(iter(run.attributes["grids"].values()), 0))),
            **{key: run.attributes.get(key, "") for key in ("seconds", "overhead_seconds", "device", "backend")},
            "threads": run.attributes.get("threads", ""),
            "precision": run.config.precision,
            "flags": _versions(run.attributes.get("flags", {})),
            "versions": _versions(run.attributes.get("versions", {})),
            "path": run.path,
        }
        for run in study
    )


def _versions(versions: dict[str, str]) -> str:
    """Return versions as text: `keras 3.15.1, numpy 2.4.6`."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def table_of_tests(study: Sequence[Run]) -> pd.DataFrame:
    """Return the accuracies of trained networks on images that were kept apart.

    Returns:
        Columns dataset, network, augmentation, level, fold, seed, epochs (trained), metric, value. Of runs that were
        trained longer than asked for there are none, for their networks after so many epochs are not stored.
    """
    labels = ("dataset", "network", "augmentation", "level", "fold")
    rows = [
        (*(getattr(run.config, name) for name in labels), run.config.train_seed, run.attributes["epochs"], *tested)
        for run in study
        if run.attributes.get("epochs") == len(run.history["val_acc"])
        for tested in run.attributes.get("test", {}).items()
    ]
    return pd.DataFrame(rows, columns=[*labels, "seed", "epochs", "metric", "value"])


def history_table(study: Sequence[Run], traces: pd.DataFrame) -> pd.DataFrame:
    """Return everything that the runs recorded, for other people's analyses: a row per run and epoch.

    Args:
        study: the runs.
        traces: kernel distances, as `freeconv.storage.results.read_traces` returns them.

    Returns:
        Columns dataset, network, augmentation (as trained: `none` at level 0), level, seed, fold, epoch (0, the
        untrained network, where there are distances), one for each history, one for each kernel distance
        (`free_1_euclidean_1`: layer, measure, radius), device, backend, versions. What was not recorded is empty.
    """
    keys = ["dataset", "network", "augmentation", "level", "seed", "fold"]
    frames = []
    distances = dict(list(_wide_distances(traces, keys).groupby(keys, sort=False))) if len(traces) else {}
    for run in study:
        config = run.config
        labels = (config.dataset, config.network, config.augmentation, config.level, config.train_seed, config.fold)
        rows = pd.DataFrame(run.history, index=pd.RangeIndex(1, len(run.history["val_acc"]) + 1, name="epoch"))
        if labels in distances:
            rows = rows.join(distances[labels].drop(columns=keys).set_index("epoch"), how="outer")
        about = {
            **dict(zip(keys, labels, strict=True)),
            **{name: run.attributes.get(name, "") for name in ("device", "backend")},
            "versions": _versions(run.attributes.get("versions", {})),
        }
        frames.append(pd.concat([rows.reset_index(), pd.DataFrame(about, index=range(len(rows)))], axis=1))
    frame = pd.concat(frames, ignore_index=True)
    last = ["device", "backend", "versions"]
    kept = [str(name) for name in frame if name not in (*keys, "epoch", *last)]
    kernel = [name for name in kept if "_euclidean_" in name or "_cosine_" in name]
    return frame[[*keys, "epoch", *(name for name in kept if name not in kernel), *kernel, *last]]


def _wide_distances(traces: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return kernel distances with a column for each layer, measure and radius, augmentation as trained."""
    named = traces.assign(
        augmentation=np.where(traces["level"] > 0, traces["augmentation"], "none"),
        column=[f"{row.layer}_{row.measure}_{row.radius}" for row in _rows(traces)],
    ).drop_duplicates([*keys, "epoch", "column"])
    order = list(dict.fromkeys(named["column"]))
    return named.pivot(index=[*keys, "epoch"], columns="column", values="distance")[order].reset_index()


def distance(traces: pd.DataFrame) -> pd.DataFrame:
    """Return medians over folds of the kernel distances by epoch (Ott et al. 2019, Figure 5, B.6 and B.7).

    Returns:
        Columns dataset, augmentation, level, layer, radius, measure, epoch, median.
    """
    keys = ["dataset", "augmentation", "level", "layer", "radius", "measure", "epoch"]
    return traces.groupby(keys, sort=False)["distance"].median().rename("median").reset_index()


def last_distance(traces: pd.DataFrame) -> pd.DataFrame:
    """Return medians over folds of the first layer's kernel distance after each fold's own last epoch.

    Returns:
        Columns dataset, augmentation, level, radius, measure, median.
    """
    keys = ["dataset", "augmentation", "level", "radius", "measure"]
    first = traces[traces["layer"].str.endswith("_1")]
    last = first.loc[first.groupby([*keys, *run_columns(first)], sort=False)["epoch"].idxmax()]
    return last.groupby(keys, sort=False)["distance"].median().rename("median").reset_index()


def metrics_tree(medians: pd.DataFrame, last: pd.DataFrame) -> dict[str, Any]:
    """Return medians as a tree: dataset, augmentation, level, network, metric.

    Args:
        medians: as `accuracy` returns them.
        last: as `last_distance` returns them; they go to network `fcn` as `distance_key` names them.

    Returns:
        The tree, numbers rounded to 6 digits after the point; NaN, which JSON has not, as None.
    """
    tree: dict[str, Any] = {}
    named = [(row.dataset, row.augmentation, row.level, row.network, row.metric, row.median) for row in _rows(medians)]
    named += [
        (row.dataset, row.augmentation, row.level, "fcn", distance_key(row.radius, row.measure), row.median)
        for row in _rows(last)
    ]
    for dataset, augmentation, level, network, metric, value in named:
        levels = tree.setdefault(dataset, {}).setdefault(augmentation, {})
        values = levels.setdefault(level_text(level), {}).setdefault(network, {})
        values[metric] = _rounded(value)
    return tree


def headline(
    medians: pd.DataFrame, last: pd.DataFrame, verdicts: Iterable[str], runs: int, networks: Sequence[str]
) -> dict[str, float | int | None]:
    """Return at most eight numbers that a study is told from others by.

    Args:
        medians: as `accuracy` returns them.
        last: as `last_distance` returns them.
        verdicts: on all claims.
        runs: how many there are.
        networks: those trained; the first two count.

    Returns:
        runs, claims_supported, claims_contradicted; and of the first dataset at the highest level of the first
        augmentation `<network>_val_acc` and `<network>_translate_acc`, and the FCN's distance between the nearest
        kernels as `distance_key` names it. None where there is no such number.
    """
    given = list(verdicts)
    found: dict[str, float | int | None] = {
        "runs": runs,
        **{f"claims_{verdict}": given.count(verdict) for verdict in ("supported", "contradicted")},
    }
    first = medians[["dataset", "augmentation"]].iloc[0]
    rows = medians[(medians[["dataset", "augmentation"]] == first).all(axis=1)]
    level = rows["level"].max()
    of_level = rows[rows["level"] == level].set_index(["network", "metric"])["median"]
    for network in networks[:2]:
        for metric in PLOTTED_METRICS:
            found[f"{network}_{metric}"] = _rounded(of_level.get((network, metric), np.nan))
    distances = last[(last[["dataset", "augmentation"]] == first).all(axis=1) & (last["level"] == level)]
    if len(distances):
        nearest = next(_rows(distances.sort_values("radius", kind="stable")))
        found[f"fcn_{distance_key(nearest.radius, nearest.measure)}"] = _rounded(nearest.median)
    return found


def _rounded(value: float) -> float | None:
    """Return a number with 6 digits after the point; None, which JSON has, for NaN."""
    return None if np.isnan(value) else round(float(value), 6)


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a frame as named tuples of its columns."""
    return frame.itertuples(index=False)


def accuracy_plot(medians: pd.DataFrame, metric: str, networks: Sequence[str]) -> pd.DataFrame:
    """Return the medians of one metric for `dvc plots`: columns dataset, augmentation, level, series, median."""
    chosen = medians[(medians["metric"] == metric) & medians["network"].isin(networks)]
    return chosen.rename(columns={"network": "series"})[["dataset", "augmentation", "level", "series", "median"]]


def distance_plot(last: pd.DataFrame) -> pd.DataFrame:
    """Return `last_distance` for `dvc plots`: columns dataset, augmentation, level, series, median."""
    series = [distance_key(row.radius, row.measure) for row in _rows(last)]
    return last.assign(series=series)[["dataset", "augmentation", "level", "series", "median"]]
