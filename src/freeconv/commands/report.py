"""`freeconv report`: the report's pages, and tables for other papers, from tables and pictures."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import yaml

from freeconv.errors import FreeconvError
from freeconv.report.inputs import TABLES, Origin, Results
from freeconv.report.pages import EXPORTS, index_page, measures_page, render, runs_page
from freeconv.report.run_rows import run_logs
from freeconv.storage.atomic import AGAIN, write_text
from freeconv.storage.csv_files import read_summed, read_table
from freeconv.storage.pictures import read_svg
from freeconv.study import grid, paths
from freeconv.study.claims import load_claims
from freeconv.study.params import Params


def make_report(
    params: Params, folder: str = paths.REPORTS, archive: str | None = None, params_file: str | None = None
) -> None:
    """Write the report's pages, `paths.report_files(folder)`, and `grid.export_files`, from tables and pictures.

    Each page holds all it shows and needs no network. Numbers and pictures that are missing are shown as missing.

    Args:
        params: the study.
        folder: where `make_tables`, `make_figures` and `make_drawings` put their files, and where the pages go.
        archive: folder of the archive that tables were made from; None if they were made from the results of runs.
        params_file: what the page names as the parameter file; None to name the one that Snakemake has read.

    Raises:
        FreeconvError: a table is missing, or a table or picture is not what was written.
    """
    distances = _read_trained_distances(folder)
    results = Results(
        params,
        {name: read_table(folder, name) for name in TABLES},
        distances,
        _read_pictures(params, folder),
        _read_numbers(folder),
        {claim.id: claim for claim in load_claims()[0]},
        _files(params, folder),
        _origin(archive, params_file),
    )
    for (dataset, augmentation), rows in results.tables["compared"].groupby(["dataset", "augmentation"], sort=False):
        for suffix, (_, export) in EXPORTS.items():
            write_text(paths.export_file(folder, str(dataset), str(augmentation), suffix), export(rows))
    parameters = yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100)
    pages = (
        render("index.html.j2", parameters=parameters, **index_page(results)),
        render("measures.html.j2", **measures_page(results)),
        render("runs.html.j2", **runs_page(results)),
    )
    for path, page in zip(paths.report_files(folder), pages, strict=True):
        write_text(path, page)


def _origin(archive: str | None, params_file: str | None) -> Origin:
    """Return what tells this study from others: its folder or archive, parameter file, the commit, and today."""
    project = paths.project_folder()
    citation = project / "CITATION.cff"
    return Origin(
        study=archive or os.path.relpath(Path.cwd(), project.resolve()),
        file=os.environ.get(paths.PARAMS_FILE, "") if params_file is None else params_file,
        commit=_commit(project),
        date=datetime.now(UTC).date().isoformat(),
        citation=yaml.safe_load(citation.read_text()) if citation.is_file() else {},
    )


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


def _read_trained_distances(folder: str) -> pd.DataFrame:
    """Read and verify all medians, and return the kernel distances after training, which no table has.

    Returns:
        Columns dataset, augmentation, level, network, metric (as `distance_key` names it) and median.
    """
    path = paths.medians_file(folder)
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


def _files(params: Params, folder: str) -> set[str]:
    """Return the runs and logs that there are, and the files of pictures relative to the pages."""
    files = {path for pair in run_logs(params).items() for path in pair if Path(path).is_file()}
    pictures = [*Path(folder, "figures").glob("*"), *Path(folder, "drawings").glob("*")]
    return files | {path.relative_to(folder).as_posix() for path in pictures}


def _read_pictures(params: Params, folder: str) -> dict[str, str]:
    """Read and verify the SVG files of figures and drawings that there are, by their paths relative to the pages."""
    files = map(Path, (*grid.figure_files(params, folder), *grid.drawing_files(params, folder)))
    return {
        file.relative_to(folder).as_posix(): read_svg(file)
        for file in files
        if file.suffix == ".svg" and file.is_file()
    }


def _read_numbers(folder: str) -> dict[str, pd.DataFrame]:
    """Read the numbers behind figures, by the paths of their files relative to the pages."""
    found = {}
    for file in sorted(Path(folder, "figures").glob("*.csv")):
        try:
            found[file.relative_to(folder).as_posix()] = pd.read_csv(file)
        except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise FreeconvError(f"{file}: expected a table, received a damaged file; {AGAIN}") from error
    return found
