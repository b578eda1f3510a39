"""The study's medians beside the paper's: every cell of Tables 1, 2 and B.1 to B.3 of Ott et al. 2019."""

from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from freeconv import runs
from freeconv.configs import AUGMENTATIONS, METRICS, EvaluateConfig, Forms
from freeconv.layout import level_text
from freeconv.params import Params

CONFIDENCE = 0.95
CELL = ["dataset", "augmentation", "level", "network", "metric"]
COLUMNS = [*CELL, "paper", "ours", "difference", "low", "high", "runs", "table", "protocol"]
METRIC_TITLES = {
    "train_acc": "Training",
    "val_acc": "Validation",
    "translate_acc": "Translated",
    "rotate_acc": "Rotated",
    "noise_acc": "Noise",
    "edge_noise_acc": "Edge noise",
    "swap_acc": "Quadrant swap",
}

IMAGES = {"mnist-5k": 5_000, "mnist": 70_000, "cifar10": 60_000}
# Sections 4 and A.3, Table A.2; epochs and patience are the authors' program's: those that section A.1 gives are of the
# hyperparameter search.
PROTOCOLS: dict[str, dict[str, float]] = {
    "mnist": {"images": 70_000, "epochs": 250, "patience": 50, "batch": 256, "learning_rate": 0.001},
    "cifar10": {"images": 60_000, "epochs": 500, "patience": 100, "batch": 128, "learning_rate": 0.0001},
}
FOLDS = 5
EVALUATE = EvaluateConfig(translate=0.25, rotate=45.0, noise=0.15, edge_noise=0.15)

# Characters that LaTeX reads as commands, and those that pdfLaTeX has no glyph for.
LATEX = str.maketrans(
    {
        **{character: "\\" + character for character in "%_&#$"},
        "±": r"$\pm$",
        "−": "$-$",
        "—": "---",
        "…": r"\dots{}",
    }
)


def paper_medians() -> pd.DataFrame:
    """Return the paper's 396 medians.

    They are those of Tables 1, 2, B.1, B.2 and B.3 of Ott, Linstead, LaHaye and Baldi, Learning in the Machine: To
    Share or Not to Share?, Neural Networks 126 (2020), doi 10.1016/j.neunet.2020.03.016. Each table has its rows of
    level 0, which are the same runs, in Tables 1 and 2 with six digits and elsewhere with five.

    Returns:
        Columns table (text), dataset (`mnist` or `cifar10`), augmentation, level, network, metric, median (share in
        [0, 1]).
    """
    with files("freeconv").joinpath("paper.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"table": str})


def paper_dataset(dataset: str) -> str | None:
    """Return the paper's dataset that one of ours stands beside: `mnist`, `cifar10`, or None.

    `cifar10` and all image folders whose name starts with it, such as `cifar10-jpeg`, stand beside CIFAR-10.
    """
    if dataset in ("mnist", "mnist-5k"):
        return "mnist"
    return "cifar10" if dataset.startswith("cifar10") else None


def interval(values: ArrayLike, center: float | None = None) -> tuple[float, float]:
    """Return the 95 % interval of a mean over folds, from Student's t.

    Half its width is t · s / √n, where n is the number of values, s their standard deviation (n − 1 degrees of
    freedom) and t the 97.5 % quantile. The interval is not clipped.

    Folds share most of their training images, so the values are not quite independent, and the interval is somewhat
    too narrow.

    Args:
        values: one number per fold.
        center: what the interval lies around, the mean of the values if None. A cell's median is over epochs and folds
            pooled and has no such formula: it gets the width of the runs' own values.

    Returns:
        Low and high; NaN for fewer than two values, or where a value or the center is NaN.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        return np.nan, np.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    center = values.mean() if center is None else center
    return float(center - half), float(center + half)


def protocol(params: Params, dataset: str, images: int | None = None) -> list[str]:
    """Return how a dataset's study differs from the paper's, in words; nothing if it does not.

    Args:
        params: the study.
        dataset: one of its datasets.
        images: how many images the dataset has; known for the built-in ones.

    Returns:
        Such as `["5,000 images instead of 70,000", "6 epochs instead of 250"]`; empty, too, for a dataset that stands
        beside none of the paper's.
    """
    counterpart = paper_dataset(dataset)
    if counterpart is None:
        return []
    theirs = PROTOCOLS[counterpart]
    ours = runs.train_config(params, dataset, "cnn", "none", [0.0], [0])
    count = IMAGES.get(dataset) if images is None else images
    limit = getattr(params.data, "limit", None)
    if limit is not None:
        count = limit if count is None else min(count, limit)
    found = []
    if count is not None and count != theirs["images"]:
        found.append(f"{count:,} images instead of {theirs['images']:,}")
    if "jpeg" in dataset:
        found.append("JPEG-coded images")
    if ours.epochs != theirs["epochs"]:
        found.append(f"{ours.epochs} epochs instead of {theirs['epochs']}")
    if ours.patience != theirs["patience"]:
        found.append(f"patience {ours.patience} instead of {theirs['patience']}")
    if ours.folds != FOLDS:
        found.append(f"{ours.folds} folds instead of {FOLDS}")
    if len(held_out := runs.held_out(params)) < ours.folds:
        names = [str(fold) for fold in sorted(held_out)]
        listed = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
        found.append(f"fold{'s' if len(names) > 1 else ''} {listed} of {ours.folds}")
    if ours.batch != theirs["batch"]:
        found.append(f"batch {ours.batch} instead of {theirs['batch']}")
    if ours.learning_rate != theirs["learning_rate"]:
        found.append(f"learning rate {ours.learning_rate:g} instead of {theirs['learning_rate']:g}")
    if params.aug.copies < ours.epochs:
        found.append(f"{params.aug.copies} augmented passes in turn instead of a new one each epoch")
    if ours.initializer != "glorot-authors":
        found.append(f"initializer {ours.initializer} instead of glorot-authors")
    if ours.precision != "float32":
        found.append(f"precision {ours.precision} instead of float32")
    for name, value in EVALUATE:
        if (own := getattr(params.evaluate, name)) != value:
            found.append(f"evaluate.{name} {own:g} instead of {value:g}")
    for name, value in Forms():
        if (own := getattr(params.aug.forms, name)) != value:
            found.append(f"aug.forms.{name} {own} instead of {value}")
    if params.report.aggregate != "all-epochs":
        found.append(f"medians over the {params.report.aggregate} epoch of each fold instead of all epochs")
    return found


def compare(
    params: Params, medians: pd.DataFrame, values: pd.DataFrame, images: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Return ours beside the paper's: every cell that was asked for or that the paper has.

    Of the paper's cells those are listed whose dataset, augmentation and network are studied; its levels that were not
    run are there with `ours` NaN. A cell with a run whose value is NaN has `ours` NaN, too, but counts its runs.

    Args:
        params: the study.
        medians: as `tables.accuracy` returns them.
        values: one row per run and metric, columns dataset, augmentation, level, network, metric, fold and value, the
            run's own aggregate; level 0 under every augmentation that lists it.
        images: dataset to number of images; needed for those that are not built in.

    Returns:
        Columns dataset, augmentation, level, network, metric (those of the paper's table of that augmentation), paper
        and ours (medians, shares in [0, 1]; NaN if missing), difference (ours − paper), low and high (as `interval`
        gives them, around ours), runs (how many are behind ours), table (the paper's, empty if it has none) and
        protocol (as `protocol` gives it, joined by semicolons).
    """
    paper = _by_cell(paper_medians(), "median", "table")
    ours = _by_cell(medians, "median", "runs")
    folds = {cell: group.to_numpy() for cell, group in values.groupby(CELL)["value"]}
    stated = {dataset: paper_dataset(dataset) for dataset in params.data.datasets}
    protocols = {
        dataset: "; ".join(protocol(params, dataset, (images or {}).get(dataset))) for dataset in params.data.datasets
    }
    rows = []
    for cell in _cells(params, ours, paper):
        median, table = paper.get((stated[cell[0]], *cell[1:]), (np.nan, ""))
        own, count = ours.get(cell, (np.nan, 0))
        of_folds = folds.get(cell, np.array([]))
        own = np.nan if np.isnan(of_folds).any() else own
        rows.append((*cell, median, own, own - median, *interval(of_folds, own), count, table, protocols[cell[0]]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_cell(frame: pd.DataFrame, *columns: str) -> dict[tuple, Any]:
    """Return the values of some columns by cell."""
    rows: Iterator[Any] = frame[[*CELL, *columns]].itertuples(index=False)
    return {tuple(row[: len(CELL)]): tuple(row[len(CELL) :]) for row in rows}


def _cells(params: Params, ours: Mapping[tuple, Any], paper: Mapping[tuple, Any]) -> list[tuple]:
    """Return the cells to show: datasets and augmentations in the parameters' order, then by level."""
    studied = runs.augmentations(params)
    shown = {augmentation: _shown_metrics(augmentation, paper) for augmentation in (*AUGMENTATIONS, "none")}
    cells = {
        (dataset, augmentation, level, network, metric)
        for dataset in params.data.datasets
        for augmentation in studied
        for level in params.levels(augmentation)
        for network in params.train.networks
        for metric in shown[augmentation]
    }
    cells |= {
        (dataset, *cell[1:])
        for dataset in params.data.datasets
        for cell in paper
        if cell[0] == paper_dataset(dataset) and cell[1] in studied and cell[3] in params.train.networks
    }
    cells |= {cell for cell in ours if cell[4] in shown[cell[1]]}
    networks = list(dict.fromkeys([*params.train.networks, *(cell[3] for cell in ours)]))

    def place(cell: tuple) -> tuple:
        dataset, augmentation, level, network, metric = cell
        return (
            params.data.datasets.index(dataset),
            (*AUGMENTATIONS, "none").index(augmentation),
            level,
            networks.index(network),
            METRICS.index(metric),
        )

    return sorted(cells, key=place)


def _shown_metrics(augmentation: str, paper: Mapping[tuple, Any]) -> list[str]:
    """Return the metrics of the paper's table of an augmentation; of the shorter ones, if it has none."""
    shown = {cell[4] for cell in paper if cell[1] == augmentation} or {"val_acc", "translate_acc"}
    return [metric for metric in METRICS if metric in shown]


def as_csv(cells: pd.DataFrame) -> str:
    """Return rows of `compare` as CSV, numbers with 6 significant digits."""
    return cells.to_csv(index=False, float_format="%.6g")


def as_markdown(cells: pd.DataFrame) -> str:
    """Return one table in the paper's arrangement as Markdown, its caption above it.

    Args:
        cells: rows of `compare` of one dataset and augmentation.

    Raises:
        ValueError: there are rows of other datasets or augmentations, or none.
    """
    caption, table = _caption(cells), _arranged(cells, _cell_text)
    lines = [["level", *(" ".join(column) for column in table.columns)], ["---"] * (1 + table.shape[1])]
    lines += [[str(level), *row] for level, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join([caption, "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def as_latex(cells: pd.DataFrame) -> str:
    """Return one table in the paper's arrangement as LaTeX, scaled to the text's width.

    Two lines a level, ours above the paper's. It needs the packages booktabs and graphicx.

    Args:
        cells: rows of `compare` of one dataset and augmentation.

    Raises:
        ValueError: there are rows of other datasets or augmentations, or none.
    """
    caption = _caption(cells)
    table = pd.concat({"ours": _arranged(cells, _ours_text), "paper": _arranged(cells, _paper_text)})
    table = table.swaplevel().sort_index(level=0, sort_remaining=False, key=lambda levels: levels.astype(float))
    table = table.map(lambda text: text.translate(LATEX))
    dataset, augmentation = cells[["dataset", "augmentation"]].iloc[0]
    text = table.to_latex(
        caption=caption.translate(LATEX),
        label=f"tab:{dataset}-{augmentation}".replace("_", "-"),
        column_format="l" * (2 + table.shape[1]),
        multicolumn_format="c",
        multirow=False,
        escape=False,
    )
    text = text.replace(r"\begin{tabular}", "\\resizebox{\\textwidth}{!}{%\n\\begin{tabular}")
    return text.replace(r"\end{tabular}", r"\end{tabular}}")


def _arranged(cells: pd.DataFrame, text: Callable[[Any], str]) -> pd.DataFrame:
    """Return texts of cells: a row per level, columns (metric, network)."""
    shown: Iterator[Any] = cells.itertuples(index=False)
    texts = {(level_text(row.level), METRIC_TITLES[row.metric], row.network.upper()): text(row) for row in shown}
    levels, metrics, networks = (list(dict.fromkeys(key[part] for key in texts)) for part in range(3))
    columns = pd.MultiIndex.from_product([metrics, networks])
    rows = [[texts.get((level, *column), "—") for column in columns] for level in levels]
    return pd.DataFrame(rows, index=levels, columns=columns)


def _cell_text(row: Any) -> str:
    """Return one cell as text: `0.9821 ± 0.0040 (0.9901, −0.0080)`, what is missing left out; ours as a dash."""
    paper = _paper_text(row).replace(" (", ", ").removesuffix(")")
    return f"{_ours_text(row)} ({paper})" if paper != "—" else _ours_text(row)


def _ours_text(row: Any) -> str:
    """Return our median as text: `0.9821 ± 0.0040`, a dash if it is missing."""
    text = "—" if np.isnan(row.ours) else f"{row.ours:.4f}"
    return text if np.isnan(row.high) else f"{text} ± {(row.high - row.low) / 2:.4f}"


def _paper_text(row: Any) -> str:
    """Return the paper's median and how far ours is from it as text: `0.9901 (−0.0080)`, a dash if it is missing."""
    if np.isnan(row.paper):
        return "—"
    difference = "" if np.isnan(row.ours) else f" ({row.difference:+.4f})".replace("-", "−")
    return f"{row.paper:.4f}{difference}"


def _caption(cells: pd.DataFrame) -> str:
    """Return what a table shows and under which protocol; refuse rows of more than one table."""
    titles = cells[["dataset", "augmentation"]].drop_duplicates()
    if len(titles) != 1:
        raise ValueError(
            "`cells` must be rows of one dataset and augmentation. "
            f"Received: {[tuple(title) for title in titles.to_numpy()]}"
        )
    dataset, augmentation = titles.iloc[0]
    text = f"{dataset}, {augmentation}: median accuracy ± half of its 95 % interval over folds"
    tables = [table for table in cells["table"].unique() if table]
    if tables:
        text += f" (Ott et al. 2019, Table {tables[0]}, and the difference)"
    text += "; — is missing."
    if tables:
        text += f" Protocol: {cells['protocol'].iloc[0] or 'as in the paper'}."
    return text
