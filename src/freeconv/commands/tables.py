"""Tables: medians over folds and epochs, curves by epoch, and what each number was made from."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from freeconv.analysis.authors import DATASET, beside_authors
from freeconv.analysis.calibration import calibration
from freeconv.analysis.judgement import judge
from freeconv.analysis.medians import (
    PLOTTED_METRICS,
    accuracy,
    accuracy_by_epoch,
    accuracy_plot,
    distance,
    distance_plot,
    headline,
    history_table,
    last_distance,
    metrics_tree,
    run_table,
    run_values,
    runs_by_cell,
    search,
    table_of_tests,
)
from freeconv.analysis.paper import compare
from freeconv.datasets import paper_dataset
from freeconv.errors import FreeconvError
from freeconv.networks import NETWORKS
from freeconv.storage.archive_source import Archive
from freeconv.storage.atomic import write_text
from freeconv.storage.csv_files import write_sums
from freeconv.storage.results import Problem, read_datasets, read_measures, read_runs, read_traces
from freeconv.storage.run_file import Run
from freeconv.study import grid, paths
from freeconv.study.checklist import checklist
from freeconv.study.claims import Registration, load_claims
from freeconv.study.params import Params
from freeconv.study.protocol import conditions, protocol
from freeconv.vocabulary import Cell


def make_tables(params: Params, folder: str = paths.REPORTS, archive: Archive | None = None) -> list[Problem]:
    """Write all tables of a study, the files of `paths.table_files`.

    Numbers have 6 significant digits; rows follow the order of the parameters. What is missing or cannot be used is
    left out and named in `tables/problems.csv`.

    Args:
        params: the study; its runs, traces and measures are read from the paths of `freeconv.study.paths`.
        folder: where the folders `tables` and `plots` and the file `metrics.json` go.
        archive: what to make them from in the place of these files.

    Returns:
        What is in `tables/problems.csv`.

    Raises:
        FreeconvError: no run can be used.
    """
    source = None if archive is None else archive.source
    study, problems = read_runs(params, source)
    if not study:
        raise FreeconvError(f"expected at least one run, received none that can be used; first: {problems[0].text()}")
    traces, trace_problems = read_traces(params, source)
    measures, measure_problems = read_measures(params, source)
    datasets, dataset_problems = read_datasets(params)
    problems += trace_problems + measure_problems + dataset_problems
    metrics, aggregate = grid.metrics(params), params.report.aggregate
    by_cell = runs_by_cell(grid.cells(params), study)
    medians, values = accuracy(by_cell, metrics, aggregate), run_values(by_cell, metrics, aggregate)
    images = {run.config.dataset: run.attributes["images"] for run in study}
    judged, registration = _judged(params, study, traces, images)
    beside_mnist = [dataset for dataset in params.data.datasets if paper_dataset(dataset) == DATASET]
    last = last_distance(traces)
    frames = {
        "tables/accuracy": medians,
        "tables/compared": _beside_the_paper(params, metrics, medians, values, images),
        "tables/authors": beside_authors(study, traces, beside_mnist),
        "tables/calibration": calibration(),
        "tables/checklist": checklist(params, study, problems, judged, registration),
        "tables/claims": judged,
        "tables/dataset": datasets,
        "tables/distance": distance(traces),
        "tables/accuracy_by_epoch": accuracy_by_epoch(by_cell, metrics),
        "tables/search": search(grid.searched(params), study),
        "tables/history": history_table(study, traces),
        "tables/measures": measures,
        "tables/runs": run_table(study),
        "tables/test": table_of_tests(study),
        "tables/problems": pd.DataFrame(problems, columns=list(Problem._fields)),
        **{f"plots/{metric}": accuracy_plot(medians, metric, list(NETWORKS)) for metric in PLOTTED_METRICS},
        "plots/distance": distance_plot(last),
    }
    for name, frame in frames.items():
        write_text(f"{folder}/{name}.csv", frame.to_csv(index=False, float_format="%.6g"))
    trees = {
        paths.medians_file(folder): metrics_tree(medians, last),
        paths.metrics_file(folder): headline(medians, last, judged["verdict"], len(study), params.train.networks),
    }
    for path, tree in trees.items():
        write_text(path, json.dumps(tree, indent=2, sort_keys=path == paths.medians_file(folder)) + "\n")
    # last: with it the tables are complete
    summed = [f"{folder}/{name}.csv" for name in frames if name.startswith("tables/")]
    write_sums([*summed, *trees], paths.sums_file(folder))
    return problems


def _judged(
    params: Params, study: list[Run], traces: pd.DataFrame, images: Mapping[str, int]
) -> tuple[pd.DataFrame, Registration]:
    """Return the verdicts on the paper's claims, and when and with what content the claims were registered."""
    claims, registration = load_claims()
    under = {dataset: conditions(params, dataset, images.get(dataset)) for dataset in params.data.datasets}
    values = _values_of_claims(params, study)
    return judge(claims, values, traces, under, registration, images), registration


def _beside_the_paper(
    params: Params, metrics: Sequence[str], medians: pd.DataFrame, values: pd.DataFrame, images: Mapping[str, int]
) -> pd.DataFrame:
    """Return medians beside the paper's, which has none of variants."""
    return compare(
        [cell for cell in grid.cells(params) if cell.network in NETWORKS],
        metrics,
        medians[medians["network"].isin(list(NETWORKS))],
        values[values["network"].isin(list(NETWORKS))],
        {dataset: "; ".join(protocol(params, dataset, images.get(dataset))) for dataset in params.data.datasets},
    )


def _values_of_claims(params: Params, study: list[Run]) -> pd.DataFrame:
    """Return what each run contributes to claims: the values of all cells, of the search those of the best epoch."""
    made = {run.path: run.attributes.get("made") or _day(run.path) for run in study}
    metrics = (*grid.metrics(params), "clean_train_acc")
    values = run_values(runs_by_cell(grid.cells(params), study), metrics, params.report.aggregate, made)
    searched = [Cell(dataset, "none", 0.0, name) for dataset in params.data.datasets for name in grid.searched(params)]
    found = run_values(runs_by_cell(searched, study), ["val_acc"], "best", made)
    return pd.concat([values, found], ignore_index=True)


def _day(path: str) -> str:
    """Return the day of a file, as 2026-11-25."""
    return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).date().isoformat()
