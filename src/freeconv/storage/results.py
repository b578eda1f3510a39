"""What training, distance and measure stored, read for the tables; what cannot be used is named, the rest is used."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from freeconv.analysis.distance import TRACE_COLUMNS
from freeconv.errors import FreeconvError
from freeconv.measures import MEASURE_COLUMNS
from freeconv.storage.atomic import AGAIN, UnreadableError
from freeconv.storage.csv_files import check_made_from, read_csv
from freeconv.storage.dataset_file import check_dataset, read_content
from freeconv.storage.hdf5 import describe_h5
from freeconv.storage.run_file import ENVIRONMENT, Run, check_data_sha256, read_run
from freeconv.study import grid, paths
from freeconv.study.jobs import Config, DistanceConfig, MeasureConfig, RunConfig, check_config
from freeconv.study.params import Params
from freeconv.vocabulary import trained_as

# Accuracy on the held-out fold that a constant answer can reach: folds do not hold equally many images of each class.
COLLAPSED = 1.25
ORIGIN = ("code", *ENVIRONMENT)  # attributes of a run's file: what numbers depend on beside the configuration
DATASET_COLUMNS = ("dataset", "kind", "name", "number", "first")


class Problem(NamedTuple):
    """Something that the parameters ask for and that is not as it should be.

    Attributes:
        path: the file.
        used: whether it is used all the same.
        problem: what is wrong, in a sentence.
    """

    path: str
    used: bool
    problem: str

    def text(self) -> str:
        """Return the problem as one line."""
        return f"{self.path}: {self.problem}"


class Source(NamedTuple):
    """What tables are made from.

    Attributes:
        run: takes a run, the path of its file, and the epochs asked for; returns its histories.
        traces: takes the path of kernel-distance traces and what they are computed from; returns them, and sentences
            that say what is wrong with runs that are left out of them.
        measures: likewise of the measures of trained networks.

    What cannot be used is a `FreeconvError`.
    """

    run: Callable[[RunConfig, str, int], Run]
    traces: Callable[[str, Config], tuple[pd.DataFrame, list[str]]]
    measures: Callable[[str, Config], tuple[pd.DataFrame, list[str]]]


def read_runs(params: Params, source: Source | None = None) -> tuple[list[Run], list[Problem]]:
    """Read the histories of every run that the parameters ask for, in the order of `runs.runs`.

    Left out are runs whose file is missing, damaged, impossible, or from other parameters or data, and those whose loss
    is not finite. Runs that are no better than chance are named and used: that is a result. Named are, too, studies
    whose runs are not all of one machine and version, and cells whose runs are not all of one code.

    Args:
        params: the study.
        source: where they are; the files of the jobs if None, as of the other functions.
    """
    read = (source or FILES).run
    study, problems = [], []
    data_sha256 = _data_sha256(params)
    asked = grid.runs(params), grid.run_files(params), grid.run_epochs(params)
    for config, path, epochs in zip(*asked, strict=True):
        try:
            run = read(config, path, epochs)
            expected = data_sha256.setdefault(config.dataset, run.attributes["data_sha256"])
            check_data_sha256(path, run.attributes, expected)
        except UnreadableError:
            raise  # it would be missing in the tables because of something that passes
        except FreeconvError as error:
            problems.append(Problem(path, False, str(error).removeprefix(f"{path}: ")))
            continue
        problem = _diverged(run)
        if problem is None:
            study.append(run)
            problem = _collapsed(run)
            problems += _seams(run)
        if problem:
            problems.append(problem)
    return study, problems + _mixtures(study) + _codes(study)


def _mixtures(study: Sequence[Run]) -> list[Problem]:
    """Return a problem for each thing in which the runs of a study were not trained alike; named is a rarer run."""
    values: dict[str, dict[str, list[Run]]] = {}
    for run in study:
        for name, value in _circumstances(run).items():
            values.setdefault(name, {}).setdefault(value, []).append(run)
    found = []
    for name, by_value in values.items():
        if len(by_value) > 1:
            counts = ", ".join(f"{value} in {len(runs)} runs" for value, runs in by_value.items())
            rarest = min(by_value.values(), key=len)
            found.append(
                Problem(
                    rarest[0].path,
                    True,
                    f"expected one {name} for all runs of a study, received {counts}: the numbers are not, bit for "
                    "bit, what one machine would give; train.versions: rerun trains those of other versions anew",
                )
            )
    return found


def _circumstances(run: Run) -> dict[str, str]:
    """Return on what a run was trained, but for this project's own version, whose code has a hash."""
    about = {name: run.attributes[name] for name in ENVIRONMENT if name in run.attributes}
    versions, flags = about.pop("versions", {}), about.pop("flags", None)
    named = {f"version of {package}": version for package, version in versions.items() if package != "freeconv"}
    named |= {} if flags is None else {"set of flags": _text(flags) or "none"}
    return {name: str(value) for name, value in {**about, **named}.items()}


def _data_sha256(params: Params) -> dict[str, str]:
    """Return the content of each dataset whose file is there; the runs of one whose file is not must be of one."""
    found = {}
    for dataset, path in zip(params.data.datasets, grid.data_files(params), strict=True):
        with suppress(FreeconvError):  # of a dataset that cannot be used, `read_datasets` says why
            described, attributes = describe_h5(path)
            check_dataset(path, described, attributes, grid.data_config(params, dataset))
            found[dataset] = attributes["content_sha256"]
    return found


def _codes(study: Sequence[Run]) -> list[Problem]:
    """Return a problem for each cell whose runs were not all trained by one code, at the first of another."""
    cells: dict[tuple[str, str, str, float], list[Run]] = {}
    for run in study:
        config = run.config
        cells.setdefault((config.dataset, config.network, config.augmentation, config.level), []).append(run)
    problems = []
    for first, *others in cells.values():
        code, *received = (run.attributes.get("code", "not recorded") for run in (first, *others))
        for other, of_other in zip(others, received, strict=True):
            if of_other != code:
                text = f"expected one code for all runs of a cell, {code}, received {of_other}"
                problems.append(Problem(other.path, True, text))
                break
    return problems


def _seams(run: Run) -> list[Problem]:
    """Return the problems of a run that went on elsewhere than it began: one for each such epoch that is used."""
    before, found = run.attributes, []
    for seam in run.attributes.get("seams", []):
        changed = [name for name in ENVIRONMENT if before.get(name) != seam.get(name)]
        if seam["epoch"] < len(run.history["val_acc"]):
            texts = [f"{name} {_text(before.get(name))}, received {_text(seam.get(name))}" for name in changed]
            found.append(
                Problem(
                    run.path,
                    True,
                    f"expected one machine for all epochs, received another after epoch {seam['epoch']}: expected "
                    f"{'; '.join(texts)}: the run is not, bit for bit, what one machine would give",
                )
            )
        before = seam
    return found


def _text(value: Any) -> str:
    """Return an environment's value as text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {of}" for name, of in sorted(value.items()))
    return str(value)


def _diverged(run: Run) -> Problem | None:
    """Return the problem of a run whose loss is not finite in some epoch."""
    bad = ~np.isfinite(run.history["train_loss"])
    if not bad.any():
        return None
    return Problem(
        run.path,
        False,
        f"expected a finite loss, received {run.history['train_loss'][bad][0]} in epoch {np.argmax(bad) + 1}: the run "
        "diverged and is left out; a smaller learning rate may help",
    )


def _collapsed(run: Run) -> Problem | None:
    """Return the problem of a run that has learned nothing."""
    last, classes = float(run.history["val_acc"][-1]), run.attributes["classes"]
    if last > COLLAPSED / classes:
        return None
    return Problem(
        run.path,
        True,
        f"expected an accuracy above chance, received {last:.4f} on the held-out fold after the last epoch, with "
        f"{classes} classes: the run learned nothing",
    )


def read_traces(params: Params, source: Source | None = None) -> tuple[pd.DataFrame, list[Problem]]:
    """Read the kernel-distance traces of all cells of the free network; none, if it is not studied.

    Returns:
        The columns of `distance.TRACE_COLUMNS`; augmentation is that of the cell, so level 0 appears once under
        every augmentation that lists it. And what cannot be used: files that are missing, no traces, or from other
        parameters.
    """
    files: dict[str, pd.DataFrame | None] = {}
    frames, problems = [], []
    for dataset in params.data.datasets if "fcn" in params.train.networks else []:
        for augmentation in grid.augmentations(params):
            for level in params.levels(augmentation):
                trained = trained_as(augmentation, level)
                path = paths.distance_file(dataset, "fcn", trained, level)
                if path not in files:
                    config = grid.distance_config(params, dataset, "fcn", trained, level)
                    try:
                        files[path], _ = (source or FILES).traces(path, config)
                    except UnreadableError:
                        raise
                    except FreeconvError as error:
                        files[path] = None
                        problems.append(Problem(path, False, str(error).removeprefix(f"{path}: ")))
                frame = files[path]
                if frame is not None:
                    frames.append(frame.assign(augmentation=augmentation))
    traces = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(TRACE_COLUMNS))
    return traces, problems


def read_measures(params: Params, source: Source | None = None) -> tuple[pd.DataFrame, list[Problem]]:
    """Read what was measured of all trained networks.

    Returns:
        The columns of `measure.MEASURE_COLUMNS`, augmentation as trained: level 0 appears once, under `none`. And what
        cannot be used: files that are missing, no measures, or from other parameters.
    """
    frames, problems = [], []
    for path, config in zip(grid.measure_files(params), grid.measure_configs(params), strict=True):
        try:
            frame, left_out = (source or FILES).measures(path, config)
            frames.append(frame)
            problems += [Problem(path, True, text) for text in left_out]
        except UnreadableError:
            raise
        except FreeconvError as error:
            problems.append(Problem(path, False, str(error).removeprefix(f"{path}: ")))
    measures = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(MEASURE_COLUMNS))
    return measures, problems


def _read_measures(path: str, config: Config) -> tuple[pd.DataFrame, list[str]]:
    """Read one file of measures, and say which runs are left out of it because they were trained longer."""
    assert isinstance(config, MeasureConfig)
    frame, left_out = read_table_of(path, config, MEASURE_COLUMNS)
    _check_measures(path, frame)
    return frame, [
        f"expected networks after {config.train.epochs} epochs, received that of fold {fold} after more: it is left "
        "out; its histories and kernels are used"
        for fold in left_out
    ]


def read_table_of(
    path: str, config: DistanceConfig | MeasureConfig, columns: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Read one file of traces or measures and check that it was made from a configuration and from the runs there.

    Args:
        path: the file.
        config: what it must have been made from.
        columns: of its table.

    Returns:
        The table, and the folds of runs that had to be left out of it.
    """
    frame, stored = read_csv(path)
    left_out, made_from = stored.pop("left_out", []), stored.pop("made_from", None)
    check_config(path, stored, config.dump())
    if made_from is not None:
        runs = [str(grid.run_file(run)) for run in config.train.runs()]
        check_made_from(path, made_from, runs)
    if list(frame.columns) != list(columns):
        raise FreeconvError(
            f"{path}: expected the columns {', '.join(columns)}, received {', '.join(map(str, frame.columns))}; {AGAIN}"
        )
    folds = {(seed, fold) for seed in config.train.train_seeds for fold in config.train.fold_indices}
    if others := set(zip(frame["seed"], frame["fold"], strict=True)) - folds:
        seed, fold = min(others)
        raise FreeconvError(f"{path}: expected runs that are asked for, received fold {fold} of seed {seed}; {AGAIN}")
    return frame, left_out


def _read_traces(path: str, config: Config) -> tuple[pd.DataFrame, list[str]]:
    """Read one file of traces, and refuse distances that cannot be."""
    assert isinstance(config, DistanceConfig)
    frame, left_out = read_table_of(path, config, TRACE_COLUMNS)
    distances = pd.to_numeric(frame["distance"], errors="coerce")
    impossible = (distances < 0) | np.isinf(distances) | (distances.isna() & frame["distance"].notna())
    if frame.empty or impossible.any():
        received = frame["distance"][impossible].iloc[0] if len(frame) else "none"
        raise FreeconvError(f"{path}: expected distances from 0, received {received}; {AGAIN}")
    return frame, left_out


def _check_measures(path: str, frame: pd.DataFrame) -> None:
    """Refuse accuracies that cannot be, and what is no number."""
    values = pd.to_numeric(frame["value"], errors="coerce")
    accuracies = frame["measure"].astype(str).str.endswith("_acc")
    impossible = (accuracies & ((values < 0) | (values > 1))) | (values.isna() & frame["value"].notna())
    if impossible.any():
        measure, value = frame[impossible][["measure", "value"]].iloc[0]
        raise FreeconvError(f"{path}: expected {measure} from 0 to 1, received {value}; {AGAIN}")


FILES = Source(read_run, _read_traces, _read_measures)


def read_datasets(params: Params) -> tuple[pd.DataFrame, list[Problem]]:
    """Return a table of what the study's datasets hold.

    Returns:
        A row for each class, with the number of its images; and for the user's own images one for whatever was passed
        over, joined or converted and is suspicious, with the number of files and the names of the first ten. Files
        that are not there have no rows: results may be kept without the images.
    """
    rows: list[tuple[str, str, str, int, str]] = []
    problems = []
    for dataset, path in zip(params.data.datasets, grid.data_files(params), strict=True):
        if not Path(path).is_file():
            continue
        try:
            content = read_content(path, grid.data_config(params, dataset))
        except FreeconvError as error:
            problems.append(Problem(path, False, str(error).removeprefix(f"{path}: ")))
            continue
        rows += [(dataset, "class", name, count, "") for name, count in content.counts.items()]
        rows += [
            (dataset, note["kind"], note["what"], note["number"], ", ".join(note["first"])) for note in content.notes
        ]
    return pd.DataFrame(rows, columns=list(DATASET_COLUMNS)), problems
