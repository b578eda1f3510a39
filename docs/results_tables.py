"""Write the tables of docs/results.md and of the pages in docs/results/ anew, from what the archives of studies say.

    python docs/results_tables.py

Tables stand between `<!-- leads -->` and `<!-- end -->`; what is between them is replaced, and nothing else.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from freeconv.analysis.intervals import interval
from freeconv.analysis.judgement import DECISIVE
from freeconv.augmentations import AUGMENTATIONS, studied
from freeconv.commands.archive import missing
from freeconv.commands.tables import make_tables
from freeconv.networks import network_sizes
from freeconv.report.titles import metric_title, network_title
from freeconv.storage.archive_source import Archive
from freeconv.study import paths
from freeconv.study.network_names import parse_variant
from freeconv.study.params import Params, load_params, study_name

ROOT = Path(__file__).resolve().parent.parent
OVERVIEW = ROOT / "docs/results.md"
PAGES = ROOT / "docs/results"  # one of each study
JUDGED = (*DECISIVE, "inconclusive")
LAST = 10  # epochs of each run; some have more
FIRST_LAYER = 169  # positions, of images of 28 × 28
FIRST_LAYER_OF_COLOURS = 196  # of images of 32 × 32
METRICS = ("train_acc", "val_acc", "translate_acc")
OTHERS = [name for name in studied() if name != "translate"]
ALIKE = [
    "distance, radius 1",
    "cosine distance, radius 1",
    "distance to the best shared kernel",
    "weight signal-to-noise",
    "held-out accuracy with one kernel at all positions",
]
VALUES = {
    "train_acc": "training accuracy",
    "val_acc": "held-out",
    "translate_acc": "translated",
    "rotate_acc": "rotated",
    "noise_acc": "noise",
    "edge_noise_acc": "edge noise",
    "swap_acc": "quadrants exchanged",
    "distance_radius_1": "distance, radius 1",
    "distance_radius_4": "distance, radius 4",
    "cosine_distance_radius_1": "cosine distance, radius 1",
    "cosine_distance_radius_4": "cosine distance, radius 4",
}


def main() -> None:
    """Write all tables."""
    texts, judged = {OVERVIEW: OVERVIEW.read_text()}, {}
    for part in PARTS:
        path = ROOT / f"params/{part.study}.yaml"
        asked = load_params(path, needs_images=False)
        archive = Archive(ROOT / paths.archive_folder(study_name(asked, path)))
        params = complete_levels(part, asked, archive)
        page = PAGES / f"{part.study}.md"
        texts[page] = page.read_text()
        with tempfile.TemporaryDirectory() as folder:
            make_tables(params, folder, archive)
            for name, make in part.makers.items():
                texts[page] = filled(page, texts[page], name, make(Path(folder, "tables")))
            if "claims" in part.makers:
                judged[part.study] = pd.read_csv(Path(folder, "tables/claims.csv"))
    texts[OVERVIEW] = filled(OVERVIEW, texts[OVERVIEW], "tested", tested(judged))
    for page, text in texts.items():
        page.write_text(text)


def complete_levels(part: "Part", params: Params, archive: Archive) -> Params:
    """Return a study with those levels alone whose runs are archived, as many as its part asks for; name the others."""
    runs = missing(params, archive)
    lacking = [run for run, _, state in runs if state != "complete"]
    complete = Counter((run.augmentation, run.level) for run, _, state in runs if state == "complete")
    levels = {
        level
        for level in ((run.augmentation, run.level) for run in lacking if run.network in params.train.networks)
        if part.fewest is None or complete[level] < part.fewest
    }
    shares = {parse_variant(run.network).vcp for run in lacking} - {0}
    for name, level in sorted(levels):
        print(f"{part.study}: {AUGMENTATIONS[name].title} at level {level:g} is left out, as its runs are not complete")
    for share in sorted(shares):
        print(f"{part.study}: {share:g} of the connections missing is left out, as its runs are not complete")
    kept = {
        name: [level for level in getattr(params.aug, name) if (name if level else "none", level) not in levels]
        for name in studied()
    }
    connected = [share for share in params.vcp.levels if share not in shares]
    return params.model_copy(
        update={
            "aug": params.aug.model_copy(update=kept),
            "vcp": params.vcp.model_copy(update={"levels": connected}),
        }
    )


def filled(page: Path, text: str, name: str, table: str) -> str:
    """Return a page's text with a table in the place of what stands between its mark and the next end.

    Raises:
        SystemExit: the page has no such mark.
    """
    mark = f"<!-- {name} -->"
    if mark not in text:
        raise SystemExit(f"expected {mark} in {page}, received no such line")
    head, _, rest = text.partition(mark)
    return f"{head}{mark}\n\n{table}\n\n<!-- end -->{rest.partition('<!-- end -->')[2]}"


def tested(judged: Mapping[str, pd.DataFrame]) -> str:
    """Return the tested claims, each by the last study that can judge it, or else by the last that has its cells.

    Args:
        judged: table of claims of each study, the one with the longest runs last.
    """
    rows = pd.concat([claims.assign(study=study, order=order) for order, (study, claims) in enumerate(judged.items())])
    rows = rows[rows["family"] == "primary"]
    rows = rows.assign(judged=rows["verdict"].isin(JUDGED), run=rows["verdict"] != "not run")
    best = rows.sort_values(["judged", "run", "order"]).groupby("id", sort=False).tail(1).set_index("id")
    lines = []
    for name in rows["id"].drop_duplicates():
        row = best.loc[name]
        ours = f"{number(row['ours'])}, {number(row['low'])} to {number(row['high'])}" if row["run"] else ""
        study = f"[{row['study']}](results/{row['study']}.md)"
        verdict = f"**{row['verdict']}**, p = {row['p_holm']:.2g}" if row["judged"] else row["verdict"]
        lines.append([f"{row['statement']} `{name}`", number(row["paper"]), ours, study, verdict])
    return markdown(["claim", "paper", "ours", "study", "verdict"], lines)


def authors(tables: Path, end: int = LAST) -> str:
    """Return how many of our values lie within those of the authors' own runs, and how many would by chance."""
    rows = pd.read_csv(tables / "authors.csv")
    rows = rows[(rows["epoch"] >= 1) & (rows["epoch"] <= end) & rows["metric"].isin(VALUES)]
    counts = rows[["below", "inside", "above"]].sum(axis=1)
    # of n + 1 values that come from one place, n − 1 lie between the lowest and the highest of the n others
    chance = (counts * (rows["their_runs"] - 1) / (rows["their_runs"] + 1)).sum() / counts.sum()
    theirs = f"theirs, of {rows.loc[rows['epoch'] == end, 'their_runs'].max()}"
    lines = []
    for network in ("cnn", "fcn"):
        for metric, title in VALUES.items():
            found = rows[(rows["network"] == network) & (rows["metric"] == metric)]
            for row in found[found["epoch"] == end].itertuples():
                form = percent if metric.endswith("acc") else "{:.4f}".format
                ours = f"{form(row.median)}, {form(row.lowest)} to {form(row.highest)}"
                their = f"{form(row.their_median)}, {form(row.their_lowest)} to {form(row.their_highest)}"
                lines.append([network.upper(), title, ours, their, _share(found["inside"], counts[found.index])])
    lines.append(["both", "all", "", f"by chance {percent(chance)} %", _share(rows["inside"], counts)])
    head = ["network", "value", f"ours, epoch {end}: median, lowest to highest of 5", theirs]
    return markdown([*head, "within theirs, all epochs"], lines)


def _share(inside: pd.Series, counts: pd.Series) -> str:
    """Return how many of how many values lie inside."""
    return f"{inside.sum()} of {counts.sum()}, {100 * inside.sum() / counts.sum():.1f} %"


def medians(tables: Path, end: int = LAST) -> str:
    """Return the paper's cells beside ours, and how fast ours rise in the last fifth of the epochs."""
    return markdown(_titles_of_medians(end), _medians(tables, end, "translate"))


def other_medians(tables: Path) -> str:
    """Return the same for augmentations other than translation, without the cells of level 0."""
    lines = [
        [AUGMENTATIONS[name].title, *line] for name in OTHERS for line in _medians(tables, LAST, name) if float(line[0])
    ]
    return markdown(["augmentation", *_titles_of_medians(LAST)], lines)


def _titles_of_medians(end: int) -> list[str]:
    """Return the columns of `medians`."""
    titles = ["level", "network", "metric", "paper", f"ours, {end} epochs", "difference", "95 % interval"]
    return [*titles, f"ours, epoch {end}", "difference", "points an epoch at the end", "folds"]


def _medians(tables: Path, end: int, name: str) -> list[list[str]]:
    """Return the lines of `medians` about one augmentation."""
    last, before = epochs(tables, end, name), epochs(tables, end - end // 5, name)
    lines = []
    for (level, network, metric), cell in _compared(tables, name).groupby(["level", "network", "metric"], sort=False):
        if metric in METRICS:
            (row,) = cell.itertuples()
            ours = _of(last, network, level)[metric]
            slope = (ours - _of(before, network, level)[metric]) / (end // 5)
            interval_of_ours = f"{percent(row.low)} to {percent(row.high)}"
            of_all = [percent(row.paper), percent(row.ours), points(row.difference), interval_of_ours]
            at_the_end = [percent(ours.mean()), points(ours.mean() - row.paper), points(slope.mean())]
            lines.append([f"{level:g}", network, metric, *of_all, *at_the_end, f"{row.runs}"])
    return lines


def leads(tables: Path) -> str:
    """Return how far the free network is behind, fold by fold."""
    compared, last = _compared(tables), epochs(tables, LAST)
    lines = []
    for level in sorted(compared["level"].unique()):
        line = [f"{level:g}"]
        for metric in ("val_acc", "translate_acc"):
            cell = compared[(compared["level"] == level) & (compared["metric"] == metric)].set_index("network")["paper"]
            difference = _of(last, "cnn", level)[metric] - _of(last, "fcn", level)[metric]
            line += [points_and_half(difference), points(cell["cnn"] - cell["fcn"])]
        lines.append(line)
    return markdown(["level", "held-out: CNN − FCN", "paper", "translated: CNN − FCN", "paper"], lines)


def leads_by_epoch(tables: Path, shown: Sequence[int]) -> str:
    """Return how far the free network is behind after some epochs, fold by fold, at the levels that both have."""
    each, compared, lines = {epoch: epochs(tables, epoch) for epoch in shown}, _compared(tables), []
    for level in sorted(compared["level"].unique()):
        for metric in METRICS:
            cell = _where(compared, {"level": level, "metric": metric}).set_index("network")["paper"]
            if not {"cnn", "fcn"} <= set(cell.index):
                continue
            differences = [_of(rows, "cnn", level)[metric] - _of(rows, "fcn", level)[metric] for rows in each.values()]
            leads = [points_and_half(difference) for difference in differences]
            folds = differences[-1].count()
            lines.append([f"{level:g}", folds, VALUES[metric], *leads, points(cell["cnn"] - cell["fcn"])])
    head = ["level", "folds", "CNN − FCN", *(f"epoch {epoch}" for epoch in shown)]
    return markdown([*head, "paper, all its epochs"], lines)


def to_the_end(tables: Path, name: str, end: int = 15) -> str:
    """Return what the free network knows and how near its kernels are at one level of an augmentation, by fold.

    Args:
        tables: folder of the tables of a study with one level of the augmentation, and none without any.
        name: of the augmentation.
        end: number of last epochs whose mean is shown beside the median of all.
    """
    folds = _distances(tables, name).sort_values("epoch").groupby("fold")
    paper = _compared(tables, name).set_index("metric")["paper"]
    shares = {}
    for metric in ("val_acc", "translate_acc"):
        shares[f"{VALUES[metric]}: median"] = folds[metric].median()
        shares[f"{VALUES[metric]}: last {end}"] = folds[metric].apply(lambda values: values.tail(end).mean())
    shares["medians: held-out − translated"] = shares["held-out: median"] - shares["translated: median"]
    changes = {
        "radius 1": folds["free_1_euclidean_1"].last() / folds["free_1_euclidean_1"].first() - 1,
        "radius 4": folds["free_1_euclidean_4"].last() / folds["free_1_euclidean_4"].first() - 1,
        "radius 1, cosine": folds["free_1_cosine_1"].last() / folds["free_1_cosine_1"].first() - 1,
    }
    lines = []
    for fold, last in folds["epoch"].max().items():
        of_fold = [percent(values[fold]) for values in shares.values()]
        lines.append([f"{fold + 1}", f"{last}", *of_fold, *(points(values[fold]) for values in changes.values())])
    means = [percent_and_half(values) for values in shares.values()]
    lines.append(["mean", "", *means, *(points_and_half(values) for values in changes.values())])
    theirs = [percent(paper["val_acc"]), percent(paper["translate_acc"])]
    theirs.append(percent(paper["val_acc"] - paper["translate_acc"]))
    lines.append(["paper", "", theirs[0], "", theirs[1], "", theirs[2], "", "", ""])
    head = ["fold held out", "epochs", *shares]
    return markdown([*head, *(f"distance, {name}, change in %" for name in changes)], lines)


def speeds(tables: Path) -> str:
    """Return after which epoch the convolutional network is as accurate as the free one after the last."""
    lines = []
    each = {epoch: epochs(tables, epoch) for epoch in range(1, LAST + 1)}
    for level in sorted(each[LAST]["level"].unique()):
        line = [f"{level:g}"]
        shared = {epoch: _of(rows, "cnn", level) for epoch, rows in each.items()}
        free = {epoch: _of(rows, "fcn", level) for epoch, rows in each.items()}
        for metric in METRICS:
            reached = [
                next((epoch for epoch in each if shared[epoch].loc[fold, metric] >= end), LAST + 1)
                for fold, end in free[LAST][metric].items()
            ]
            line.append(", ".join(f"> {LAST}" if epoch > LAST else str(epoch) for epoch in sorted(reached)))
        gaps = [(shared[epoch] - free[epoch])["translate_acc"].mean() for epoch in (1, 3, LAST)]
        lines.append([*line, *(points(gap) for gap in gaps)])
    head = ["level", "training accuracy", "held-out", "translated"]
    return markdown([*head, *(f"CNN − FCN, translated, epoch {epoch}" for epoch in (1, 3, LAST))], lines)


def distances(tables: Path, end: int = LAST) -> str:
    """Return how far kernel distances fall in training."""
    rows = _distances(tables)
    lines = []
    for level in sorted(rows["level"].unique()):
        line = [f"{level:g}"]
        for radius in (1, 4):
            line += [f"{_distance(rows, level, 'euclidean', radius, epoch):.4f}" for epoch in (0, end)]
            line += [_change(rows, level, "euclidean", radius, end)]
        lines.append(line)
    after = f"epoch {end}"
    return markdown(["level", "radius 1, untrained", after, "change", "radius 4, untrained", after, "change"], lines)


def alike(tables: Path, count: int = FIRST_LAYER, end: int = LAST) -> str:
    """Return the distance beside other measures of the same kernels, of as many positions."""
    expected = [f"{np.sqrt(2 / count):.4f}", "1.000", f"{np.sqrt(1 - 1 / count):.3f}", f"{0.674 / np.sqrt(count):.2f}"]
    levels = sorted(_distances(tables)["level"].unique())
    lines = [["independent kernels", *expected, ""]]
    lines += [[f"{level:g}", *_alike(tables, "translate", level, end)] for level in levels]
    return markdown(["level", *ALIKE], lines)


def _alike(tables: Path, augmentation: str, level: float, end: int | None = LAST) -> list[str]:
    """Return how alike the kernels of one cell are after the last epoch, medians of folds: the columns `ALIKE`."""
    measures, rows = pd.read_csv(tables / "measures.csv"), _distances(tables, augmentation)
    cell = _where(measures, {"network": "fcn", "augmentation": augmentation if level else "none", "level": level})
    texts = [f"{_distance(rows, level, 'euclidean', 1, end):.4f}", f"{_distance(rows, level, 'cosine', 1, end):.3f}"]
    for measure, statistic, form in (
        ("distance_to_shared", "observed", "{:.3f}"),
        ("signal_to_noise", "median", "{:.2f}"),
        ("shared_acc", "observed", "{:.0%}"),
    ):
        values = _where(cell, {"layer": "free_1", "measure": measure, "statistic": statistic})["value"]
        texts.append(form.format(values.median()).replace("%", " %") if len(values) else "")
    return texts


def others(tables: Path) -> str:
    """Return what networks know that were trained under each augmentation, at the levels of `_levels_of_others`."""
    lines = []
    for name, level in _levels_of_others(tables):
        last, paper = epochs(tables, LAST, name), _compared(tables, name)
        shared, free = (_of(last, network, level) for network in ("cnn", "fcn"))
        line = _trained_under(name, level)
        for metric in ("val_acc", "translate_acc"):
            cell = _where(paper, {"level": level, "metric": metric}).set_index("network")["paper"]
            line += [percent_and_half(free[metric]), points_and_half(shared[metric] - free[metric])]
            line += [points(cell["cnn"] - cell["fcn"])]
        lines.append([*line, *(percent_and_half(free[f"{other}_acc"]) for other in OTHERS)])
    head = ["trained under", "level", "held-out: FCN", "CNN − FCN", "paper", "translated: FCN", "CNN − FCN", "paper"]
    return markdown([*head, *(f"{metric_title(f'{other}_acc').lower()}: FCN" for other in OTHERS)], lines)


def connections(tables: Path) -> str:
    """Return what free networks know some of whose connections are missing, beside the one that has them all."""
    last, before = epochs(tables, LAST), epochs(tables, LAST - 2)
    share = {name: parse_variant(name).vcp for name in last["network"].unique()}
    lacking = sorted((name for name in share if share[name]), key=lambda name: share[name])
    level = last.loc[last["network"].isin(lacking), "level"].max()  # of all, as the study has one
    full, lines = _of(last, "fcn", level), []
    for name in ("fcn", *lacking) if lacking else ():
        ours = _of(last, name, level)
        slope = (ours - _of(before, name, level)) / 2
        line = [f"{100 * share[name]:g} %", percent_and_half(ours["train_acc"])]
        for metric in ("val_acc", "translate_acc"):
            line += [percent_and_half(ours[metric])]
            line += [points_and_half(ours[metric] - full[metric]) if name != "fcn" else ""]
            line += [points(slope[metric].mean())]
        lines.append([*line, *(percent_and_half(ours[f"{other}_acc"]) for other in OTHERS)])
    head = ["connections missing", VALUES["train_acc"]]
    for metric in ("val_acc", "translate_acc"):
        head += [VALUES[metric], "− with all", "points an epoch at the end"]
    return markdown([*head, *(metric_title(f"{other}_acc").lower() for other in OTHERS)], lines)


def other_kernels(tables: Path, end: int | None = LAST) -> str:
    """Return how alike kernels are that were trained under each augmentation, at the levels of `_levels_of_others`.

    Args:
        tables: folder of the study's tables.
        end: epoch whose distances are shown; each run's last if None.
    """
    lines = []
    for name, level in _levels_of_others(tables):
        change = _change(_distances(tables, name), level, "euclidean", 1, end)
        lines.append([*_trained_under(name, level), change, *_alike(tables, name, level, end)])
    return markdown(["trained under", "level", "change of the distance", *ALIKE], lines)


def distances_by_epoch(tables: Path, shown: Sequence[int]) -> str:
    """Return by how much distances have changed after some epochs and the last, at levels of `_levels_of_others`."""
    lines = []
    for measure, radius in (("euclidean", 1), ("euclidean", 4), ("cosine", 1)):
        for name, level in _levels_of_others(tables):
            rows = _distances(tables, name)
            before = f"{_distance(rows, level, measure, radius, 0):.4f}"
            changes = [_change(rows, level, measure, radius, epoch) for epoch in (*shown, None)]
            last = rows.loc[rows["level"] == level, "epoch"].max()
            title = _distance_title(measure, radius)
            lines.append([title, *_trained_under(name, level), before, *changes, f"{last}"])
    head = ["value", "trained under", "level", "untrained", *(f"epoch {epoch}" for epoch in shown)]
    return markdown([*head, "last", "epochs"], lines)


def accuracies(tables: Path) -> str:
    """Return what the free network knows after its last epoch, at the levels of `_levels_of_others`."""
    metrics = {metric: title for metric, title in VALUES.items() if metric.endswith("acc")}
    lines = []
    for name, level in _levels_of_others(tables):
        last = _of(epochs(tables, None, name), "fcn", level)
        lines.append([*_trained_under(name, level), *(percent_and_half(last[metric]) for metric in metrics)])
    return markdown(["trained under", "level", *metrics.values()], lines)


def _distance_title(measure: str, radius: int) -> str:
    """Return a distance between kernels, in words."""
    return VALUES[f"{'cosine_' if measure == 'cosine' else ''}distance_radius_{radius}"]


def _trained_under(name: str, level: float) -> list[str]:
    """Return an augmentation and its level, in words."""
    return [AUGMENTATIONS[name if level else "none"].title, f"{level:g}"]


def _change(rows: pd.DataFrame, level: float, measure: str, radius: int, epoch: int | None) -> str:
    """Return by how much a distance has changed in training, until the last epoch if none is named."""
    before, after = (_distance(rows, level, measure, radius, at) for at in (0, epoch))
    return minus(f"{100 * (after / before - 1):+.1f} %")


def _levels_of_others(tables: Path) -> list[tuple[str, float]]:
    """Return the augmentations at level 0, once, and at each level that one besides translation has."""
    cells = pd.read_csv(tables / "history.csv")[["augmentation", "level"]].drop_duplicates()
    found = set(cells.itertuples(index=False, name=None))
    levels = sorted({level for name, level in found if name in OTHERS})
    without = [("translate", 0.0)] if ("none", 0.0) in found else []
    return [
        *without,
        *((name, level) for level in levels for name in ("translate", *OTHERS) if (name, level) in found),
    ]


def course(tables: Path, shown: Sequence[int]) -> str:
    """Return medians of values without augmentation after some epochs, the authors' in brackets."""
    rows, lines = pd.read_csv(tables / "authors.csv"), []
    for network in ("cnn", "fcn"):
        for metric, title in VALUES.items():
            found = _where(rows, {"network": network, "metric": metric}).set_index("epoch")
            form = percent if metric.endswith("acc") else "{:.4f}".format
            if len(found):
                cells = [f"{form(row.median)} ({form(row.their_median)})" for row in found.loc[shown].itertuples()]
                lines.append([network.upper(), title, *cells])
    return markdown(["network", "value", *(f"epoch {epoch}" for epoch in shown)], lines)


def curves(tables: Path, shown: Sequence[int]) -> str:
    """Return means over folds, of each network and level, after some epochs, beside the paper's medians."""
    each, paper, lines = {epoch: epochs(tables, epoch) for epoch in shown}, _compared(tables), []
    last = max(shown)
    before, ago = epochs(tables, last - last // 5), last // 5
    for level in sorted(each[last]["level"].unique()):
        for network in ("cnn", "fcn"):
            ours = _of(each[last], network, level)
            for metric in METRICS:
                (row,) = _where(paper, {"level": level, "network": network, "metric": metric}).itertuples()
                means = [percent(_of(rows, network, level)[metric].mean()) for rows in each.values()]
                folds = ", ".join(percent(value) for value in ours[metric].sort_index())
                slope = points(((ours - _of(before, network, level))[metric] / ago).mean())
                lines.append([f"{level:g}", network.upper(), VALUES[metric], *means, folds, slope, percent(row.paper)])
    head = ["level", "network", "value", *(f"epoch {epoch}" for epoch in shown), f"epoch {last}, by fold"]
    return markdown([*head, "points an epoch at the end", "paper, all its epochs"], lines)


def claims(tables: Path, with_cells: bool = False) -> str:
    """Return the claims that have all their cells, and the other tested ones, unless only the first are asked for."""
    rows = pd.read_csv(tables / "claims.csv")
    tested, lacking = rows["family"] == "primary", rows["verdict"] == "not run"
    lines = []
    for row in pd.concat([rows[tested & ~(lacking & with_cells)], rows[~tested & ~lacking]]).itertuples():
        name = f"`{row.id}`{', tested' if row.family == 'primary' else ''}"
        ours = number(row.ours) if np.isnan(row.low) else f"{number(row.ours)}, {number(row.low)} to {number(row.high)}"
        lacks = _cells(row.reason) if row.verdict == "not run" else _lacks(row.failed)
        lines.append([name, number(row.paper), ours, row.verdict, lacks])
    return markdown(["claim", "paper", "ours, 95 % interval", "verdict", "what it lacks"], lines)


def _cells(reason: str) -> str:
    """Return which cells a claim lacks, networks with the same levels together."""
    levels: dict[tuple[str, str], list[str]] = {}
    for network, augmentation, level in sorted(set(re.findall(r"of (\w+) at (\w+) (\d(?:\.\d+)?)", reason))):
        levels.setdefault((network, augmentation), []).append(level)
    networks: dict[tuple[str, str], list[str]] = {}
    for (network, augmentation), its in levels.items():
        networks.setdefault((augmentation, ", ".join(its)), []).append(network)
    return "cells: " + "; ".join(f"{' and '.join(who)} at {what} {its}" for (what, its), who in networks.items())


def _lacks(failed: object) -> str:
    """Return which requirements a claim fails, in fewer words."""
    short = "convergence (10 epochs; at least 25 can show it); "
    text = "" if pd.isna(failed) else str(failed)
    text = re.sub(r"convergence: 10 epochs, not stopped early: fewer than 25 .*? is flat(; )?", short, text)
    return text.strip("; ")


def networks(tables: Path) -> str:
    """Return the networks of a study after training, level by level."""
    last, before, measures = epochs(tables, LAST), epochs(tables, LAST - 2), pd.read_csv(tables / "measures.csv")
    lines = []
    for level in sorted(last["level"].unique()):
        for network in dict.fromkeys(last["network"]):
            ours = _of(last, network, level)
            slope = (ours - _of(before, network, level))["translate_acc"] / 2
            chosen = measures[(measures["network"] == network) & (measures["level"] == level)]
            size = sum(size.weights for size in network_sizes(network, (28, 28, 1), 10).values())
            line = [f"{level:g}", network_title(network), f"{size / 1e6:.2f} million"]
            line += [*(percent_and_half(ours[metric]) for metric in METRICS), points(slope.mean())]
            line += [percent_and_half(_fold(chosen, "prediction_kept", statistic="right", setting=0.2))]
            line += [percent_and_half(_fold(chosen, "equivariance_error", statistic="through", last_layer=True))]
            lines.append(line)
    head = [
        "level",
        "network",
        "parameters",
        "training accuracy",
        "held-out",
        "translated",
        "translated, points an epoch at the end",
    ]
    head += ["same prediction 20 % to the right", "equivariance error, last convolution"]
    return markdown(head, lines)


# What each pair of networks parts: the question, and the networks whose difference answers it.
PAIRS = {
    "sharing, at one architecture": ("cnn", "fcn"),
    "sharing, at one size": ("cnn_wide", "fcn"),
    "size, with sharing": ("cnn_wide", "cnn"),
    "locality, at one size": ("fcn", "mlp"),
    "where a free network starts": ("fcn_from_cnn", "fcn"),
    "what freedom costs from there": ("fcn_from_cnn", "cnn"),
    "four kernels instead of one": ("lowrank_4", "cnn"),
    "four kernels instead of all": ("lowrank_4", "fcn"),
}


def pairs(tables: Path) -> str:
    """Return the differences between networks, fold by fold."""
    last = epochs(tables, LAST)
    levels = sorted(last["level"].unique())
    lines = []
    for question, (one, other) in PAIRS.items():
        line = [question, f"{network_title(one)} − {network_title(other)}"]
        for level in levels:
            difference = _of(last, one, level) - _of(last, other, level)
            line += [points_and_half(difference[metric]) for metric in ("val_acc", "translate_acc")]
        lines.append(line)
    head = ["what differs", "difference"]
    return markdown(head + [f"{what}, {level:g}" for level in levels for what in ("held-out", "translated")], lines)


def kernels(tables: Path) -> str:
    """Return what the kernels of free networks have in common, layer by layer."""
    measures = pd.read_csv(tables / "measures.csv")
    free = measures[measures["measure"] == "distance_to_shared"]
    lines = []
    for level in sorted(free["level"].unique()):
        for network, layer in free[["network", "layer"]].drop_duplicates().itertuples(index=False):
            of_layer = _where(measures, {"network": network, "level": level, "layer": layer})
            rank = _fold(of_layer, "effective_rank", statistic="observed")
            independent = _fold(of_layer, "effective_rank", statistic="independent")
            lines.append(
                [
                    f"{level:g}",
                    network_title(network),
                    layer.rpartition("_")[2],
                    percent_and_half(_fold(of_layer, "distance_to_shared", statistic="observed")),
                    f"{_fold(of_layer, 'signal_to_noise', statistic='median').median():.2f}",
                    percent_and_half(_fold(of_layer, "shared_acc", statistic="observed")),
                    f"{rank.median():.1f} of {independent.median():.1f}",
                    *(_beside_null(of_layer, measure) for measure in ("matched_distance", "border_null")),
                ]
            )
    head = ["level", "network", "layer", "distance to the best shared kernel", "signal-to-noise"]
    head += ["accuracy with its kernels shared", "effective rank, of that of independent kernels"]
    return markdown([*head, "neighbours, filters matched", "neighbours, among equally far from the border"], lines)


def _beside_null(of_layer: pd.DataFrame, measure: str) -> str:
    """Return a distance of neighbours in per cent of its null's mean, and in how many runs it is below the null."""
    names = ("observed", "permuted_mean", "permuted_low")
    observed, mean, low = (_fold(of_layer, measure, statistic=name, setting=1) for name in names)
    return f"{100 * (observed / mean).median():.1f} % ({int((observed < low).sum())} of {len(observed)} below)"


def ranks(tables: Path) -> str:
    """Return how accurate free networks are with fewer kernels than they have."""
    measures = pd.read_csv(tables / "measures.csv")
    measures = measures[measures["layer"] == "all"]
    full = sorted(measures.loc[measures["measure"] == "rank_acc", "setting"].unique())
    lines = []
    for level in sorted(measures["level"].unique()):
        for network in dict.fromkeys(measures["network"]):
            cell = _where(measures, {"network": network, "level": level})
            shared = _fold(cell, "shared_acc")
            by_rank = [_fold(cell, "rank_acc", setting=rank) for rank in full]
            texts = [percent(values.mean()) for values in (shared, *by_rank)]
            lines.append([f"{level:g}", network_title(network), *texts])
    return markdown(["level", "network", "one shared kernel", *(f"rank {rank:g}" for rank in full)], lines)


class Part(NamedTuple):
    """Tables of one study.

    Attributes:
        study: its name.
        makers: what makes each table from the folder of the study's tables, by the name that marks it on its page.
        fewest: complete runs of a level that is shown; all of them if None.
    """

    study: str
    makers: Mapping[str, Callable[[Path], str]]
    fewest: int | None = None


PARTS = (
    Part(
        "mnist",
        {
            "authors": authors,
            "medians": medians,
            "leads": leads,
            "speeds": speeds,
            "distances": distances,
            "alike": alike,
            "others": others,
            "other_kernels": other_kernels,
            "other_medians": other_medians,
            "connections": connections,
            "claims": claims,
        },
    ),
    Part(
        "mnist-75-epochs",
        {
            "authors": partial(authors, end=75),
            "course": partial(course, shown=[1, 10, 25, 50, 75]),
            "cells": partial(medians, end=75),
            "claims": partial(claims, with_cells=True),
            "distances": partial(distances, end=75),
            "alike": partial(alike, end=75),
            "leads": partial(leads_by_epoch, shown=[1, 10, 25, 50, 75]),
        },
    ),
    Part(
        "mnist-to-the-end",
        {
            "claims": partial(claims, with_cells=True),
            "translated": partial(to_the_end, name="translate"),
            "rotated": partial(to_the_end, name="rotate"),
            "by_epoch": partial(distances_by_epoch, shown=[1, 10, 25, 50, 75]),
            "kernels": partial(other_kernels, end=None),
            "accuracies": accuracies,
        },
        fewest=4,
    ),
    Part(
        "mnist-distances",
        {
            "by_epoch": partial(distances_by_epoch, shown=[1, 10, 25, 50, 75]),
            "kernels": partial(other_kernels, end=None),
            "accuracies": accuracies,
        },
    ),
    Part(
        "cifar10-jpeg",
        {
            "curves": partial(curves, shown=[1, 5, 10, 15]),
            "distances": partial(distances, end=15),
            "alike": partial(alike, count=FIRST_LAYER_OF_COLOURS, end=15),
        },
    ),
    Part("beyond", {"networks": networks, "pairs": pairs, "kernels": kernels, "ranks": ranks}),
)


def epochs(tables: Path, epoch: int | None, augmentation: str = "translate") -> pd.DataFrame:
    """Return one epoch of the runs under one augmentation, and of those without any (see `_at`)."""
    return _at(_runs(tables, augmentation), epoch)


def _runs(tables: Path, augmentation: str) -> pd.DataFrame:
    """Return all epochs of the runs under one augmentation, and of those without any."""
    history = pd.read_csv(tables / "history.csv")
    return history[history["augmentation"].isin(["none", augmentation])]


def _at(history: pd.DataFrame, epoch: int | None) -> pd.DataFrame:
    """Return one epoch of runs, of those that stopped before it their last; each run's last if it is None."""
    last = history.groupby(["network", "augmentation", "level", "seed", "fold"])["epoch"].transform("max")
    return history[history["epoch"] == (last if epoch is None else last.clip(upper=epoch))]


def _of(history: pd.DataFrame, network: object, level: object) -> pd.DataFrame:
    """Return the accuracies of one network and level by fold."""
    rows = history[(history["network"] == network) & (history["level"] == level)]
    return rows.set_index("fold").filter(like="_acc")


def _compared(tables: Path, augmentation: str = "translate") -> pd.DataFrame:
    """Return the cells of the paper's table on one augmentation that we have."""
    rows = pd.read_csv(tables / "compared.csv")
    return rows[(rows["augmentation"] == augmentation) & rows["ours"].notna() & rows["paper"].notna()]


def _distances(tables: Path, augmentation: str = "translate") -> pd.DataFrame:
    """Return the free networks under one augmentation, and without any, by epoch."""
    rows = _runs(tables, augmentation)
    return rows[rows["network"] == "fcn"]


def _distance(rows: pd.DataFrame, level: float, measure: str, radius: int, epoch: int | None) -> float:
    """Return a distance between kernels of first layers, median of runs; after the last epoch if none is named."""
    return float(_at(rows[rows["level"] == level], epoch)[f"free_1_{measure}_{radius}"].median())


def _where(rows: pd.DataFrame, keys: Mapping[str, object]) -> pd.DataFrame:
    """Return the rows with some values."""
    for column, value in keys.items():
        rows = rows[rows[column] == value]
    return rows


def _fold(rows: pd.DataFrame, measure: str, last_layer: bool = False, **keys: object) -> pd.Series:
    """Return a measure by fold; of the last layer alone, if that is asked for."""
    rows = _where(rows, {"measure": measure, **keys}).dropna(subset="value")
    if last_layer and len(rows):
        rows = rows[rows["layer"] == rows["layer"].iloc[-1]]
    return rows.set_index("fold")["value"].sort_index()


def markdown(head: Iterable[object], lines: Iterable[Iterable[object]]) -> str:
    """Return a table."""
    head = list(head)
    rows = [f"| {' | '.join(map(str, line))} |".replace("  |", " |") for line in (head, *lines)]
    return "\n".join([rows[0], "|" + "---|" * len(head), *rows[1:]])


def minus(text: str) -> str:
    """Return a text whose hyphens are minus signs."""
    return text.replace("-", "−")


def number(value: float) -> str:
    """Return a number with four places, or a dash."""
    return "—" if np.isnan(value) else minus(f"{value:.4f}")


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.2f}"


def points(difference: float) -> str:
    """Return a difference of shares in points."""
    return minus(f"{100 * difference:+.2f}")


def points_and_half(differences: pd.Series) -> str:
    """Return the mean of differences in points, and half of its 95 % interval."""
    return f"{points(differences.mean())}{_half(differences.dropna())}"


def percent_and_half(shares: pd.Series) -> str:
    """Return the mean of shares in per cent, and half of its 95 % interval; nothing if there are none."""
    return f"{percent(shares.mean())}{_half(shares)}" if len(shares) else ""


def _half(values: pd.Series) -> str:
    """Return half of a 95 % interval in points; nothing if there is none."""
    low, high = interval(values)
    return "" if np.isnan(low) else f" ± {100 * (high - low) / 2:.2f}"


if __name__ == "__main__":
    main()
