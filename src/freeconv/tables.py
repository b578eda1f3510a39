"""Tables: medians over folds and epochs, curves by epoch, and what each number was made from."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import stats

from freeconv import layout, runs
from freeconv.claims import judge, load_claims
from freeconv.compare import CONFIDENCE, compare
from freeconv.configs import METRICS, Augmentation
from freeconv.distance import distance_key
from freeconv.errors import FreeconvError
from freeconv.params import Aggregate, Params
from freeconv.results import Problem, Run, read_measures, read_runs, read_traces
from freeconv.storage import write_sums, write_text
from freeconv.variants import Kind, parse_variant

PLOTTED_METRICS = ("val_acc", "translate_acc")


class Cell(NamedTuple):
    """What one row of a table stands for: the runs of all folds."""

    dataset: str
    augmentation: Augmentation
    level: float
    network: str


def cells(params: Params) -> list[Cell]:
    """Return the study's cells in the parameters' order, those of missing connections behind the others."""
    found = [
        Cell(dataset, augmentation, level, network)
        for dataset in params.data.datasets
        for augmentation in runs.augmentations(params)
        for level in params.levels(augmentation)
        for network in params.train.networks
    ]
    found += [
        Cell(dataset, "translate", level, network)
        for dataset in params.data.datasets
        for level in params.vcp.translate
        for network in runs.vcp_networks(params)
    ]
    return list(dict.fromkeys(found))


def runs_by_cell(params: Params, study: Sequence[Run]) -> dict[Cell, list[Run]]:
    """Return the runs behind each cell that has any, folds in order; level 0 of all augmentations is the same runs."""
    trained: dict[tuple[str, str, float, str], list[Run]] = {}
    for run in study:
        config = run.config
        trained.setdefault((config.dataset, config.augmentation, config.level, config.network), []).append(run)
    found = {
        cell: trained.get((cell.dataset, runs.trained_as(cell.augmentation, cell.level), cell.level, cell.network), [])
        for cell in cells(params)
    }
    return {cell: folds for cell, folds in found.items() if folds}


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


def accuracy(params: Params, by_cell: dict[Cell, list[Run]]) -> pd.DataFrame:
    """Return the medians of all metrics (Ott et al. 2019, Tables 1, 2 and B.1 to B.3, Figure 6).

    Returns:
        Columns dataset, augmentation, level, network, metric, median (share in [0, 1]), runs (how many are behind it).
    """
    rows = [
        (*cell, metric, median([run.history for run in folds], metric, params.report.aggregate), len(folds))
        for cell, folds in by_cell.items()
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=[*Cell._fields, "metric", "median", "runs"])


def run_values(params: Params, by_cell: dict[Cell, list[Run]]) -> pd.DataFrame:
    """Return what each run alone contributes to a cell.

    Returns:
        Columns dataset, augmentation, level, network, metric, fold, value: the run's median over its epochs, its last
        or its best epoch, as `report.aggregate` says.
    """
    rows = [
        (*cell, metric, run.config.fold, median([run.history], metric, params.report.aggregate))
        for cell, folds in by_cell.items()
        for metric in METRICS
        for run in folds
    ]
    return pd.DataFrame(rows, columns=[*Cell._fields, "metric", "fold", "value"])


def search(params: Params, study: Sequence[Run]) -> pd.DataFrame:
    """Return the cells of the hyperparameter search (Ott et al. 2019, Table A.1), the best of each network marked.

    Returns:
        Columns dataset, network (`cnn` or `fcn`), layers, learning_rate, val_acc (highest of a run, median over its
        folds), val_loss (lowest of a run, median), epochs (trained, median), runs, chosen (whether val_acc is the
        network's highest; of equal ones the first).
    """
    rows = []
    for dataset in params.data.datasets:
        for network in runs.search_networks(params):
            folds = [run for run in study if (run.config.dataset, run.config.network) == (dataset, network)]
            if folds:
                variant = parse_variant(network)
                best = [
                    (run.history["val_acc"].max(), run.history["val_loss"].min(), len(run.history["val_acc"]))
                    for run in folds
                ]
                about = (dataset, variant.kind, variant.layers, variant.learning_rate)
                rows.append((*about, *np.median(best, axis=0), len(folds)))
    columns = ["dataset", "network", "layers", "learning_rate", "val_acc", "val_loss", "epochs", "runs"]
    frame = pd.DataFrame(rows, columns=columns)
    best_rows = frame.groupby(["dataset", "network"], sort=False)["val_acc"].idxmax()
    return frame.assign(chosen=frame.index.isin(best_rows))


def mean_and_interval(values: Sequence[np.ndarray]) -> pd.DataFrame:
    """Return mean and 95 % t-interval over folds for each epoch.

    Args:
        values: per fold, array (epochs,); a fold that stopped early counts for the epochs that it has.

    Returns:
        Columns epoch (from 1), mean, low, high, runs. The interval is not clipped; of one run, low = high = mean.
    """
    padded = np.full((len(values), max(map(len, values))), np.nan)
    for row, history in zip(padded, values, strict=True):
        row[: len(history)] = history
    count = np.sum(~np.isnan(padded), axis=0)
    mean = np.nansum(padded, axis=0) / count
    freedom = np.maximum(count - 1, 1)
    error = np.sqrt(np.nansum((padded - mean) ** 2, axis=0) / freedom / count)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * error  # of one run the error is 0
    epoch = np.arange(1, padded.shape[1] + 1)
    return pd.DataFrame({"epoch": epoch, "mean": mean, "low": mean - half, "high": mean + half, "runs": count})


def accuracy_by_epoch(by_cell: dict[Cell, list[Run]]) -> pd.DataFrame:
    """Return the curves of all metrics by epoch (Ott et al. 2019, Figures 3 and 4).

    Returns:
        Columns dataset, augmentation, level, network, metric, epoch, mean, low, high, runs.
    """
    keys = [*Cell._fields, "metric"]
    curves = {
        (*cell, metric): mean_and_interval([run.history[metric] for run in folds])
        for cell, folds in by_cell.items()
        for metric in METRICS
    }
    return pd.concat(curves, names=[*keys, None]).reset_index(keys).reset_index(drop=True)


def run_table(study: Sequence[Run]) -> pd.DataFrame:
    """Return one row per run: what it is, how long it took, on what it ran, and its file.

    Returns:
        Columns dataset, network, augmentation, level, fold, epochs (trained), last_val_acc and best_val_acc (of the
        last epoch, the highest), positions (of the first layer), seconds (of training), overhead_seconds (its share of
        what its job did besides), device, backend, versions, path.
    """
    return pd.DataFrame(
        {
            **{key: getattr(run.config, key) for key in ("dataset", "network", "augmentation", "level", "fold")},
            "epochs": len(run.history["val_acc"]),
            "last_val_acc": float(run.history["val_acc"][-1]),
            "best_val_acc": float(run.history["val_acc"].max()),
            "positions": int(np.prod(next(iter(run.attributes["grids"].values())))),
            **{key: run.attributes.get(key, "") for key in ("seconds", "overhead_seconds", "device", "backend")},
            "versions": _versions(run.attributes.get("versions", {})),
            "path": run.path,
        }
        for run in study
    )


def _versions(versions: dict[str, str]) -> str:
    """Return versions as text: `keras 3.15.1, numpy 2.4.6`."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


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
    last = first.loc[first.groupby([*keys, "fold"], sort=False)["epoch"].idxmax()]
    return last.groupby(keys, sort=False)["distance"].median().rename("median").reset_index()


def metrics(medians: pd.DataFrame, last: pd.DataFrame) -> dict[str, Any]:
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
        values = levels.setdefault(layout.level_text(level), {}).setdefault(network, {})
        values[metric] = None if np.isnan(value) else round(value, 6)
    return tree


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a frame as named tuples of its columns."""
    return frame.itertuples(index=False)


def accuracy_plot(medians: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the medians of one metric for `dvc plots`: columns dataset, augmentation, level, series, median."""
    chosen = medians[(medians["metric"] == metric) & medians["network"].isin(get_args(Kind))]
    return chosen.rename(columns={"network": "series"})[["dataset", "augmentation", "level", "series", "median"]]


def distance_plot(last: pd.DataFrame) -> pd.DataFrame:
    """Return `last_distance` for `dvc plots`: columns dataset, augmentation, level, series, median."""
    series = [distance_key(row.radius, row.measure) for row in _rows(last)]
    return last.assign(series=series)[["dataset", "augmentation", "level", "series", "median"]]


def make_tables(params: Params, folder: str = layout.REPORTS) -> list[Problem]:
    """Write all tables of a study, the files of `layout.table_files`.

    Numbers have 6 significant digits; rows follow the order of the parameters. What is missing or cannot be used is
    left out and named in `tables/problems.csv`.

    Args:
        params: the study; its runs, traces and measures are read from the paths of `layout`.
        folder: where the folders `tables` and `plots` and the file `metrics.json` go.

    Returns:
        What is in `tables/problems.csv`.

    Raises:
        FreeconvError: no run can be used.
    """
    study, problems = read_runs(params)
    if not study:
        raise FreeconvError(f"expected at least one run, received none that can be used; first: {problems[0].text()}")
    traces, trace_problems = read_traces(params)
    measures, measure_problems = read_measures(params)
    problems += trace_problems + measure_problems
    by_cell = runs_by_cell(params, study)
    medians, values = accuracy(params, by_cell), run_values(params, by_cell)
    kinds = get_args(Kind)  # the paper has no medians of variants
    images = {run.config.dataset: run.attributes["images"] for run in study}
    compared = compare(params, medians[medians["network"].isin(kinds)], values[values["network"].isin(kinds)], images)
    last = last_distance(traces)
    frames = {
        "tables/accuracy": medians,
        "tables/compared": compared,
        "tables/claims": judge(load_claims(), values, traces),
        "tables/distance": distance(traces),
        "tables/accuracy_by_epoch": accuracy_by_epoch(by_cell),
        "tables/search": search(params, study),
        "tables/measures": measures,
        "tables/runs": run_table(study),
        "tables/problems": pd.DataFrame(problems, columns=list(Problem._fields)),
        **{f"plots/{metric}": accuracy_plot(medians, metric) for metric in PLOTTED_METRICS},
        "plots/distance": distance_plot(last),
    }
    for name, frame in frames.items():
        write_text(f"{folder}/{name}.csv", frame.to_csv(index=False, float_format="%.6g"))
    write_text(f"{folder}/metrics.json", json.dumps(metrics(medians, last), indent=2, sort_keys=True) + "\n")
    # last: with it the tables are complete
    summed = [f"{folder}/{name}.csv" for name in frames if name.startswith("tables/")]
    write_sums([*summed, f"{folder}/metrics.json"], layout.sums_file(folder))
    return problems
