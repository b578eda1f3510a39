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
from freeconv.vocabulary import Compression, Stack

NOT_INSTALLED = (
    "freeconv: error: expected the packages of the command, received no package {}; "
    "pip install 'freeconv[train]' for training and its data, 'freeconv[study]' for everything"
)

# What a machine or its owner may refuse, whatever the code does.
LIMITS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE)

try:
    import typer
except ModuleNotFoundError as error:
    sys.exit(NOT_INSTALLED.format(error.name))

if TYPE_CHECKING:  # `--help` need not wait for what reads configurations
    from freeconv.study.jobs import CellConfig, RunConfig, ShardConfig

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Do neural networks need weight sharing? The jobs of the study; usually Snakemake calls them.",
)

ConfigText = Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration: JSON, or a JSON file's path.")]
ParamsText = Annotated[str, typer.Argument(metavar="PARAMS", help="A parameter file, or its content as JSON.")]
ParamsFile = Annotated[Path, typer.Option("--params", help="The parameter file.")]


def main() -> None:
    """Run the command line; a user's mistake and a machine's limits end in one line and exit code 1."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a job as kill does: without a traceback
    try:
        end_with_owner()
        app()
    except FreeconvError as error:
        sys.exit(f"freeconv: error: {error}")
    except ModuleNotFoundError as error:
        sys.exit(NOT_INSTALLED.format(error.name))
    except MemoryError as error:
        sys.exit(
            f"freeconv: error: expected enough memory for the job, received less ({' '.join(str(error).split())}); "
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
) -> None:
    """Make data/<dataset>.h5."""
    from freeconv.commands.fetch import fetch

    fetch(dataset, paths.data_file(dataset), seed, mirror, source, limit)


@app.command()
def shard(
    config: ConfigText,
    compression: Annotated[Compression, typer.Option(help="Compression of the file.")] = "zstd",
) -> None:
    """Make one shard: an augmented pass over a whole dataset."""
    from freeconv.commands.shard import make_shard
    from freeconv.study.jobs import ShardConfig

    job = ShardConfig.parse(config)
    make_shard(job, paths.data_file(job.dataset), _shard_path(job), compression)


@app.command()
def train(
    config: ConfigText,
    threads: Annotated[int, typer.Option(help="Processor threads to use; all of them if 0.")] = 0,
    stack: Annotated[Stack, typer.Option(help="Train the runs side by side; auto: on a GPU.")] = "auto",
    checkpoint_minutes: Annotated[
        float, typer.Option(help="Minutes from one checkpoint to the next; after every epoch if 0.", min=0)
    ] = 3.0,
) -> None:
    """Train the runs of one job on the GPU, if there is one, and write their results.

    A job that was killed goes on from its checkpoints (checkpoints/) when it is started again.
    """
    from freeconv.commands.progress import training_progress
    from freeconv.machine.gpus import leased_gpu, release_unused
    from freeconv.study.jobs import TrainConfig

    job = TrainConfig.parse(config)
    with leased_gpu() as lease:
        begin = time.perf_counter()  # a wait for a GPU is no part of the training
        import_keras(threads)
        from freeconv.commands.train import train

        release_unused(lease)
        with training_progress(job) as progress:
            train(
                job,
                paths.data_file(job.dataset),
                lambda run, copy_index: _shard_path(run.shard(copy_index)),
                _run_path,
                paths.checkpoint_file,
                progress,
                stack,
                begin,
                checkpoint_minutes,
                threads,
            )


@app.command()
def distance(config: ConfigText) -> None:
    """Compute the kernel-distance traces of one network, augmentation and level."""
    from freeconv.commands.distance import make_traces
    from freeconv.study.jobs import DistanceConfig

    job = DistanceConfig.parse(config)
    make_traces(job, [_run_path(run) for run in job.train.runs()], paths.distance_file(*_cell(job.train)))


@app.command()
def measure(
    config: ConfigText,
    threads: Annotated[int, typer.Option(help="Processor threads to use; all of them if 0.")] = 0,
) -> None:
    """Measure the trained networks of one network, augmentation and level: kernels, shared weights, shifts, angles."""
    from freeconv.machine.gpus import leased_gpu, release_unused
    from freeconv.study.jobs import MeasureConfig

    job = MeasureConfig.parse(config)
    with leased_gpu() as lease:
        import_keras(threads)
        from freeconv.commands.measure import make_measures

        release_unused(lease)
        make_measures(
            job,
            [_run_path(run) for run in job.train.runs()],
            paths.data_file(job.train.dataset),
            paths.measure_file(*_cell(job.train)),
        )


@app.command()
def tables(params: ParamsText) -> None:
    """Make the tables and metrics.json from the results of all runs; what cannot be used is named, a line each."""
    from freeconv.commands.tables import make_tables
    from freeconv.study.params import load_params

    for problem in make_tables(load_params(params), paths.REPORTS):
        print(f"freeconv: {'warning' if problem.used else 'left out'}: {problem.text()}", file=sys.stderr)


@app.command()
def figures(params: ParamsText) -> None:
    """Draw the figures from the tables."""
    from freeconv.commands.figures import make_figures
    from freeconv.study.params import load_params

    make_figures(load_params(params), paths.REPORTS)


@app.command()
def drawings(params: ParamsText) -> None:
    """Draw what augmentations do to an image, the free layer, and kernels at a radius."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # small work: GPUs are left to the jobs that lease them
    import_keras()
    from freeconv.commands.drawings import make_drawings
    from freeconv.study.params import load_params

    make_drawings(load_params(params), paths.REPORTS)


@app.command()
def report(params: ParamsText) -> None:
    """Write the report's pages from tables and figures."""
    from freeconv.commands.report import make_report
    from freeconv.study.params import load_params

    make_report(load_params(params), paths.REPORTS)


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

    table = "table"
    json = "json"
    files = "files"


@app.command()
def runs(
    params: ParamsFile = Path("params.yaml"),
    output: Annotated[
        RunsFormat,
        typer.Option(
            "--format", help="A table of runs, the jobs that `freeconv train` takes as JSON, or the runs' files."
        ),
    ] = (RunsFormat.table),
) -> None:
    """Print every run that the parameters ask for, or the jobs that train them."""
    from freeconv.study import grid
    from freeconv.study.params import load_params

    values = load_params(params)
    if output is RunsFormat.files:
        print("\n".join(grid.run_files(values)))
    elif output is RunsFormat.json:
        print("\n".join(job.text() for job in grid.jobs(values)))
    else:
        from rich.console import Console
        from rich.table import Table

        columns = ("dataset", "network", "augmentation", "level", "fold", "seed", "epochs", "batch", "learning_rate")
        table = Table(*columns)
        for run, epochs in zip(grid.runs(values), grid.run_epochs(values), strict=True):
            row = {**run.dump(), "seed": run.train_seed, "epochs": epochs}
            table.add_row(*(f"{row[column]}" for column in columns))
        Console().print(table)
        print(f"{table.row_count} runs")


@app.command()
def estimate(
    params: ParamsFile = Path("params.yaml"),
    cores: Annotated[
        int | None, typer.Option(help="Training jobs at a time; the machine's cores, on a GPU 1.", min=1)
    ] = None,
    timed: Annotated[bool, typer.Option("--time/--no-time", help="Time steps where no run is stored.")] = True,
    output: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Print what the parameters will cost: runs, epochs, training images, hours on this machine and disk."""
    import json

    from rich.console import Console

    from freeconv.planning.estimate import as_dict, estimate, show
    from freeconv.study.params import load_params

    values = load_params(params)
    if timed:
        import_keras(1)  # as the Snakefile's training jobs
    with Console(stderr=True).status("estimating"):
        cost = estimate(values, cores, timed)
    if output == "json":
        print(json.dumps(as_dict(cost), indent=2))
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
) -> None:
    """Delete stored files that the parameters do not ask for."""
    from freeconv.commands.prune import prune
    from freeconv.study.params import load_params

    for path in prune(load_params(params), phase or ["data", "shards", "train", "report"]):
        print(f"deleted {path}")


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


def _cell(config: "CellConfig | RunConfig") -> tuple[str, str, str, float]:
    """Return what tells the files of a cell from others."""
    return config.dataset, config.network, config.augmentation, config.level


def _run_path(config: "RunConfig") -> str:
    """Return the file of a run's results."""
    return paths.run_file(*_cell(config), config.fold, config.train_seed)


def _shard_path(config: "ShardConfig") -> str:
    """Return the file of a shard."""
    return paths.shard_file(config.dataset, config.augmentation, config.level, config.copy_index)
