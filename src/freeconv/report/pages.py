"""The report: offline pages with the answer, claims, tables and figures beside the paper's, and all runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from freeconv import __version__
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report import charts
from freeconv.report.answer import Dial, answer, dials, shown_augmentation, shown_dataset, verdict_on_the_run
from freeconv.report.citation import bibtex
from freeconv.report.claim_rows import Group, axis_labels, claim_groups, registration
from freeconv.report.colors import style_sheet
from freeconv.report.exports import as_csv, as_latex, as_markdown
from freeconv.report.highlights import highlights
from freeconv.report.html_tables import (
    VERDICTS,
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
    run_sums,
    search_table,
    verdict_counts,
)
from freeconv.report.inputs import Results
from freeconv.report.numbers import MISSING
from freeconv.report.page_figures import Figure, drawing, figure
from freeconv.report.problems import problem_groups
from freeconv.report.run_rows import COLUMNS, TEXTS, run_cells
from freeconv.study import grid, paths

AGGREGATES = {
    "all-epochs": "over all epochs of all folds, pooled",
    "final": "over folds, each fold at its last epoch",
    "best": "over folds, each fold at the epoch of its highest validation accuracy",
}


# Tables for other papers: suffix of their files to what they are called and what makes them.
EXPORTS = {"csv": ("CSV", as_csv), "md": ("Markdown", as_markdown), "tex": ("LaTeX", as_latex)}


# Figures of the page of measures.
OTHER_PAGE = ("networks", "transfer", "distance-by-radius", "signal-to-noise", "distance-to-shared", "shared-accuracy")


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
        highlights=highlights(params, augmentation, medians, results.fold_values(dataset, augmentation)),
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
    medians, folds = results.medians(dataset, augmentation), results.fold_values(dataset, augmentation)
    judged = results.tables["claims"]
    origin = results.origin
    return FirstScreen(
        sentences=answer(params, judged, results.rows("compared", dataset, augmentation), medians, folds),
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
