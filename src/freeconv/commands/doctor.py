"""A check of a whole study: its stored files, and the machine that they are on. What to do is said for each finding."""

import configparser
import json
import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from freeconv.commands.prune import stale_files
from freeconv.data.layout import Note
from freeconv.errors import FreeconvError
from freeconv.machine.gpus import FOLDER as LEASES
from freeconv.machine.gpus import gpu_pool
from freeconv.machine.locks import holder, is_held
from freeconv.machine.place import NOTES, closed_notes, linked_notes
from freeconv.machine.snakemake_notes import marks
from freeconv.machine.watchdog import LIVE_RUN
from freeconv.study import grid
from freeconv.study import paths as study_paths
from freeconv.study.jobs import DistanceConfig, MeasureConfig, OutdatedError, RunConfig, check_config
from freeconv.study.params import Params

LOCK = "requirements.lock"
FOLDERS = ("data", "results", "reports", "logs", ".snakemake", study_paths.CHECKPOINTS)

# What a whole file of a kind ends with; PNG and SVG files have checksums, which are better.
ENDINGS = {".pdf": b"%%EOF\n", ".html": b"</html>\n", ".csv": b"\n", ".md": b"\n", ".tex": b"\n"}

SHOWN = 3  # files of which the same is said that are named, each in a line of its own
KERAS_SECONDS = 300  # for Keras to start, on a busy machine
START_KERAS = """
import json
from freeconv.machine.keras_import import import_keras
import_keras(1)
from freeconv.machine.environment import environment
from freeconv.training.precision import has_gpu
print(json.dumps({**environment(), "gpu": has_gpu()}))
"""


class Finding(NamedTuple):
    """What was found.

    Attributes:
        where: a file, folder or part of the environment.
        what: how it is.
        advice: what to do; empty if nothing needs doing.
    """

    where: str
    what: str
    advice: str = ""

    def text(self) -> str:
        """Return the finding as one line."""
        return f"{self.where}: {self.what}{f'; {self.advice}' if self.advice else ''}"


class StoredFile(NamedTuple):
    """A file that the parameters ask for, and how to check it.

    Attributes:
        path: where it is.
        check: raises a FreeconvError that says what is wrong with it.
        kept: whether it stays when all that reads it is done.
    """

    path: str
    check: Callable[[], object]
    kept: bool = True


def examine(params: Params, quick: bool = False, step: Callable[[str, int, int], None] | None = None) -> list[Finding]:
    """Return everything found about a study and its environment, files first.

    Nothing is written or changed.

    Args:
        params: the study; its files are those of `freeconv.study.paths` below the current folder.
        quick: whether to leave out the arrays' hashes, and whether Keras starts.
        step: called before each file with its path, how many were checked and how many there are.
    """
    return [*examine_files(params, quick, step), *examine_environment(params, quick)]


def examine_files(
    params: Params, quick: bool = False, step: Callable[[str, int, int], None] | None = None
) -> list[Finding]:
    """Return what is wrong with the stored files of a study, or that nothing is; arguments as for `examine`."""
    files = list(stored_files(params, quick))
    damaged: list[Finding] = []
    missing: list[str] = []
    waiting: list[str] = []
    live = is_held(LIVE_RUN)
    for done, file in enumerate(files):
        if step:
            step(file.path, done, len(files))
        if live and file.path in marks():
            waiting.append(file.path)
            continue
        if not Path(file.path).is_file():
            missing += [file.path] if file.kept else []
            continue
        try:
            file.check()
        except FreeconvError as error:
            if live and (isinstance(error, OutdatedError) or file.path in marks()):
                waiting.append(file.path)
                continue
            what, _, advice = str(error).removeprefix(f"{file.path}: ").rpartition("; ")
            damaged.append(Finding(file.path, what, advice))
        except OSError as error:
            damaged.append(
                Finding(file.path, f"cannot be read: {error.strerror}", "repair the disk or the permissions")
            )
    findings = [
        *_grouped(damaged),
        *_missing([] if live else missing, Counter(_phase(file.path) for file in files)),
        *_left_behind(params),
    ]
    if live and (waiting or missing):
        findings.append(Finding("files", _at_work(waiting, missing, len(files))))
    if not findings:
        how = "there" if quick else "whole"
        findings.append(Finding("files", f"all {len(files)} that the parameters ask for are {how}"))
    return [*findings, *_own_images(params)]


def _at_work(waiting: Sequence[str], missing: Sequence[str], asked: int) -> str:
    """Return what is said of files that a live run makes or will make, of so many that the parameters ask for."""
    first = [*waiting, *missing][0]
    return (
        f"a run is at work: of {asked} files it makes or will replace {len(waiting)}, and {len(missing)} are not there "
        f"yet, as {first}; those are not checked (freeconv watch shows the run)"
    )


def stored_files(params: Params, quick: bool) -> Iterator[StoredFile]:
    """Yield every file that the parameters ask for; `quick` as for `examine`."""
    data_sha256 = lru_cache(_data_sha256)
    h5 = partial(_check_h5, quick=quick, data_sha256=data_sha256)
    for dataset, path in zip(params.data.datasets, grid.data_files(params), strict=True):
        yield StoredFile(path, partial(h5, path, grid.data_config(params, dataset).dump(), None))
    shards = {
        study_paths.shard_file(run.dataset, run.augmentation, run.level, copy_index): run.shard(copy_index)
        for run in grid.runs(params)
        for copy_index in range(run.copies)
    }
    for path, shard in shards.items():
        yield StoredFile(path, partial(h5, path, shard.dump(), shard.dataset), params.shards.keep)
    for run, path, epochs in zip(grid.runs(params), grid.run_files(params), grid.run_epochs(params), strict=True):
        yield StoredFile(
            path, partial(_check_run_file, path, run, None if quick else epochs, partial(h5, path, None, run.dataset))
        )
    free = grid.free_networks(params)
    for measured in grid.measure_configs(params):
        trained = measured.train
        cell = (trained.dataset, trained.network, trained.augmentation, trained.level)
        yield StoredFile(
            study_paths.measure_file(*cell), partial(_check_csv, study_paths.measure_file(*cell), measured)
        )
        if trained.network in free:
            traced = grid.distance_config(params, *cell)
            yield StoredFile(
                study_paths.distance_file(*cell), partial(_check_csv, study_paths.distance_file(*cell), traced)
            )
    for path in grid.report_files(params):
        yield StoredFile(path, partial(_check_report_file, path))


def _check_run_file(path: str, run: RunConfig, epochs: int | None, check: Callable[[], None]) -> None:
    """Check a run's file; `check` looks at its content, and that it has so many epochs is checked unless None."""
    from freeconv.storage.hdf5 import describe_h5
    from freeconv.storage.run_content import check_run
    from freeconv.storage.run_file import read_run

    check()
    check_run(path, *describe_h5(path), run)
    if epochs is not None:
        read_run(run, path, epochs)


def _check_h5(
    path: str, config: dict[str, Any] | None, dataset: str | None, quick: bool, data_sha256: Callable[[str], str | None]
) -> None:
    """Check an HDF5 file: its content, its configuration if one is given, and that it was made from the data there."""
    from freeconv.storage.hdf5 import describe_h5, read_h5

    _, attributes = describe_h5(path) if quick else read_h5(path)
    if config is not None:
        check_config(path, attributes.get("config"), config)
    if dataset is not None and (data := data_sha256(dataset)):
        check_config(path, {"data_sha256": attributes.get("data_sha256")}, {"data_sha256": data})


def _data_sha256(dataset: str) -> str | None:
    """Return the identity of a dataset's content; None if there is none, which is reported where that is checked."""
    from freeconv.storage.hdf5 import describe_h5

    try:
        return describe_h5(study_paths.data_file(dataset))[1]["content_sha256"]
    except FreeconvError:
        return None


def _check_csv(path: str, config: DistanceConfig | MeasureConfig) -> None:
    """Check a table of `results/`."""
    from freeconv.analysis.distance import TRACE_COLUMNS
    from freeconv.measures import MEASURE_COLUMNS
    from freeconv.storage.results import read_table_of

    read_table_of(path, config, TRACE_COLUMNS if isinstance(config, DistanceConfig) else MEASURE_COLUMNS)


def _check_report_file(path: str) -> None:
    """Check a file of `reports/`: tables by their hashes, pictures by their checksums, others by how they end."""
    from freeconv.storage.atomic import AGAIN
    from freeconv.storage.csv_files import read_summed
    from freeconv.storage.pictures import read_png, read_svg

    sums = study_paths.sums_file()
    if Path(path).parent == Path(sums).parent or Path(path) == Path(study_paths.REPORTS, "metrics.json"):
        if path != sums and Path(sums).is_file():
            read_summed(path, sums)
    elif path.endswith(".png"):
        read_png(path)
    elif path.endswith(".svg"):
        read_svg(path)
    elif not Path(path).read_bytes().endswith(ENDINGS[Path(path).suffix]):
        raise FreeconvError(f"{path}: expected a whole file, received one that is cut off; {AGAIN}")


def _phase(path: str) -> str:
    """Return the folder that a file is counted in: `data`, `results/train`, `reports`."""
    parts = Path(path).parts
    return "/".join(parts[:2] if parts[0] == "results" else parts[:1])


def _grouped(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield findings, those that say the same of many files in a folder as one."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((_phase(finding.where), *finding[1:]), []).append(finding)
    for (folder, what, advice), group in alike.items():
        if len(group) <= SHOWN:
            yield from group
        else:
            yield Finding(folder, f"{len(group)} files, as {group[0].where}: {what}", advice)


def _own_images(params: Params) -> Iterator[Finding]:
    """Yield what became of the user's own images: what was passed over, joined, converted, and what is suspicious."""
    from freeconv.storage.hdf5 import describe_h5

    for dataset, path in zip(params.data.datasets, grid.data_files(params), strict=True):
        try:
            notes = describe_h5(path)[1].get("read", []) if dataset in params.data.folders else []
        except FreeconvError:
            continue  # reported with the other files
        for note in notes:
            yield Finding(path, Note(**note).text())


def _missing(paths: Sequence[str], asked: Counter[str]) -> Iterator[Finding]:
    """Yield what is missing, a line per folder; `asked` says how many files the parameters ask for in each."""
    for folder, count in Counter(map(_phase, paths)).items():
        first = next(path for path in paths if _phase(path) == folder)
        # Plain snakemake does not miss a file when all that was made from it is there.
        target = "" if folder == study_paths.REPORTS else f" all_{Path(folder).name}"
        yield Finding(folder, f"{count} of {asked[folder]} files are missing, as {first}", f"run snakemake{target}")


def _left_behind(params: Params) -> Iterator[Finding]:
    """Yield what nobody asks for: files of other parameters, and temporary ones of jobs that were killed."""
    temporary = [path for folder in FOLDERS for path in sorted(Path(folder).rglob(".*.tmp"))]
    if temporary and not is_held(LIVE_RUN):  # else they may be in use
        what = f"{len(temporary)} temporary files of killed jobs, as {temporary[0]}"
        yield Finding("files", what, "remove them unless a job is running elsewhere: they do no harm, but take space")
    stale = [path for path in stale_files(params, list(study_paths.FOLDERS)) if path not in temporary]
    if stale:
        what = f"{len(stale)} files that these parameters do not ask for, as {stale[0]}"
        yield Finding("files", what, "keep them, or run freeconv prune, which lists them and asks")


def examine_environment(params: Params, quick: bool = False) -> list[Finding]:
    """Return how the machine is; arguments as for `examine`."""
    return [*_versions(), *_keras(quick), *_disk(params), *_permissions(), *_locks(), *_notes(), *_dvc()]


def _versions() -> Iterator[Finding]:
    """Yield what differs from the versions that the project is tested with."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    python, wanted = platform.python_version(), metadata.metadata("freeconv")["Requires-Python"]
    advice = "" if python in SpecifierSet(wanted) else f"install a Python {wanted}"
    yield Finding("Python", f"{python}, {wanted} expected", advice)
    if not Path(LOCK).is_file():
        yield Finding("packages", f"no {LOCK} in this folder to compare versions with")
        return
    lines = [line for line in Path(LOCK).read_text().splitlines() if line[:1].isalnum()]
    locked = [Requirement(line.rstrip(" \\")) for line in lines]
    needed = {
        package.name
        for package in map(Requirement, metadata.requires("freeconv") or [])
        if package.marker is None or any(package.marker.evaluate({"extra": extra}) for extra in ("train", "study"))
    }
    differing = []
    for package in locked:
        version = _version(package.name)
        if package.marker is not None and not package.marker.evaluate():
            continue
        if package.name in needed if version is None else version not in package.specifier:
            expected = str(package.specifier).removeprefix("==")
            differing.append(f"{package.name} {version or 'missing'} ({expected} expected)")
    if differing:
        yield Finding("packages", f"other versions than in {LOCK}: {', '.join(differing)}", "run make setup")
    else:
        yield Finding("packages", f"the versions of {LOCK}")


def _version(package: str) -> str | None:
    """Return the version of an installed package; None if it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _keras(quick: bool) -> Iterator[Finding]:
    """Yield what Keras computes on; if `quick`, which GPUs there are, without starting Keras."""
    pool = gpu_pool(os.environ)
    gpus = f"{len(pool.devices)} GPUs ({pool.source})" if pool.devices else "no GPU: training runs on the processor"
    yield Finding("devices", gpus)
    if quick:
        if find_spec("keras") is None:
            yield Finding("Keras", "is not installed", "run make setup")
        return
    command = [sys.executable, "-c", START_KERAS]
    try:
        # in a process of its own: a broken installation can end it
        done = subprocess.run(command, capture_output=True, text=True, timeout=KERAS_SECONDS, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        yield Finding("Keras", f"does not start: {last}", "run make setup, or set KERAS_BACKEND to another backend")
        return
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        yield Finding("Keras", f"does not start within {KERAS_SECONDS} s", "look for what keeps the machine busy")
        return
    lost = pool.devices and not found["gpu"]
    yield Finding(
        "Keras",
        f"{found['versions']['keras']} with {found['backend']} on {found['device']}",
        "install the backend with CUDA (uv pip install -e '.[cuda]'): it sees no GPU" if lost else "",
    )


def _disk(params: Params) -> Iterator[Finding]:
    """Yield whether what the study still lacks fits the disk."""
    from freeconv.planning.estimate import estimate

    free = shutil.disk_usage(".").free
    try:
        cost = estimate(params, cores=1, timed=False)
    except FreeconvError as error:
        what, _, advice = str(error).rpartition("; ")
        yield Finding("parameters", what, advice)
        return
    totals = cost["totals"]
    saved = 0 if params.shards.keep else totals["shard_bytes_saved_by_temp"]
    needed = totals["result_bytes"] + totals["shard_bytes"] - saved
    stored = [path for path in [*grid.run_files(params), *grid.shard_files(params)] if Path(path).is_file()]
    lacking = max(0, needed - sum(Path(path).stat().st_size for path in stored))
    what = f"{free / 1e9:.1f} GB free, at most {lacking / 1e9:.1f} GB still needed"
    yield Finding("disk", what, "" if lacking < free else "make space, or set shards.keep to false")


def _permissions() -> Iterator[Finding]:
    """Yield the folders that cannot be written."""
    for folder in (".", *FOLDERS):
        if Path(folder).exists() and not os.access(folder, os.W_OK | os.X_OK):
            yield Finding(folder, "cannot be written", "change its owner or permissions, or mount it for writing")


def _locks() -> Iterator[Finding]:
    """Yield who is at work, here and on this machine's GPUs, and locks that nobody holds any more."""
    if is_held(LIVE_RUN):
        yield Finding("Snakemake", f"is running in this folder: process {holder(LIVE_RUN)}")
    elif any(Path(".snakemake/locks").glob("*")):
        advice = "if no Snakemake is running here: snakemake --unlock"
        yield Finding(".snakemake/locks", "locks of a run with other settings than the project's", advice)
    for path in sorted(Path(os.environ.get("FREECONV_LEASES", LEASES)).glob("*.lock")):
        if is_held(path):
            yield Finding("devices", f"GPU {path.stem} is leased: process {holder(path)}")


def _notes() -> Iterator[Finding]:
    """Yield which of Snakemake's notes others cannot read, and which are links into DVC's cache."""
    if (closed := closed_notes()) and not is_held(LIVE_RUN):  # a run opens them at its end
        what = f"{len(closed)} of Snakemake's notes can be read by their owner alone, as {closed[0].name}"
        yield Finding(str(NOTES), what, "another user's snakemake fails: chmod -R a+r .snakemake/metadata")
    if linked := linked_notes():
        what = f"{len(linked)} of Snakemake's notes are links into DVC's cache (cache.type)"
        yield Finding(str(NOTES), f"{what}; the next snakemake puts copies in their place before it writes")


def _dvc() -> Iterator[Finding]:
    """Yield how DVC is set up."""
    if not Path(".dvc").is_dir():
        yield Finding("DVC", "not set up in this folder: results are not versioned")
        return
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read([".dvc/config", ".dvc/config.local"])
    except configparser.Error as error:
        yield Finding(".dvc/config", f"cannot be read: {' '.join(str(error).split())}", "correct it")
        return
    remotes = [section for section in config.sections() if "remote" in section]
    yield Finding("DVC", f"{len(remotes)} remotes" if remotes else "no remote: results are on this machine alone")
    cache = Path(".dvc", config.get("cache", "dir", fallback="cache"))
    if cache.exists() and not os.access(cache, os.W_OK | os.X_OK):
        yield Finding(str(cache), "DVC's cache cannot be written", "change its owner or permissions")


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print findings: in a terminal as a table, elsewhere a line each."""
    if not console.is_terminal:
        for finding in findings:
            console.print(finding.text(), markup=False, highlight=False, soft_wrap=True)
        return
    table = Table("", "where", "finding", "what to do", box=SIMPLE_HEAD)
    for finding in findings:
        mark = "[red]✗[/red]" if finding.advice else "[green]✓[/green]"
        table.add_row(mark, *(text.replace("[", "\\[") for text in finding))
    console.print(table)
