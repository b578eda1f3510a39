import base64
import json
import os
import time
from pathlib import Path

import pytest

from freeconv.commands.runs import show_cells
from freeconv.commands.watch import lines, watch
from freeconv.machine.locks import lock_file
from freeconv.machine.place import NOTES
from freeconv.machine.snakemake_notes import MARKS, made_with, marks
from freeconv.machine.watchdog import LIVE_RUN
from freeconv.study import grid, paths
from freeconv.terminal.stored import RunState, planned, run_states, study_state
from freeconv.terminal.view import SteadyConsole
from tests.made_study import small_params
from tests.terminal.test_epochs import line

PARAMS = small_params(
    aug={"translate": [0, 0.2], "copies": 1},
    train={"folds": 2, "epochs": 6, "networks": ["cnn", "fcn"], "fuse": ["fold", "level"]},
)
JOBS = {job.label: job for job in planned(PARAMS)}
DATASET = PARAMS.data.datasets[0]
CNN, FCN = JOBS[f"{DATASET} cnn none"], JOBS[f"{DATASET} fcn none"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    LIVE_RUN.parent.mkdir()


@pytest.fixture
def live():
    """Hold the lock of a live run that began a minute ago."""
    lock = lock_file(LIVE_RUN)
    os.utime(LIVE_RUN, (time.time() - 60, time.time() - 60))
    yield
    lock.release()


def note(folder: Path, path: str, content) -> None:
    """Write one of Snakemake's notes of a file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / base64.urlsafe_b64encode(path.encode()).decode()).write_text(json.dumps(content))


def begin(job, queue=None):
    for path in job.files:
        note(MARKS, path, {"external_jobid": queue})


def make(*paths_made):
    for path in paths_made:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("made")


def test_the_jobs_are_those_that_the_rules_make():
    files = [path for job in planned(PARAMS) for path in job.files]
    assert sorted(files) == sorted(grid.all_files(PARAMS))
    assert CNN.log == f"logs/train/{DATASET}/cnn/none.log"
    assert CNN.config in [job.text() for job in grid.jobs(PARAMS)]


def test_a_queued_and_a_running_study_is_seen_from_another_terminal(live, capsys):
    make(*grid.data_files(PARAMS), *grid.shard_files(PARAMS))
    begin(CNN)
    begin(FCN, "4711")
    make(CNN.log)
    Path(CNN.log).with_suffix(".jsonl").write_bytes(line(3, time=time.time() + 1))
    state = study_state(PARAMS)
    assert {job.label: job.queued for job in state.jobs} == {CNN.label: False, FCN.label: True}
    watch(lambda: state, SteadyConsole(force_terminal=False, width=30))
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "data: 1 of 1 job"
    assert shown[2].startswith("train: 0 of 4 jobs, 1 running, 1 queued, ")
    assert f"{CNN.label}: run 1 of 2, 0.2 fold 0: epoch 3/6, train_acc 0.750" in shown
    assert f"{FCN.label}: queued" in shown


def test_runs_are_counted_by_cell(live, capsys):
    begin(CNN)
    make(CNN.files[0])
    os.utime(CNN.files[0], (time.time() + 1, time.time() + 1))  # its job has left it as it is
    other = JOBS[f"{DATASET} fcn translate"]
    make(*other.files)
    note(NOTES, other.files[0], {"params": [repr(other.config)]})
    note(NOTES, other.files[1], {"params": ["'{}'"]})
    states = {cell: state for cell, *_, state in run_states(PARAMS)}
    assert states[DATASET, "cnn", "none", 0.0] == RunState(done=1, running=1)
    assert states[DATASET, "fcn", "none", 0.0] == RunState(missing=2)
    assert states[DATASET, "fcn", "translate", 0.2] == RunState(done=1, outdated=1)
    show_cells(PARAMS, SteadyConsole(force_terminal=False, width=40))
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == "2 done, 1 running, 1 outdated, 4 missing of 8 runs"
    assert any(text.split()[:7] == [DATASET, "cnn", "none", "0", "6", "2", "×"] for text in shown)


def test_what_failed_is_said_with_its_log_and_a_killed_run_has_interrupted_its_jobs():
    LIVE_RUN.write_text("1 on host")
    make(FCN.log)
    Path(FCN.log).write_bytes(b"\xff\nfreeconv: error: a: expected b, received c; do d\n")
    begin(CNN)
    state = study_state(PARAMS)
    assert (state.live, state.interrupted, state.jobs) == (False, 1, [])
    assert state.failures == [f"freeconv: error: a: expected b, received c; do d ({FCN.label}; log: {FCN.log})"]
    assert lines(state)[-1].startswith("no snakemake is at work in this folder; 1 jobs were at work when")


def test_a_complete_study_says_where_its_report_is():
    make(*grid.all_files(PARAMS))
    make(paths.report_file())
    assert lines(study_state(PARAMS))[-1] == "report: reports/index.html"


def test_shards_that_all_readers_have_read_need_not_be_there():
    params = small_params(aug={"translate": [0, 0.2], "copies": 1}, shards={"keep": False})
    make(*grid.run_files(params))
    (shards,) = [phase for phase in study_state(params).phases if phase.name == "shards"]
    assert (shards.done, shards.total) == (2, 2)


def test_notes_of_long_names_and_broken_ones():
    path = "results/" + "a" * 300
    name = base64.urlsafe_b64encode(path.encode()).decode()
    (MARKS / f"@{name[:200]}").mkdir(parents=True)
    (MARKS / f"@{name[:200]}" / name[200:]).write_text('{"external_jobid": null}')
    (MARKS / "!").write_text("no base64")
    (MARKS / "YQ==").write_text("{")
    assert list(marks()) == [path]
    assert made_with("missing") is None
