import base64
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from freeconv.commands import doctor
from freeconv.commands.doctor import Finding, examine, examine_environment, examine_files, show, stored_files
from freeconv.commands.fetch import fetch
from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.machine import gpus
from freeconv.machine.gpus import leased_gpu
from freeconv.machine.locks import lock_file
from freeconv.machine.snakemake_notes import MARKS
from freeconv.machine.watchdog import LIVE_RUN
from freeconv.storage.hdf5 import write_h5
from freeconv.storage.pictures import sealed_svg
from freeconv.study import grid
from freeconv.study import paths as study_paths
from tests.data.pictures import encoded, picture, two_classes, write_files
from tests.made_study import SMALL, parameter_file, small_params, write_study

SECTIONS = {"aug": {"translate": [0, 0.2], "copies": 1}, "train": {"folds": 2, "epochs": 2}}
PARAMS = small_params(**SECTIONS)
# stand for figures, drawings, exports and pages
CONTENTS = {
    ".png": b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IEND" + bytes.fromhex("ae426082"),
    ".svg": sealed_svg("<svg></svg>\n").encode(),
    ".pdf": b"%PDF-1.4\n%%EOF\n",
    ".html": b"<html></html>\n",
    ".csv": b"level\n",
    ".md": b"| level |\n",
    ".tex": b"\\end{table}\n",
}
WHOLE = [Finding("files", f"all {len(list(stored_files(PARAMS, True)))} that the parameters ask for are whole")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a study with all its files."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study(PARAMS)
        make_tables(PARAMS)
        for path in {*grid.report_files(PARAMS)} - {*study_paths.table_files()}:
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_bytes(CONTENTS[Path(path).suffix])
        Path("params.yaml").write_text(parameter_file(**{**SMALL, **SECTIONS}))
    return folder


@pytest.fixture
def study(whole, tmp_path, monkeypatch):
    """Work in a copy of the study."""
    shutil.copytree(whole, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setenv("FREECONV_LEASES", str(tmp_path / "leases"))
    for name in ("FREECONV_GPUS", "CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus, "nvidia_smi", lambda: [])
    return tmp_path / "study"


def test_nothing_is_wrong_with_a_whole_study(study):
    seen = []
    assert examine_files(PARAMS, step=lambda *about: seen.append(about)) == WHOLE
    paths = [path for path, _, _ in seen]
    assert sorted(paths) == sorted(grid.all_files(PARAMS))
    assert [done for _, done, _ in seen] == list(range(len(paths)))
    assert {total for _, _, total in seen} == {len(paths)}
    assert examine_files(PARAMS, quick=True)[0].what.endswith("are there")


def test_what_the_program_writes_is_whole(made, monkeypatch):
    folder, params = made
    monkeypatch.chdir(folder)
    for file in stored_files(params, quick=False):
        if Path(file.path).is_file() and file.path.startswith("reports"):
            file.check()


def every_kind() -> list[str]:
    """One file of every kind that a study has."""
    kinds: dict[tuple[str, ...], str] = {}
    for path in grid.all_files(PARAMS):
        kinds.setdefault((*Path(path).parts[:2], Path(path).suffix), path)
    return [path for path in kinds.values() if path != study_paths.sums_file()]


def test_every_kind_of_damage_is_found_in_every_kind_of_file(study):
    checks = {file.path: file.check for file in stored_files(PARAMS, quick=False)}
    for path in every_kind():
        content = Path(path).read_bytes()
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 0x55]) + content[middle + 1 :]
        # those without a hash are looked at from behind alone; in HDF5, there may be nothing in the middle
        hashed = path.endswith((".png", ".svg")) or path.startswith(("results", "reports/tables", "reports/metrics"))
        for damaged in (content[:-10], b"", *([flipped] if hashed and not path.endswith(".h5") else [])):
            Path(path).write_bytes(damaged)
            with pytest.raises(FreeconvError, match=f"^{path}: expected .*; remove"):
                checks[path]()
        (finding,) = examine_files(PARAMS, quick=True)
        assert finding.where == path
        assert finding.advice.startswith("remove")
        Path(path).write_bytes(content)
    assert examine_files(PARAMS) == WHOLE


def test_damaged_hashes_of_tables_are_found(study):
    sums = Path(study_paths.sums_file())
    sums.write_text("")
    (finding,) = examine_files(PARAMS)
    assert finding.where == "reports"
    assert "17 files, as reports/tables/accuracy.csv: expected its SHA-256 in reports/tables/SHA256SUMS" in finding.what
    sums.unlink()
    (finding,) = examine_files(PARAMS)
    assert finding.what == f"1 of {len(grid.report_files(PARAMS))} files are missing, as {sums}"


def test_arrays_are_verified_unless_quick(study):
    path = grid.run_files(PARAMS)[0]
    with h5py.File(path, "r+") as file:
        file["history/val_acc"][0] = 2
    (finding,) = examine_files(PARAMS)
    assert finding.where == path
    assert "expected history/val_acc with SHA-256" in finding.what
    assert examine_files(PARAMS, quick=True)[0].advice == ""


def test_missing_files_are_counted_by_folder(study):
    shutil.rmtree("results/train/mnist-5k/fcn")
    Path(study_paths.data_file("mnist-5k")).unlink()
    first = next(path for path in grid.run_files(PARAMS) if "/fcn/" in path)
    assert examine_files(PARAMS) == [
        Finding("data", "1 of 1 files are missing, as data/mnist-5k.h5", "run snakemake all_data"),
        Finding("results/train", f"4 of 8 files are missing, as {first}", "run snakemake all_train"),
    ]


def test_shards_that_are_not_kept_are_not_missed(study):
    shutil.rmtree("results/shards")
    assert examine_files(PARAMS)[0].where == "results/shards"
    passing = small_params(**SECTIONS, shards={"keep": False})
    assert examine_files(passing)[0].advice == ""


RUNS_AND_LATER = {"results/train", "results/distance", "results/measure"}


@pytest.mark.parametrize(
    ("section", "folders", "key"),
    [
        ({"seed": 1}, {"data", "results/shards", *RUNS_AND_LATER}, "seed"),
        ({"train": {**SECTIONS["train"], "epochs": 3}}, RUNS_AND_LATER, "epochs"),
        ({"distance": {"radii": [2]}}, {"results/distance"}, "radii"),
        ({"data": {"limit": 100}}, {"data", "results/shards", *RUNS_AND_LATER}, "limit"),
    ],
)
def test_files_of_other_parameters_are_named_with_the_key(study, section, folders, key):
    files = examine_files(small_params(**{**SECTIONS, **section}))
    findings = [finding for finding in files if finding.where != "reports"]  # where other drawings may be missing
    assert {"/".join(Path(finding.where).parts[: 1 + finding.where.startswith("results")]).removesuffix(".h5")
            for finding in findings} == folders  # fmt: skip
    for finding in findings:
        assert re.search(rf"expected (train\.)?{key} = |expected 3 {key}, received 2", finding.what)
        assert "remove it and run again" in finding.advice or finding.advice == "run snakemake"


def test_runs_on_other_data_are_named(study):
    write_h5(
        study_paths.data_file("mnist-5k"),
        {"images": np.zeros((4, 28, 28, 1), "uint8")},
        {"config": {"dataset": "mnist-5k", "seed": 0, "limit": None}},
    )
    findings = examine_files(PARAMS, quick=True)
    assert {finding.where.rpartition("/")[0].split("/")[1] if "." in finding.where else finding.where.split("/")[1]
            for finding in findings} == {"shards", "train"}  # fmt: skip
    assert all("expected data_sha256 = " in finding.what for finding in findings)


def test_what_was_left_behind_is_named(study):
    Path("results/train/.fold-0.h5.tmp").touch()
    Path("checkpoints").mkdir()
    Path("checkpoints/.abc.h5.tmp").touch()
    Path("results/distance/old.csv").touch()
    temporary, stale = examine_files(PARAMS)
    assert temporary.what == "2 temporary files of killed jobs, as results/train/.fold-0.h5.tmp"
    assert stale.what == "1 files that these parameters do not ask for, as results/distance/old.csv"
    assert "freeconv prune" in stale.advice
    LIVE_RUN.parent.mkdir()
    with LIVE_RUN.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert examine_files(PARAMS) == [stale]


def about(findings, where):
    return [finding for finding in findings if finding.where == where]


def test_the_environment_is_reported(study, monkeypatch):
    Path("requirements.lock").write_text(
        f"pytest=={pytest.__version__} \\\n    --hash=sha256:0\nh5py==0.1 ; python_version > '3'\n"
        "nothing-such==1\nnumpy==0.1 ; sys_platform == 'none'\n"
    )
    findings = examine_environment(PARAMS, quick=True)
    (packages,) = about(findings, "packages")
    assert packages.what == f"other versions than in requirements.lock: h5py {h5py.__version__} (0.1 expected)"
    assert packages.advice == "run make setup"
    assert about(findings, "Python")[0].advice == ""
    assert about(findings, "devices") == [Finding("devices", "no GPU: training runs on the processor")]
    assert about(findings, "DVC")[0].what.startswith("not set up")
    assert about(findings, "disk")[0].advice == ""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    assert "make space" in about(examine_environment(small_params(), quick=True), "disk")[0].advice


def test_locks_and_leases_are_reported(study, monkeypatch):
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    monkeypatch.setenv("FREECONV_GPUS", "7,8")
    with leased_gpu():
        findings = examine_environment(PARAMS, quick=True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [finding.what for finding in about(findings, "devices")] == [
        "2 GPUs (FREECONV_GPUS)",
        f"GPU 7 is leased: process {os.getpid()} on {os.uname().nodename}",
    ]
    assert "snakemake --unlock" in about(findings, ".snakemake/locks")[0].advice
    with LIVE_RUN.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        findings = examine_environment(PARAMS, quick=True)
    assert about(findings, "Snakemake")[0].what.startswith("is running in this folder")
    assert not about(findings, ".snakemake/locks")


def test_dvc_and_permissions_are_reported(study, monkeypatch):
    Path(".dvc/cache").mkdir(parents=True)
    Path(".dvc/config").write_text("[core]\n    remote = box\n['remote \"box\"']\n    url = /%x\n")
    assert about(examine_environment(PARAMS, quick=True), "DVC") == [Finding("DVC", "1 remotes")]
    Path(".dvc/config").write_text("[core]\n")
    assert "no remote" in about(examine_environment(PARAMS, quick=True), "DVC")[0].what
    Path(".dvc/config").write_text("nonsense")
    assert about(examine_environment(PARAMS, quick=True), ".dvc/config")[0].advice
    monkeypatch.setattr(os, "access", lambda path, _: str(path) not in ("results", ".dvc/cache"))
    Path(".dvc/config").write_text("")
    findings = examine_environment(PARAMS, quick=True)
    assert [finding.where for finding in findings if "cannot be written" in finding.what] == ["results", ".dvc/cache"]


@pytest.mark.parametrize(
    ("code", "what", "advice"),
    [
        (None, " with ", ""),
        (
            "import sys; sys.exit('ImportError: no such library')",
            "does not start: ImportError: no such library",
            "setup",
        ),
        ("import time; time.sleep(60)", "does not start within", "busy"),
        ("print(1, 2)", "does not start within", "busy"),
    ],
)
def test_keras_is_started(study, monkeypatch, code, what, advice):
    if code is not None:
        monkeypatch.setattr(doctor, "START_KERAS", code)
        monkeypatch.setattr(doctor, "KERAS_SECONDS", 2)
    (finding,) = about(doctor._keras(quick=False), "Keras")
    assert what in finding.what
    assert advice in finding.advice if advice else not finding.advice


def test_a_table_in_a_terminal_and_lines_elsewhere():
    findings = [Finding("results/a.h5", "expected [1, 2], received [3]", "remove it"), Finding("DVC", "1 remotes")]
    lines, table = Console(width=60), Console(width=100, force_terminal=True)
    with lines.capture() as plain:
        show(findings, lines)
    assert plain.get() == "results/a.h5: expected [1, 2], received [3]; remove it\nDVC: 1 remotes\n"
    with table.capture() as rich:
        show(findings, table)
    assert "expected [1, 2], received [3]" in rich.get()
    assert "what to do" in rich.get()


def test_the_command_says_by_its_exit_code_whether_anything_needs_doing(study):
    def doctor(*options):
        command = [Path(sys.executable).with_name("freeconv"), "doctor", *options]
        return subprocess.run(command, capture_output=True, text=True)

    done = doctor("--quick")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("files: all ")
    path = grid.run_files(PARAMS)[0]
    Path(path).write_bytes(b"")
    done = doctor("--quick")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{path}: expected an HDF5 file, received a damaged or foreign one")


def test_a_quick_check_does_not_import_what_is_slow(study):
    code = (
        "import sys; from freeconv.commands.doctor import examine; from freeconv.study.params import load_params; "
        "examine(load_params('params.yaml'), True); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"keras", "tensorflow", "jax", "matplotlib", "cv2", "snakemake", "dvc", "scipy"} & set(loaded)


def test_one_call_examines_everything(study, monkeypatch):
    free = shutil.disk_usage(".")  # other programs write meanwhile
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    findings = examine(PARAMS, quick=True)
    assert findings == [*examine_files(PARAMS, True), *examine_environment(PARAMS, True)]


def test_what_became_of_ones_own_images_is_named(project):
    files = two_classes(*(encoded(picture(n, 28, 28)) for n in range(6)))
    write_files(project / "own", {**files, "a/._0.png": b"", "notes.txt": b"", "b/9.png": files["a/0.png"]})
    fetch("own", study_paths.data_file("own"), 0, source=project / "own")
    params = small_params(**SECTIONS, data={"datasets": ["own"], "folders": {"own": "own"}})
    expected = [
        "data/own.h5: passed over: files of other kinds, .txt: 1 (notes.txt)",
        "data/own.h5: passed over: hidden files and folders: 1 (a/._0.png)",
        "data/own.h5: warning: equal images in different classes: 1 (a/0.png = b/9.png)",
    ]
    assert [finding.text() for finding in examine_files(params) if finding.where == "data/own.h5"] == expected
    assert [finding for finding in examine_files(params) if finding.where == "data/own.h5" and finding.advice] == []
    Path(study_paths.data_file("own")).unlink()
    assert [finding for finding in examine_files(params) if finding.where == "data/own.h5"] == []


def test_files_that_a_live_run_replaces_are_neither_damaged_nor_foreign(study):
    (run, short), gone = grid.run_files(PARAMS)[:2], grid.measure_files(PARAMS)[0]
    Path(run).write_bytes(b"half a file")
    Path(gone).unlink()
    LIVE_RUN.parent.mkdir(exist_ok=True)
    MARKS.mkdir(parents=True)
    (MARKS / base64.urlsafe_b64encode(run.encode()).decode()).write_text('{"external_jobid": null}')
    longer = small_params(**{**SECTIONS, "train": {**SECTIONS["train"], "epochs": 3}})
    assert any(finding.advice for finding in examine_files(longer))
    lock = lock_file(LIVE_RUN)
    findings = examine_files(longer)
    assert not any(finding.advice for finding in findings)
    assert any(finding.what.startswith("a run is at work: of ") and run in finding.what for finding in findings)
    Path(short).write_bytes(b"damaged")  # no job is making it
    assert [finding.where for finding in examine_files(longer) if finding.advice] == [short]
    lock.release()


def test_notes_that_a_live_run_will_open_are_not_reported(study):
    note = doctor.NOTES / "note"
    note.parent.mkdir(parents=True)
    note.touch(0o600)
    note.chmod(0o600)
    assert [finding.where for finding in doctor._notes()] == [str(doctor.NOTES)]
    lock = lock_file(LIVE_RUN)
    assert list(doctor._notes()) == []
    lock.release()
