"""`freeconv report`: the report's pages, and tables for other papers, from tables and pictures."""

import json
from pathlib import Path

import yaml

from freeconv.errors import FreeconvError
from freeconv.report.html_tables import (
    run_counts,
    run_sums,
    verdict_counts,
)
from freeconv.report.pages import (
    AGGREGATES,
    EXPORTS,
    RUN_NUMBERS,
    TABLES,
    Metrics,
    _share_of_training,
    augmentation_parts,
    claims,
    measure_parts,
    other_parts,
    problem_lines,
    render,
    run_cells,
)
from freeconv.storage.atomic import write_text
from freeconv.storage.csv_files import read_summed, read_table
from freeconv.study import grid, paths
from freeconv.study.params import Params


def make_report(params: Params, folder: str = paths.REPORTS) -> None:
    """Write the report's pages, `layout.report_files(folder)`, and `runs.export_files`, from tables and pictures.

    The pages need no network. The first holds all it shows; the others show the pictures beside them. Numbers and
    pictures that are missing are shown as missing.

    Args:
        params: the study.
        folder: where `make_tables`, `make_figures` and `make_drawings` put their files, and where the pages go.

    Raises:
        FreeconvError: a table is missing, or a table or figure is not what was written.
    """
    metrics = _read_metrics(folder)
    tables = {name: read_table(folder, name) for name in TABLES}
    for (dataset, augmentation), shown in tables["compared"].groupby(["dataset", "augmentation"], sort=False):
        for suffix, export in EXPORTS.items():
            write_text(paths.export_file(folder, str(dataset), str(augmentation), suffix), export(shown))
    study, problems = tables["runs"], tables["problems"]
    counts = run_counts(study)
    parts = [
        *augmentation_parts(params, folder, metrics, tables, counts),
        *other_parts(params, folder, metrics, tables["search"], counts),
    ]
    index, measures, all_runs = paths.report_files(folder)
    write_text(
        index,
        render(
            "index.html.j2",
            claims=claims(tables["claims"]),
            verdicts=verdict_counts(tables["claims"]),
            problems=problem_lines(problems),
            parts=parts,
            aggregate=AGGREGATES[params.report.aggregate],
            folds=len(grid.held_out(params)),
            parameters=yaml.safe_dump(
                params.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100
            ),
        ),
    )
    write_text(measures, render("measures.html.j2", parts=measure_parts(params, folder)))
    write_text(
        all_runs,
        render(
            "runs.html.j2",
            sums=run_sums(study),
            training=_share_of_training(study),
            columns=list(RUN_NUMBERS.values()),
            cells=run_cells(study),
            versions=sorted(study["versions"].dropna().unique()),
        ),
    )


def _read_metrics(folder: str) -> Metrics:
    """Read and verify `metrics.json`."""
    path = f"{folder}/metrics.json"
    if not Path(path).is_file():
        raise FreeconvError(f"{path}: expected medians, received nothing: run `freeconv tables` first")
    return json.loads(read_summed(path, paths.sums_file(folder)))
