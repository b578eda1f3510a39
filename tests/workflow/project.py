"""Copies of this project to run whole workflows in."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from benchmarks.project import ROOT
from benchmarks.project import copy_project as copy_files

BIN = Path(sys.executable).parent

# Of the three seconds that `snakemake -n` takes, two and a half are imports. Processes that plan are forked from one that
# has imported Snakemake and what the package needs, but nothing of the package: each takes that of its own project.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["snakemake.cli", "snakemake_logger_plugin_rich", "cv2", "h5py", "pandas", "pydantic"])


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


def plan(folder: Path, *options: str) -> str:
    """Return what `snakemake -n` prints, as `run` would, but in a process that need not import Snakemake again."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place, "output.txt")
        process = FORKED.Process(target=_plan, args=(folder, options, output, project_environment()))
        process.start()
        process.join()
        return output.read_text()


def _plan(folder: Path, options: tuple[str, ...], output: Path, environment: dict[str, str]) -> None:
    """Be `snakemake -n` in a folder."""
    assert "freeconv" not in sys.modules
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["snakemake", "-n", *options]
    from snakemake.cli import main

    main()


def planned(folder: Path, *options: str) -> dict[str, int]:
    """Return the jobs that `snakemake -n` plans: rule to number; empty if there is nothing to do."""
    output = plan(folder, *options)
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
