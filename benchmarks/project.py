"""Copies of this project, and commands in them with their time and peak memory."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Ran(NamedTuple):
    """A command that has ended.

    Attributes:
        seconds: of wall time.
        megabytes: the peak memory of the largest of its processes.
        output: standard output and error.
    """

    seconds: float
    megabytes: float
    output: str


def copy_project(folder: Path) -> None:
    """Copy the project's files, as Git lists them, without what has been made from them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)


def run(folder: Path, *command: str, programs: Path | None = None) -> Ran:
    """Run a command in a copy of the project, with this environment's programs.

    Args:
        folder: the copy.
        command: its words.
        programs: a folder of programs that come before the environment's own.

    Raises:
        RuntimeError: the command failed.
    """
    path = [*([str(programs)] if programs else []), str(Path(sys.executable).parent), os.environ["PATH"]]
    with tempfile.TemporaryFile("w+") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PATH": os.pathsep.join(path)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {text[-2000:]}")
    return Ran(seconds, usage.ru_maxrss * 1024 / 1e6, text)
