"""The command line: one command per kind of job, called as the Snakemake rule of the same name does.

Commands read and write the files of the project's layout (`freeconv.study.paths`) below the current folder. A job's
configuration is one JSON object, on the command line or in a file.
"""

import errno
import os
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from freeconv.errors import FreeconvError
from freeconv.machine.keras_import import import_keras
from freeconv.machine.watchdog import end_with_owner
from freeconv.study import paths
from freeconv.vocabulary import Compression, Stack, Versions

NOT_INSTALLED = (
    "freeconv: error: expected the packages of the command, received no package {}; "
    "pip install 'freeconv[train]' for training and its data, 'freeconv[study]' for everything"
)

# pydantic would look for plugins in all installed packages: a tenth of a planning command's time.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# What a machine or its owner may refuse, whatever the code does.
LIMITS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE)

DEBUGGERS = frozenset({"pdb", "ipdb", "debugpy"})  # who are imported before the command line if it runs under them

try:
    import typer
except ModuleNotFoundError as error:
    sys.exit(NOT_INSTALLED.format(error.name))

if TYPE_CHECKING:  # `--help` need not wait for what reads configurations
    from collections.abc import Callable
    from types import ModuleType

    from freeconv.study.jobs import CellConfig, RunConfig, ShardConfig
    from freeconv.study.params import Params

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Do neural networks need weight sharing? The jobs of the study; usually Snakemake calls them.",
)

ConfigText = Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration: JSON, or a JSON file's path.")]
ParamsText = Annotated[str, typer.Argument(metavar="PARAMS", help="A parameter file, or its content as JSON.")]
ArchiveFolder = Annotated[
    str | None, typer.Option(help="The archive's folder, if not reports/archive/<study>; implies --archive.")
]
Code = Annotated[
    str | None, typer.Option(help="The hash of the code that the job was planned with; other code is refused.")
]
ParamsFile = Annotated[Path, typer.Option("--params", help="The parameter file.")]


def main() -> None:
    """Run the command line; a user's mistake and a machine's limits end in one line and exit code 1."""
    debugged = not DEBUGGERS.isdisjoint(sys.modules)  # python -m pdb -m freeconv train …
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a job as kill does: without a traceback
    try:
        end_with_owner()
        app()
    except FreeconvError as error:
        if debugged:
            raise  # so that the debugger stops where it happened
        sys.exit(f"freeconv: error: {error}")
    except ModuleNotFoundError as error:
        sys.exit(NOT_INSTALLED.format(error.name))
    except MemoryError as error:
        how = f" ({' '.join(str(error).split())})" if str(error) else ""
        sys.exit(
            f"freeconv: error: expected enough memory for the job, received less{how}; "
            "raise the limit (ulimit -v), or run fewer jobs at once (snakemake --cores 1)"
        )
    except OSError as error:
        if error.errno not in LIMITS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"freeconv: error: {where}expected to read and write it, received an error: {error.strerror}")


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(help="mnist-5k, mnist, cifar10, or a name for --source.")],
    seed: Annotated[int, typer.Option(help="Seed of the order of datasets that come sorted by class.")] = 0,
    mirror: Annotated[str | None, typer.Option(help="Folder or URL in place of the download site.")] = None,
    source: Annotated[str | None, typer.Option(help="Folder or archive of images of any other dataset.")] = None,
    limit: Annotated[int | None, typer.Option(help="Largest number of images: a random subset.", min=1)] = None,
    code: Code = None,
) -> None:
    """Make data/<dataset>.h5."""
    from freeconv.commands.fetch import fetch

    _check_code(code, lambda of: of.fetch_code(dataset))
    fetch(dataset, paths.data_file(dataset), seed, mirror, source, limit)


@app.command()
def shard(
    config: ConfigText,
    compression: Annotated[Compression, typer.Option(help="Compression of the file.")] = "zstd",
    code: Code = None,
) -> None:
    """Make one shard: an augmented pass over a whole dataset."""
    from freeconv.commands.shard import make_shard
    from freeconv.study.jobs import ShardConfig

    job = ShardConfig.parse(config)
    _check_code(code, lambda of: of.shard_code(job))
    make_shard(job, paths.data_file(job.dataset), _shard_path(job), compression)


@app.command()
def train(
    config: ConfigText,
    threads: Annotated[int, typer.Option(help="Processor threads to use; all of them if 0.")] = 1,
    stack: Annotated[Stack, typer.Option(help="Train the runs side by side; auto: on a GPU.")] = "auto",
    checkpoint_minutes: Annotated[
        float, typer.Option(help="Minutes from one checkpoint to the next; after every epoch if 0.", min=0)
    ] = 3.0,
    versions: Annotated[
        Versions, typer.Option(help="Use runs of other versions or another backend, or train them anew.")
    ] = "warn",
    code: Code = None,
    lines: Annotated[
        Path | None, typer.Option(help="File that a line of JSON is added to after each epoch (docs/watching.md).")
    ] = None,
) -> None:
    """Train the runs of one job on the GPU, if there is one, and write their results.

    A job that was killed goes on from its checkpoints (checkpoints/) when it is started again.
    """
    from freeconv.commands.lines import epoch_lines
    from freeconv.commands.progress import both, training_progress
    from freeconv.machine.gpus import leased_gpu, release_unused
    from freeconv.machine.memory import keep_freed_memory
    from freeconv.study.jobs import TrainConfig

    job = TrainConfig.parse(config)
    with leased_gpu() as lease:
        begin = time.perf_counter()  # a wait for a GPU is no part of the training
        keep_freed_memory()
        import_keras(threads)
        from freeconv.commands.train import train

        _check_code(code, lambda of: of.train_code(job))
        release_unused(lease)
        progress = training_progress(job)
        train(
            job,
            paths.data_file(job.dataset),
            lambda run, copy_index: _shard_path(run.shard(copy_index)),
            _run_path,
            paths.checkpoint_file,
            both(progress, epoch_lines(lines, job.epochs)) if lines else progress,
            stack,
            begin,
            checkpoint_minutes,
            threads,
            versions=versions,
        )


@app.command()
def rerun(
    file: Annotated[Path, typer.Argument(help="The file of a run: results/train/…/fold-0.h5.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; <name>-again.h5 here if not given.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs; as many as the run has if not given.", min=1)] = None,
    threads: Annotated[int, typer.Option(help="Processor threads to use; all of them if 0.")] = 1,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Train a stored run again, by the configuration in its file, into a file of its own, and compare the two.

    Networks and augmentations of your own are found through `modules` of the parameter file.
    """
    import tempfile

    from freeconv.commands.progress import training_progress
    from freeconv.commands.rerun import check_out, first_difference, rerun, stored_job
    from freeconv.machine.gpus import leased_gpu
    from freeconv.study.params import load_params

    if params.is_file():
        load_params(params)  # registers members of one's own
    target = out or Path(f"{file.stem}-again.h5")
    check_out(target)
    job = stored_job(file, epochs)
    with leased_gpu():
        import_keras(threads)
        with tempfile.TemporaryDirectory() as work:
            rerun(job, target, work, training_progress(job), threads)
    print(f"{target}: {first_difference(file, target)}")


@app.command()
def distance(config: ConfigText, code: Code = None) -> None:
    """Compute the kernel-distance traces of one network, augmentation and level."""
    from freeconv.commands.distance import make_traces
    from freeconv.study.jobs import DistanceConfig

    job = DistanceConfig.parse(config)
    _check_code(code, lambda of: of.distance_code())
    make_traces(job, [_run_path(run) for run in job.train.runs()], paths.distance_file(*_cell(job.train)))


@app.command()
def measure(
    config: ConfigText,
    threads: Annotated[int, typer.Option(help="Processor threads to use; all of them if 0.")] = 1,
    code: Code = None,
) -> None:
    """Measure the trained networks of one network, augmentation and level: kernels, shared weights, shifts, angles."""
    from freeconv.machine.gpus import leased_gpu, release_unused
    from freeconv.study.jobs import MeasureConfig

    job = MeasureConfig.parse(config)
    with leased_gpu() as lease:
        import_keras(threads)
        from freeconv.commands.measure import make_measures

        _check_code(code, lambda of: of.measure_code(job))
        release_unused(lease)
        make_measures(
            job,
            [_run_path(run) for run in job.train.runs()],
            paths.data_file(job.train.dataset),
            paths.measure_file(*_cell(job.train)),
        )


@app.command()
def tables(
    params: ParamsText,
    from_archive: Annotated[
        bool,
        typer.Option("--archive", help="Make them, figures and pages from the archive, without any other results."),
    ] = False,
    archive_folder: ArchiveFolder = None,
    code: Code = None,
    to: Annotated[str, typer.Option(help="The folder that they are written to.")] = paths.REPORTS,
) -> None:
    """Make the tables and metrics.json from the results of all runs; what cannot be used is named, a line each."""
    from freeconv.commands.tables import make_tables
    from freeconv.study.params import load_params, study_name

    from_archive = from_archive or archive_folder is not None
    values = load_params(params, needs_images=not from_archive)
    _check_code(code, lambda of: of.tables_code())
    archive = None
    if from_archive:
        from freeconv.storage.archive_source import Archive

        archive = Archive(archive_folder or paths.archive_folder(study_name(values, params)))
    for problem in make_tables(values, to, archive):
        print(f"freeconv: {'warning' if problem.used else 'left out'}: {problem.text()}", file=sys.stderr)
    if archive is not None:
        from freeconv.commands.figures import make_figures
        from freeconv.commands.report import make_report

        left_out = make_figures(values, to, archive)
        make_report(values, to, archive.folder, "" if params.startswith("{") else params)
        print(f"left out, because they show images: drawings, {', '.join(left_out)}")


@app.command()
def archive(
    params: ParamsFile = Path("params.yaml"),
    root: Annotated[
        Path, typer.Option("--from", help="A clone where the study ran, of this version or an earlier one.")
    ] = Path(),
    archive_folder: ArchiveFolder = None,
) -> None:
    """Write runs, finished or not, their kernel distances and measures to reports/archive/<study>, to be committed.

    Nothing that is there changes; a longer run of the same configuration takes the place of a shorter one. Exit code 1
    if anything was refused.
    """
    from freeconv.commands.archive import archive_study
    from freeconv.study.params import load_params, study_name

    if not root.is_dir():
        raise FreeconvError(f"--from: expected the folder of a clone, received {root}, which does not exist")
    values = load_params(params, needs_images=False)
    refused = archive_study(values, archive_folder or paths.archive_folder(study_name(values, params)), root)
    for error in refused:
        print(f"freeconv: refused: {error}", file=sys.stderr)
    if refused:
        raise typer.Exit(1)


@app.command()
def figures(params: ParamsText, code: Code = None) -> None:
    """Draw the figures from the tables."""
    from freeconv.commands.figures import make_figures
    from freeconv.study.params import load_params

    values = load_params(params)
    _check_code(code, lambda of: of.figures_code(values))
    make_figures(values, paths.REPORTS)


@app.command()
def drawings(params: ParamsText, code: Code = None) -> None:
    """Draw what augmentations do to an image, the free layer, and kernels at a radius."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # small work: GPUs are left to the jobs that lease them
    import_keras()
    from freeconv.commands.drawings import make_drawings
    from freeconv.study.params import load_params

    values = load_params(params)
    _check_code(code, lambda of: of.drawings_code(values))
    make_drawings(values, paths.REPORTS)


@app.command()
def report(params: ParamsText, code: Code = None) -> None:
    """Write the report's pages from tables and figures."""
    from freeconv.commands.report import make_report
    from freeconv.study.params import load_params

    values = load_params(params)
    _check_code(code, lambda of: of.report_code(values))
    make_report(values, paths.REPORTS)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A study's folder, as . or studies/own, or the folder of its report.")],
    second: Annotated[Path, typer.Argument(help="Likewise.")],
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric, as val_acc; may be repeated.")] = None,
    output: Annotated[Literal["table", "csv"], typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Print the medians of two studies side by side."""
    from rich.console import Console

    from freeconv.commands.compare import as_csv, compare_studies, show

    rows, names = compare_studies(first, second, metric or ()), (str(first), str(second))
    if output == "csv":
        print(as_csv(rows, names), end="")
    else:
        show(rows, names, Console())


class RunsFormat(StrEnum):
    """How `freeconv runs` prints."""

    cells = "cells"
    table = "table"
    json = "json"
    files = "files"


@app.command()
def runs(
    params: ParamsFile = Path("params.yaml"),
    output: Annotated[
        RunsFormat,
        typer.Option(
            "--format",
            help="A line for each network, augmentation and level with what is done, running and missing; a table of "
            "runs; the jobs that `freeconv train` takes as JSON; or the runs' files.",
        ),
    ] = (RunsFormat.cells),
    of_archive: Annotated[bool, typer.Option("--archive", help="What the archive has of each run instead.")] = False,
    archive_folder: ArchiveFolder = None,
) -> None:
    """Print every run that the parameters ask for and what is done, or the jobs that train them."""
    from freeconv.study import grid
    from freeconv.study.params import load_params, study_name

    of_archive = of_archive or archive_folder is not None
    values = load_params(params, needs_images=not of_archive)
    if of_archive:
        _print_archived(values, archive_folder or paths.archive_folder(study_name(values, params)))
        return
    if output is RunsFormat.files:
        print("\n".join(grid.run_files(values)))
    elif output is RunsFormat.json:
        print("\n".join(job.text() for job in grid.jobs(values)))
    else:
        from rich.console import Console

        from freeconv.commands.runs import show_cells, show_runs

        (show_cells if output is RunsFormat.cells else show_runs)(values, Console())


@app.command()
def watch(
    params: ParamsFile = Path("params.yaml"),
    once: Annotated[bool, typer.Option("--once", help="Look once, in plain lines, as where there is no terminal.")] = (
        False
    ),
) -> None:
    """Show a running or queued study from another terminal, until its run ends; exit code 1 if a job has failed."""
    from freeconv.commands.watch import watch
    from freeconv.study.params import load_params
    from freeconv.terminal.stored import study_state

    values = load_params(params)
    if watch(lambda: study_state(values), once=once).failures:
        raise typer.Exit(1)


def _print_archived(params: "Params", folder: str) -> None:
    """Print what the archive lacks of each run."""
    from freeconv.commands.archive import missing
    from freeconv.commands.progress import run_label
    from freeconv.storage.archive_source import Archive

    found = missing(params, Archive(folder) if Path(folder).is_dir() else None)
    lacking = [(run, epochs, state) for run, epochs, state in found if state != "complete"]
    for run, epochs, state in lacking:
        of = f" of {epochs} epochs" if isinstance(state, int) else ""
        print(f"{run_label(run)}: {state}{of}")
    print(f"{len(found) - len(lacking)} of {len(found)} runs are complete in {folder}")


@app.command()
def estimate(
    params: ParamsFile = Path("params.yaml"),
    cores: Annotated[
        int | None,
        typer.Option(
            help="Training jobs at a time, on cores or GPUs like this machine's, of all nodes together; this machine's "
            "cores, on a GPU 1.",
            min=1,
        ),
    ] = None,
    timed: Annotated[bool, typer.Option("--time/--no-time", help="Time steps where no run is stored.")] = True,
    output: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Print what the parameters will cost: runs, epochs, training images, hours on this machine and disk."""
    import json

    from rich.console import Console

    from freeconv.planning.estimate import estimate, show
    from freeconv.study.params import load_params

    values = load_params(params)
    if timed:
        import_keras(1)  # as the Snakefile's training jobs
    with Console(stderr=True).status("estimating"):
        cost = estimate(values, cores, timed)
    if output == "json":
        print(json.dumps(cost, indent=2))
    else:
        show(cost, Console())


@app.command()
def params(
    file: Annotated[Path, typer.Argument(help="The parameter file.")] = Path("params.yaml"),
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write docs/params.md and workflow/schemas/params.schema.json.")
    ] = False,
) -> None:
    """Check a parameter file."""
    import json

    from freeconv.study.params import load_params
    from freeconv.study.params_reference import json_schema, reference

    load_params(file)
    print(f"{file}: every parameter is of its type and in its range")
    if write_docs:
        Path("docs/params.md").write_text(reference())
        Path("workflow/schemas/params.schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n")


@app.command()
def prune(
    params: ParamsFile = Path("params.yaml"),
    phase: Annotated[list[str] | None, typer.Option(help="Only these folders: data, shards, train, report.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    planned: Annotated[
        bool,
        typer.Option(
            "--planned",
            help="End a stage of DVC: go by what its Snakemake has read, do not ask, and fail if parameters or code "
            "have changed since, or a file is missing.",
        ),
    ] = False,
) -> None:
    """Remove stored files that the parameters do not ask for: what DVC's cache does not hold goes to attic/."""
    from freeconv.commands.planned import check_holes, planned_params
    from freeconv.commands.prune import prune, stale, training_seconds
    from freeconv.study.params import load_params

    values = planned_params(params) if planned else load_params(params)
    phases = phase or list(paths.FOLDERS)
    if not yes and not planned:
        files = stale(values, phases)
        for file in files:
            print(file.path if file.cached else f"{file.path} (not in DVC's cache)")
        kept = [file for file in files if not file.cached]
        hours = training_seconds(files) / 3600
        print(
            f"{len(files)} files that {params} does not ask for: {len(files) - len(kept)} can be had again and are "
            f"deleted; {len(kept)} cannot, with {hours:.1f} hours of training, and are moved to {paths.ATTIC}/"
        )
        if files and not typer.confirm("Remove them?"):
            raise typer.Exit(1)
    for file in prune(values, phases):
        print(f"{file.path}: {f'moved to {file.attic}' if file.attic else 'deleted'}")
    if planned:
        check_holes(values, phases)
        planned_params(params)


@app.command()
def checkout() -> None:
    """Bring back the study of the commit that is checked out, as DVC recorded it; what is in the way goes to attic/."""
    from freeconv.commands.checkout import checkout

    for file in checkout():
        print(f"{file.path}: moved to {file.attic}")


@app.command()
def doctor(
    params: ParamsFile = Path("params.yaml"),
    quick: Annotated[bool, typer.Option("--quick", help="Leave out content hashes, and do not start Keras.")] = False,
) -> None:
    """Check all stored files, the environment and the machine, and say what to do; exit code 1 if there is anything."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from freeconv.commands.doctor import examine, show
    from freeconv.study.params import load_params

    values = load_params(params)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        bar = bars.add_task("")
        findings = examine(
            values, quick, lambda path, done, total: bars.update(bar, description=path, completed=done, total=total)
        )
    show(findings, Console())
    if any(finding.advice for finding in findings):
        raise typer.Exit(1)


def _check_code(planned: str | None, found: "Callable[[ModuleType], str]") -> None:
    """Refuse to run with other code than a job was planned with; `found` takes `freeconv.study.code`."""
    if planned is not None:
        from freeconv.commands.planned import check_code
        from freeconv.study import code

        check_code(planned, lambda: found(code))


def _cell(config: "CellConfig | RunConfig") -> tuple[str, str, str, float]:
    """Return what tells the files of a cell from others."""
    return config.dataset, config.network, config.augmentation, config.level


def _run_path(config: "RunConfig") -> str:
    """Return the file of a run's results."""
    return paths.run_file(*_cell(config), config.fold, config.train_seed)


def _shard_path(config: "ShardConfig") -> str:
    """Return the file of a shard."""
    return paths.shard_file(config.dataset, config.augmentation, config.level, config.copy_index)
