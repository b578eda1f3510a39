"""The report: offline pages with the answer, claims, tables and figures beside the paper's, and all runs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from freeconv import __version__
from freeconv.analysis.authors import DATASET as AUTHORS_DATASET
from freeconv.analysis.authors import authors_envelope
from freeconv.augmentations import AUGMENTATIONS
from freeconv.datasets import DATASETS, paper_dataset
from freeconv.report import charts
from freeconv.report.answer import Dial, answer, dials, shown_augmentation, shown_dataset, verdict_on_the_run
from freeconv.report.captions import Caption, drawing_caption, figure_caption, made_from
from freeconv.report.citation import bibtex
from freeconv.report.claim_rows import Group, axis_labels, claim_groups, registration
from freeconv.report.colors import style_sheet, themed
from freeconv.report.exports import as_csv, as_latex, as_markdown
from freeconv.report.findings import finding
from freeconv.report.gallery import gallery
from freeconv.report.highlights import highlights
from freeconv.report.html_tables import (
    VERDICTS,
    Counts,
    Table,
    authors_table,
    calibration_table,
    checklist_table,
    class_table,
    comparison_table,
    missing_connections,
    other_medians,
    passed_over,
    quadrant_swap,
    run_counts,
    run_sums,
    search_table,
    verdict_counts,
)
from freeconv.report.medians import Medians, medians_of
from freeconv.report.numbers import MISSING
from freeconv.report.problems import problem_groups
from freeconv.report.run_rows import COLUMNS, TEXTS, run_cells
from freeconv.report.svg import for_page
from freeconv.report.titles import free_first
from freeconv.study import grid, paths
from freeconv.study.claims import Claim
from freeconv.study.params import Params

AGGREGATES = {
    "all-epochs": "over all epochs of all folds, pooled",
    "final": "over folds, each fold at its last epoch",
    "best": "over folds, each fold at the epoch of its highest validation accuracy",
}


# Tables for other papers: suffix of their files to what they are called and what makes them.
EXPORTS = {"csv": ("CSV", as_csv), "md": ("Markdown", as_markdown), "tex": ("LaTeX", as_latex)}


# Tables that pages are made of.
TABLES = (
    "accuracy",
    "accuracy_by_epoch",
    "authors",
    "calibration",
    "checklist",
    "claims",
    "compared",
    "dataset",
    "distance",
    "problems",
    "runs",
    "search",
)


# Figures of the page of measures.
OTHER_PAGE = ("transfer", "distance-by-radius", "signal-to-noise", "distance-to-shared", "shared-accuracy")


@dataclass(frozen=True)
class Origin:
    """Where, when and from what the report was made.

    Attributes:
        study: the study's folder, as seen from the project's.
        file: the parameter file; empty if parameters were passed by hand.
        commit: the project's; empty if it is not under Git.
        date: of the report, as 2026-11-28.
        citation: content of the project's CITATION.cff; empty if there is none.
    """

    study: str
    file: str
    commit: str
    date: str
    citation: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """What pages are made of.

    Attributes:
        params: the study.
        tables: those of `TABLES` by name.
        trained_distances: medians of kernel distances after training, columns as of the table `accuracy`.
        pictures: content of the SVG files that there are, by their paths relative to the pages.
        numbers: those behind figures, by the path of their CSV files relative to the pages.
        claims: the claims by id, for their margins.
        files: paths of the runs and logs that there are, and of the files of pictures relative to the pages.
        origin: where, when and from what the report is made.
    """

    params: Params
    tables: Mapping[str, pd.DataFrame]
    trained_distances: pd.DataFrame
    pictures: Mapping[str, str]
    numbers: Mapping[str, pd.DataFrame]
    claims: Mapping[str, Claim]
    files: Collection[str]
    origin: Origin

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

    @cached_property
    def positions(self) -> dict[str, int]:
        """The number of positions of the FCN's first layer, by dataset."""
        runs = self.tables["runs"]
        free = runs[runs["network"] == "fcn"].drop_duplicates("dataset")
        return {str(row.dataset): int(row.positions) for row in free.itertuples(index=False)}  # type: ignore[arg-type]

    @cached_property
    def images(self) -> dict[str, int]:
        """The number of images of each dataset whose file was there when tables were made."""
        classes = self.tables["dataset"]
        classes = classes[classes["kind"] == "class"]
        return {str(dataset): int(rows["number"].sum()) for dataset, rows in classes.groupby("dataset", sort=False)}


class Figure(NamedTuple):
    """A figure or drawing.

    Attributes:
        id: the name of its place on the page.
        title: what it is called.
        alt: what stands for it where it cannot be seen.
        caption: the text below it.
        svg: its picture; empty if it is missing.
        spec: of the chart that scripts make of it; None if there is none.
        csv, pdf: addresses of the numbers behind it and of its PDF file; empty if they are not there.
        gallery: whether the chart is a gallery of kernels.
    """

    id: str
    title: str
    alt: str
    caption: str
    svg: str
    spec: Mapping[str, Any] | None = None
    csv: str = ""
    pdf: str = ""
    gallery: bool = False


@dataclass(frozen=True)
class Part:
    """A section of a page: sentences, then tables, files of them, and pictures."""

    anchor: str
    title: str
    text: str = ""
    highlights: Sequence[str] = ()
    tables: Sequence[Table] = ()
    exports: Sequence[tuple[str, str]] = ()
    figures: Sequence[Figure] = field(default=())


@dataclass(frozen=True)
class FirstScreen:
    """What a reader with one minute sees.

    Attributes:
        sentences: the answer.
        picture: that carries it.
        dataset: which one the dials are about.
        dials: what was run, beside the paper's protocol.
        decides: what such a run can decide, and what it cannot.
        facts: name and text: date, commit, machine and the like.
        citation: BibTeX; empty if the project has none.
    """

    sentences: list[str]
    picture: Figure
    dataset: str
    dials: list[Dial]
    decides: list[str]
    facts: list[tuple[str, str]]
    citation: str


class Claims(NamedTuple):
    """The section of the paper's claims.

    Attributes:
        tested: rows of tested claims.
        exploratory: rows of the others.
        counts: number of verdicts by dataset.
        registration: when the claims were settled.
        axis: places and texts of the ticks.
        figures: the same, for papers.
    """

    tested: list[Group]
    exploratory: list[Group]
    counts: Table
    registration: str
    axis: list[tuple[float, str]]
    figures: list[Figure]


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
    environment.filters["tied"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")  # a number and its unit
    return environment.get_template(template).render(version=__version__, colors=style_sheet(), **values)


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
        figures=[
            figure(results, dataset, augmentation, name)
            for subject, name in grid.figures(params)
            if subject == augmentation and name not in (*OTHER_PAGE, "swap", "answer")
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
        figures=[figure(results, dataset, subject, name) for subject, name in grid.figures(params) if subject == "vcp"],
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
        figures=[figure(results, dataset, "none", "swap")],
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
        figures=[
            drawing(results, file.stem)
            for file in files
            if file.suffix == ".svg" and not file.stem.endswith("-classes")
        ],
    )


def measure_parts(results: Results) -> list[Part]:
    """Return the sections of the page of measures beyond the paper's."""
    params = results.params
    return [
        Part(
            anchor=f"{dataset}-{augmentation}",
            title=f"{dataset}, {AUGMENTATIONS[augmentation].title}",
            figures=[
                figure(results, dataset, augmentation, name)
                for subject, name in grid.figures(params)
                if subject == augmentation and name in OTHER_PAGE
            ],
        )
        for dataset in params.data.datasets
        for augmentation in grid.augmentations(params)
    ]


def first_screen(results: Results) -> FirstScreen:
    """Return the first screen."""
    params, compared = results.params, results.tables["compared"]
    dataset, augmentation = shown_dataset(params), shown_augmentation(params)
    medians, judged = results.medians(dataset, augmentation), results.tables["claims"]
    origin = results.origin
    return FirstScreen(
        sentences=answer(params, judged, results.rows("compared", dataset, augmentation), medians),
        picture=figure(results, dataset, augmentation, "answer"),
        dataset=dataset,
        dials=dials(params, dataset, results.images.get(dataset), compared[compared["dataset"] == dataset]),
        decides=verdict_on_the_run(params, judged, results.images),
        facts=_facts(results),
        citation=bibtex(origin.citation, origin.commit, origin.date) if origin.citation else "",
    )


def _facts(results: Results) -> list[tuple[str, str]]:
    """Return when, where and with what the study was run."""
    study, origin = results.tables["runs"], results.origin
    hours = float(study[["seconds", "overhead_seconds"]].sum().sum()) / 3600
    return [
        ("Report of", origin.date),
        ("Study", "that of the project's folder" if origin.study == "." else origin.study),
        ("Parameters", origin.file or "passed by hand"),
        ("Commit", origin.commit or "not under Git"),
        ("Machine", _every(study["device"]) or "not recorded"),
        ("Training", f"{len(study):,} runs, {hours:,.1f} hours of computing"),
        ("Versions", _every(study["versions"]) or "not recorded"),
    ]


def _every(column: pd.Series) -> str:
    """Return the different texts of a column; those that are not there are passed over."""
    return " | ".join(sorted({str(text) for text in column.dropna() if str(text)}))


def claims_section(results: Results) -> Claims | None:
    """Return the section of claims; None where the paper makes none."""
    judged = results.tables["claims"]
    if judged.empty:
        return None
    tested, exploratory = claim_groups(judged, results.claims, results.positions)
    figures = [figure(results, dataset, "claims", "forest") for dataset in judged["dataset"].unique()]
    return Claims(tested, exploratory, verdict_counts(judged), registration(judged), axis_labels(), figures)


def dataset_parts(results: Results) -> list[Part]:
    """Return a section for each dataset whose file was there when tables were made."""
    rows = results.tables["dataset"]
    return [
        Part(
            anchor=f"dataset-{dataset}",
            title=f"Dataset {dataset}",
            tables=[class_table(str(dataset), of_dataset), passed_over(str(dataset), of_dataset)],
            figures=[drawing(results, f"{dataset}-classes")],
        )
        for dataset, of_dataset in rows.groupby("dataset", sort=False)
    ]


def method_tables(results: Results) -> list[Table]:
    """Return what a referee asks: how often verdicts are wrong, and the checklist."""
    return [calibration_table(results.tables["calibration"]), checklist_table(results.tables["checklist"])]


def index_page(results: Results) -> dict[str, Any]:
    """Return what the first page's template shows."""
    params = results.params
    return {
        "first": first_screen(results),
        "claims": claims_section(results),
        "datasets": dataset_parts(results),
        "parts": [*augmentation_parts(results), *other_parts(results)],
        "problems": problem_groups(results.tables["problems"]),
        "method": method_tables(results),
        "aggregate": AGGREGATES[params.report.aggregate],
        "folds": len(grid.held_out(params)),
        "bundle": charts.bundle(),
        "marks": VERDICTS,
    }


def measures_page(results: Results) -> dict[str, Any]:
    """Return what the template of the page of measures shows."""
    return {"parts": measure_parts(results)}


def runs_page(results: Results) -> dict[str, Any]:
    """Return what the template of the page of runs shows."""
    study = results.tables["runs"]
    return {
        "sums": run_sums(study),
        "training": share_of_training(study),
        "columns": COLUMNS,
        "texts": TEXTS,
        "cells": run_cells(results.params, study, results.files, "../"),
        "versions": sorted(study["versions"].dropna().unique()),
    }


FIGURE_TITLES = {
    "answer": "accuracy on translated images by level of training",
    "samples": "what training sees",
    "accuracy": "accuracy by epoch",
    "distance": "distance between kernels by epoch",
    "kernels": "kernels by position",
    "swap": "accuracy with quadrants swapped",
    "vcp": "accuracy with missing connections",
    "transfer": "accuracy by shift and angle",
    "distance-by-radius": "distance between kernels by radius",
    "signal-to-noise": "signal-to-noise of weights",
    "distance-to-shared": "distance to the best shared kernel",
    "shared-accuracy": "accuracy with shared kernels",
    "forest": "claims",
}


def figure(results: Results, dataset: str, subject: str, name: str) -> Figure:
    """Return a figure of `grid.figures`, with the chart that scripts make of it, if there is one."""
    path = PurePath(paths.figure_file(".", dataset, subject, name, "svg")).as_posix()
    kind = "vcp" if subject == "vcp" else name
    table = results.numbers.get(PurePath(path).with_suffix(".csv").as_posix(), pd.DataFrame())
    runs = results.tables["runs"]
    behind = made_from(runs[runs["dataset"] == dataset], results.images.get(dataset))
    caption = figure_caption(dataset, subject, name, finding(name, table), behind)
    found = picture(results, path, f"{dataset}, {FIGURE_TITLES[kind]}", caption)
    if table.empty or kind not in CHARTS:
        return found
    return found._replace(spec=CHARTS[kind](results, dataset, subject, table), gallery=kind == "kernels")


def _answer_chart(results: Results, dataset: str, subject: str, table: pd.DataFrame) -> Mapping[str, Any]:
    """Return the chart of accuracy by level of training."""
    return charts.answer(table, free_first(results.params.train.networks), subject, chance=_chance(results, dataset))


def _accuracy_chart(results: Results, dataset: str, subject: str, table: pd.DataFrame) -> Mapping[str, Any]:
    """Return the chart of accuracy by epoch."""
    networks, levels = free_first(results.params.train.networks), results.params.levels(subject)
    guess = _chance(results, dataset)
    return charts.accuracy_by_epoch(table, networks, levels, subject, _authors(dataset), guess)


def _distance_chart(results: Results, dataset: str, subject: str, table: pd.DataFrame) -> Mapping[str, Any]:
    """Return the chart of kernel distances by epoch."""
    first = {"free_1": results.positions[dataset]} if dataset in results.positions else {}
    return charts.distance(table, results.params.levels(subject), subject, first, _authors(dataset))


# What draws the chart of a figure from the numbers behind it, by the figure's name.
CHARTS: Mapping[str, Callable[[Results, str, str, pd.DataFrame], Mapping[str, Any]]] = {
    "answer": _answer_chart,
    "accuracy": _accuracy_chart,
    "distance": _distance_chart,
    "kernels": lambda results, dataset, subject, table: gallery(table),
    "forest": lambda results, dataset, subject, table: charts.forest(table),
}


def _authors(dataset: str) -> pd.DataFrame | None:
    """Return between which values the authors' own runs lie; None for a dataset that does not stand beside theirs."""
    return authors_envelope() if paper_dataset(dataset) == AUTHORS_DATASET else None


def _chance(results: Results, dataset: str) -> float | None:
    """Return the accuracy of guessing; None if it is not known how many classes there are."""
    rows = results.tables["dataset"]
    counted = int(((rows["dataset"] == dataset) & (rows["kind"] == "class")).sum())
    classes = len(DATASETS[dataset].classes) if dataset in DATASETS else counted
    return 1 / classes if classes else None


def drawing(results: Results, name: str) -> Figure:
    """Return a drawing of `grid.drawing_files`."""
    path = PurePath(paths.drawing_file(".", name, "svg")).as_posix()
    return picture(results, path, f"Drawing of {name}", drawing_caption(name))


def picture(results: Results, path: str, title: str, caption: Caption) -> Figure:
    """Return a picture of a page.

    Args:
        results: what pages are made of.
        path: of its SVG file, relative to the page; files of other kinds are beside it.
        title: what it is called.
        caption: what stands for it and below it.
    """
    name = f"figure-{PurePath(path).stem}"
    if path not in results.pictures:
        return Figure(name, title, *caption, "")
    csv, pdf = (PurePath(path).with_suffix(suffix).as_posix() for suffix in (".csv", ".pdf"))
    return Figure(
        name,
        title,
        *caption,
        themed(for_page(results.pictures[path], name)),
        csv=csv if csv in results.files else "",
        pdf=pdf if pdf in results.files else "",
    )


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
