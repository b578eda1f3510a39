"""The report: offline pages with the paper's claims, tables and figures beside the paper's, and all runs."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from freeconv import __version__
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.captions import Caption, drawing_caption, figure_caption
from freeconv.report.exports import as_csv, as_latex, as_markdown
from freeconv.report.highlights import highlights
from freeconv.report.html_tables import (
    MISSING,
    VERDICTS,
    Counts,
    Table,
    anchor,
    authors_table,
    comparison_table,
    missing_connections,
    other_medians,
    quadrant_swap,
    run_counts,
    search_table,
    share,
    signed,
)
from freeconv.report.medians import Medians, medians_of
from freeconv.report.titles import network_title
from freeconv.study import grid, paths
from freeconv.study.params import Params
from freeconv.vocabulary import level_text

AGGREGATES = {
    "all-epochs": "over all epochs of all folds, pooled",
    "final": "over folds, each fold at its last epoch",
    "best": "over folds, each fold at the epoch of its highest validation accuracy",
}


# Tables for other papers: suffix of their files to what they are called and what makes them.
EXPORTS = {"csv": ("CSV", as_csv), "md": ("Markdown", as_markdown), "tex": ("LaTeX", as_latex)}


# Tables that pages are made of.
TABLES = ("accuracy", "authors", "claims", "compared", "distance", "problems", "runs", "search")


OTHER_PAGE = ("transfer", "sharing")  # figures of the page of measures


RUN_NUMBERS = {"last_val_acc": "Last validation", "best_val_acc": "Best validation"}


@dataclass(frozen=True)
class Results:
    """What pages are made of.

    Attributes:
        params: the study.
        tables: those of `TABLES` by name.
        trained_distances: medians of kernel distances after training, columns as of the table `accuracy`.
        pictures: content of the PNG files that there are, by their paths relative to the pages.
    """

    params: Params
    tables: Mapping[str, pd.DataFrame]
    trained_distances: pd.DataFrame
    pictures: Mapping[str, bytes]

    def rows(self, table: str, dataset: str, augmentation: str) -> pd.DataFrame:
        """Return the rows of a table that are of one dataset and augmentation."""
        return _of(self.tables[table], dataset, augmentation)

    def medians(self, dataset: str, augmentation: str) -> Medians:
        """Return the medians of one dataset and augmentation."""
        accuracy, distances = (self.rows(table, dataset, augmentation) for table in ("accuracy", "distance"))
        return medians_of(accuracy, _of(self.trained_distances, dataset, augmentation), distances)

    @cached_property
    def counts(self) -> Counts:
        """The number of runs of each cell."""
        return run_counts(self.tables["runs"])


class Picture(NamedTuple):
    """A figure or drawing: where its image is (empty if it is missing), its caption, and its SVG."""

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
    highlights: Sequence[str] = ()
    tables: Sequence[Table] = ()
    exports: Sequence[tuple[str, str]] = ()
    pictures: Sequence[Picture] = field(default=())


class ClaimRow(NamedTuple):
    """The row of one dataset below a claim."""

    dataset: str
    paper: str
    ours: str
    interval: str
    folds: int
    verdict: str
    mark: str
    reason: str
    notes: list[str]


class ClaimEntry(NamedTuple):
    """A claim of the paper with a row for each dataset."""

    id: str
    statement: str
    comparison: str
    source: str
    rows: list[ClaimRow]


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


def augmentation_parts(results: Results) -> list[Part]:
    """Return the sections of every dataset and augmentation."""
    params = results.params
    return [
        _augmentation_part(results, dataset, augmentation)
        for dataset in params.data.datasets
        for augmentation in grid.augmentations(params)
    ]


def _augmentation_part(results: Results, dataset: str, augmentation: str) -> Part:
    """Return the section of one dataset and augmentation."""
    params, counts = results.params, results.counts
    compared, medians = results.rows("compared", dataset, augmentation), results.medians(dataset, augmentation)
    others = [metric for metric in grid.metrics(params) if metric not in set(compared["metric"])]
    return Part(
        anchor=f"{dataset}-{augmentation}",
        title=f"{dataset}, {AUGMENTATIONS[augmentation].title}",
        text=_protocol(compared),
        highlights=highlights(params, augmentation, medians),
        tables=[
            comparison_table(params, dataset, augmentation, compared, counts),
            other_medians(params, dataset, augmentation, medians, others),
        ],
        exports=[] if compared.empty else _exports(dataset, augmentation),
        pictures=[
            figure(results, dataset, augmentation, name)
            for subject, name in grid.figures(params)
            if subject == augmentation and name not in (*OTHER_PAGE, "swap")
        ],
    )


def other_parts(results: Results) -> list[Part]:
    """Return the sections behind those of the augmentations; of what is not studied, none."""
    params, datasets = results.params, results.params.data.datasets
    return [
        *(_missing_connections_part(results, dataset) for dataset in datasets if params.vcp.levels),
        *(_swap_part(results, dataset) for dataset in datasets if ("none", "swap") in grid.figures(params)),
        *([_search_part(results)] if params.search.learning_rates else []),
        *([_authors_part(results)] if len(results.tables["authors"]) else []),
        _drawings_part(results),
    ]


def _missing_connections_part(results: Results, dataset: str) -> Part:
    """Return the section of networks that lack connections."""
    params, medians = results.params, results.medians(dataset, "translate")
    return Part(
        anchor=f"{dataset}-missing-connections",
        title=f"{dataset}, missing connections",
        text="Free networks that lack a share of their connections, drawn at random before training.",
        tables=[missing_connections(params, dataset, level, medians, results.counts) for level in params.vcp.translate],
        pictures=[
            figure(results, dataset, subject, name) for subject, name in grid.figures(params) if subject == "vcp"
        ],
    )


def _swap_part(results: Results, dataset: str) -> Part:
    """Return the section of images with quadrants exchanged."""
    params = results.params
    augmentation = next(name for name in grid.augmentations(params) if 0 in params.levels(name))
    medians = results.medians(dataset, augmentation)
    return Part(
        anchor=f"{dataset}-quadrant-swap",
        title=f"{dataset}, quadrant swap",
        text="Networks trained on images as they are, and held-out images that have all their parts, but in other "
        "places.",
        tables=[quadrant_swap(params, dataset, augmentation, medians, results.counts)],
        pictures=[figure(results, dataset, "none", "swap")],
    )


def _search_part(results: Results) -> Part:
    """Return the section of the search for hyperparameters."""
    params, search = results.params, results.tables["search"]
    return Part(
        anchor="search",
        title="Search for hyperparameters",
        text="Every learning rate with every number of layers, in the paper's Table A.1.",
        tables=[search_table(params, dataset, search, results.counts) for dataset in params.data.datasets],
    )


def _authors_part(results: Results) -> Part:
    """Return the section of the authors' own runs."""
    authors = results.tables["authors"]
    return Part(
        anchor="authors",
        title="The authors' own runs",
        text="Their program comes with the results of 25 runs of each network, five per fold, trained on MNIST as it "
        "is; here is where our runs at level 0 lie among them, and tables/authors.csv has every epoch. At one epoch, a "
        "further run of theirs would lie inside 25 others with 92 %; epochs of one run are not independent, so no test "
        "is made of how many of ours do.",
        tables=[authors_table(str(dataset), rows) for dataset, rows in authors.groupby("dataset", sort=False)],
    )


def _drawings_part(results: Results) -> Part:
    """Return the section of drawings."""
    files = [PurePath(path) for path in grid.drawing_files(results.params, ".")]
    return Part(
        anchor="drawings",
        title="Drawings",
        text="What the words mean, drawn by the functions that train and measure.",
        pictures=[
            picture(results.pictures, file.as_posix(), drawing_caption(file.stem))
            for file in files
            if file.suffix == ".png"
        ],
    )


def measure_parts(results: Results) -> list[Part]:
    """Return the sections of the page of measures beyond the paper's."""
    params = results.params
    return [
        Part(
            anchor=f"{dataset}-{augmentation}",
            title=f"{dataset}, {AUGMENTATIONS[augmentation].title}",
            pictures=[
                figure(results, dataset, augmentation, name, inline=False)
                for subject, name in grid.figures(params)
                if subject == augmentation and name in OTHER_PAGE
            ],
        )
        for dataset in params.data.datasets
        for augmentation in grid.augmentations(params)
    ]


def claim_entries(judged: pd.DataFrame) -> list[ClaimEntry]:
    """Return the paper's claims, with what each dataset says of them.

    Args:
        judged: as `judgement.judge` returns them.
    """
    found = []
    for _, group in judged.groupby("id", sort=False):
        rows: list[Any] = list(group.itertuples(index=False))
        first = rows[0]
        found.append(
            ClaimEntry(first.id, first.statement, first.comparison, first.source, [_claim_row(row) for row in rows])
        )
    return found


def _claim_row(row: Any) -> ClaimRow:
    """Return what one dataset says of a claim, from a row of `judgement.judge`."""
    digits = 6 if "distance" in row.comparison else 4  # kernel distances are far smaller than accuracies
    paper, ours, low, high = (signed(value, digits) for value in (row.paper, row.ours, row.low, row.high))
    interval = "" if MISSING in (low, high) else f"{low} … {high}"
    mark = VERDICTS[row.verdict]
    return ClaimRow(row.dataset, paper, ours, interval, row.folds, row.verdict, mark, row.reason, _claim_notes(row))


def _claim_notes(row: Any) -> list[str]:
    """Return what else must be said of a verdict: the corrected p, the paper's own number, and a changed margin."""
    notes = [f"p = {row.p_holm:.2g} after Holm's correction."] if row.p_holm == row.p_holm else []
    if row.paper_check == row.paper_check and row.paper_check:
        notes.append(f"{row.paper_check[:1].upper()}{row.paper_check[1:]}.")
    if row.older:
        notes.append(f"Older than the claim's margin and requirements, of {row.registered}.")
    return notes


def registration(judged: pd.DataFrame) -> str:
    """Return when claims were settled, in a sentence; empty if there are none or nobody says so."""
    known = judged.dropna(subset=["registered", "registration"])
    if known.empty:
        return ""
    days, hashes = (sorted({str(value) for value in known[name]}) for name in ("registered", "registration"))
    return f"Claims, margins and requirements are of {', '.join(days)} (SHA-256 {', '.join(hashes)} …)."


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
        study: as `medians.run_table` returns it.

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
                f"{row['fold']}, seed {row['seed']}" if row["seed"] else str(row["fold"]),
                str(row["epochs"]),
                *(share(row[key]) for key in RUN_NUMBERS),
                MISSING if pd.isna(row["seconds"]) else f"{row['seconds']:,.1f}",
                MISSING if pd.isna(row["device"]) else row["device"],
                row["path"],
            ]
        )
    return [RunCell(name, rows) for name, rows in cells.items()]


def figure(results: Results, dataset: str, subject: str, name: str, inline: bool = True) -> Picture:
    """Return a figure of `grid.figures`; `inline` as for `picture`."""
    path = PurePath(paths.figure_file(".", dataset, subject, name, "png")).as_posix()
    return picture(results.pictures, path, figure_caption(dataset, subject, name), inline)


def picture(pictures: Mapping[str, bytes], path: str, caption: Caption, inline: bool = True) -> Picture:
    """Return a picture of a page.

    Args:
        pictures: as of `Results`.
        path: of its PNG file, relative to the page; the SVG file is beside it.
        caption: what stands for it and below it.
        inline: whether the page holds the image, rather than its address.
    """
    if path not in pictures:
        return Picture("", *caption, "")
    source = f"data:image/png;base64,{b64encode(pictures[path]).decode()}" if inline else path
    return Picture(source, *caption, PurePath(path).with_suffix(".svg").as_posix())


def _exports(dataset: str, augmentation: str) -> list[tuple[str, str]]:
    """Return names and addresses of a table's files."""
    return [
        (name, PurePath(paths.export_file(".", dataset, augmentation, suffix)).as_posix())
        for suffix, (name, _) in EXPORTS.items()
    ]


def _protocol(compared: pd.DataFrame) -> str:
    """Return how rows of `paper.compare` were run, in a sentence; empty where the paper has nothing beside them."""
    if compared["paper"].isna().all():
        return ""
    differences = "; ".join(compared["protocol"].unique())
    if not differences:
        return "Run under the paper's protocol."
    return f"Run under another protocol than the paper's: {differences}. Differences may come from that."


def share_of_training(study: pd.DataFrame) -> str:
    """Return how much of the jobs' time was training, in percent."""
    training, other = study["seconds"].sum(), study["overhead_seconds"].sum()
    return f"{100 * training / (training + other):.0f}" if training + other > 0 else MISSING


def _of(table: pd.DataFrame, dataset: str, augmentation: str) -> pd.DataFrame:
    """Return the rows of one dataset and augmentation."""
    return table[(table["dataset"] == dataset) & (table["augmentation"] == augmentation)]
