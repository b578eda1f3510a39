"""The report: offline pages with the paper's claims, tables and figures beside the paper's, and all runs."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from freeconv import __version__
from freeconv.analysis.distance import distance_key
from freeconv.report.captions import TITLES, Words, drawing_words, figure_words
from freeconv.report.exports import as_csv, as_latex, as_markdown
from freeconv.report.highlights import Tree, findings
from freeconv.report.html_tables import (
    MISSING,
    VERDICTS,
    Counts,
    Table,
    anchor,
    comparison_table,
    missing_connections,
    network_title,
    other_medians,
    quadrant_swap,
    search_table,
    share,
    signed,
)
from freeconv.storage.csv_files import read_png
from freeconv.study import grid, paths
from freeconv.study.params import Params
from freeconv.vocabulary import level_text

AGGREGATES = {
    "all-epochs": "over all epochs of all folds, pooled",
    "final": "over folds, each fold at its last epoch",
    "best": "over folds, each fold at the epoch of its highest validation accuracy",
}


EXPORTS = {"csv": as_csv, "md": as_markdown, "tex": as_latex}


TABLES = ("claims", "compared", "distance", "problems", "runs", "search")


OTHER_PAGE = ("transfer", "sharing")  # figures of the page of measures


RUN_NUMBERS = {"last_val_acc": "Last validation", "best_val_acc": "Best validation"}


Metrics = Mapping[str, Mapping[str, Tree]]  # dataset, augmentation, level, network, metric


class Picture(NamedTuple):
    """A figure or drawing: where its image is (empty if it is missing), its words, and its SVG."""

    source: str
    alt: str
    caption: str
    link: str


@dataclass(frozen=True)
class Part:
    """A section of a page: sentences, then tables, files of them, and pictures."""

    anchor: str
    title: str
    text: str = ""
    findings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    exports: Sequence[tuple[str, str]] = ()
    pictures: Sequence[Picture] = field(default=())


class Judgement(NamedTuple):
    """What one dataset says of a claim."""

    dataset: str
    paper: str
    ours: str
    interval: str
    grid: int
    verdict: str
    mark: str
    reason: str


class Claim(NamedTuple):
    """A claim of the paper with its judgements."""

    id: str
    statement: str
    comparison: str
    source: str
    judgements: list[Judgement]


class RunCell(NamedTuple):
    """The runs of one dataset, network, augmentation and level: a row of texts for each fold."""

    anchor: str
    rows: list[list[str]]


def render(template: str, **values: Any) -> str:
    """Return a page as HTML.

    Args:
        template: file of the folder `templates`.
        values: what the template shows.
    """
    environment = Environment(
        loader=PackageLoader("freeconv.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(version=__version__, **values)


def augmentation_parts(
    params: Params, folder: str, metrics: Metrics, tables: Mapping[str, pd.DataFrame], counts: Counts
) -> list[Part]:
    """Return the sections of every dataset and augmentation."""
    parts = []
    for dataset in params.data.datasets:
        for augmentation in grid.augmentations(params):
            compared = _of(tables["compared"], dataset, augmentation)
            levels = metrics.get(dataset, {}).get(augmentation, {})
            others = [metric for metric in grid.metrics(params) if metric not in set(compared["metric"])]
            starts = _starts(_of(tables["distance"], dataset, augmentation))
            figures = [name for subject, name in grid.figures(params) if subject == augmentation]
            parts.append(
                Part(
                    anchor=f"{dataset}-{augmentation}",
                    title=f"{dataset}, {TITLES[augmentation]}",
                    text=_protocol(compared),
                    findings=findings(params, augmentation, levels, starts),
                    tables=[
                        comparison_table(params, dataset, augmentation, compared, counts),
                        other_medians(params, dataset, augmentation, levels, others),
                    ],
                    exports=_exports(folder, dataset, augmentation),
                    pictures=[
                        figure(folder, dataset, augmentation, name)
                        for name in figures
                        if name not in (*OTHER_PAGE, "swap")
                    ],
                )
            )
    return parts


def other_parts(params: Params, folder: str, metrics: Metrics, search: pd.DataFrame, counts: Counts) -> list[Part]:
    """Return the sections behind those of the augmentations; of what is not studied, none."""
    datasets, figures = params.data.datasets, grid.figures(params)
    parts = []
    for dataset in datasets if params.vcp.levels else []:
        levels = metrics.get(dataset, {}).get("translate", {})
        parts.append(
            Part(
                anchor=f"{dataset}-missing-connections",
                title=f"{dataset}, missing connections",
                text="Free networks that lack a share of their connections, drawn at random before training.",
                tables=[missing_connections(params, dataset, level, levels, counts) for level in params.vcp.translate],
                pictures=[figure(folder, dataset, subject, name) for subject, name in figures if subject == "vcp"],
            )
        )
    for dataset in datasets if ("none", "swap") in figures else []:
        augmentation = next(name for name in grid.augmentations(params) if 0 in params.levels(name))
        levels = metrics.get(dataset, {}).get(augmentation, {})
        parts.append(
            Part(
                anchor=f"{dataset}-quadrant-swap",
                title=f"{dataset}, quadrant swap",
                text="Networks trained on images as they are, and held-out images that have all their parts, but in "
                "other places.",
                tables=[quadrant_swap(params, dataset, augmentation, levels, counts)],
                pictures=[figure(folder, dataset, "none", "swap")],
            )
        )
    if params.search.learning_rates:
        parts.append(
            Part(
                anchor="search",
                title="Search for hyperparameters",
                text="Every learning rate with every number of layers, in the paper's Table A.1.",
                tables=[search_table(params, dataset, search, counts) for dataset in datasets],
            )
        )
    files = [path for path in grid.drawing_files(params, folder) if path.endswith(".png")]
    parts.append(
        Part(
            anchor="drawings",
            title="Drawings",
            text="What the words mean, drawn by the functions that train and measure.",
            pictures=[picture(path, folder, drawing_words(Path(path).stem)) for path in files],
        )
    )
    return parts


def measure_parts(params: Params, folder: str) -> list[Part]:
    """Return the sections of the page of measures beyond the paper's."""
    return [
        Part(
            anchor=f"{dataset}-{augmentation}",
            title=f"{dataset}, {TITLES[augmentation]}",
            pictures=[
                figure(folder, dataset, augmentation, name, inline=False)
                for subject, name in grid.figures(params)
                if subject == augmentation and name in OTHER_PAGE
            ],
        )
        for dataset in params.data.datasets
        for augmentation in grid.augmentations(params)
    ]


def claims(judged: pd.DataFrame) -> list[Claim]:
    """Return the paper's claims, with what each dataset says of them.

    Args:
        judged: as `claims.judge` returns them.
    """
    found = []
    for _, group in judged.groupby("id", sort=False):
        rows: list[Any] = list(group.itertuples(index=False))
        judgements = []
        for row in rows:
            digits = 6 if "distance" in row.comparison else 4  # kernel distances are far smaller than accuracies
            numbers = (row.paper, row.ours, row.low, row.high)
            paper, ours, low, high = (signed(value, digits) for value in numbers)
            interval = "" if MISSING in (low, high) else f"{low} … {high}"
            judgements.append(
                Judgement(row.dataset, paper, ours, interval, row.runs, row.verdict, VERDICTS[row.verdict], row.reason)
            )
        first = rows[0]
        found.append(Claim(first.id, first.statement, first.comparison, first.source, judgements))
    return found


def problem_lines(problems: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """Return files and what is wrong with them, those that are left out apart from those that are used.

    Args:
        problems: rows of `results.Problem`.
    """
    lines: dict[str, list[tuple[str, str]]] = {}
    rows: Iterable[Any] = problems.itertuples(index=False)
    for row in rows:
        lines.setdefault("Used, but suspicious" if row.used else "Left out", []).append((row.path, row.problem))
    return lines


def run_cells(study: pd.DataFrame) -> list[RunCell]:
    """Return all runs, those of a cell together.

    Args:
        study: as `tables.run_table` returns it.

    Returns:
        Rows of dataset, network, augmentation, level, fold, epochs, those of `RUN_NUMBERS`, seconds,
        device and path.
    """
    cells: dict[str, list[list[str]]] = {}
    for row in study.to_dict("records"):
        name = anchor(row["dataset"], row["network"], row["augmentation"], row["level"])
        cells.setdefault(name, []).append(
            [
                row["dataset"],
                network_title(row["network"]),
                row["augmentation"],
                level_text(row["level"]),
                str(row["fold"]),
                str(row["epochs"]),
                *(share(row[key]) for key in RUN_NUMBERS),
                MISSING if pd.isna(row["seconds"]) else f"{row['seconds']:,.1f}",
                MISSING if pd.isna(row["device"]) else row["device"],
                row["path"],
            ]
        )
    return [RunCell(name, rows) for name, rows in cells.items()]


def figure(folder: str, dataset: str, subject: str, name: str, inline: bool = True) -> Picture:
    """Return a figure of `runs.figures`; `inline` as for `picture`."""
    path = paths.figure_file(folder, dataset, subject, name, "png")
    return picture(path, folder, figure_words(dataset, subject, name), inline)


def picture(path: str, folder: str, words: Words, inline: bool = True) -> Picture:
    """Return a picture of a page.

    Args:
        path: its PNG file; the SVG file is beside it.
        folder: that of the page.
        words: what stands for it and below it.
        inline: whether the page holds the image, rather than its address.
    """
    file = Path(path)
    if not file.is_file():
        return Picture("", *words, "")
    link = file.relative_to(folder).as_posix()
    source = f"data:image/png;base64,{b64encode(read_png(file)).decode()}" if inline else link
    return Picture(source, *words, file.relative_to(folder).with_suffix(".svg").as_posix())


def _exports(folder: str, dataset: str, augmentation: str) -> list[tuple[str, str]]:
    """Return names and addresses of a table's files, of those that there are."""
    return [
        (name, paths.export_file(".", dataset, augmentation, suffix).removeprefix("./"))
        for suffix, name in (("csv", "CSV"), ("md", "Markdown"), ("tex", "LaTeX"))
        if Path(paths.export_file(folder, dataset, augmentation, suffix)).is_file()
    ]


def _protocol(compared: pd.DataFrame) -> str:
    """Return how rows of `compare.compare` were run, in a sentence; empty where the paper has nothing beside them."""
    if compared["paper"].isna().all():
        return ""
    differences = "; ".join(compared["protocol"].unique())
    if not differences:
        return "Run under the paper's protocol."
    return f"Run under another protocol than the paper's: {differences}. Differences may come from that."


def _share_of_training(study: pd.DataFrame) -> str:
    """Return how much of the jobs' time was training, in percent."""
    training, other = study["seconds"].sum(), study["overhead_seconds"].sum()
    return f"{100 * training / (training + other):.0f}" if training + other > 0 else MISSING


def _starts(distances: pd.DataFrame) -> dict[str, float]:
    """Return the first layer's kernel distances before training by level and name, as `findings` takes them."""
    first = distances["layer"].astype(str).str.endswith("_1")
    rows: Iterable[Any] = distances[first & (distances["epoch"] == 0)].itertuples(index=False)
    return {f"{level_text(row.level)}:{distance_key(row.radius, row.measure)}": row.median for row in rows}


def _of(table: pd.DataFrame, dataset: str, augmentation: str) -> pd.DataFrame:
    """Return the rows of one dataset and augmentation."""
    return table[(table["dataset"] == dataset) & (table["augmentation"] == augmentation)]
