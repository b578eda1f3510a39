"""Copies of this project to run whole workflows in."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from benchmarks.project import ROOT
from benchmarks.project import copy_project as copy_files
from filelock import FileLock

from tests.shared import shared_folder

BIN = Path(sys.executable).parent

# Most of the three seconds that Snakemake takes to start are imports. Processes are forked from one that has imported
# it and what the package needs, but nothing of the package: each takes that of its own project.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        *("snakemake.cli", "snakemake_executor_plugin_slurm", "snakemake_logger_plugin_rich", "smart_open"),
        *("cv2", "h5py", "pandas", "pydantic", "rich.console", "ruamel.yaml"),
    ]
)


def copy_project(folder: Path, **changes) -> Path:
    """Copy the project's files as Git would clone them, with params/smoke.yaml, changed, as params.yaml.

    Args:
        folder: where to; must not exist.
        changes: section to keys and values that replace those of the smoke study.
    """
    copy_files(folder)
    write_params(folder, **changes)
    return folder


def write_params(folder: Path, **changes) -> None:
    """Write params/smoke.yaml, changed, as the project's params.yaml."""
    params = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
    for section, values in changes.items():
        params[section].update(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def project_environment() -> dict[str, str]:
    """Return the environment of commands in a project: with this environment's programs on the path."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("FREECONV_MIRROR", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # each of a project's processes would compile the whole package
    return environment


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess:
    """Run a command in a project with this environment's programs on the path; its output is one text."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=project_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def made_once(factory: pytest.TempPathFactory, name: str, **changes) -> Path:
    """Return a project whose study Snakemake has made, once for all test processes. Tests must not change it.

    Args:
        factory: of the session.
        name: of the study; the same name must always come with the same changes.
        changes: as for `copy_project`.
    """
    folder = shared_folder(factory, name)
    with FileLock(f"{folder}.lock"):
        if not (folder / "reports/index.html").exists():
            copy_project(folder, **changes)
            made = run("snakemake", "--cores", "2", "--resources", "gpu=2", cwd=folder)
            assert made.returncode == 0, made.stdout[-5000:]
    return folder


SMOKE = {"data": {"limit": 1000}, "train": {"batch": 200}}


def smoke_study(factory: pytest.TempPathFactory) -> Path:
    """Return a project with the finished smoke study of fewer images, as `SMOKE` says. Tests must not change it."""
    return made_once(factory, "smoke-study", **SMOKE)


def tiny_study(factory: pytest.TempPathFactory) -> Path:
    """Return a project with a finished study of one free network at one level. Tests must not change it."""
    return made_once(
        factory,
        "tiny-study",
        data={"limit": 400},
        aug={"translate": [0.2], "copies": 1},
        train={"networks": ["fcn"], "held_out": [0], "epochs": 1, "batch": 80},
        measure={"images": 20, "shifts": [0], "angles": [0], "permutations": 2},
    )


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run Snakemake in a project as `run` would, but in a process that need not import it again."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place, "output.txt")
        process = FORKED.Process(target=_snakemake, args=(folder, options, output, project_environment()))
        process.start()
        process.join()
        return subprocess.CompletedProcess(["snakemake", *options], process.exitcode, output.read_text())


def _snakemake(folder: Path, options: tuple[str, ...], output: Path, environment: dict[str, str]) -> None:
    """Be Snakemake in a project."""
    assert "freeconv" not in sys.modules
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["snakemake", *options]
    from snakemake.cli import main

    main()


def plan(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run `snakemake -n` in a project."""
    return snakemake(folder, "-n", *options)


def planned(folder: Path, *options: str) -> dict[str, int]:
    """Return the jobs that `snakemake -n` plans: rule to number; empty if there is nothing to do."""
    output = plan(folder, *options).stdout
    if "Nothing to be done" in output:
        return {}
    lines = output.partition("Job stats:")[2].partition("total")[0].splitlines()
    pairs = [line.split() for line in lines if len(line.split()) == 2 and line.split()[1].isdigit()]
    assert pairs, output
    return {rule: int(number) for rule, number in pairs if rule != "all"}


def git(*arguments: str, cwd: Path) -> str:
    """Run Git in a project and return its output."""
    done = run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout
    return done.stdout


def dvc(*arguments: str, cwd: Path) -> str:
    """Run DVC in a project and return its output."""
    done = run("dvc", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def is_quiet(folder: Path) -> bool:
    """Return whether neither DVC nor Snakemake finds anything to do; if not, fail."""
    assert "up to date" in dvc("status", cwd=folder)
    assert planned(folder) == {}
    return True
