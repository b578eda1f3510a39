"""The page of runs: each run's numbers, files, configuration, and the command that runs it again."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import pandas as pd

from freeconv.report.html_tables import anchor
from freeconv.report.numbers import MISSING, percent
from freeconv.report.titles import network_title
from freeconv.study import grid, paths
from freeconv.study.params import Params
from freeconv.vocabulary import level_text

# What the table of runs shows beside a run's number, and in which columns there is text.
COLUMNS = (
    "Dataset",
    "Network",
    "Augmentation",
    "Level",
    "Fold",
    "Seed",
    "Epochs",
    "Last, %",
    "Best, %",
    "Training, s",
    "Device",
)
TEXTS = ("Dataset", "Network", "Augmentation", "Device")


class RunRow(NamedTuple):
    """One run.

    Attributes:
        number: from 1, in the order of the study.
        texts: those of `COLUMNS`.
        file: path of its results, and log of the log; both empty if they are not there.
        config: its configuration as JSON.
        command: that trains it again.
    """

    number: int
    texts: list[str]
    path: str
    file: str
    log: str
    config: str
    command: str


class RunCell(NamedTuple):
    """The runs of one dataset, network, augmentation and level."""

    anchor: str
    rows: list[RunRow]


def run_cells(params: Params, study: pd.DataFrame, files: Collection[str], up: str) -> list[RunCell]:
    """Return all runs, those of a cell together.

    Args:
        params: the study, which the configurations are of.
        study: as `medians.run_table` returns it.
        files: paths of those results and logs that are there.
        up: the way from the page to the study's folder: `../`.
    """
    configs = {grid.run_file(run): run.text() for run in grid.runs(params)}
    logs = run_logs(params)
    cells: dict[str, list[RunRow]] = {}
    for number, row in enumerate(study.to_dict("records"), 1):
        path, log = row["path"], logs.get(row["path"], "")
        texts = [
            row["dataset"],
            network_title(row["network"]),
            row["augmentation"],
            level_text(row["level"]),
            str(row["fold"]),
            str(row["seed"]),
            str(row["epochs"]),
            percent(row["last_val_acc"]),
            percent(row["best_val_acc"]),
            MISSING if pd.isna(row["seconds"]) else f"{row['seconds']:,.1f}",
            MISSING if pd.isna(row["device"]) else row["device"],
        ]
        name = anchor(row["dataset"], row["network"], row["augmentation"], row["level"])
        file, log = (f"{up}{name}" if name in files else "" for name in (path, log))
        again = f"freeconv rerun {path} --out again.h5"
        cells.setdefault(name, []).append(RunRow(number, texts, path, file, log, configs.get(path, ""), again))
    return [RunCell(name, rows) for name, rows in cells.items()]


def run_logs(params: Params) -> Mapping[str, str]:
    """Return the log of the job that trains each run, by the run's file, as the workflow's rules name them."""
    logs = {}
    for job in grid.jobs(params):
        for run in job.runs():
            parts = [run.dataset, run.network, run.augmentation]
            if "level" not in params.train.fuse:
                parts.append(level_text(run.level))
            if "fold" not in params.train.fuse:
                parts.append(paths.fold_name(run.fold, run.train_seed))
            logs[grid.run_file(run)] = f"logs/train/{'/'.join(parts)}.log"
    return logs
