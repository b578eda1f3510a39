"""The study's medians beside the paper's: every cell of Tables 1, 2 and B.1 to B.3 of Ott et al. 2019."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from freeconv.analysis.intervals import difference_interval, interval
from freeconv.datasets import paper_dataset
from freeconv.vocabulary import Cell

CELL = ["dataset", "augmentation", "level", "network", "metric"]
COLUMNS = [*CELL, "paper", "ours", "difference", "low", "high", "runs", "table", "protocol"]
COLUMNS += ["difference_low", "difference_high"]
FOLDS = 5  # behind each of the paper's medians


def paper_medians() -> pd.DataFrame:
    """Return the paper's 396 medians.

    They are those of Tables 1, 2, B.1, B.2 and B.3 of Ott, Linstead, LaHaye and Baldi, Learning in the Machine: To
    Share or Not to Share?, Neural Networks 126 (2020), doi 10.1016/j.neunet.2020.03.016. Each table has its rows of
    level 0, which are the same runs, in Tables 1 and 2 with six digits and elsewhere with five.

    Returns:
        Columns table (text), dataset (`mnist` or `cifar10`), augmentation, level, network, metric, median (share in
        [0, 1]).
    """
    with files("freeconv.analysis").joinpath("paper.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"table": str})


def compare(
    cells: Sequence[Cell],
    metrics: Sequence[str],
    medians: pd.DataFrame,
    values: pd.DataFrame,
    protocols: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return ours beside the paper's: every cell that was asked for or that the paper has.

    Of the paper's cells those are listed whose dataset, augmentation and network are studied; its levels that were not
    run are there with `ours` NaN. A cell with a run whose value is NaN has `ours` NaN, too, but counts its runs.

    Args:
        cells: those that were asked for, in the order of the table but for levels.
        metrics: all accuracies, in the order of the table.
        medians: as `freeconv.analysis.medians.accuracy` returns them.
        values: one row per run and metric, columns dataset, augmentation, level, network, metric, fold and value, the
            run's own aggregate; level 0 under every augmentation that lists it.
        protocols: dataset to how its runs differ from the paper's, in words.

    Returns:
        Columns dataset, augmentation, level, network, metric (those of the paper's table of that augmentation), paper
        and ours (medians, shares in [0, 1]; NaN if missing), difference (ours − paper), low and high (as `interval`
        gives them, around ours, within 0 and 1), runs (how many are behind ours), table (the paper's, empty if it has
        none), protocol, and difference_low and difference_high (as `difference_interval` gives them: the paper's median
        has a sampling error of its own).
    """
    paper = _by_cell(paper_medians(), "median", "table")
    ours = _by_cell(medians, "median", "runs")
    # seeds of a fold count as one: their mean
    by_fold = values.groupby([*CELL, "fold"])["value"].apply(lambda of_fold: of_fold.mean(skipna=False))
    folds = {cell: group.to_numpy() for cell, group in by_fold.groupby(CELL)}
    rows = []
    for cell in _shown(cells, metrics, ours, paper):
        median, table = paper.get((paper_dataset(cell[0]), *cell[1:]), (np.nan, ""))
        own, count = ours.get(cell, (np.nan, 0))
        of_folds = folds.get(cell, np.array([]))
        own = np.nan if np.isnan(of_folds).any() else own
        text = (protocols or {}).get(cell[0], "")
        apart = difference_interval(of_folds, own, median, FOLDS)
        rows.append((*cell, median, own, own - median, *interval(of_folds, own, (0, 1)), count, table, text, *apart))
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_cell(frame: pd.DataFrame, *columns: str) -> dict[tuple, Any]:
    """Return the values of some columns by cell."""
    rows: Iterator[Any] = frame[[*CELL, *columns]].itertuples(index=False)
    return {tuple(row[: len(CELL)]): tuple(row[len(CELL) :]) for row in rows}


def _shown(
    cells: Sequence[Cell], metrics: Sequence[str], ours: Mapping[tuple, Any], paper: Mapping[tuple, Any]
) -> list[tuple]:
    """Return the keys of the rows, in their order."""
    datasets, augmentations, networks = (
        list(dict.fromkeys(getattr(cell, name) for cell in cells)) for name in ("dataset", "augmentation", "network")
    )
    shown = {augmentation: _metrics(augmentation, metrics, paper) for augmentation in augmentations}
    keys = {(*cell, metric) for cell in cells for metric in shown[cell.augmentation]}
    keys |= {
        (dataset, *cell[1:])
        for dataset in datasets
        for cell in paper
        if cell[0] == paper_dataset(dataset) and cell[1] in augmentations and cell[3] in networks
    }
    keys |= {key for key in ours if key[4] in shown.get(key[1], ())}
    networks = list(dict.fromkeys([*networks, *(key[3] for key in ours)]))

    def place(key: tuple) -> tuple:
        dataset, augmentation, level, network, metric = key
        return (
            datasets.index(dataset),
            augmentations.index(augmentation),
            level,
            networks.index(network),
            list(metrics).index(metric),
        )

    return sorted(keys, key=place)


def _metrics(augmentation: str, metrics: Sequence[str], paper: Mapping[tuple, Any]) -> list[str]:
    """Return the metrics of the paper's table of an augmentation; of the shorter ones, if it has none."""
    shown = {cell[4] for cell in paper if cell[1] == augmentation} or {"val_acc", "translate_acc"}
    return [metric for metric in metrics if metric in shown]
