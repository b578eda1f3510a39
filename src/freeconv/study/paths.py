"""Where every file lives, relative to the study's folder: the project's, or one of its own."""

import os
from pathlib import Path

from freeconv.errors import FreeconvError
from freeconv.vocabulary import level_text

REPORTS = "reports"


# Not in a folder of the phases: Snakemake and DVC must leave it alone, so that a killed job can go on from it.
CHECKPOINTS = "checkpoints"

# Likewise: runs' files that others took the place of.
ATTIC = "attic"


# The folders that hold nothing but one phase's files, one a wish of the parameters each.
FOLDERS = {
    "data": ["data"],
    "shards": ["results/shards"],
    "train": ["results/train"],
    "report": ["results/distance", "results/measure", "reports/exports", "reports/figures", "reports/drawings"],
}


# The project's folder, for studies in folders of their own: the Snakefile sets it.
PROJECT = "FREECONV_PROJECT"

# Likewise, for the report: which file names the study, as seen from the project's folder.
PARAMS_FILE = "FREECONV_PARAMS"


def project_folder() -> Path:
    """Return the project's folder: that of the Snakefile in use, else the nearest one above with a Snakefile.

    Where there is none, as on a host that only trains, it is the current folder.
    """
    here = Path.cwd()
    if folder := os.environ.get(PROJECT):
        return Path(folder)
    return next((folder for folder in (here, *here.parents) if (folder / "Snakefile").is_file()), here)


def from_project(path: str) -> str:
    """Return a path that starts at the project's folder as seen from the current folder; URLs and others as given."""
    above = os.path.relpath(project_folder().resolve())
    if above == os.curdir or Path(path).is_absolute() or path.startswith(("http://", "https://")):
        return path
    return os.path.normpath(f"{above}/{path}")


def data_file(dataset: str) -> str:
    """Return the path of a dataset: `data/<dataset>.h5`."""
    return f"data/{dataset}.h5"


def shard_file(dataset: str, augmentation: str, level: float | str, copy_index: int | str) -> str:
    """Return the path of a shard: `results/shards/<dataset>/<augmentation>/<level>/copy-<copy>.h5`."""
    level = level if isinstance(level, str) else level_text(level)
    return f"results/shards/{dataset}/{augmentation}/{level}/copy-{copy_index}.h5"


def run_file(
    dataset: str, network: str, augmentation: str, level: float | str, fold: int | str, train_seed: int = 0
) -> str:
    """Return the path of a run's results: `results/train/<dataset>/<network>/<augmentation>/<level>/fold-<fold>.h5`.

    Of other seeds than 0 it is `…/fold-<fold>-seed-<seed>.h5`.
    """
    level = level if isinstance(level, str) else level_text(level)
    return f"results/train/{dataset}/{network}/{augmentation}/{level}/fold-{fold_name(fold, train_seed)}.h5"


def fold_name(fold: int | str, train_seed: int) -> str:
    """Return what tells the runs of a cell apart: `<fold>`, of other seeds than 0 `<fold>-seed-<seed>`."""
    return f"{fold}-seed-{train_seed}" if train_seed else f"{fold}"


def checkpoint_file(key: str) -> str:
    """Return the path of a checkpoint: `checkpoints/<key>.h5`."""
    return f"{CHECKPOINTS}/{key}.h5"


def distance_file(dataset: str, network: str, augmentation: str, level: float | str) -> str:
    """Return the path of kernel-distance traces: `results/distance/<dataset>/<network>/<augmentation>/<level>.csv`."""
    level = level if isinstance(level, str) else level_text(level)
    return f"results/distance/{dataset}/{network}/{augmentation}/{level}.csv"


def measure_file(dataset: str, network: str, augmentation: str, level: float | str) -> str:
    """Return the path of measures: `results/measure/<dataset>/<network>/<augmentation>/<level>.csv`."""
    level = level if isinstance(level, str) else level_text(level)
    return f"results/measure/{dataset}/{network}/{augmentation}/{level}.csv"


def archive_folder(study: str) -> str:
    """Return the folder of a study's archive: `reports/archive/<study>`."""
    return f"{REPORTS}/archive/{study}"


def archive_file(folder: str, dataset: str, network: str, augmentation: str, level: float) -> str:
    """Return the path of archived runs: `<folder>/<dataset>/<network>/<augmentation>/<level>.csv`."""
    return f"{folder}/{dataset}/{network}/{augmentation}/{level_text(level)}.csv"


def archived_measures_file(folder: str, dataset: str, network: str, augmentation: str, level: float) -> str:
    """Return the path of archived measures: `<folder>/<dataset>/<network>/<augmentation>/<level>-measures.csv`."""
    return f"{folder}/{dataset}/{network}/{augmentation}/{level_text(level)}-measures.csv"


def archived_kernels_file(folder: str, dataset: str, network: str, augmentation: str, level: float) -> str:
    """Return the path of archived kernels: `<folder>/<dataset>/<network>/<augmentation>/<level>-kernels.npz`."""
    return f"{folder}/{dataset}/{network}/{augmentation}/{level_text(level)}-kernels.npz"


def check_level(path: str) -> None:
    """Refuse the path of a result whose level is spelled in another way than in the names of files, as 0.20 or 2e-1.

    Raises:
        FreeconvError: it is.
    """
    parts = Path(path).parts
    for number, part in enumerate(parts[:-1] if parts[:1] == ("results",) else ()):
        try:
            spelled = level_text(float(part))
        except ValueError:
            continue
        if spelled != part:
            right = "/".join((*parts[:number], spelled, *parts[number + 1 :]))
            raise FreeconvError(f"{path}: expected level {spelled}, received {part}; ask for {right}")


def sums_file(folder: str = REPORTS) -> str:
    """Return the path of the hashes of all tables, medians and metrics: `<folder>/tables/SHA256SUMS`."""
    return f"{folder}/tables/SHA256SUMS"


def medians_file(folder: str = REPORTS) -> str:
    """Return the path of all medians as one tree: `<folder>/tables/medians.json`."""
    return f"{folder}/tables/medians.json"


def metrics_file(folder: str = REPORTS) -> str:
    """Return the path of the headline numbers, which are DVC's metrics: `<folder>/metrics.json`."""
    return f"{folder}/metrics.json"


def table_files(folder: str = REPORTS) -> list[str]:
    """Return the paths of everything that `freeconv tables` writes, whatever the parameters."""
    tables = (
        "accuracy",
        "accuracy_by_epoch",
        "authors",
        "calibration",
        "checklist",
        "claims",
        "compared",
        "dataset",
        "distance",
        "history",
        "measures",
        "problems",
        "runs",
        "search",
        "test",
    )
    plots = ("val_acc", "translate_acc", "distance")
    return [
        *(f"{folder}/tables/{name}.csv" for name in tables),
        medians_file(folder),
        sums_file(folder),
        *(f"{folder}/plots/{name}.csv" for name in plots),
        metrics_file(folder),
    ]


def shown_table_files(folder: str = REPORTS) -> list[str]:
    """Return the paths of the tables that are results in themselves, as `snakemake --report` holds them."""
    return [f"{folder}/tables/{name}.csv" for name in ("claims", "compared", "accuracy", "problems")]


def export_file(folder: str, dataset: str, augmentation: str, suffix: str) -> str:
    """Return the path of a table for a paper or page: `<folder>/exports/<dataset>-<augmentation>.<suffix>`."""
    return f"{folder}/exports/{dataset}-{augmentation}.{suffix}"


def figure_file(folder: str, dataset: str, augmentation: str, figure: str, suffix: str, width: str = "page") -> str:
    """Return the path of a figure: `<folder>/figures/<dataset>-<augmentation>-<figure>.<suffix>`.

    Of another width than a page's it is `…-<figure>-<width>.<suffix>`. The numbers behind it are its file `.csv`.
    """
    size = "" if width == "page" else f"-{width}"
    return f"{folder}/figures/{dataset}-{augmentation}-{figure}{size}.{suffix}"


def drawing_file(folder: str, name: str, suffix: str) -> str:
    """Return the path of a drawing: `<folder>/drawings/<name>.<suffix>`."""
    return f"{folder}/drawings/{name}.{suffix}"


def report_file(folder: str = REPORTS) -> str:
    """Return the path of the report's first page: `<folder>/index.html`."""
    return f"{folder}/index.html"


def report_files(folder: str = REPORTS) -> list[str]:
    """Return the paths of the report's pages: claims and tables, measures beyond the paper's, runs."""
    return [report_file(folder), f"{folder}/measures.html", f"{folder}/runs.html"]
