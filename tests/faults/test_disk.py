"""A disk that is full, or a folder that cannot be written, in each phase and for the whole study."""

import re
import shutil
import subprocess

import pytest

from freeconv.storage.csv_files import read_csv
from freeconv.storage.hdf5 import read_h5
from tests.faults.writers import contents
from tests.workflow.project import project_environment

# A file system of our own, in a name space of our own, so that nothing of it is left.
SCRIPT = """
set -e
mount -t tmpfs -o size=512m tmpfs "$FOLDER"
cp -a "$KEPT/." "$FOLDER"
cd "$PROJECT"
case $FAULT in
  full)
    size=$(( $(df --output=used -k "$FOLDER" | tail -1) + ROOM ))
    mount -o remount,size=$(( size > 4 ? size : 4 ))k "$FOLDER" ;;
  read-only) mount -o remount,ro "$FOLDER" ;;
esac
set +e
"$@" > "$OUT/first.txt" 2>&1
echo $? > "$OUT/first.code"
cp -a "$FOLDER" "$OUT/first"
set -e
mount -o remount,rw,size=512m "$FOLDER"
set +e
"$@" > "$OUT/second.txt" 2>&1
echo $? > "$OUT/second.code"
cp -a "$FOLDER" "$OUT/second"
"""
PHASES = ("fetch", "shard", "train", "distance", "measure", "tables", "figures", "drawings", "report")


def has_mounts() -> bool:
    """Return whether this user may mount a file system of their own."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not has_mounts(), reason="needs Linux's user name spaces")


def tried(command, project, folder, out, fault, room):
    """Run a command with a folder of the project full or read-only, then again without the fault.

    Args:
        command: what to run in the project.
        project: the project's folder.
        folder: the folder that is put on a file system of its own, with its content.
        out: receives exit codes, outputs and the folder's contents after each of the two.
        fault: "full" or "read-only".
        room: kB that are left.
    """
    kept = out / "kept"
    shutil.copytree(folder, kept)
    environment = {"FOLDER": folder, "KEPT": kept, "PROJECT": project, "OUT": out, "FAULT": fault, "ROOM": room}
    subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", SCRIPT, "bash", *command],
        env={**project_environment(), "FREECONV_GPUS": "", **{name: str(value) for name, value in environment.items()}},
        check=True,
    )


PARAMETERS = r"<dt>Parameters</dt><dd>.*?</dd>"


def reported(out) -> str:
    """Return the one line that the first command ended with."""
    assert (out / "first.code").read_text().strip() == "1", (out / "first.txt").read_text()
    lines = (out / "first.txt").read_text().splitlines()
    assert not any("Traceback" in line for line in lines), lines
    (line,) = [line for line in lines if line.startswith("freeconv: error: ")]
    assert line == lines[-1]
    return line


def same(path, one, other) -> bool:
    """Return whether two files hold the same, but for the seconds that something took, and hashes of these."""
    if path.endswith(".h5"):
        (arrays, attributes), (others, other_attributes) = read_h5(one), read_h5(other)
        times = {"seconds", "overhead_seconds", "attributes_sha256", "content_sha256", "arrays"}
        for of in (arrays, others):
            of.pop("history/cpu_seconds", None)
        return {name: array.tobytes() for name, array in arrays.items()} == {
            name: array.tobytes() for name, array in others.items()
        } and {name: value for name, value in attributes.items() if name not in times} == {
            name: value for name, value in other_attributes.items() if name not in times
        }
    if path.startswith("results/") and path.endswith(".csv"):
        return read_csv(one)[0].equals(read_csv(other)[0])
    if path.endswith(".html"):  # says from which parameter file it was made
        return re.sub(PARAMETERS, "", one.read_text()) == re.sub(PARAMETERS, "", other.read_text())
    return one.read_bytes() == other.read_bytes()


@pytest.fixture
def project(study, tmp_path):
    """Return a copy of the study."""
    shutil.copytree(study.folder, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


# Checkpoints have a folder of their own, so a full disk there is another test.
@pytest.mark.parametrize(
    ("fault", "share"), [("full", 0), ("full", 0.6), ("read-only", 0)], ids=["full", "nearly full", "read-only"]
)
@pytest.mark.parametrize("phase", PHASES)
def test_a_phase(study, project, tmp_path, count, phase, fault, share):
    arguments, outputs = study.phases[phase]
    size = sum((project / path).stat().st_size for path in outputs) // 1024
    for path in outputs:
        (project / path).unlink()
    top = outputs[0].split("/")[0]
    tried(["freeconv", phase, *arguments], project, project / top, tmp_path, fault, int(share * size) // 4 * 4)
    line = reported(tmp_path)
    expected = {"full": "No space left on device; make room", "read-only": "Read-only file system; mount"}[fault]
    assert expected in line
    # What is there is whole: of the files of several, some may be.
    left = contents(tmp_path / "first")
    for path in left:
        assert not path.endswith(".tmp"), path
    for path in outputs:
        found = tmp_path / "first" / path.removeprefix(f"{top}/")
        assert not found.exists() or same(path, found, study.folder / path), path
    assert (tmp_path / "second.code").read_text() == "0\n", (tmp_path / "second.txt").read_text()
    changed = [
        path
        for path in outputs
        if not same(path, tmp_path / "second" / path.removeprefix(f"{top}/"), study.folder / path)
    ]
    name = "a folder that cannot be written" if fault == "read-only" else "a full disk"
    count(name, reported=1, recovered=not changed, changed=len(changed))
    assert changed == []


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_checkpoints(study, project, tmp_path, count, fault):
    """Training goes on without them."""
    arguments, (path,) = study.phases["train"]
    (project / path).unlink()
    (project / "checkpoints").mkdir(exist_ok=True)
    tried(["freeconv", "train", *arguments], project, project / "checkpoints", tmp_path, fault, 0)
    text = (tmp_path / "first.txt").read_text()
    assert (tmp_path / "first.code").read_text() == "0\n", text
    assert "a checkpoint cannot be written, training goes on without it: checkpoints/" in text
    assert contents(tmp_path / "first") == {}
    changed = not same(path, project / path, study.folder / path)
    count("no room for checkpoints", reported=1, recovered=not changed, changed=changed)
    assert not changed


def test_the_whole_study(study, project, tmp_path, count):
    """Snakemake and its own notes share the full disk."""
    for name in ("data", "results", "reports", ".snakemake", "logs", "checkpoints"):
        shutil.rmtree(project / name, ignore_errors=True)
    tried(["snakemake", "--cores", "2"], project, project, tmp_path, "full", 300)
    text = (tmp_path / "first.txt").read_text()
    assert (tmp_path / "first.code").read_text() == "1\n", text
    assert "No space left on device" in text
    assert (tmp_path / "second.code").read_text() == "0\n", (tmp_path / "second.txt").read_text()
    results = [path for _, outputs in study.phases.values() for path in outputs if path.startswith(("data", "results"))]
    changed = [path for path in results if not same(path, tmp_path / "second" / path, study.folder / path)]
    count("a disk that is full for Snakemake, too", reported=1, recovered=not changed, changed=len(changed))
    assert changed == []
