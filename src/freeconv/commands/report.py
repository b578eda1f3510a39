"""`freeconv report`: the report's pages, and tables for other papers, from tables and pictures."""

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import yaml

from freeconv.errors import FreeconvError
from freeconv.report.html_tables import run_sums, verdict_counts
from freeconv.report.pages import (
    AGGREGATES,
    EXPORTS,
    RUN_NUMBERS,
    TABLES,
    Results,
    augmentation_parts,
    claim_entries,
    measure_parts,
    other_parts,
    problem_lines,
    registration,
    render,
    run_cells,
    share_of_training,
)
from freeconv.storage.atomic import write_text
from freeconv.storage.csv_files import read_png, read_summed, read_table
from freeconv.study import grid, paths
from freeconv.study.params import Params


def make_report(params: Params, folder: str = paths.REPORTS) -> None:
    """Write the report's pages, `paths.report_files(folder)`, and `grid.export_files`, from tables and pictures.

    The pages need no network. The first holds all it shows; the others show the pictures beside them. Numbers and
    pictures that are missing are shown as missing.

    Args:
        params: the study.
        folder: where `make_tables`, `make_figures` and `make_drawings` put their files, and where the pages go.

    Raises:
        FreeconvError: a table is missing, or a table or picture is not what was written.
    """
    distances = _read_trained_distances(folder)
    tables = {name: read_table(folder, name) for name in TABLES}
    results = Results(params, tables, distances, _read_pictures(params, folder))
    for (dataset, augmentation), rows in tables["compared"].groupby(["dataset", "augmentation"], sort=False):
        for suffix, (_, export) in EXPORTS.items():
            write_text(paths.export_file(folder, str(dataset), str(augmentation), suffix), export(rows))
    for path, page in zip(
        paths.report_files(folder), (_index(results), _measures(results), _runs(results)), strict=True
    ):
        write_text(path, page)


def _index(results: Results) -> str:
    """Return the first page: claims, and the sections of all that was studied."""
    params, tables = results.params, results.tables
    return render(
        "index.html.j2",
        claims=claim_entries(tables["claims"]),
        registration=registration(tables["claims"]),
        verdicts=verdict_counts(tables["claims"]),
        problems=problem_lines(tables["problems"]),
        parts=[*augmentation_parts(results), *other_parts(results)],
        aggregate=AGGREGATES[params.report.aggregate],
        folds=len(grid.held_out(params)),
        origin=_origin(),
        parameters=yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100),
    )


def _origin() -> dict[str, str]:
    """Return what tells this study from others: its folder, parameter file and the project's commit."""
    project = paths.project_folder()
    return {
        "study": os.path.relpath(Path.cwd(), project.resolve()),
        "file": os.environ.get(paths.PARAMS_FILE, ""),
        "commit": _commit(project),
    }


def _commit(project: Path) -> str:
    """Return the project's commit, and whether files differ from it; empty where Git does not say."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", project, *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=10", "HEAD") + (" and uncommitted changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _measures(results: Results) -> str:
    """Return the page of measures beyond the paper's."""
    return render("measures.html.j2", parts=measure_parts(results))


def _runs(results: Results) -> str:
    """Return the page of all runs."""
    study = results.tables["runs"]
    return render(
        "runs.html.j2",
        sums=run_sums(study),
        training=share_of_training(study),
        columns=list(RUN_NUMBERS.values()),
        cells=run_cells(study),
        versions=sorted(study["versions"].dropna().unique()),
    )


def _read_trained_distances(folder: str) -> pd.DataFrame:
    """Read and verify `metrics.json`, and return the kernel distances after training, which no table has.

    Returns:
        Columns dataset, augmentation, level, network, metric (as `distance_key` names it) and median.
    """
    path = f"{folder}/metrics.json"
    if not Path(path).is_file():
        raise FreeconvError(f"{path}: expected medians, received nothing: run `freeconv tables` first")
    tree = json.loads(read_summed(path, paths.sums_file(folder)))
    rows = [
        (dataset, augmentation, float(level), network, metric, median)
        for dataset, augmentations in tree.items()
        for augmentation, levels in augmentations.items()
        for level, networks in levels.items()
        for network, medians in networks.items()
        for metric, median in medians.items()
        if "distance_radius" in metric
    ]
    frame = pd.DataFrame(rows, columns=["dataset", "augmentation", "level", "network", "metric", "median"])
    return frame.astype({"median": float})


def _read_pictures(params: Params, folder: str) -> dict[str, bytes]:
    """Read and verify the PNG files of figures and drawings that there are, by their paths relative to the pages."""
    files = map(Path, (*grid.figure_files(params, folder), *grid.drawing_files(params, folder)))
    return {
        file.relative_to(folder).as_posix(): read_png(file)
        for file in files
        if file.suffix == ".png" and file.is_file()
    }
