"""What each switch between the paper's text and the authors' program changes, measured.

Networks of the demo's protocol (5,000 digits, five folds, few epochs) are trained under both values of every switch, on
two processes, and compared fold by fold. Writes the table into docs/fidelity.md.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from freeconv.analysis.intervals import interval
from freeconv.analysis.medians import median
from freeconv.storage.hdf5 import read_h5
from freeconv.study import grid, paths
from freeconv.study.params import Params, check_params
from freeconv.vocabulary import level_text

PAGE = Path(__file__).parent.parent / "docs" / "fidelity.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"
PROTOCOL = {"epochs": 6, "batch": 128, "learning_rate": 0.002, "fuse": ["fold"]}


class Switch(NamedTuple):
    """A switch, where it is tried, and what it may change.

    Attributes:
        name: its key.
        values: the text's way and the program's.
        params: takes a value, returns the sections of the parameters.
        cell: network, augmentation and level that are looked at.
        metrics: names of accuracies.
    """

    name: str
    values: tuple[str, str]
    params: Callable[[str], dict[str, Any]]
    cell: tuple[str, str, float]
    metrics: tuple[str, ...]


def forms(augmentation: str, level: float) -> Callable[[str], dict[str, Any]]:
    """Return the parameters of a study of one augmentation, by its form."""
    return lambda value: {"aug": {"translate": [], augmentation: level, "copies": 3, "forms": {augmentation: value}}}


def translated(**sections: Any) -> dict[str, Any]:
    """Return the parameters of a study of translation by 20 %, with further sections."""
    return {"aug": {"translate": 0.2, "copies": 3}, **sections}


SWITCHES = [
    *(
        Switch(
            "aug.forms.edge_noise",
            ("border", "authors"),
            forms("edge_noise", 0.8),
            (network, "edge_noise", 0.8),
            ("val_acc", "translate_acc", "edge_noise_acc"),
        )
        for network in ("cnn", "fcn")
    ),
    *(
        Switch(
            "aug.forms.rotate",
            ("center", "keras-2018"),
            forms("rotate", 0.2),
            (network, "rotate", 0.2),
            ("val_acc", "translate_acc", "rotate_acc"),
        )
        for network in ("cnn", "fcn")
    ),
    Switch(
        "vcp.mask",
        ("connections", "inputs"),
        lambda value: translated(vcp={"levels": [0.8], "translate": 0.2, "mask": value}),
        ("fcn-vcp-0.8", "translate", 0.2),
        ("val_acc", "translate_acc"),
    ),
    Switch(
        "train.initializer",
        ("glorot-position", "glorot-authors"),
        lambda value: translated(train={"initializer": value}),
        ("fcn", "translate", 0.2),
        ("val_acc", "translate_acc"),
    ),
    *(
        Switch(
            "report.aggregate",
            ("final", "all-epochs"),
            lambda value: translated(report={"aggregate": value}),
            (network, "translate", 0.2),
            ("train_acc", "val_acc", "translate_acc"),
        )
        for network in ("cnn", "fcn")
    ),
]


def study(switch: Switch, value: str) -> Params:
    """Return the parameters of a switch's study under one of its values."""
    sections = switch.params(value)
    return check_params({**sections, "train": {**PROTOCOL, **sections.get("train", {})}})


def train(params: Params, network: str, folder: Path) -> None:
    """Make the data, shards and runs of one network that are not there yet."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def call(*words: str) -> None:
        subprocess.run(["freeconv", *words], cwd=folder, env=environment, check=True, capture_output=True)

    for job in grid.jobs(params):
        if job.network != network:
            continue
        done = [paths.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold) for run in job.runs()]
        if all((folder / path).exists() for path in done):
            continue
        if not (folder / paths.data_file(job.dataset)).exists():
            call("fetch", job.dataset)
        for run in job.runs():
            for copy_index in range(run.copies):
                shard = run.shard(copy_index)
                path = paths.shard_file(shard.dataset, shard.augmentation, shard.level, copy_index)
                if not (folder / path).exists():
                    call("shard", shard.text())
        call("train", job.text(), "--threads", "1")


def medians(params: Params, cell: tuple[str, str, float], metric: str, folder: Path) -> list[float]:
    """Return the aggregate of a metric for each fold of a cell."""
    found = []
    for fold in grid.held_out(params):
        path = folder / paths.run_file("mnist-5k", *cell, fold)
        names = [f"history/{name}" for name in (metric, "val_acc")]
        history = {name.removeprefix("history/"): array for name, array in read_h5(path, names)[0].items()}
        found.append(median([history], metric, params.report.aggregate))
    return found


def rows(folder: Path) -> list[str]:
    """Train everything and return the table's rows."""
    # one folder for each set of training parameters: files are named by cell, not by parameter
    folders = {}
    jobs = {}
    for switch in SWITCHES:
        for value in switch.values:
            params = study(switch, value)
            config = next(job for job in grid.jobs(params) if job.network == switch.cell[0]).text()
            folders[switch, value] = folder / str(list(jobs).index(config) if config in jobs else len(jobs))
            folders[switch, value].mkdir(exist_ok=True)
            jobs[config] = (params, switch.cell[0], folders[switch, value])
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda job: train(*job), jobs.values()))
    lines = []
    for switch in SWITCHES:
        for metric in switch.metrics:
            text, program = (
                np.array(medians(study(switch, value), switch.cell, metric, folders[switch, value]))
                for value in switch.values
            )
            difference = program - text
            low, high = interval(difference)
            network, augmentation, level = switch.cell
            change = f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})".replace("-", "−")
            lines.append(
                f"| `{switch.name}` | {network}, {augmentation} {level_text(level)} | {metric} | "
                f"{np.median(text):.4f} | {np.median(program):.4f} | {change} |"
            )
    return lines


def main() -> None:
    """Measure and write the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = rows(Path(folder))
    from freeconv.machine.environment import processor  # imports Keras, which the jobs need not inherit

    table = [
        f"`python benchmarks/fidelity.py` on {date.today()}; {processor()}, {os.cpu_count()} cores; mnist-5k,",
        "five folds, 6 epochs, batch 128, learning rate 0.002. Medians over folds; the difference, program − text, is",
        "the mean over folds with its 95 % interval, folds paired.",
        "",
        "| switch | cell | metric | text | program | difference |",
        "|---|---|---|---|---|---|",
        *lines,
        "",
    ]
    page = PAGE.read_text()
    between = re.compile(f"(?<={BEGIN}).*(?={END})", re.DOTALL)
    PAGE.write_text(between.sub(lambda _: "\n".join(table), page))
    print("\n".join(table))


if __name__ == "__main__":
    main()
