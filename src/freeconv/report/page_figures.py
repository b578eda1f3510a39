"""Figures as parts of a page: picture, caption, files, and the chart that scripts make of it."""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import pandas as pd

from freeconv.analysis.authors import DATASET as AUTHORS_DATASET
from freeconv.analysis.authors import authors_envelope
from freeconv.datasets import DATASETS, paper_dataset
from freeconv.report import charts
from freeconv.report.captions import Caption, drawing_caption, figure_caption, made_from
from freeconv.report.colors import themed
from freeconv.report.findings import finding
from freeconv.report.gallery import gallery
from freeconv.report.inputs import Results
from freeconv.report.svg import for_page
from freeconv.report.titles import free_first
from freeconv.study import grid, paths

FIGURE_TITLES = {
    "answer": "accuracy on translated images by level of training",
    "samples": "what training sees",
    "accuracy": "accuracy by epoch",
    "distance": "distance between kernels by epoch",
    "kernels": "kernels by position",
    "swap": "accuracy with quadrants swapped",
    "vcp": "accuracy with missing connections",
    "transfer": "accuracy by shift and angle",
    "networks": "accuracy and emerged sharing, network by network",
    "distance-by-radius": "distance between kernels by radius",
    "signal-to-noise": "signal-to-noise of weights",
    "distance-to-shared": "distance to the best shared kernel",
    "shared-accuracy": "accuracy with shared kernels",
    "forest": "claims",
}


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


def figure(results: Results, dataset: str, subject: str, name: str) -> Figure:
    """Return a figure of `grid.figures`, with the chart that scripts make of it, if there is one."""
    path = PurePath(paths.figure_file(".", dataset, subject, name, "svg")).as_posix()
    kind = "vcp" if subject == "vcp" else name
    table = results.numbers.get(PurePath(path).with_suffix(".csv").as_posix(), pd.DataFrame())
    behind = made_from(_runs_behind(results, dataset, subject), results.images.get(dataset))
    caption = figure_caption(dataset, subject, name, finding(kind, table), behind)
    found = picture(results, path, f"{dataset}, {FIGURE_TITLES[kind]}", caption)
    if table.empty or kind not in CHARTS:
        return found
    return found._replace(spec=CHARTS[kind](results, dataset, subject, table), gallery=kind == "kernels")


def _runs_behind(results: Results, dataset: str, subject: str) -> pd.DataFrame:
    """Return the runs that figures of a subject are made from."""
    params, runs = results.params, results.tables["runs"]
    runs = runs[runs["dataset"] == dataset]
    if subject == "claims":
        return runs
    networks = grid.vcp_networks(params) if subject == "vcp" else params.train.networks
    trained = ["none", "translate" if subject == "vcp" else subject]
    return runs[runs["network"].isin(networks) & runs["augmentation"].isin(trained)]


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
