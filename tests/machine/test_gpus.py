import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from freeconv.errors import FreeconvError
from freeconv.machine.gpus import gpu_pool, leased_gpu, nvidia_smi, release_unused

SMI = """GPU 0: NVIDIA A100 80GB (UUID: GPU-aaaa-1)
GPU 1: NVIDIA A100 80GB (UUID: GPU-bbbb-2)
"""
DIVIDED = """GPU 0: NVIDIA H100 (UUID: GPU-aaaa-1)
  MIG 1g.10gb     Device  0: (UUID: MIG-cccc-1)
  MIG 1g.10gb     Device  1: (UUID: MIG-cccc-2)
GPU 1: NVIDIA H100 (UUID: GPU-bbbb-2)
"""
# A job: prints its device, and ends when its input does.
JOB = """
import os, sys
from freeconv.machine.gpus import leased_gpu
with leased_gpu() as lease:
    print(lease.device, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Work on a machine without GPUs, whose locks are the test's own."""
    for name in ("FREECONV_GPUS", "CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FREECONV_LEASES", str(tmp_path / "leases"))
    smi(tmp_path, monkeypatch, "")
    return tmp_path


def smi(folder: Path, monkeypatch, text: str) -> None:
    """Put a program named nvidia-smi first on the path that prints a text, and fails without one."""
    program = folder / "bin/nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\n" if text else "#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def start(errors: Path, **environment: str) -> subprocess.Popen:
    """Start a job whose standard error goes to a file."""
    with open(errors, "w") as file:
        return subprocess.Popen(
            [sys.executable, "-c", JOB],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )


def wait_for(text: str, file: Path) -> None:
    """Wait until a file holds a text; the test's own time limit is the only one."""
    subprocess.run(["sh", "-c", f"until grep -q '{text}' '{file}'; do sleep 0.05; done"], check=True, timeout=60)


def end(*jobs: subprocess.Popen) -> None:
    for job in jobs:
        job.kill()
        job.communicate()


def test_concurrent_jobs_have_different_devices_and_a_killed_one_frees_its_own(machine):
    pool = {"FREECONV_GPUS": "fake-0,fake-1"}
    jobs = [start(machine / f"{index}.txt", **pool) for index in range(2)]
    devices = [job.stdout.readline().split() for job in jobs]
    try:
        assert sorted(devices) == [["fake-0", "fake-0"], ["fake-1", "fake-1"]]
        third = start(machine / "third.txt", **pool)
        jobs.append(third)
        wait_for("waiting", machine / "third.txt")
        line = (machine / "third.txt").read_text()
        assert line.startswith("freeconv: waiting for a GPU: 2 of 2 taken, by process ")
        assert {str(job.pid) for job in jobs[:2]} <= set(line.replace(",", " ").split())
        jobs[1].kill()
        assert third.stdout.readline().split()[0] == devices[1][0]
        assert (machine / "third.txt").read_text().splitlines()[1:] == [f"freeconv: on GPU {devices[1][0]}"]
    finally:
        end(*jobs)


def test_a_device_is_free_after_a_lease_and_after_an_error(machine, monkeypatch, capsys):
    monkeypatch.setenv("FREECONV_GPUS", "fake")
    with leased_gpu() as lease:
        assert lease.device == os.environ["CUDA_VISIBLE_DEVICES"] == "fake"
        lease.release()
    with pytest.raises(ValueError, match="a job's"), leased_gpu():
        raise ValueError("a job's")
    with leased_gpu() as lease:
        assert lease.device == "fake"
    assert capsys.readouterr().err == "freeconv: on GPU fake\n" * 3


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({}, "nvidia-smi"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, "CUDA_VISIBLE_DEVICES"),
        ({"FREECONV_GPUS": "", "CUDA_VISIBLE_DEVICES": "0"}, "FREECONV_GPUS"),
        ({"SLURM_JOB_ID": "7"}, "Slurm"),
    ],
    ids=str,
)
def test_without_a_device_a_job_is_on_the_cpu_and_says_so(machine, monkeypatch, capsys, environment, source):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with leased_gpu() as lease:
        assert lease.device is None
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
    assert capsys.readouterr().err == f"freeconv: no GPU ({source} names none): on the CPU\n"
    assert not (machine / "leases").exists()


@pytest.mark.parametrize(
    ("environment", "devices"),
    [
        ({}, ["GPU-aaaa-1", "GPU-bbbb-2"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["GPU-bbbb-2"]),
        ({"CUDA_VISIBLE_DEVICES": "1, 0"}, ["GPU-bbbb-2", "GPU-aaaa-1"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bb"}, ["GPU-bbbb-2"]),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, ["GPU-aaaa-1"]),
        ({"CUDA_VISIBLE_DEVICES": "0,7,1"}, ["GPU-aaaa-1"]),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        ({"CUDA_VISIBLE_DEVICES": "1,1"}, ["GPU-bbbb-2"]),
        ({"CUDA_VISIBLE_DEVICES": "0", "FREECONV_GPUS": "1,fake"}, ["GPU-bbbb-2", "fake"]),
    ],
    ids=str,
)
def test_devices_go_by_uuid_however_they_are_named(machine, monkeypatch, environment, devices):
    smi(machine, monkeypatch, SMI)
    assert gpu_pool(environment).devices == devices


def test_visible_devices_are_taken_as_written_where_nvidia_smi_is_missing(machine):
    assert gpu_pool({"CUDA_VISIBLE_DEVICES": "2,3"}).devices == ["2", "3"]


def test_a_divided_gpu_counts_as_its_parts(machine, monkeypatch):
    smi(machine, monkeypatch, DIVIDED)
    assert nvidia_smi() == [("0", ["MIG-cccc-1", "MIG-cccc-2"]), ("1", ["GPU-bbbb-2"])]


def test_slurm_assigns_one_device_without_a_lease_and_several_to_one_slurm_job(machine, monkeypatch, capsys):
    smi(machine, monkeypatch, SMI)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with leased_gpu(), leased_gpu() as second:
        assert second.device == "GPU-bbbb-2"
    assert capsys.readouterr().err == "freeconv: on GPU GPU-bbbb-2, assigned by Slurm\n" * 2
    assert not (machine / "leases").exists()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with leased_gpu() as first:
        assert first.device == "GPU-aaaa-1"
    assert [path.name for path in (machine / "leases").iterdir()] == ["slurm-7-GPU-aaaa-1.lock"]


def test_all_users_share_the_locks_whatever_the_mask(machine, monkeypatch):
    monkeypatch.setenv("FREECONV_GPUS", "MIG-GPU-1/2/3")
    mask = os.umask(0o077)
    try:
        with leased_gpu():
            pass
    finally:
        assert os.umask(mask) == 0o077
    folder = machine / "leases"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o666


def test_locks_that_cannot_be_written_are_named(machine, monkeypatch):
    (machine / "file").write_text("")
    monkeypatch.setenv("FREECONV_GPUS", "fake")
    monkeypatch.setenv("FREECONV_LEASES", str(machine / "file/leases"))
    with pytest.raises(FreeconvError, match=r"file/leases: expected a place for GPU leases .*FREECONV_LEASES"):
        leased_gpu().__enter__()


def test_a_device_that_keras_cannot_use_is_given_back_unless_its_user_named_it(machine, monkeypatch, capsys):
    # In place of the module, which imports Keras.
    monkeypatch.setitem(sys.modules, "freeconv.training.precision", SimpleNamespace(has_gpu=lambda: False))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with leased_gpu() as unused:
        release_unused(unused)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        with leased_gpu() as lease:
            assert lease.device == "0"
    assert "GPU 0 given back" in capsys.readouterr().err
    monkeypatch.setenv("FREECONV_GPUS", "0")
    with leased_gpu() as named:
        release_unused(named)
    assert "given back" not in capsys.readouterr().err
