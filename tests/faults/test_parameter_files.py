"""Snakemake, DVC and freeconv take parameters alike, and a study is the one that its file names."""

import json
import re

import pytest
import yaml

from tests.data.pictures import encoded, picture, two_classes, write_files
from tests.workflow.project import copy_project, dvc, git, plan, planned, run

TINY = {"networks": ["cnn"], "held_out": [0], "epochs": 1, "batch": 100}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a Git project of which nothing has been made; tests leave its params.yaml as it is."""
    folder = copy_project(
        tmp_path_factory.mktemp("parameters") / "project",
        data={"limit": 300},
        aug={"translate": [0.1], "copies": 1},
        train=TINY,
        measure={"shifts": [], "angles": []},
    )
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Start", cwd=folder)
    return folder


def trained(output):
    """Return the configurations of all training jobs in what `snakemake -n -p` printed."""
    found = re.findall(r"freeconv train '(\{.*?\})' --threads", output)
    return sorted((json.loads(text) for text in found), key=str)


def by_freeconv(folder, *options):
    """Return the configurations of all training jobs by `freeconv runs`."""
    done = run("freeconv", "runs", "--format", "json", *options, cwd=folder)
    assert done.returncode == 0, done.stdout
    return sorted(map(json.loads, done.stdout.splitlines()), key=str)


def error(output):
    """Return the one line of an error."""
    (line,) = [line for line in output.splitlines() if line.startswith("freeconv: error: ")]
    assert "Traceback" not in output
    return line.removeprefix("freeconv: error: ")


@pytest.mark.parametrize("name", ["smoke", "paper", "sampler", "own"])
def test_the_file_of_configfile_names_the_whole_study(project, name):
    params = project / "params.yaml"
    before = params.read_text()
    values = yaml.safe_load(before)
    # what must not shine through
    values["train"]["overrides"] = {"mnist-5k": {"epochs": 7}}
    values["search"]["learning_rates"] = [0.125]
    values["aug"].update(noise=[0.3], rotate=[0.3])
    sections = [key for key in values if key not in ("seed", "modules", "study")]
    (project / "params/own.yaml").write_text("seed: 4\n" + "".join(f"{key}: {{}}\n" for key in sections))
    try:
        params.write_text(yaml.safe_dump(values))
        file = f"params/{name}.yaml"
        expected = by_freeconv(project, "--params", file)
        done = run("snakemake", "-n", "-p", "all_train", "--configfile", file, cwd=project)
        assert trained(done.stdout) == expected, done.stdout[-3000:]
        changed = run("snakemake", "-n", "-p", "all_train", "--configfile", file, "--config", "seed=5", cwd=project)
        assert trained(changed.stdout) == sorted(({**job, "seed": 5} for job in expected), key=str)
        cost = run("freeconv", "estimate", "--no-time", "--format", "json", "--params", file, cwd=project)
        found = json.loads(cost.stdout[cost.stdout.index("{") :])
        runs = run("freeconv", "runs", "--format", "files", "--params", file, cwd=project).stdout.splitlines()
        assert sum(row["runs"] for row in found["training"]) == len(runs)
    finally:
        params.write_text(before)
        (project / "params/own.yaml").unlink()


@pytest.mark.representative
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["train={epochs: 2}"], {"epochs": 2}),
        (["train={epochs: 3, batch: 50}", "seed=9"], {"epochs": 3, "batch": 50, "seed": 9}),
        (["train={learning_rate: 1e-5}"], {"learning_rate": 0.00001}),
        (["train={overrides: {mnist-5k: {epochs: 4}}}"], {"epochs": 4}),
        (["aug={translate: [0.2]}"], {"levels": [0.2]}),
    ],
)
def test_nested_values_of_config_are_those_of_a_file(project, changes, expected):
    (job,) = by_freeconv(project)
    done = plan(project, "-p", "all_train", "--config", *changes)
    assert trained(done.stdout) == [{**job, **expected}], done.stdout[-3000:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "train={epochs: 010}"], "--config train epochs: line 1: expected a value that all readers of"),
        (["--config", "train={epoch: 1}"], "params.yaml and --config: train.epoch: unknown key"),
        (["--config", "trian=1"], "params.yaml and --config: trian: unknown key"),
        (["--config", "train=3"], "params.yaml and --config: train: expected a valid dictionary"),
        (
            ["--configfile", "params/smoke.yaml", "params/paper.yaml"],
            "--configfile: expected one parameter file, received params/smoke.yaml, params/paper.yaml; a target goes "
            "before it: snakemake TARGET --configfile FILE",
        ),
        (
            ["results/train/mnist-5k/cnn/translate/0.10/fold-0.h5"],
            "results/train/mnist-5k/cnn/translate/0.10/fold-0.h5: expected level 0.1, received 0.10; ask for "
            "results/train/mnist-5k/cnn/translate/0.1/fold-0.h5",
        ),
    ],
)
def test_what_snakemake_is_given_is_refused_in_one_line(project, count, arguments, message):
    done = run("snakemake", "-n", *arguments, cwd=project)
    assert done.returncode == 1
    assert error(done.stdout).startswith(message)
    count(WRONG, reported=1)


WRONG = "a parameter file or option that is wrong"
FAULTS = {
    "duplicate": (lambda text: text + "train: {batch: 10}\n", "expected each key once, received train again"),
    "two readings": (lambda text: text.replace("seed: 0", "seed: 010"), "received 010; write 8 or 10 or '010'"),
    "no section": (lambda text: re.sub(r"(?ms)^vcp:.*?(?=^\w)", "", text), "received none of vcp; for defaults"),
    "empty": (lambda text: "", "received none of seed, data"),
    "brackets": (lambda text: f"data: {'[' * 3000}", "expected at most 20 mappings and lists"),
    "angles": (lambda text: f"{text}x: {list(range(18000))}", "expected at most 32,768 bytes of parameters"),
    "infinite": (lambda text: text.replace("learning_rate: 0.001", "learning_rate: .inf"), "a finite number"),
    "absurd": (lambda text: text.replace("epochs: 1\n", "epochs: 1000000000\n"), "less than or equal to 1000000"),
    "repeated": (lambda text: text.replace("- euclidean\n", "- euclidean\n  - euclidean\n"), "each value once"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_file_is_refused_alike_by_all(project, count, fault):
    change, message = FAULTS[fault]
    params = project / "params.yaml"
    before = params.read_text()
    try:
        params.write_text(change(before))
        assert params.read_text() != before
        for command in (["freeconv", "runs"], ["freeconv", "estimate", "--no-time"], ["snakemake", "-n"]):
            done = run(*command, cwd=project)
            assert done.returncode == 1, command
            assert message in error(done.stdout), command
        if fault != "brackets":  # of which DVC prints a traceback of its own
            done = run("dvc", "repro", cwd=project)
            assert done.returncode != 0
            assert "Running stage 'shards'" not in done.stdout
            assert "missing" in done.stdout or "corrupted" in done.stdout or message in done.stdout
        count(WRONG, reported=1)
    finally:
        params.write_text(before)


def test_what_dvc_writes_is_read(project):
    params = project / "params.yaml"
    before = params.read_text()
    changes = ("-S", "train.learning_rate=1e-5", "-S", "search.learning_rates=[1e-4,2e-06,0.1]")
    try:
        dvc("exp", "run", *changes, "data", cwd=project)
        assert "1e-05" in params.read_text()
        assert {job["learning_rate"] for job in by_freeconv(project)} == {1e-5, 1e-4, 2e-6, 0.1}
        assert trained(run("snakemake", "-n", "-p", "all_train", cwd=project).stdout) == by_freeconv(project)
    finally:
        params.write_text(before)


@pytest.mark.parametrize("name", ["my {new} imgs", "{dataset}", "{wildcards.level}", "a{{b}}", "it's {a}"])
def test_braces_in_a_folders_path(tmp_path, name):
    folder = copy_project(
        tmp_path / "project", data={"datasets": ["own"], "folders": {"own": name}}, train={**TINY, "batch": 10}
    )
    write_files(folder / name, two_classes(*(encoded(picture(n, 20, 20)) for n in range(24))))
    assert planned(folder)["report"] == 1
    done = run("snakemake", "all_data", cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:]
    assert planned(folder, "all_data") == {}
