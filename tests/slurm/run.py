"""A study on local cores and through Slurm, with kills, gives identical tables: `make test-slurm`.

Through Slurm, Snakemake is killed while jobs run, and later a training job half-way.

For root on a disposable Debian machine. Takes a parameter file; writes nothing outside its temporary folder and
/etc/slurm, which it empties again.
"""

import contextlib
import csv
import io
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.slurm.cluster import cluster, install
from tests.workflow.project import BIN, copy_project

# What a table says of the machine's speed.
TIMES = ("seconds", "overhead_seconds")


@dataclass
class Seen:
    """What was seen of the training jobs while the study ran."""

    devices: dict[str, set[str]] = field(default_factory=dict)  # CUDA_VISIBLE_DEVICES by Slurm job
    logs: dict[str, str] = field(default_factory=dict)  # the rule's log by Slurm job, relative to the project
    side_by_side: set[frozenset[tuple[str, str]]] = field(default_factory=set)  # (Slurm job, device) of several jobs
    killed: str | None = None  # Slurm job
    cancelled: list[str] = field(default_factory=list)  # Slurm jobs that a killed Snakemake left behind


def main() -> None:
    """Run the study twice and compare."""
    install()
    # A polite end unwinds as an interrupt does: no daemon is left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("test-slurm: ended by SIGTERM"))
    params = Path(sys.argv[1] if len(sys.argv) > 1 else "params/smoke.yaml")
    folder = Path(tempfile.mkdtemp(prefix="test-slurm-"))
    local, slurm = (copy_project(folder / name) for name in ("local", "slurm"))
    for project in (local, slurm):
        shutil.copy(params, project / "params.yaml")

    begin = time.monotonic()
    subprocess.run(["snakemake", "--quiet", "all"], cwd=local, env=environment(local), check=True)
    tell(begin, f"{params} on local cores")

    with cluster(folder / "spool"):
        tell(begin, "cluster started")
        cancelled = kill_snakemake(slurm)
        tell(begin, f"Snakemake killed, its {len(cancelled)} Slurm jobs named by the next one and cancelled")
        seen = run_on_slurm(slurm)
        seen.cancelled = cancelled
        tell(begin, f"{params} through Slurm, job {seen.killed} killed")
        states = job_states()
        overheads = job_overheads(slurm)
        again = subprocess.run(
            ["snakemake", "-n", "--workflow-profile", "slurm"],
            cwd=slurm,
            env=environment(slurm),
            capture_output=True,
            text=True,
            check=True,
        )

    check_devices(seen)
    check_retry(seen, states)
    check_logs(local, slurm, seen)
    check_tables(local, slurm)
    assert "Nothing to be done" in again.stdout + again.stderr, again.stdout
    median = statistics.median(overheads)
    print(f"Slurm jobs: {len(states)}; a job's time beyond its rule's own: median {median:.1f} s (Slurm's clock: 1 s)")
    tell(begin, "identical tables; passed")
    shutil.rmtree(folder)


def environment(project: Path) -> dict[str, str]:
    """Return the environment of a project's Snakemake: this environment's programs, the project's own code."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(project / "src")}


def tell(begin: float, text: str) -> None:
    """Print a line with the time since the beginning."""
    print(f"{time.monotonic() - begin:6.0f} s: {text}", flush=True)


# Slurm is asked after a second instead of forty: this study's jobs are short.
SNAKEMAKE = ("snakemake", "--workflow-profile", "slurm", "--slurm-init-seconds-before-status-checks", "1")


def kill_snakemake(project: Path) -> list[str]:
    """Kill Snakemake while Slurm runs its jobs, and do what the next one says; return the Slurm jobs that it names."""
    with (project / "killed.log").open("w") as file:
        snakemake = subprocess.Popen(
            SNAKEMAKE, cwd=project, env=environment(project), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        while not (running := squeue("%i", "running")):
            assert snakemake.poll() is None, (project / "killed.log").read_text()[-8000:]
            time.sleep(0.2)
    finally:
        snakemake.kill()
        snakemake.wait()
    refused = subprocess.run(
        SNAKEMAKE, cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1, refused.stderr[-8000:]
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("freeconv: error: ")]
    advice = line.rpartition(": ")[2].split()
    assert advice[0] == "scancel", line
    assert {job for (job,) in running} <= set(advice[1:]), line
    subprocess.run(advice, check=True)
    while squeue("%i", "running,pending,completing"):
        time.sleep(0.2)
    return advice[1:]


def run_on_slurm(project: Path) -> Seen:
    """Run a study through Slurm, watch its training jobs, and kill the first that has trained an epoch."""
    seen = Seen()
    output = project / "snakemake.log"
    with output.open("w") as file:
        snakemake = subprocess.Popen(
            SNAKEMAKE, cwd=project, env=environment(project), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        while snakemake.poll() is None:
            watch(project, seen)
            time.sleep(0.2)
    finally:
        if snakemake.poll() is None:
            snakemake.terminate()
            snakemake.wait()
    assert snakemake.returncode == 0, output.read_text()[-8000:]
    return seen


def watch(project: Path, seen: Seen) -> None:
    """Note which devices the training processes of a project have; kill one if none has been killed yet."""
    now = set()
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if "train" not in command or process.cwd() != str(project):
                continue
            environ = process.environ()
            log = Path(f"/proc/{process.pid}/fd/1").readlink()
        except (psutil.Error, OSError):  # it has just ended
            continue
        job = environ.get("SLURM_JOB_ID")
        if job is None or Path(command[1]).name != "freeconv":
            continue
        device = environ.get("CUDA_VISIBLE_DEVICES", "")
        seen.devices.setdefault(job, set()).add(device)
        seen.logs[job] = str(log.relative_to(project))
        now.add((job, device))
        if seen.killed is None and len(seen.devices) > 1 and ": epoch 1/" in log.read_text():
            kill_job(job)
            seen.killed = job
    if len(now) > 1:
        seen.side_by_side.add(frozenset(now))


def kill_job(job: str) -> None:
    """Kill all processes of a Slurm job at once, as a dying node does: no one cleans up."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SLURM_JOB_ID") == job:
                process.kill()


def squeue(columns: str, states: str = "all") -> list[list[str]]:
    """Return columns of the jobs in some states; ended ones are included in all."""
    command = ["squeue", f"--states={states}", "--noheader", f"--format={columns}"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return [line.split("|") for line in lines]


def job_states() -> dict[str, str]:
    """Return the state of every Slurm job: COMPLETED, FAILED, …"""
    return dict(squeue("%i|%T"))


def job_overheads(project: Path) -> list[float]:
    """Return, for each kind of job that has one job only, the seconds that Slurm's job took beyond its rule's own."""
    taken: dict[str, list[float]] = {}
    for comment, state, begin, end in squeue("%k|%T|%S|%e"):
        if state == "COMPLETED":
            seconds = time.mktime(time.strptime(end, "%Y-%m-%dT%H:%M:%S")) - time.mktime(
                time.strptime(begin, "%Y-%m-%dT%H:%M:%S")
            )
            taken.setdefault(comment, []).append(seconds)
    overheads = []
    for path in (project / "logs").rglob("*.tsv"):
        parts = path.relative_to(project / "logs").with_suffix("").parts
        comment = f"rule_{parts[0]}"
        if len(parts) == 1 and len(taken.get(comment, [])) == 1:
            with path.open(newline="") as file:
                overheads.append(taken[comment][0] - float(next(csv.DictReader(file, delimiter="\t"))["s"]))
    return overheads


def check_devices(seen: Seen) -> None:
    """Every training job had one of the two devices, and jobs side by side had different ones."""
    assert all(len(devices) == 1 and devices <= {"0", "1"} for devices in seen.devices.values()), seen.devices
    assert seen.side_by_side, "no two training jobs ran at once"
    for jobs in seen.side_by_side:
        devices = [device for _, device in jobs]
        assert len(set(devices)) == len(devices), jobs


def check_retry(seen: Seen, states: dict[str, str]) -> None:
    """The killed job failed, one more job did its work, and nothing else failed."""
    assert seen.killed is not None, "no training job could be killed half-way"
    failed = {job for job, state in states.items() if state != "COMPLETED"}
    assert failed - set(seen.cancelled) == {seen.killed}, states
    assert list(seen.logs.values()).count(seen.logs[seen.killed]) == 2, seen.logs


def check_logs(local: Path, slurm: Path, seen: Seen) -> None:
    """Every job has the log it has on local cores; Slurm's own log of a killed job is kept."""
    expected = {path.relative_to(local) for path in (local / "logs").rglob("*.log")}
    logs = {path.relative_to(slurm) for path in (slurm / "logs").rglob("*.log")}
    own = {path for path in logs if path.parts[1] == "slurm"}
    assert logs - own == expected
    assert {path.stem for path in own} - set(seen.cancelled) == {seen.killed}, own


def check_tables(local: Path, slurm: Path) -> None:
    """Every table is the same, byte for byte; of the runs' table, all but times."""
    tables = [
        path.relative_to(local)
        for path in (local / "reports").rglob("*")
        if path.suffix in {".csv", ".md", ".tex", ".json"}
    ]
    assert len(tables) > 10, tables
    for path in tables:
        first, second = ((project / path).read_bytes() for project in (local, slurm))
        if path.name == "runs.csv":
            first, second = without_times(first), without_times(second)
        assert first == second, f"{path} differs"


def without_times(table: bytes) -> bytes:
    """Return a table without its columns of times."""
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    return repr([{key: value for key, value in row.items() if key not in TIMES} for row in rows]).encode()


if __name__ == "__main__":
    main()
