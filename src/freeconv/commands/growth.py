"""What a training job finds of its runs: those that are complete, those that go on, and those that are missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from freeconv.commands.progress import run_label
from freeconv.errors import FreeconvError
from freeconv.storage.atomic import UnreadableError
from freeconv.storage.run_content import stored_config
from freeconv.storage.run_file import differs, read_result, seam_after, to_attic
from freeconv.study.jobs import RunConfig, TrainConfig, first_difference
from freeconv.training.state import Checkpoint, Result, Variables, continued_state, members_left

RunPath = Callable[[RunConfig], str | Path]
# Attributes of a run's file that, beside its configuration, decide what it holds; absent in files of earlier versions.
ORIGINS = ("data_sha256", "code", "parent_sha256")


def found_results(
    config: TrainConfig,
    run_path: RunPath,
    about: Callable[[RunConfig], Mapping[str, Any]],
    attic: str | Path,
    environment: Mapping[str, Any] | None = None,
) -> list[Result]:
    """Return where each of a job's runs is by its file, without kernels and weights; without a file at the beginning.

    A file that is damaged or of another run is moved away, and one that cannot be continued will be replaced; each is
    reported in one line on standard output.

    Args:
        config: the job.
        run_path: takes a run, returns its results file.
        about: takes a run, returns what its file would say of it.
        attic: folder of files that were moved away (see `to_attic`).
        environment: the one that runs must be of; None if those of other versions or of another backend are used.

    Raises:
        UnreadableError: a file cannot be read at the moment.
    """
    return [_found(run, run_path(run), config.epochs, about(run), attic, environment) for run in config.runs()]


def _found(
    run: RunConfig,
    path: str | Path,
    asked: int,
    about: Mapping[str, Any],
    attic: str | Path,
    environment: Mapping[str, Any] | None,
) -> Result:
    """Return where one run is by its file."""
    missing = Result(run, asked)
    if not Path(path).exists():
        return missing
    try:
        result, attributes = read_result(run, path, asked)
        _check_origin(path, attributes, run, about)
        if environment is not None and (name := differs(result, environment)):
            raise FreeconvError(f"{path}: expected {name} of this machine (train.versions), received others")
    except UnreadableError:
        raise
    except FreeconvError as error:
        reason = " ".join(str(error).removeprefix(f"{path}: ").partition("; ")[0].split())
        moved = to_attic(path, attic)
        print(f"{path}: {reason}; it is moved to {moved} and the run is trained anew", flush=True)
        return missing
    if not result.finished and not result.state:
        print(
            f"{path}: expected what training needs to go on after epoch {result.epochs} of {asked}, received a file "
            "without it (train.resumable); the run is trained anew from the beginning",
            flush=True,
        )
        return missing
    return replace(result, kernels={}, network={}, state={})


def _check_origin(path: str | Path, attributes: Mapping[str, Any], run: RunConfig, about: Mapping[str, Any]) -> None:
    """Refuse a file that is not of this run, or was trained with other data, code or first weights."""
    names = [name for name in ORIGINS if name in attributes or name == "parent_sha256"]
    stored = {**stored_config(attributes), **{name: attributes.get(name) for name in names}}
    expected = {**run.dump(), **{name: about.get(name) for name in names}}
    if differing := first_difference(stored, expected):
        key, received, wanted = differing
        raise FreeconvError(f"{path}: expected {key} = {wanted!r}, received {received!r}")


def trained_beside(stack: Sequence[Result], complete: Sequence[Result], order: Sequence[RunConfig]) -> list[Result]:
    """Return a stack with those complete runs beside which its runs were trained before, as far as that can be known.

    Args:
        stack: runs that are to be trained.
        complete: runs of the same job, with as many steps an epoch, that are complete.
        order: the job's runs.

    Returns:
        The runs in the job's order. The stack itself, if no number of complete runs goes with it: that of runs trained
        side by side, which each file holds.
    """
    for number in sorted({result.stack for result in complete}):
        others = [result for result in complete if result.stack == number]
        if len(stack) + len(others) == number:
            return sorted([*stack, *others], key=lambda result: order.index(result.run))
    return list(stack)


def trained_together(complete: Sequence[Result]) -> list[list[Result]]:
    """Return complete runs of a job by how many were trained side by side: stacks, as far as that can be known."""
    stacks: dict[int, list[Result]] = {}
    for result in complete:
        stacks.setdefault(result.stack, []).append(result)
    return [[result] for result in stacks.pop(1, [])] + list(stacks.values())


def continued(
    stack: Sequence[Result], run_path: RunPath, variables: Variables, environment: Mapping[str, Any]
) -> Checkpoint:
    """Return where the training of runs is that go on from their files.

    Args:
        stack: runs with the same number of epochs, as `found_results` gives them, and runs that have stopped early by
            then, which go on as they did: carried along, their numbers unused.
        run_path: takes a run, returns its results file.
        variables: names of the networks' variables.
        environment: on what they go on.
    """
    results = [
        result if result.finished else read_result(result.run, run_path(result.run), result.asked)[0]
        for result in stack
    ]
    learning = [result for result in results if not result.finished]
    first = learning[0]
    others = f" and {len(learning) - 1} others" if len(learning) > 1 else ""
    print(f"{run_label(first.run)}{others}: {first.epochs} of {first.asked} epochs are stored, goes on", flush=True)
    for result in learning:
        if seam := seam_after(result, environment):
            result.environments.append(seam)
    return from_results(results, variables)


def from_results(results: list[Result], variables: Variables) -> Checkpoint:
    """Return where training is by the networks and states of runs, which are taken from their results."""
    learning = [result for result in results if not result.finished]
    members = members_left(results, learning[0].epochs)
    # of a run that has stopped early no state is kept: any will do
    held = [results[member] if not results[member].finished else learning[0] for member in members]
    state = continued_state(held, variables)
    for result in learning:
        result.network, result.state = {}, {}
    return Checkpoint(results, members, state)
