"""Copies of this project to run whole workflows in."""

import os
import subprocess
import sys
from pathlib import Path

import yaml
from benchmarks.project import ROOT
from benchmarks.project import copy_project as copy_files

BIN = Path(sys.executable).parent


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


def planned(folder: Path, *options: str) -> dict[str, int]:
    """Return the jobs that `snakemake -n` plans: rule to number; empty if there is nothing to do."""
    output = run("snakemake", "-n", *options, cwd=folder).stdout
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
