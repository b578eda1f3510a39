"""What is true when jobs are planned, and must still be when they run: inputs, parameters, code.

Snakemake reads parameters and code once, at its start; a study runs for days, and people edit. So a job is given the
hash of the code that it was planned with and compares; the end of a stage of DVC compares parameters and code with
those that its Snakemake has read. And Snakemake believes a file's time: one that was replaced by another with an older
time, as `cp -p`, `rsync -a` and archives leave it, is found here by its content.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from freeconv.errors import FreeconvError
from freeconv.machine.snakemake_notes import made_with
from freeconv.storage.atomic import write_text
from freeconv.storage.dataset_file import check_dataset
from freeconv.storage.hdf5 import describe_h5
from freeconv.study import grid, paths
from freeconv.study.jobs import check_config, first_difference
from freeconv.study.params import Params, load_params

PLANNED = ".snakemake/planned.json"
CODE = ("Snakefile", "workflow/rules", "src/freeconv")  # what DVC's stages depend on


def check_code(planned: str | None, found: Callable[[], str]) -> None:
    """Refuse to run with other code than that with which a job was planned.

    To be called after the code was imported, so that what runs is what was compared.

    Args:
        planned: hash of the code; None if the job was not planned by Snakemake.
        found: returns that of the code that is there now.
    """
    if planned is not None and (received := found()) != planned:
        raise FreeconvError(
            f"code: expected {planned}, with which the job was planned, received {received}: it was changed during the "
            "run; run snakemake again"
        )


def check_inputs(params: Params, options: Mapping[str, Any], raw: Mapping[str, str]) -> None:
    """Refuse datasets that are not what the parameters ask for, or not what results were made from.

    Passed over are files that are missing or damaged, which jobs report, and those that Snakemake itself knows to be
    out of date.

    Args:
        params: the study.
        options: dataset to what the rule `fetch` passes on of the parameters.
        raw: dataset to the hash of its raw files.

    Raises:
        FreeconvError: names the dataset and what differs.
    """
    for dataset, path in zip(params.data.datasets, grid.data_files(params), strict=True):
        if not Path(path).is_file() or _is_outdated(path, (options[dataset], raw[dataset])):
            continue
        try:
            described, attributes = describe_h5(path)
        except FreeconvError:
            continue
        check_dataset(path, described, attributes, grid.data_config(params, dataset))
        if "raw_sha256" in attributes:
            check_config(path, {"raw files": attributes["raw_sha256"]}, {"raw files": raw[dataset]})
        _check_made_from(params, dataset, path, attributes["content_sha256"])


def _is_outdated(path: str, asked: tuple[Any, ...]) -> bool:
    """Return whether Snakemake knows that a file was made with other parameters than those asked for."""
    recorded = made_with(path)
    if recorded is None:
        return False
    return not {repr(value) for value in asked} <= recorded


def _check_made_from(params: Params, dataset: str, path: str, content: str) -> None:
    """Refuse a dataset with other content than that from which newer files were made; Snakemake sees only times."""
    for made in _made_from(params, dataset):
        try:
            newer = Path(made).stat().st_mtime_ns >= Path(path).stat().st_mtime_ns
            stored = describe_h5(made)[1].get("data_sha256") if newer else content
        except (OSError, FreeconvError):
            continue
        if stored != content:
            raise FreeconvError(
                f"{path}: expected content {stored}, from which {made} was made, received {content} with an older "
                f"time: another file took its place; bring the right one back (dvc checkout {path}), or touch it to "
                "make everything from it anew"
            )
        return


def _made_from(params: Params, dataset: str) -> Iterator[str]:
    """Yield the files that are made from a dataset, shards first."""
    for run, path in zip(grid.runs(params), grid.run_files(params), strict=True):
        if run.dataset == dataset:
            yield paths.shard_file(dataset, run.augmentation, run.level, 0)
            yield path


def remember(params: Params) -> None:
    """Write down with which parameters and code jobs are planned, for the end of the stage of DVC."""
    write_text(PLANNED, json.dumps({"params": params.dump(), "code": tree_sha256()}, sort_keys=True))


def planned_params(params_file: str | Path) -> Params:
    """Return the parameters with which the Snakemake of this stage of DVC has planned.

    DVC records parameters and code as they are when a stage ends, results as they were made.

    Raises:
        FreeconvError: parameters or code were changed since.
    """
    try:
        planned = json.loads(Path(PLANNED).read_text())
    except (OSError, ValueError) as error:
        raise FreeconvError(
            f"{PLANNED}: expected what Snakemake planned, received nothing that can be read; run dvc repro"
        ) from error
    params = load_params(params_file)
    if differing := first_difference(planned["params"], params.dump()):
        key, before, now = differing
        raise FreeconvError(
            f"{params_file}: expected {key} = {before!r} as when the stage began, received {now!r}: it was changed "
            "during the run, and nothing is recorded; run dvc repro again"
        )
    if planned["code"] != tree_sha256():
        raise FreeconvError(
            f"code: expected that of when the stage began, received another in {', '.join(CODE)}: it was changed "
            "during the run, and nothing is recorded; run dvc repro again"
        )
    return params


def tree_sha256() -> str:
    """Return a hash of all code that DVC's stages depend on."""
    digest = hashlib.sha256()
    for root in map(Path, CODE):
        for file in sorted([root] if root.is_file() else root.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()


def check_holes(params: Params, phases: list[str]) -> None:
    """Refuse to end a stage of DVC whose files are not all there: DVC would record the study without them.

    Raises:
        FreeconvError: names the first missing file.
    """
    of_phase = {
        "data": grid.data_files(params),
        "shards": grid.shard_files(params),
        "train": grid.run_files(params),
        "report": [*grid.distance_files(params), *grid.measure_files(params), *grid.report_files(params)],
    }
    missing = [path for phase in phases for path in of_phase[phase] if not Path(path).is_file()]
    if missing:
        raise FreeconvError(
            f"{missing[0]}: expected a file, received nothing, as of {len(missing)} files in all; run dvc repro again"
        )
