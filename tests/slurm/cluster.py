"""A Slurm cluster of this machine alone, with two GPUs that are mere device files. For root on a disposable machine."""

import contextlib
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

HERE = Path(__file__).parent
CONFIG = Path("/etc/slurm")


def install() -> None:
    """Install Slurm and munge from Debian; end in one line where that is not wanted or not possible."""
    if os.geteuid() != 0:
        sys.exit(f"test-slurm: expected root on a disposable machine, received user {os.geteuid()}; use a container")
    if not (shutil.which("apt-get") and Path("/etc/debian_version").exists()):
        sys.exit(f"test-slurm: expected Debian with apt-get, received {platform.platform()}; use a Debian container")
    if (CONFIG / "slurm.conf").exists():
        sys.exit(f"test-slurm: expected no Slurm here, received {CONFIG}/slurm.conf; use a disposable machine")
    if not all(shutil.which(program) for program in ("slurmctld", "slurmd", "sbatch", "munged")):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        for command in ("update", "install --yes --no-install-recommends slurm-wlm munge"):
            subprocess.run([*apt, *command.split()], env=environment, stdout=subprocess.DEVNULL, check=True)


@contextlib.contextmanager
def daemon(*command: str) -> Iterator[subprocess.Popen]:
    """Run a daemon in the foreground, away from the keyboard's signals, until the block ends."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(what: str, command: list[str], pattern: str, seconds: float = 60) -> None:
    """Wait until a command succeeds and prints a pattern; end in one line if it does not."""
    end = time.monotonic() + seconds
    while True:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode == 0 and re.search(pattern, done.stdout):
            return
        if time.monotonic() > end:
            sys.exit(f"test-slurm: {what}: expected {pattern!r} of {' '.join(command)}, received {done.stdout!r}")
        time.sleep(0.5)


def configure(spool: Path) -> None:
    """Write the configuration for this machine, below /etc/slurm because Slurm's jobs look for it only there."""
    spool.mkdir(parents=True)
    for name in ("state", "spool"):
        (spool / name).mkdir()
    for name in ("gpu0", "gpu1"):
        # Slurm hands out nothing but devices; these are two more /dev/null.
        os.mknod(spool / name, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    CONFIG.mkdir(exist_ok=True)
    values = {
        "host": platform.node().partition(".")[0],
        "spool": spool,
        "cpus": max(2, os.cpu_count() or 1),
        "memory": psutil.virtual_memory().total // 2**20,
    }
    for name in ("slurm.conf", "gres.conf"):
        (CONFIG / name).write_text((HERE / name).read_text().format(**values))


@contextlib.contextmanager
def cluster(spool: Path) -> Iterator[None]:
    """Run a cluster until the block ends; nothing of it is left but Debian's packages.

    Args:
        spool: the cluster's folder, for its state, logs and devices; must not exist.
    """
    with contextlib.ExitStack() as stack:
        if subprocess.run(["munge", "--no-input"], capture_output=True, check=False).returncode != 0:
            Path("/run/munge").mkdir(mode=0o755, exist_ok=True)
            shutil.chown("/run/munge", "munge", "munge")
            stack.enter_context(daemon("runuser", "--user", "munge", "--", "munged", "--foreground"))
            wait_for("munge", ["munge", "--no-input"], "MUNGE")
        for name in ("slurm.conf", "gres.conf"):
            stack.callback((CONFIG / name).unlink, missing_ok=True)
        configure(spool)
        stack.enter_context(daemon("slurmctld", "-D"))
        stack.enter_context(daemon("slurmd", "-D"))
        # Last in, first out: jobs end before the daemons do.
        stack.callback(end_jobs)
        wait_for("slurm", ["sinfo", "--noheader", "--format=%T"], "idle")
        yield


def end_jobs() -> None:
    """Cancel all jobs and wait until their processes are gone."""
    subprocess.run(["scancel", "--user=root"], check=False)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        left = subprocess.run(["squeue", "--noheader"], stdout=subprocess.PIPE, text=True, check=False).stdout
        if not left.strip():
            return
        time.sleep(0.5)
