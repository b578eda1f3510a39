"""The report: one offline page with a study's findings, tables, figures and the runs behind them."""

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from freeconv import __version__, layout, runs
from freeconv.configs import Augmentation
from freeconv.errors import FreeconvError
from freeconv.figures import read_table
from freeconv.params import Params
from freeconv.storage import write_text
from freeconv.tables import distance_key

METRIC_TITLES = {
    "train_acc": "Training",
    "val_acc": "Validation",
    "translate_acc": "Translated",
    "rotate_acc": "Rotated",
    "noise_acc": "Noise",
    "edge_noise_acc": "Edge noise",
    "swap_acc": "Quadrant swap",
}
# the columns of Tables 1 and 2 of Ott et al. 2019, then everything else that is measured
TABLES = {
    "Median accuracy in training, on held-out images as they are, and on held-out images translated": (
        "train_acc",
        "val_acc",
        "translate_acc",
    ),
    "Median accuracy on held-out images changed in other ways": (
        "rotate_acc",
        "noise_acc",
        "edge_noise_acc",
        "swap_acc",
    ),
}
AUGMENTATION_TITLES = {
    "none": "no augmentation",
    "translate": "translation",
    "rotate": "rotation",
    "noise": "noise",
    "edge_noise": "edge noise",
}
AGGREGATES = {
    "all-epochs": "over all epochs of all folds, pooled",
    "final": "over folds, each fold at its last epoch",
    "best": "over folds, each fold at the epoch of its highest validation accuracy",
}

Tree = dict[str, dict[str, dict[str, float | None]]]  # level, network, metric


@dataclass(frozen=True)
class Table:
    """A table of accuracies: rows are levels, columns are metrics by networks; `bests` marks a column's highest."""

    caption: str
    metrics: list[str]
    networks: list[str]
    levels: list[str]
    values: list[list[str]]
    bests: list[list[bool]]


@dataclass(frozen=True)
class Picture:
    """A figure of the page, with its image inlined."""

    source: str
    alt: str
    caption: str
    link: str


@dataclass(frozen=True)
class Part:
    """What the page shows of one dataset and augmentation."""

    anchor: str
    title: str
    findings: list[str]
    tables: list[Table]
    pictures: list[Picture]


def make_report(params: Params, folder: str = layout.REPORTS) -> None:
    """Write the report's page, `layout.report_file(folder)`, from tables and figures.

    The page holds all it shows and needs no network; it links to the tables beside it.

    Args:
        params: the study.
        folder: where `make_tables` and `make_figures` put their files, and where the page goes.

    Raises:
        FreeconvError: a table or figure is missing, or the tables are from other parameters.
    """
    tree = _read_metrics(f"{folder}/metrics.json")
    distances = read_table(folder, "distance")
    study = read_table(folder, "runs")
    try:
        parts = [
            Part(
                anchor=f"{dataset}-{augmentation}",
                title=f"{dataset}, {AUGMENTATION_TITLES[augmentation]}",
                findings=findings(
                    params, augmentation, tree[dataset][augmentation], _starts(distances, dataset, augmentation)
                ),
                tables=accuracy_tables(params, augmentation, tree[dataset][augmentation]),
                pictures=[_picture(folder, dataset, augmentation, figure) for figure in _figure_names(params)],
            )
            for dataset in params.data.datasets
            for augmentation in runs.augmentations(params)
        ]
    except KeyError as error:
        raise FreeconvError(
            f"{folder}/metrics.json: expected {error.args[0]!r}, which the parameters ask for, received none; "
            "run `freeconv tables` again"
        ) from error
    write_text(layout.report_file(folder), render(params, parts, study))


def render(params: Params, parts: Sequence[Part], study: pd.DataFrame) -> str:
    """Return the page as HTML.

    Args:
        params: the study.
        parts: what to show, in order.
        study: as `tables.run_table` returns it.
    """
    environment = Environment(
        loader=PackageLoader("freeconv"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(
        parts=parts,
        aggregate=AGGREGATES[params.report.aggregate],
        folds=len(runs.held_out(params)),
        run_rows=run_rows(study),
        total=_sums(study),
        versions=sorted(study["versions"].dropna().unique()),
        parameters=yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100),
        version=__version__,
    )


def findings(params: Params, augmentation: Augmentation, levels: Tree, starts: dict[str, float]) -> list[str]:
    """Return what the numbers of one dataset and augmentation say, a sentence each.

    Args:
        params: the study.
        augmentation: which one.
        levels: level to network to metric to median, as in `metrics.json`.
        starts: level, then `:`, then the name of a kernel distance in `metrics.json`, to the distance before training.
    """
    studied = sorted(params.levels(augmentation))
    sentences = []
    bests: dict[str, float] = {}
    for network in params.train.networks:
        values = {level: _number(levels[layout.level_text(level)][network]["translate_acc"]) for level in studied}
        bests[network] = max(values.values())
        sentences.append(f"{network.upper()}: {_course_of_accuracy(values)}")
    if len(bests) == 2:
        sentences.append(_comparison(bests["fcn"], bests["cnn"]))
    if "fcn" in params.train.networks:
        radius = min(params.distance.radii)
        key = distance_key(radius, params.distance.measures[0])
        for level in dict.fromkeys([studied[0], studied[-1]]):
            text = layout.level_text(level)
            course = _course_of_distance(starts[f"{text}:{key}"], _number(levels[text]["fcn"][key]))
            sentences.append(
                f"FCN at level {text}: the mean {params.distance.measures[0]} distance between kernels "
                f"{radius} position{'s' if radius > 1 else ''} apart {course}"
            )
    return sentences


def _course_of_accuracy(values: dict[float, float]) -> str:
    """Return how accuracy on translated images depends on the level: the lowest level against the best one."""
    lowest, highest = min(values), max(values)
    values = {level: round(value, 4) for level, value in values.items()}  # what is not to be seen is not claimed
    best = max(values, key=lambda level: values[level])
    what = "accuracy on translated held-out images"
    if lowest == highest:
        return f"{what} is {_percent(values[lowest])} at level {layout.level_text(lowest)}."
    if best == lowest:
        return (
            f"{what} is highest at level {layout.level_text(lowest)}, {_percent(values[lowest])}; at level "
            f"{layout.level_text(highest)}, the highest level, it is {_percent(values[highest])}."
        )
    return (
        f"{what} rises from {_percent(values[lowest])} at level {layout.level_text(lowest)} to "
        f"{_percent(values[best])} at level {layout.level_text(best)}, its best "
        f"({_points(values[best] - values[lowest])})."
    )


def _comparison(fcn: float, cnn: float) -> str:
    """Return how the two networks compare, each at its best level."""
    difference = round(100 * (fcn - cnn), 2)
    if difference == 0:
        return "Each at its best level, the two networks are equally accurate on translated images."
    side = "below" if difference < 0 else "above"
    points = f"{abs(difference):.2f} percentage points"
    return f"Each at its best level, the FCN is {points} {side} the CNN on translated images."


def _course_of_distance(start: float, end: float) -> str:
    """Return how a kernel distance changes in training."""
    if not (pd.notna(start) and pd.notna(end)):
        return "cannot be given: the weights are not finite."
    if f"{start:.4f}" == f"{end:.4f}":
        return f"is {start:.4f} before training and after it."
    verb = "rises" if end > start else "falls"
    return f"{verb} from {start:.4f} before training to {end:.4f} after it ({_signed(100 * (end / start - 1), 1)} %)."


def _percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.2f} %"


def _points(difference: float) -> str:
    """Return a difference of shares in percentage points."""
    return f"{_signed(100 * difference, 2)} percentage points"


def _signed(number: float, digits: int) -> str:
    """Return a number with its sign, the minus as typography has it."""
    return f"{number:+.{digits}f}".replace("-", "−")


def _number(value: float | None) -> float:
    """Return a number of `metrics.json`, whose null stands for NaN."""
    return float("nan") if value is None else value


def accuracy_tables(params: Params, augmentation: Augmentation, levels: Tree) -> list[Table]:
    """Return the tables of one dataset and augmentation in the layout of Ott et al. 2019, Tables 1 and 2.

    Args:
        params: the study.
        augmentation: which one.
        levels: level to network to metric to median, as in `metrics.json`.
    """
    texts = [layout.level_text(level) for level in params.levels(augmentation)]
    tables = []
    for caption, metrics in TABLES.items():
        columns = [
            [f"{_number(levels[text][network][metric]):.4f}" for text in texts]
            for metric in metrics
            for network in params.train.networks
        ]
        # by what is shown: of two equal numbers not one alone is bold
        marked = [[len(texts) > 1 and text == max(column, key=float) for text in column] for column in columns]
        tables.append(
            Table(
                caption=caption,
                metrics=[METRIC_TITLES[metric] for metric in metrics],
                networks=[network.upper() for network in params.train.networks],
                levels=texts,
                values=[list(row) for row in zip(*columns, strict=True)],
                bests=[list(row) for row in zip(*marked, strict=True)],
            )
        )
    return tables


def run_rows(study: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the runs summed by dataset, network and trained augmentation.

    Args:
        study: as `tables.run_table` returns it.

    Returns:
        Rows with the keys dataset, network, augmentation, runs, epochs, seconds, overhead_seconds, device and backend.
    """
    keys = ["dataset", "network", "augmentation"]
    return [
        {**dict(zip(keys, values, strict=True)), **_sums(group)} for values, group in study.groupby(keys, sort=False)
    ]


def _sums(study: pd.DataFrame) -> dict[str, Any]:
    """Return number of runs, sum of epochs and seconds, and the devices and backends of some runs."""
    return {
        "runs": len(study),
        "epochs": int(study["epochs"].sum()),
        "seconds": float(study["seconds"].sum()),
        "overhead_seconds": float(study["overhead_seconds"].sum()),
        **{key: ", ".join(sorted(study[key].dropna().astype(str).unique())) for key in ("device", "backend")},
    }


def _read_metrics(path: str) -> dict[str, dict[str, Tree]]:
    """Read `metrics.json`."""
    if not Path(path).is_file():
        raise FreeconvError(f"{path}: expected medians, received nothing: run `freeconv tables` first")
    return json.loads(Path(path).read_text())


def _starts(distances: pd.DataFrame, dataset: str, augmentation: str) -> dict[str, float]:
    """Return kernel distances before training by level and name."""
    chosen = (distances["dataset"] == dataset) & (distances["augmentation"] == augmentation)
    untrained = distances[chosen & (distances["epoch"] == 0)]
    return {
        f"{layout.level_text(row.level)}:{distance_key(row.radius, row.measure)}": row.median
        for row in _rows(untrained)
    }


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a frame as named tuples of its columns."""
    return frame.itertuples(index=False)


def _figure_names(params: Params) -> list[str]:
    """Return which figures the page shows of each dataset and augmentation."""
    return ["samples", "accuracy", *(["distance"] if "fcn" in params.train.networks else [])]


def _picture(folder: str, dataset: str, augmentation: Augmentation, figure: str) -> Picture:
    """Return a figure of the page with its caption."""
    path = Path(layout.figure_file(folder, dataset, augmentation, figure, "png"))
    if not path.is_file():
        raise FreeconvError(f"{path}: expected a figure, received nothing: run `freeconv figures` first")
    which = AUGMENTATION_TITLES[augmentation]
    alt, caption = {
        "samples": (
            f"A grid of images of {dataset}: one image per row, one level of {which} per column.",
            f"What training sees: images of {dataset} at each level of {which} (first pass).",
        ),
        "accuracy": (
            f"Line charts by epoch, one line per level of {which}: training, validation and translated validation "
            "accuracy from top to bottom, one column per network.",
            "Accuracy by epoch: mean over folds, with its 95 % t-interval as a band. Top: in training, on augmented "
            "images. Middle: on held-out images. Bottom: on held-out images translated.",
        ),
        "distance": (
            f"Line charts by epoch, one line per level of {which}: distance between kernels of the first free layer, "
            "one panel per radius.",
            "Distance between kernels of the first free layer by epoch: median over folds. Epoch 0 is the untrained "
            "network. Dashed: the distance expected of independent kernels. Lower is more alike.",
        ),
    }[figure]
    source = f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"
    link = layout.figure_file(".", dataset, augmentation, figure, "svg").removeprefix("./")
    return Picture(source, alt, caption, link)
