"""Leases of GPUs: a job has one device to itself, on the whole machine, until it ends.

Snakemake's `resources: gpu=1` only counts jobs of one Snakemake. A lease is a lock on a file per device, in a folder
that all users of the machine share, so that two Snakemakes, DVC's parallel experiments and other users' studies take
different devices. The kernel frees the lock at any end of the process.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from freeconv.errors import FreeconvError
from freeconv.machine.locks import holder, lock_file

# Not tempfile.gettempdir(): TMPDIR may differ between users and jobs, and so would their folders.
FOLDER = "/tmp/freeconv-leases"
POLL = 0.5  # seconds
NO_DEVICE = "-1"  # what CUDA takes for none


class Pool(NamedTuple):
    """What devices a job may take.

    Attributes:
        devices: names as CUDA_VISIBLE_DEVICES takes them, in the order of preference.
        source: where they are from, for messages.
        locks: what the names of their locks begin with; None if the device needs no lease.
    """

    devices: list[str]
    source: str
    locks: str | None = ""


class Lease(NamedTuple):
    """A device of one's own.

    Attributes:
        device: its name; None on the CPU.
        source: where it was named.
        release: gives it back before the process ends; may be called twice.
    """

    device: str | None
    source: str
    release: Callable[[], object]


@contextmanager
def leased_gpu() -> Iterator[Lease]:
    """Wait for a GPU, hold it, and let CUDA see only this one; without any, let CUDA see none.

    Call it before Keras is imported. What happens is reported in one line on standard error, a wait in a line of
    its own.

    Environment variables: FREECONV_GPUS names the devices to choose from, else CUDA_VISIBLE_DEVICES, else nvidia-smi.
    FREECONV_LEASES is the folder of the locks, in place of /tmp/freeconv-leases. CUDA_VISIBLE_DEVICES is set.

    Raises:
        FreeconvError: the folder of the locks, or a file in it, cannot be written.
    """
    pool = gpu_pool(os.environ)
    if not pool.devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = NO_DEVICE
        _report(f"no GPU ({pool.source} names none): on the CPU")
        yield Lease(None, pool.source, lambda: None)
        return
    if pool.locks is None:
        (device,) = pool.devices
        _report(f"on GPU {device}, assigned by {pool.source}")
        yield Lease(device, pool.source, lambda: None)
        return
    folder = _shared_folder()
    files = {device: folder / f"{quote(pool.locks + device, safe='')}.lock" for device in pool.devices}
    waits = False
    while True:
        for device, path in files.items():
            try:
                lock = lock_file(path, 0o666)
            except OSError as error:
                raise _refused(path, error) from error
            if lock is None:
                continue
            os.environ["CUDA_VISIBLE_DEVICES"] = device
            _report(f"on GPU {device}")
            try:
                yield Lease(device, pool.source, lock.release)
            finally:
                lock.release()
            return
        if not waits:
            holders = ", ".join(holder(path) for path in files.values())
            _report(f"waiting for a GPU: {len(files)} of {len(files)} taken, by process {holders}")
            waits = True
        time.sleep(POLL)


def release_unused(lease: Lease) -> None:
    """Give a device back that Keras cannot use, e.g. because TensorFlow was installed without CUDA, and say so.

    Jobs on the CPU would else wait for each other. Imports Keras. A device from FREECONV_GPUS is kept: its user knows.
    """
    if lease.device is None or lease.source == "FREECONV_GPUS":
        return
    from freeconv.training.precision import has_gpu

    if not has_gpu():
        lease.release()
        _report(f"Keras sees no GPU (is its backend installed with CUDA?): on the CPU, GPU {lease.device} given back")


def gpu_pool(environment: Mapping[str, str]) -> Pool:
    """Return the devices that a job may take.

    The numbers in FREECONV_GPUS and CUDA_VISIBLE_DEVICES are those of nvidia-smi. Where it knows them, devices go by
    their UUIDs, so that a device has one lock however it is named.

    Under Slurm only what it assigned counts. One device needs no lease. Several belong to this Slurm job alone, so
    only processes of the same Slurm job lease them from each other.

    Args:
        environment: as `os.environ`.
    """
    named = environment.get("FREECONV_GPUS")
    if named is not None:
        return Pool(_known(named, keep_unknown=True), "FREECONV_GPUS")
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    job = environment.get("SLURM_JOB_ID")
    if visible is None:
        return Pool([], "Slurm") if job else Pool(_listed(), "nvidia-smi")
    devices = _known(visible, keep_unknown=False)
    if job and devices:
        return Pool(devices, "Slurm", None if len(devices) == 1 else f"slurm-{job}-")
    return Pool(devices, "CUDA_VISIBLE_DEVICES")


def _known(text: str, keep_unknown: bool) -> list[str]:
    """Return the devices of a comma-separated list, by UUID where nvidia-smi knows them.

    Args:
        text: numbers, UUIDs or their beginnings.
        keep_unknown: whether names that nvidia-smi does not know stay; else they end the list, as CUDA does it.
    """
    gpus = nvidia_smi()
    devices: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        found = [uuid for number, uuids in gpus for uuid in uuids if name == number or (name and uuid.startswith(name))]
        if not found:
            # -1 is CUDA's word for none, NoDevFiles Slurm's.
            if name in ("", NO_DEVICE, "NoDevFiles") or (gpus and not keep_unknown):
                break
            found = [name]
        devices += [device for device in found if device not in devices]
    return devices


def _listed() -> list[str]:
    """Return the UUIDs of all devices that nvidia-smi knows."""
    return [uuid for _, uuids in nvidia_smi() for uuid in uuids]


def nvidia_smi() -> list[tuple[str, list[str]]]:
    """Return the GPUs that nvidia-smi lists: number, and UUIDs: of its parts if it is divided (MIG), else its own."""
    try:
        text = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    gpus: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if found := re.match(r"GPU (\d+):.*\(UUID: (GPU-[^)]+)\)", line):
            gpus.append((found[1], [found[2]]))
        elif gpus and (found := re.match(r"\s+MIG.*\(UUID: (MIG-[^)]+)\)", line)):
            whole = [uuid for uuid in gpus[-1][1] if uuid.startswith("MIG-")]
            gpus[-1] = (gpus[-1][0], [*whole, found[1]])
    return gpus


def _shared_folder() -> Path:
    """Return the folder of the locks; make it, with the permissions of /tmp, if it is missing."""
    folder = Path(os.environ.get("FREECONV_LEASES", FOLDER))
    mask = os.umask(0)
    try:
        folder.mkdir(0o1777, exist_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        os.umask(mask)
    return folder


def _refused(path: Path, error: OSError) -> FreeconvError:
    """Return the error of locks that cannot be written."""
    return FreeconvError(
        f"{path}: expected a place for GPU leases that all users can write, received {error.strerror}; "
        "change its permissions or name another folder in FREECONV_LEASES"
    )


def _report(text: str) -> None:
    """Print a line on standard error."""
    print(f"freeconv: {text}", file=sys.stderr, flush=True)
