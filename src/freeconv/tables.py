"""Tables: medians over folds and epochs, curves by epoch, and what each number was made from."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from freeconv import layout, runs
from freeconv.configs import METRICS, Augmentation, Measure, Network, RunConfig, check_config
from freeconv.distance import TRACE_COLUMNS
from freeconv.errors import FreeconvError
from freeconv.params import Aggregate, Params
from freeconv.storage import read_h5, write_text

CONFIDENCE = 0.95
PLOTTED_METRICS = ("val_acc", "translate_acc")


class Cell(NamedTuple):
    """What one row of a table stands for: the runs of all folds."""

    dataset: str
    augmentation: Augmentation
    level: float
    network: Network


@dataclass(frozen=True)
class Run:
    """One run without its kernels.

    Attributes:
        config: what was trained.
        path: its file.
        history: metric of `configs.METRICS` to float array (epochs,), shares in [0, 1].
        attributes: the file's attributes.
    """

    config: RunConfig
    path: str
    history: dict[str, np.ndarray]
    attributes: dict[str, Any]


def read_runs(params: Params) -> list[Run]:
    """Read the histories of every run that the parameters ask for, in the order of `runs.runs`.

    Raises:
        FreeconvError: a run's file is missing, damaged or from another configuration.
    """
    return [_read_run(config, path) for config, path in zip(runs.runs(params), runs.run_files(params), strict=True)]


def _read_run(config: RunConfig, path: str) -> Run:
    """Read one run's histories, not its kernels, and check that it is the run asked for."""
    arrays, attributes = read_h5(path, [f"history/{metric}" for metric in METRICS])
    check_config(path, attributes.get("config"), config.dump())
    return Run(config, path, {metric: arrays[f"history/{metric}"] for metric in METRICS}, attributes)


def cells(params: Params) -> Iterator[Cell]:
    """Yield the study's cells in the parameters' order."""
    for dataset in params.data.datasets:
        for augmentation in runs.augmentations(params):
            for level in params.levels(augmentation):
                for network in params.train.networks:
                    yield Cell(dataset, augmentation, level, network)


def runs_by_cell(params: Params, study: Sequence[Run]) -> dict[Cell, list[Run]]:
    """Return the runs behind each cell, folds in order; level 0 of all augmentations is the same runs."""
    trained: dict[tuple[str, str, float, str], list[Run]] = {}
    for run in study:
        config = run.config
        trained.setdefault((config.dataset, config.augmentation, config.level, config.network), []).append(run)
    return {
        cell: trained[cell.dataset, runs.trained_as(cell.augmentation, cell.level), cell.level, cell.network]
        for cell in cells(params)
    }


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
        Columns dataset, network, augmentation, level, fold, epochs (trained), positions (of the first layer), seconds
        (of training), overhead_seconds (its share of what its job did besides), device, backend, versions, path.
    """
    return pd.DataFrame(
        {
            **{key: getattr(run.config, key) for key in ("dataset", "network", "augmentation", "level", "fold")},
            "epochs": len(run.history["val_acc"]),
            "positions": int(np.prod(run.attributes["grid"])),
            **{key: run.attributes.get(key, "") for key in ("seconds", "overhead_seconds", "device", "backend")},
            "versions": _versions(run.attributes.get("versions", {})),
            "path": run.path,
        }
        for run in study
    )


def _versions(versions: dict[str, str]) -> str:
    """Return versions as text: `keras 3.15.1, numpy 2.4.6`."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def read_traces(params: Params) -> pd.DataFrame:
    """Read the kernel-distance traces of all cells of the free network; none, if it is not studied.

    Returns:
        The columns of `distance.TRACE_COLUMNS`; augmentation is that of the cell, so level 0 appears once under
        every augmentation that lists it.

    Raises:
        FreeconvError: a file is missing, is no trace, or is from other parameters.
    """
    files: dict[str, pd.DataFrame] = {}
    frames = []
    for cell in cells(params):
        if cell.network != "fcn":
            continue
        augmentation = runs.trained_as(cell.augmentation, cell.level)
        path = layout.distance_file(cell.dataset, cell.network, augmentation, cell.level)
        if path not in files:
            config = runs.distance_config(params, cell.dataset, cell.network, augmentation, cell.level)
            files[path] = _read_trace(path, config.dump())
        frames.append(files[path].assign(augmentation=cell.augmentation))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(TRACE_COLUMNS))


def _read_trace(path: str, expected: dict[str, Any]) -> pd.DataFrame:
    """Read one file of traces and check that it holds what a distance configuration asks for."""
    if not Path(path).is_file():
        raise FreeconvError(f"{path}: expected a CSV file, received nothing: the file does not exist")
    try:
        frame = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        problem = str(error).replace("\n", " ")
        raise FreeconvError(f"{path}: expected CSV, received something else ({problem}); remove it") from error
    if tuple(frame.columns) != TRACE_COLUMNS:
        raise FreeconvError(
            f"{path}: expected the columns {','.join(TRACE_COLUMNS)}, received {','.join(map(str, frame.columns))}; "
            "remove the file and run again"
        )
    columns = {"fold_indices": "fold", "radii": "radius", "measures": "measure"}
    found = {key: frame[columns.get(key, key)].unique().tolist() for key in expected}
    # a key that has one value in the configuration must have one value in the whole file
    stored = {key: found[key][0] if key not in columns and len(found[key]) == 1 else found[key] for key in expected}
    check_config(path, stored, expected)
    return frame


def distance(traces: pd.DataFrame) -> pd.DataFrame:
    """Return medians over folds of the kernel distances by epoch (Ott et al. 2019, Figure 5, B.6 and B.7).

    Returns:
        Columns dataset, augmentation, level, layer, radius, measure, epoch, median.
    """
    keys = ["dataset", "augmentation", "level", "layer", "radius", "measure", "epoch"]
    return traces.groupby(keys, sort=False)["distance"].median().rename("median").reset_index()


def last_distance(traces: pd.DataFrame) -> pd.DataFrame:
    """Return medians over folds of the kernel distance after each fold's own last epoch.

    Returns:
        Columns dataset, augmentation, level, radius, measure, median.
    """
    keys = ["dataset", "augmentation", "level", "radius", "measure"]
    last = traces.loc[traces.groupby([*keys, "fold"], sort=False)["epoch"].idxmax()]
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


def distance_key(radius: int, measure: Measure) -> str:
    """Return the name of a kernel distance in `metrics.json`: `distance_radius_1`, `cosine_distance_radius_1`."""
    return f"{'' if measure == 'euclidean' else measure + '_'}distance_radius_{radius}"


def accuracy_plot(medians: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the medians of one metric for `dvc plots`: columns dataset, augmentation, level, series, median."""
    chosen = medians[medians["metric"] == metric]
    return chosen.rename(columns={"network": "series"})[["dataset", "augmentation", "level", "series", "median"]]


def distance_plot(last: pd.DataFrame) -> pd.DataFrame:
    """Return `last_distance` for `dvc plots`: columns dataset, augmentation, level, series, median."""
    series = [distance_key(row.radius, row.measure) for row in _rows(last)]
    return last.assign(series=series)[["dataset", "augmentation", "level", "series", "median"]]


def make_tables(params: Params, folder: str = layout.REPORTS) -> None:
    """Write all tables of a study: the files of `layout.table_files`.

    Numbers have 6 significant digits; rows follow the order of the parameters.

    Args:
        params: the study; its runs and traces must be there, at the paths of `layout`.
        folder: where the folders `tables` and `plots` and the file `metrics.json` go.

    Raises:
        FreeconvError: a run or trace is missing, damaged or from other parameters.
    """
    study = read_runs(params)
    by_cell = runs_by_cell(params, study)
    medians = accuracy(params, by_cell)
    traces = read_traces(params)
    last = last_distance(traces)
    frames = {
        "tables/accuracy": medians,
        "tables/distance": distance(traces),
        "tables/accuracy_by_epoch": accuracy_by_epoch(by_cell),
        "tables/runs": run_table(study),
        **{f"plots/{metric}": accuracy_plot(medians, metric) for metric in PLOTTED_METRICS},
        "plots/distance": distance_plot(last),
    }
    for name, frame in frames.items():
        write_text(f"{folder}/{name}.csv", frame.to_csv(index=False, float_format="%.6g"))
    write_text(f"{folder}/metrics.json", json.dumps(metrics(medians, last), indent=2, sort_keys=True) + "\n")
