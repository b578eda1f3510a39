"""How far a study is, from its files alone: results, Snakemake's notes, logs and lines of JSON.

It sees a run on this machine, in another terminal or on a cluster's nodes alike, and imports neither Keras nor NumPy.
What counts as done is there and, as far as Snakemake has noted it, made with these parameters; whether code or inputs
have changed since, `snakemake -n` says.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from freeconv.machine.locks import is_held
from freeconv.machine.snakemake_notes import Mark, made_with, marks
from freeconv.machine.watchdog import LIVE_RUN
from freeconv.study import grid, paths
from freeconv.study.params import Params
from freeconv.terminal.view import Job, Phase, failure, last_words


class Planned(NamedTuple):
    """A job of the study.

    Attributes:
        phase: its phase.
        label: its name for people.
        files: what it makes.
        log: its log.
        config: the parameter that its files were made with, as Snakemake notes it; None if it is not compared.
        runs: how many networks it trains.
    """

    phase: str
    label: str
    files: list[str]
    log: str
    config: str | None = None
    runs: int = 0


class StudyState(NamedTuple):
    """How far a study is.

    Attributes:
        phases: with what is done.
        jobs: those at work or in a queue.
        failures: of the jobs that have failed since the run began, a line each.
        live: whether a Snakemake is at work in the folder.
        interrupted: how many jobs were at work when their Snakemake was killed.
    """

    phases: list[Phase]
    jobs: list[Job]
    failures: list[str]
    live: bool
    interrupted: int


class RunState(NamedTuple):
    """How many runs of a cell are in which state."""

    done: int = 0
    running: int = 0
    outdated: int = 0
    missing: int = 0


def planned(params: Params) -> Iterator[Planned]:
    """Yield every job of a study, in the order of the phases."""
    for dataset, path in zip(params.data.datasets, grid.data_files(params), strict=True):
        yield Planned("data", f"fetch {dataset}", [path], f"logs/fetch/{dataset}.log")
    for path in grid.shard_files(params):
        parts = Path(path).with_suffix("").parts[2:]
        yield Planned("shards", " ".join(("shard", *parts)), [path], f"logs/shard/{'/'.join(parts)}.log")
    yield from _training(params)
    yield from _cells("distance", params, grid.distance_files(params), grid.distance_config)
    yield from _cells("measure", params, grid.measure_files(params), grid.measure_config)
    made = {
        "tables": paths.table_files(),
        "figures": grid.figure_files(params),
        "drawings": grid.drawing_files(params),
        "report": [*paths.report_files(), *grid.export_files(params)],
    }
    for rule, files in made.items():
        yield Planned("report", rule, files, f"logs/{rule}.log", None if rule == "drawings" else params.text())


def _training(params: Params) -> Iterator[Planned]:
    """Yield the training jobs, with the logs of workflow/rules/train.smk."""
    for job in grid.jobs(params):
        runs = list(job.runs())
        axes = [] if "level" in params.train.fuse else [Path(grid.run_file(runs[0])).parent.name]
        axes += [] if "fold" in params.train.fuse else [paths.fold_name(runs[0].fold, runs[0].train_seed)]
        label = " ".join([job.dataset, job.network, job.augmentation, *axes])
        log = "/".join(["logs/train", job.dataset, job.network, job.augmentation, *axes])
        yield Planned("train", label, [grid.run_file(run) for run in runs], f"{log}.log", job.text(), len(runs))


def _cells(kind: str, params: Params, files: list[str], config: Callable) -> Iterator[Planned]:
    """Yield the jobs of a phase that has one for each cell."""
    for path in files:
        parts = Path(path).parts[2:]
        dataset, network, augmentation, level = (*parts[:3], parts[3].removesuffix(".csv"))
        made = config(params, dataset, network, augmentation, float(level)).text()
        log = f"logs/{kind}/{dataset}/{network}/{augmentation}/{level}.log"
        yield Planned(kind, f"{kind} {dataset} {network} {augmentation} {level}", [path], log, made)


def study_state(params: Params) -> StudyState:
    """Return how far the study in the current folder is."""
    live, noted = is_held(LIVE_RUN), marks()
    began = _time(LIVE_RUN)
    phases: dict[str, Phase] = {}
    jobs, failures, interrupted = [], [], 0
    finished = _finished_shards(params)
    for job in planned(params):
        phase = phases.setdefault(job.phase, Phase(job.phase))
        phase.total += 1
        mark = next((noted[path] for path in job.files if path in noted), None)
        if mark is not None and live:
            queued = mark.queue is not None and _time(job.log) < mark.begin
            jobs.append(Job(job.phase, job.label, mark.begin, [job.log], job.runs, queued))
            phase.begin = min(phase.begin or mark.begin, mark.begin)
            continue
        interrupted += mark is not None
        if mark is None and (_is_done(job) or job.files[0] in finished):
            phase.done += 1
            begin = _begin(Path(job.log).with_suffix(".tsv"))
            if live and begin >= began:
                phase.begin = min(phase.begin or begin, begin)
            else:
                phase.stored += 1
        elif _time(job.log) >= began and last_words(job.log)[1]:
            phase.failed += 1
            failures.append(failure(job.label, [job.log]))
    return StudyState(list(phases.values()), jobs, failures, live, interrupted)


def _finished_shards(params: Params) -> set[str]:
    """Return the shards that need not be there, because all runs that read them are (`shards.keep: false`)."""
    if params.shards.keep:
        return set()
    needed: dict[str, bool] = {}
    for run in grid.runs(params):
        for copy_index in range(run.copies):
            shard = paths.shard_file(run.dataset, run.augmentation, run.level, copy_index)
            needed[shard] = needed.get(shard, False) or not Path(grid.run_file(run)).is_file()
    return {path for path, wanted in needed.items() if not wanted}


def _is_done(job: Planned) -> bool:
    """Return whether all files of a job are there and, as far as is noted, made with its parameters."""
    return all(Path(path).is_file() for path in job.files) and not _is_outdated(job.files[0], job.config)


def _is_outdated(path: str, config: str | None) -> bool:
    """Return whether Snakemake has noted that a file was made with other parameters."""
    if config is None or (noted := made_with(path)) is None:
        return False
    return repr(config) not in noted


def _time(path: str | Path) -> float:
    """Return when a file was last written, in seconds since 1970; 0 if it is not there."""
    with suppress(OSError):
        return Path(path).stat().st_mtime
    return 0.0


def _begin(benchmark: Path) -> float:
    """Return when a job began, in seconds since 1970, by Snakemake's note of how long it took; 0 if there is none."""
    with suppress(OSError, ValueError, IndexError):
        return _time(benchmark) - float(benchmark.read_text().splitlines()[1].split("\t")[0])
    return 0.0


def run_states(params: Params) -> list[tuple[tuple[str, str, str, float], int, tuple[int, int], RunState]]:
    """Return the cells of a study with the state of their runs.

    Returns:
        For each: dataset, network, augmentation and level; epochs; how many folds and seeds; the runs' state.
    """
    noted = marks() if is_held(LIVE_RUN) else {}
    cells: dict[tuple[str, str, str, float], tuple[int, set[int], set[int], dict[str, int]]] = {}
    for job in grid.jobs(params):
        config = job.text()
        for run in job.runs():
            key = (run.dataset, run.network, run.augmentation, run.level)
            _, folds, seeds, counts = cells.setdefault(key, (job.epochs, set(), set(), {}))
            folds.add(run.fold)
            seeds.add(run.train_seed)
            state = _run_state(grid.run_file(run), config, noted)
            counts[state] = counts.get(state, 0) + 1
    return [
        (key, epochs, (len(folds), len(seeds)), RunState(**counts))
        for key, (epochs, folds, seeds, counts) in cells.items()
    ]


def _run_state(path: str, config: str, noted: Mapping[str, Mark]) -> str:
    """Return the state of one run, as `RunState` names it."""
    if (mark := noted.get(path)) is not None:
        return "done" if _time(path) >= mark.begin else "running"  # its job touches complete ones
    if not Path(path).is_file():
        return "missing"
    return "outdated" if _is_outdated(path, config) else "done"
