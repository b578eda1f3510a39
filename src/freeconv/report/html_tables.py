"""The tables of the report's pages as texts; what is missing is a dash."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import pandas as pd

from freeconv.datasets import paper_dataset
from freeconv.report.medians import Medians, median
from freeconv.report.numbers import MISSING, number, percent, points
from freeconv.report.titles import free_first, metric_title, network_title
from freeconv.study import grid
from freeconv.study.network_names import Variant, variant_name
from freeconv.study.params import Params
from freeconv.study.protocol import PROTOCOLS
from freeconv.vocabulary import level_text, trained_as

AUTHORS_EPOCHS = (1, 5, 10, 24, 50, 100)  # of `authors_table`


Counts = Mapping[str, int]  # as `run_counts` returns them


# Five verdicts on tested claims, and what all other claims are.
VERDICTS = {
    "supported": "✓",
    "contradicted": "✗",
    "inconclusive": "?",
    "not tested": "–",
    "not run": "○",
    "exploratory": "·",
}


class Column(NamedTuple):
    """A column.

    Attributes:
        title: its title.
        group: title of the columns that it stands with.
        text: whether it holds text.
        stays: whether it stays in view beside the first one when the table is scrolled.
    """

    title: str
    group: str = ""
    text: bool = False
    stays: bool = False


class Cell(NamedTuple):
    """What one cell shows."""

    text: str
    link: str = ""
    bold: bool = False


class Body(NamedTuple):
    """Rows under one header; their cells are those of all columns but the first.

    Attributes:
        head: the header.
        rows: the rows.
        ran: whether there is a run behind them; other bodies are folded away.
        anchor: the name of its place on the page; empty if nothing leads to it.
    """

    head: str
    rows: Sequence[Sequence[Cell]]
    ran: bool = True
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table; its first column holds the headers of the bodies.

    Attributes:
        title: what it is called.
        caption: what it shows.
        columns: its columns.
        bodies: its rows, those without runs among them.
        foot: texts of its last row; empty if there is none.
        noun: what its bodies are, as those without runs are counted.
    """

    title: str
    caption: str
    columns: Sequence[Column]
    bodies: Sequence[Body]
    foot: Sequence[str] = field(default=())
    noun: str = "level"

    @property
    def ran(self) -> list[Body]:
        """The bodies with runs behind them."""
        return [body for body in self.bodies if body.ran]

    @property
    def others(self) -> list[Body]:
        """The bodies without."""
        return [body for body in self.bodies if not body.ran]

    @property
    def not_run(self) -> str:
        """How many of the bodies have no runs, and which, in words."""
        heads = list(dict.fromkeys(body.head for body in self.others))
        every = len({body.head for body in self.bodies})
        return f"{len(heads)} of {every} {self.noun}{'' if every == 1 else 's'} not run: {', '.join(heads)}"

    @property
    def groups(self) -> list[tuple[str, list[Column]]]:
        """Columns next to each other that stand together, with their title; the empty title for the others."""
        return [(title, list(columns)) for title, columns in groupby(self.columns, lambda column: column.group)]

    @property
    def starts(self) -> set[int]:
        """The first columns of the groups, counted from 0."""
        titles = [column.group for column in self.columns]
        return {index for index, title in enumerate(titles) if title and title != titles[index - 1]}


def anchor(dataset: str, network: str, augmentation: str, level: float) -> str:
    """Return the name of a cell's place on the page of runs: `mnist-5k-fcn-translate-0.2`."""
    return f"{dataset}-{network}-{augmentation}-{level_text(level)}"


def run_counts(study: pd.DataFrame) -> Counts:
    """Return the number of runs of each cell, by its `anchor`.

    Args:
        study: as `medians.run_table` returns it.
    """
    keys: Iterable[Any] = study[["dataset", "network", "augmentation", "level"]].itertuples(index=False)
    return Counter(anchor(*key) for key in keys)


def run_link(counts: Counts, dataset: str, network: str, augmentation: str, level: float) -> str:
    """Return the address of a cell's runs; empty if it has none."""
    name = anchor(dataset, network, trained_as(augmentation, level), level)
    return f"runs.html#{name}" if name in counts else ""


def run_count(counts: Counts, dataset: str, network: str, augmentation: str, level: float) -> Cell:
    """Return the number of a cell's runs, linked to them."""
    count = counts.get(anchor(dataset, network, trained_as(augmentation, level), level), 0)
    return Cell(str(count), run_link(counts, dataset, network, augmentation, level))


def _has_runs(counts: Counts, dataset: str, network: str, augmentation: str, level: float) -> bool:
    """Return whether a cell has runs."""
    return anchor(dataset, network, trained_as(augmentation, level), level) in counts


def verdict_counts(claims: pd.DataFrame) -> Table:
    """Return how many claims have each verdict, by dataset.

    Args:
        claims: as `judgement.judge` returns them.
    """
    numbers = {
        dataset: [int((group["verdict"] == verdict).sum()) for verdict in VERDICTS]
        for dataset, group in claims.groupby("dataset", sort=False)
    }
    return Table(
        "Verdicts by dataset",
        "Number of claims with each verdict.",
        [Column("Dataset", text=True), *(Column(f"{mark} {name}") for name, mark in VERDICTS.items())],
        [Body(str(dataset), [[Cell(str(count)) for count in row]]) for dataset, row in numbers.items()],
    )


def comparison_table(params: Params, dataset: str, augmentation: str, compared: pd.DataFrame, counts: Counts) -> Table:
    """Return ours beside the paper's: a row per level and network.

    Args:
        params: the study.
        dataset: which dataset.
        augmentation: which augmentation.
        compared: rows of `paper.compare` of this dataset and augmentation. Levels that the parameters ask for and
            that have no row are shown as missing.
        counts: the runs behind the cells.
    """
    rows: Iterable[Any] = compared.itertuples(index=False)
    found = {(row.network, row.metric, row.level): row for row in rows}
    bests = _highest({key: row.ours for key, row in found.items()})
    metrics = [metric for metric in grid.metrics(params) if metric in set(compared["metric"])]
    beside = bool(compared["paper"].notna().any())
    titles = ["Ours", "±", *(["Paper", "Diff."] if beside else [])]

    def row_of(level: float, network: str) -> list[Cell]:
        cell = (dataset, network, augmentation, level)
        row = [Cell(network_title(network)), run_count(counts, *cell)]
        for metric in metrics:
            best, link = bests.get((network, metric)), run_link(counts, *cell)
            row += _compared(found.get((network, metric, level)), best, link)[: len(titles)]
        return row

    return Table(
        f"{dataset}, {augmentation}: ours beside the paper's",
        _comparison_caption(compared, beside),
        [
            Column("Level"),
            Column("Network", text=True, stays=True),
            Column("n"),
            *(Column(title, metric_title(metric)) for metric in metrics for title in titles),
        ],
        [
            Body(
                level_text(level),
                [row_of(level, network) for network in params.train.networks],
                any(_has_runs(counts, dataset, network, augmentation, level) for network in params.train.networks),
                f"cell-{dataset}-{augmentation}-{level_text(level)}",
            )
            for level in sorted({*params.levels(augmentation), *compared["level"]})
        ],
    )


def _compared(row: Any, best: str | None, link: str) -> list[Cell]:
    """Return ours, half of its interval, the paper's and the difference; all missing where there is no row.

    Args:
        row: of `paper.compare`.
        best: the network's highest of ours, as it is shown; None if there is none.
        link: the address of the runs behind ours.
    """
    if row is None:
        return [Cell(MISSING) for _ in range(4)]
    ours = percent(row.ours)
    shown = Cell(ours, "" if ours == MISSING else link, ours == best)
    half = max(row.ours - row.low, row.high - row.ours)  # one side may be cut at 0 or 1
    return [shown, Cell(percent(half)), Cell(percent(row.paper)), Cell(points(row.difference))]


def _comparison_caption(compared: pd.DataFrame, beside: bool) -> str:
    """Return what the comparison shows; `beside`: whether the paper has medians that ours stand beside."""
    # "1" alone in a CSV file's column, without "B.1", is read as a number
    numbers = ", ".join(f"Table {name}" for name in compared["table"].unique() if name)
    paper = (
        f", the paper's ({numbers}) and the difference, ours − paper"
        if beside
        else "; the paper has none that these could stand beside"
    )
    return (
        f"Median accuracy in per cent: ours, ± half of its 95 % interval over folds{paper}, in points. n: runs behind "
        f"ours, which the numbers link to. {MISSING}: missing. Bold: a network's highest."
    )


def _highest(values: Mapping[tuple[str, str, float], float]) -> dict[tuple[str, str], str]:
    """Return the highest of several levels as it is shown, by network and metric; nothing for one level alone.

    Args:
        values: network, metric and level to a number.
    """
    columns: dict[tuple[str, str], list[float]] = {}
    for (network, metric, _), value in values.items():
        if not math.isnan(value):
            columns.setdefault((network, metric), []).append(value)
    return {column: percent(max(found)) for column, found in columns.items() if len(found) > 1}


def other_medians(params: Params, dataset: str, augmentation: str, medians: Medians, metrics: Sequence[str]) -> Table:
    """Return medians of metrics that the paper's table of this augmentation has not: a row per level.

    Args:
        params: the study.
        dataset: which dataset.
        augmentation: which augmentation.
        medians: of this dataset and augmentation.
        metrics: which ones.
    """
    asked, networks = params.levels(augmentation), params.train.networks
    bests = _highest(
        {
            (network, metric, level): median(medians, level, network, metric)
            for network in networks
            for metric in metrics
            for level in asked
        }
    )
    bodies = []
    for level in asked:
        texts = {
            (network, metric): percent(median(medians, level, network, metric))
            for metric in metrics
            for network in networks
        }
        cells = [Cell(text, bold=text == bests.get(at)) for at, text in texts.items()]
        bodies.append(Body(level_text(level), [cells], any(text != MISSING for text in texts.values())))
    return Table(
        f"{dataset}, {augmentation}: other medians",
        "Medians that the paper's tables do not have: accuracy in per cent, in training and on held-out images "
        f"changed in other ways. {MISSING}: missing. Bold: a network's highest.",
        [
            Column("Level"),
            *(Column(network_title(network), metric_title(metric)) for metric in metrics for network in networks),
        ],
        bodies,
    )


def missing_connections(params: Params, dataset: str, level: float, medians: Medians, counts: Counts) -> Table:
    """Return medians of free networks by their share of missing connections (Ott et al. 2019, Figures C.1 and C.2).

    Args:
        params: the study.
        dataset: which dataset.
        level: of translation, at which they were trained.
        medians: of this dataset under translation.
        counts: the runs behind the cells.
    """
    bodies = [
        Body(
            level_text(missing),
            [
                [
                    run_count(counts, dataset, network, "translate", level),
                    *(Cell(percent(median(medians, level, network, metric))) for metric in grid.metrics(params)),
                ]
            ],
            _has_runs(counts, dataset, network, "translate", level),
        )
        for missing, network in zip(params.vcp.levels, grid.vcp_networks(params), strict=True)
    ]
    return Table(
        f"{dataset}: missing connections at translation {level_text(level)}",
        f"{dataset}, trained at translation {level_text(level)}: median accuracy in per cent, by share of missing "
        f"connections. {MISSING}: missing.",
        [Column("Share"), Column("n"), *(Column(metric_title(metric)) for metric in grid.metrics(params))],
        bodies,
        noun="share",
    )


def quadrant_swap(params: Params, dataset: str, augmentation: str, medians: Medians, counts: Counts) -> Table:
    """Return medians of networks trained on images as they are, on images as they are and swapped (Figure 6).

    Args:
        params: the study.
        dataset: which dataset.
        augmentation: one that has a level 0, or `none`.
        medians: of this dataset and augmentation.
        counts: the runs behind the cells.
    """
    found = {
        network: [median(medians, 0.0, network, metric) for metric in ("val_acc", "swap_acc")]
        for network in params.train.networks
    }
    bodies = [
        Body(
            network_title(network),
            [[run_count(counts, dataset, network, augmentation, 0.0), *(Cell(percent(value)) for value in values)]],
        )
        for network, values in found.items()
    ]
    foot = []
    if len(found) == 2:
        second, first = free_first(found)
        differences = [one - other for one, other in zip(found[first], found[second], strict=True)]
        foot = [f"{network_title(first)} − {network_title(second)}", "", *map(points, differences)]
    return Table(
        f"{dataset}: quadrant swap",
        f"{dataset}, trained on images as they are: median accuracy, in per cent, on held-out images as they are and "
        "with quadrants I and III exchanged.",
        [Column("Network", text=True), Column("n"), Column("As they are"), Column("Swapped")],
        bodies,
        foot,
    )


def authors_table(dataset: str, beside: pd.DataFrame) -> Table:
    """Return where runs at level 0 lie among the authors' own, at the epochs of `AUTHORS_EPOCHS` and the last.

    Args:
        dataset: which dataset.
        beside: rows of `authors.beside_authors` of it.
    """
    bodies = []
    for keys, rows in beside.groupby(["network", "metric"], sort=False):
        network, metric = map(str, keys)
        chosen: Iterable[Any] = rows[rows["epoch"].isin([*AUTHORS_EPOCHS, rows["epoch"].max()])].itertuples()
        title = metric_title(metric) if metric.endswith("_acc") else metric.replace("_", " ")
        cells = [[Cell(text) for text in _beside_authors(row)] for row in chosen]
        bodies.append(Body(f"{network_title(network)}, {title}", cells))
    return Table(
        f"{dataset}: beside the authors' own runs",
        f"{dataset}, level 0: lowest, median and highest of our n runs and of the authors', and how many of ours are "
        "below, inside and above theirs, after so many epochs. Accuracies in per cent.",
        [
            Column("Metric", text=True),
            Column("Epoch"),
            *(Column(title, "Ours") for title in ("n", "Lowest", "Median", "Highest")),
            *(Column(title, "The authors'") for title in ("n", "Lowest", "Median", "Highest")),
            *(Column(title, "Ours are") for title in ("Below", "Inside", "Above")),
        ],
        bodies,
    )


def _beside_authors(row: Any) -> list[str]:
    """Return one epoch of `authors_table`."""
    text = percent if row.metric.endswith("_acc") else number
    ours, theirs = (row.lowest, row.median, row.highest), (row.their_lowest, row.their_median, row.their_highest)
    return [
        str(row.epoch),
        *(str(row.runs), *map(text, ours)),
        *(str(row.their_runs), *map(text, theirs)),
        *map(str, (row.below, row.inside, row.above)),
    ]


def search_table(params: Params, dataset: str, search: pd.DataFrame, counts: Counts) -> Table:
    """Return all cells of the hyperparameter search (Ott et al. 2019, Table A.1), the chosen ones marked.

    Args:
        params: the study.
        dataset: which dataset.
        search: as `medians.search` returns it; cells that it lacks are shown as missing.
        counts: the runs behind the cells.
    """
    rows: Iterable[Any] = search[search["dataset"] == dataset].itertuples(index=False)
    found = {(row.network, row.layers, level_text(row.learning_rate)): row for row in rows}

    def texts(kind: Any, layers: int, rate: float) -> list[Cell]:
        row = found.get((kind, layers, level_text(rate)))
        network = variant_name(Variant(kind, layers=layers, learning_rate=rate))
        behind = run_count(counts, dataset, network, "none", 0.0)
        if row is None:
            return [Cell(MISSING), Cell(MISSING), Cell(MISSING), behind]
        accuracy = Cell(f"{percent(row.val_acc)}{' ★' if row.chosen else ''}", bold=bool(row.chosen))
        return [accuracy, Cell(number(row.val_loss)), Cell(f"{row.epochs:g}"), behind]

    paper = paper_dataset(dataset)
    theirs = f" The paper chose 3 layers and {PROTOCOLS[paper]['learning_rate']:g} (Table A.2)." if paper else ""
    return Table(
        f"{dataset}: search for hyperparameters",
        f"{dataset}, images as they are: highest accuracy (in per cent) and lowest loss of a run on held-out images, "
        f"and epochs trained, medians over n runs. {MISSING}: missing. ★: chosen, the network's highest accuracy."
        f"{theirs}",
        [
            Column("Layers"),
            Column("Learning rate"),
            *(
                Column(title, network_title(kind))
                for kind in params.train.networks
                for title in ("Accuracy", "Loss", "Epochs", "n")
            ),
        ],
        [
            Body(
                str(layers),
                [
                    [
                        Cell(level_text(rate)),
                        *(cell for kind in params.train.networks for cell in texts(kind, layers, rate)),
                    ]
                    for rate in params.search.learning_rates
                ],
            )
            for layers in params.search.layers
        ],
    )


def run_sums(study: pd.DataFrame) -> Table:
    """Return the runs summed by dataset, network and trained augmentation.

    Args:
        study: as `medians.run_table` returns it.
    """
    groups: Iterable[tuple[Any, pd.DataFrame]] = study.groupby(["dataset", "network", "augmentation"], sort=False)
    bodies = [
        Body(dataset, [[Cell(text) for text in (network_title(network), augmentation, *_sums(group))]])
        for (dataset, network, augmentation), group in groups
    ]
    return Table(
        "Sums of runs",
        "Runs behind the numbers: sums over levels and folds.",
        [
            Column("Dataset", text=True),
            Column("Network", text=True),
            Column("Augmentation", text=True),
            *(Column(title) for title in ("Runs", "Epochs", "Training, s", "Other, s")),
            Column("Device", text=True),
            Column("Backend", text=True),
        ],
        bodies,
        ["Total", "", "", *_sums(study)[:4], "", ""],
    )


def _sums(study: pd.DataFrame) -> list[str]:
    """Return number of runs, sums of epochs, seconds and other seconds, and the devices and backends of some runs."""
    return [
        str(len(study)),
        f"{study['epochs'].sum():,.0f}",
        *(f"{study[key].sum():,.1f}" for key in ("seconds", "overhead_seconds")),
        *(", ".join(sorted(study[key].dropna().astype(str).unique())) for key in ("device", "backend")),
    ]


def class_table(dataset: str, rows: pd.DataFrame) -> Table:
    """Return how many images of each class there are.

    Args:
        dataset: which dataset.
        rows: of `results.read_datasets`, of this dataset.
    """
    classes: Iterable[Any] = rows[rows["kind"] == "class"].itertuples(index=False)
    counts = {str(row.name): int(row.number) for row in classes}
    total = sum(counts.values())
    return Table(
        f"{dataset}: images of each class",
        f"{dataset}: number of images of each class, and per cent of all {total:,}.",
        [Column("Class", text=True), Column("Images"), Column("%")],
        [Body(name, [[Cell(f"{count:,}"), Cell(percent(count / total))]]) for name, count in counts.items()],
        ["All", f"{total:,}", percent(1.0)],
    )


def passed_over(dataset: str, rows: pd.DataFrame) -> Table:
    """Return what of a dataset's files was passed over, converted or suspicious; without rows if nothing was.

    Args:
        dataset: which dataset.
        rows: of `results.read_datasets`, of this dataset.
    """
    notes: Iterable[Any] = rows[rows["kind"] != "class"].fillna({"first": ""}).itertuples(index=False)
    return Table(
        f"{dataset}: what became of its files",
        f"{dataset}: files that were passed over, joined, converted or are suspicious, and the first of them.",
        [Column("What", text=True), Column("Why", text=True), Column("Files"), Column("First", text=True)],
        [Body(str(row.kind), [[Cell(row.name), Cell(f"{row.number:,}"), Cell(row.first)]]) for row in notes],
    )


def checklist_table(checklist: pd.DataFrame) -> Table:
    """Return a referee's questions with their answers.

    Args:
        checklist: as `checklist.checklist` returns it.
    """
    topics = checklist.fillna("").groupby("topic", sort=False)
    return Table(
        "Checklist",
        "What a referee asks of a study, after REFORMS (2024) and the checklist of the ML Reproducibility Challenge.",
        [Column("About", text=True), Column("Question", text=True), Column("Answer", text=True)],
        [
            Body(str(topic), [[Cell(str(row.question)), Cell(str(row.answer))] for row in rows.itertuples(index=False)])
            for topic, rows in topics
        ],
    )


def calibration_table(calibration: pd.DataFrame) -> Table:
    """Return how often simulated studies of known truth come to a wrong verdict.

    Args:
        calibration: as `calibration.calibration` returns it.
    """
    simulated = calibration[calibration["claim"].astype(str).str.startswith("any of")]
    rows: Iterable[Any] = simulated.itertuples(index=False)
    names = ("wrong", "allowed", "supported", "contradicted")
    return Table(
        "Wrong verdicts",
        "Simulated studies of known truth: per cent in which any verdict on a tested claim is wrong, per cent allowed, "
        "and per cent in which any claim is supported or contradicted.",
        [
            Column("Truth", text=True),
            Column("Dataset", text=True),
            *map(Column, ("Studies", "Wrong", "Allowed", "Supported", "Contradicted")),
        ],
        [
            Body(
                row.truth,
                [
                    [
                        Cell(row.dataset),
                        Cell(f"{row.studies:,}"),
                        *(Cell(percent(float(getattr(row, name)))) for name in names),
                    ]
                ],
            )
            for row in rows
        ],
    )
