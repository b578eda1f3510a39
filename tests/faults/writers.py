"""Every writer of the project, on small data; and how to end a process while it writes."""

import inspect
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from freeconv.commands.distance import make_traces
from freeconv.commands.fetch import fetch
from freeconv.commands.report import make_report
from freeconv.commands.shard import make_shard
from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.machine import locks
from freeconv.report.panels import image_of, new_figure, style
from freeconv.storage import atomic, csv_files, hdf5
from freeconv.storage.checkpoint_file import checkpoint_identity, write_checkpoint
from freeconv.storage.run_file import write_run
from freeconv.study import grid, paths
from freeconv.training.state import Checkpoint, Result
from tests.made_study import (
    data_sha256,
    grids,
    history,
    kernels,
    small_params,
    write_data,
    write_measures,
    write_runs,
    write_shards,
)

PARAMS = small_params(
    aug={"translate": [0.2]}, train={"networks": ["fcn"], "folds": 3, "held_out": [0], "epochs": 2}, report={}
)
IMAGES = (np.arange(40 * 28 * 28) % 251).astype("uint8").reshape(40, 28, 28, 1)


class Writer(NamedTuple):
    """What writes files of one kind.

    Attributes:
        write: writes them, below the current folder, from what `prepare` made.
        folder: where.
        prepare: makes what `write` reads.
    """

    write: Callable[[], object]
    folder: str
    prepare: Callable[[], object] = lambda: None


def one_run():
    """Return the run of `PARAMS` and its result."""
    (run,) = list(grid.runs(PARAMS))[-1:]
    result = Result(run, 2, kernels={epoch: {"free_1": array} for epoch, array in enumerate(kernels(run, 2))})
    for number in range(2):
        result.add({name: float(values[number]) for name, values in _named(history(run, 2)).items()}, 1.0)
    result.network = {"free_1/kernel": kernels(run, 2)[-1]}
    return run, result


def _named(arrays):
    return {name.removeprefix("history/"): values for name, values in arrays.items()}


def write_one_run():
    run, result = one_run()
    path = paths.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold)
    about = {"classes": 10, "images": 5000, "data_sha256": data_sha256(run.dataset)}
    write_run(path, result, {"grids": {"free_1": list(grids(run)["free_1"])}, **about})


def write_one_checkpoint():
    run, result = one_run()
    identity = checkpoint_identity([run], False, "0" * 64, {"backend": "tensorflow"})
    weights = [np.ones((1, 9, 4), "float32") for _ in range(4)]
    state = {"weights": weights, "first": weights, "second": weights, "fixed": [], "step": np.array([7.0], "float32")}
    write_checkpoint(paths.checkpoint_file("ab12"), identity, Checkpoint([result], [0], state))


def write_one_shard():
    config = grid.shard_config(PARAMS, "mnist-5k", "translate", 0.2, 0)
    make_shard(config, paths.data_file("mnist-5k"), paths.shard_file("mnist-5k", "translate", 0.2, 0))


def write_one_distance():
    cell = ("mnist-5k", "fcn", "translate", 0.2)
    config = grid.distance_config(PARAMS, *cell)
    make_traces(config, [paths.run_file(*cell, fold) for fold in config.train.fold_indices], paths.distance_file(*cell))


def save(figure, path):
    atomic.write_bytes(path, image_of(figure, path.rpartition(".")[2]))


def write_one_figure():
    with style():
        figure = new_figure(2, 1)
        figure.subplots().plot([1, 2], [3, 4])
        for suffix in ("svg", "png"):
            save(figure, paths.figure_file("reports", "mnist-5k", "translate", "lines", suffix))


def prepare_results():
    write_data("mnist-5k")
    write_runs(PARAMS)
    write_one_distance()
    write_measures(PARAMS)
    write_shards(PARAMS)


def prepare_report():
    prepare_results()
    make_tables(PARAMS)
    for path in (*grid.figure_files(PARAMS), *grid.drawing_files(PARAMS)):
        if path.endswith(".csv"):
            atomic.write_text(path, "level\n")
        else:
            save(new_figure(1, 1), path)


WRITERS = {
    "fetch": Writer(lambda: fetch("mnist-5k", paths.data_file("mnist-5k"), 0, limit=40), "data"),
    "shard": Writer(write_one_shard, "results/shards", lambda: write_data("mnist-5k")),
    "train": Writer(write_one_run, "results/train"),
    "checkpoint": Writer(write_one_checkpoint, "checkpoints"),
    "distance": Writer(write_one_distance, "results/distance", lambda: write_runs(PARAMS)),
    "measure": Writer(lambda: write_measures(PARAMS), "results/measure", lambda: write_runs(PARAMS)),
    "tables": Writer(lambda: make_tables(PARAMS), "reports", prepare_results),
    "figures": Writer(write_one_figure, "reports/figures"),
    "report": Writer(lambda: make_report(PARAMS), "reports", prepare_report),
}
# The functions between whose lines a writer can be killed.
WRITING = (
    hdf5.write_h5,
    hdf5._write_attribute,
    csv_files.write_csv,
    csv_files.write_sums,
    atomic.write_text,
    atomic.write_bytes,
    atomic._temporary,
    atomic._flush,
    locks.lock_file,
)
CODE_THAT_WRITES = {inspect.unwrap(function).__code__ for function in WRITING}


def lines_of(write: Callable[[], object]) -> int:
    """Return how many lines of `WRITING` a writer reaches, in a process of its own."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        lines = [0]

        def count():
            lines[0] += 1

        _finish(lambda: _traced(write, count), lambda: os.write(writing, str(lines[0]).encode()))
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = int(pipe.read() or 0)
    assert os.waitpid(child, 0)[1] == 0
    return number


def killed_at_line(write: Callable[[], object], line: int) -> None:
    """Run a writer in a process of its own that is killed with -9 before a line of `WRITING`, counted from 1."""
    if (child := os.fork()) == 0:
        left = [line]

        def count():
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        _finish(lambda: _traced(write, count))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def ended_at_byte(write: Callable[[], object], size: int, kill: bool) -> int:
    """Run a writer in a process of its own whose files cannot grow beyond a size.

    Args:
        write: the writer.
        size: bytes.
        kill: whether the kernel ends the process in the middle of that write, or only refuses it, as on a full disk.

    Returns:
        The exit code: minus the signal's number; 0 if all fitted; 1 if it ended with a line for the user; 2 otherwise.
    """
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if kill else signal.SIG_IGN)
        _finish(write)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _traced(write: Callable[[], object], at_line: Callable[[], object]) -> None:
    """Call a writer, and a function before each line of `WRITING`."""

    def enter(frame, event, argument):
        return line if frame.f_code in CODE_THAT_WRITES else None

    def line(frame, event, argument):
        if event == "line":
            at_line()
        return line

    sys.settrace(enter)
    try:
        write()
    finally:
        sys.settrace(None)


def _finish(*steps: Callable[[], object]) -> None:
    """Take steps and end this process, which must not return into the tests."""
    code = 0
    try:
        for step in steps:
            step()
    except FreeconvError as error:
        code = 1 if str(error).count("\n") == 0 else 2
    except BaseException:
        traceback.print_exc()
        code = 2
    finally:
        os._exit(code)


def contents(folder: str | Path) -> dict[str, bytes]:
    """Return the content of all files of a folder, and of the hidden ones that writers leave when they are killed."""
    return {str(path): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def whole(found: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files without the hidden temporary ones."""
    return {path: content for path, content in found.items() if not Path(path).name.startswith(".")}
