"""DVC on the finished smoke study: what it records, and how it leads back."""

import base64
import csv
import json
import re
import shutil

import pytest

from tests.workflow.project import dvc, git, is_quiet, planned, run, smoke_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a Git project in which Snakemake has made the smoke study and `dvc repro` has recorded it."""
    folder = tmp_path_factory.mktemp("dvc") / "project"
    shutil.copytree(smoke_study(tmp_path_factory), folder, symlinks=True)
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Start", cwd=folder)
    done = run("dvc", "repro", cwd=folder)
    assert done.returncode == 0, done.stdout[-5000:]
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Run", cwd=folder)
    return folder


def test_after_repro_both_are_quiet_and_git_is_clean(study):
    assert is_quiet(study)
    assert git("status", "--short", cwd=study) == ""


def test_a_second_repro_does_nothing(study):
    done = run("dvc", "repro", cwd=study)
    assert done.stdout.count("didn't change, skipping") == 4
    assert "Running stage" not in done.stdout


def test_metrics_and_plots_are_declared(study):
    shown = json.loads(run("dvc", "metrics", "show", "--json", cwd=study).stdout)
    metrics = shown[""]["data"]["reports/metrics.json"]["data"]
    assert len(metrics) <= 8
    assert {"runs", "cnn_val_acc", "fcn_translate_acc", "fcn_distance_radius_1"} <= set(metrics)
    plots = run("dvc", "plots", "show", "--json", cwd=study).stdout
    for title in ("validation accuracy", "translated validation accuracy", "kernel distance after training"):
        assert title in plots
    assert "failed" not in plots.lower()


def shared(study, folder, *remote: str):
    """Return a clone of a study, with data and results from a remote that they were pushed to (docs/sharing.md)."""
    clone = folder / "clone"
    git("clone", "-q", str(study), str(clone), cwd=folder)
    for project, command in ((study, "push"), (clone, "pull")):
        dvc("remote", "add", "--local", "--force", "--default", "storage", remote[0], cwd=project)
        for option in remote[1:]:
            dvc("remote", "modify", "--local", "storage", *option.split("="), cwd=project)
        dvc(command, cwd=project)
    return clone


def test_a_clone_has_nothing_to_do_after_a_pull_from_s3(study, tmp_path, monkeypatch):
    for package in ("dvc_s3", "moto"):
        pytest.importorskip(package, reason="a remote on S3 needs dvc-s3, and moto[server] to try it")
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="studies")
    try:
        clone = shared(study, tmp_path, "s3://studies/freeconv", f"endpointurl={address}")
    finally:
        server.stop()
    assert is_quiet(clone)
    assert "claims" in (clone / "reports/index.html").read_text()


def test_a_clone_has_nothing_to_do_after_dvc_pull(study, tmp_path):
    clone = shared(study, tmp_path, str(tmp_path / "remote"))
    assert is_quiet(clone)
    assert "claims" in (clone / "reports/index.html").read_text()
    # In a clone, too, exactly the dependents of what has changed are made again.
    changes = {
        "src/freeconv/analysis/distance.py": ("\n# a comment\n", {}),
        "src/freeconv/report/panels.py": ("\nCHANGED = 1\n", {"figures": 1, "drawings": 1, "report": 1}),
        "workflow/rules/distance.smk": (
            '        " --changed"\n',
            {"distance": 2, "tables": 1, "figures": 1, "report": 1},
        ),
    }
    for path, (text, expected) in changes.items():
        before = (clone / path).read_text()
        (clone / path).write_text(before + text)
        assert planned(clone) == expected, path
        (clone / path).write_text(before)
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("radii:\n  - 1\n", "radii:\n  - 2\n"))
    assert planned(clone) == {"distance": 2, "drawings": 1, "tables": 1, "figures": 1, "report": 1}


def test_a_stage_during_which_something_was_edited_ends_and_deletes_nothing(study):
    params, module = study / "params.yaml", study / "src/freeconv/analysis/distance.py"
    files = {path for path in (study / "results").rglob("*") if path.is_file()}
    texts = params.read_text(), module.read_text()
    edits = (
        (params, "radii:\n  - 1\n", "radii:\n  - 2\n", "expected distance.radii = [1, 4]"),
        (module, "", "#", "code: "),
    )
    for file, before, after, message in edits:
        file.write_text(file.read_text().replace(before, after, 1))
        done = run("freeconv", "prune", "--phase", "report", "--planned", cwd=study)
        assert done.returncode == 1
        assert message in done.stdout
        assert "nothing is recorded; run dvc repro again" in done.stdout
        params.write_text(texts[0])
        module.write_text(texts[1])
    assert {path for path in (study / "results").rglob("*") if path.is_file()} == files
    assert run("freeconv", "prune", "--phase", "report", "--planned", cwd=study).returncode == 0


def test_a_hole_is_filled(study):
    cell = "mnist-5k/fcn/none/0.csv"
    recorded = (study / "dvc.lock").read_text()
    for folder in ("distance", "measure"):
        (study / "results" / folder / cell).unlink()
    done = run("dvc", "repro", cwd=study)
    assert done.returncode == 0, done.stdout[-5000:]
    assert all((study / "results" / folder / cell).is_file() for folder in ("distance", "measure"))
    files = [line for line in (study / "dvc.lock").read_text().splitlines() if "nfiles" in line]
    assert files == [line for line in recorded.splitlines() if "nfiles" in line]
    assert is_quiet(study)


def test_an_experiment_with_a_scalar_runs_only_what_is_missing(study):
    done = run("dvc", "exp", "run", "-S", "aug.translate=0.2", cwd=study)
    assert done.returncode == 0, done.stdout[-5000:]
    # level 0.2 exists: nothing is drawn or trained again, and level 0 is no longer recorded
    begun = re.findall(r"freeconv: \d+ jobs: (.*)", done.stdout)
    assert begun
    assert not any("shards" in phases or "train" in phases for phases in begun)
    with open(study / "reports/tables/accuracy.csv", newline="") as file:
        assert {row["level"] for row in csv.DictReader(file)} == {"0.2"}
    assert not (study / "results/train/mnist-5k/fcn/none").exists()
    assert is_quiet(study)
    difference = json.loads(run("dvc", "metrics", "diff", "--json", cwd=study).stdout)
    assert difference["reports/metrics.json"]["runs"]["diff"] < 0


def incomplete(folder, path):
    """Mark a file as one whose job was interrupted, as Snakemake does."""
    marks = folder / ".snakemake/incomplete"
    marks.mkdir(exist_ok=True)
    (marks / base64.urlsafe_b64encode(path.encode()).decode()).touch()


@pytest.mark.parametrize("changed", [False, True])
def test_one_command_leads_back_whatever_was_made_since(study, changed):
    runs = study / "results/train/mnist-5k/fcn/none/0"
    git("checkout", "-q", ".", cwd=study)
    if changed:
        # other results
        (runs / "fold-0.h5").write_bytes(b"trained for hours")
        (runs / "fold-4.h5").write_bytes(b"likewise")
        # an interrupted job
        incomplete(study, "results/train/mnist-5k/fcn/none/0/fold-3.h5")
        (runs / "fold-3.h5").unlink()
        # Snakemake's notes and files lost
        shutil.rmtree(study / ".snakemake/metadata")
        shutil.rmtree(study / "results/measure")
    done = run("freeconv", "checkout", cwd=study)
    assert done.returncode == 0, done.stdout
    assert is_quiet(study)
    moved = [path.read_bytes() for path in (study / "attic").rglob("*.h5")]
    if changed:
        assert sorted(moved) == [b"likewise", b"trained for hours"]
    shutil.rmtree(study / "attic", ignore_errors=True)


def test_the_study_before_comes_back_from_the_cache(study):
    git("checkout", "-q", ".", cwd=study)
    assert run("dvc", "checkout", cwd=study).returncode == 0
    assert is_quiet(study)
    assert (study / "results/train/mnist-5k/fcn/none/0/fold-0.h5").exists()
