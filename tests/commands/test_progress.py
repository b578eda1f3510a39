import json
from datetime import datetime

from freeconv.commands import progress
from freeconv.commands.lines import epoch_lines
from freeconv.commands.progress import both, training_progress
from freeconv.study import grid
from freeconv.study.params import check_params

ROW = {"train_loss": 0.5, "train_acc": 0.75, "val_acc": 0.5, "translate_acc": 0.25}


def job(epochs=2):
    params = check_params({"train": {"epochs": epochs}})
    return grid.train_config(params, "mnist-5k", "fcn", "translate", [0.2], [0, 1])


def test_a_line_per_epoch_with_the_time_left(capsys):
    show = training_progress(job())
    for run in job().runs():
        show(run, 0, {}, False)
        for epoch in (1, 2):
            show(run, epoch, ROW, epoch == 2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(
        "mnist-5k fcn translate 0.2 fold 0: epoch 1/2, train_loss 0.5000, train_acc 0.7500, val_acc 0.5000, "
        "translate_acc 0.2500, at most "
    )
    assert lines[-1].startswith("mnist-5k fcn translate 0.2 fold 1: epoch 2/2")
    assert lines[-1].endswith("at most 0:00:00 left")
    assert "\x1b" not in "".join(lines)


def test_the_time_left_does_not_count_epochs_done_before(monkeypatch, capsys):
    clock = iter([0.0, 30.0, 90.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    show = training_progress(job(epochs=10))
    finished, resumed = job(epochs=10).runs()
    show(finished, 8, {}, True)
    show(resumed, 6, {}, False)
    show(resumed, 7, ROW, False)
    show(resumed, 8, ROW, False)
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("at most 0:01:30 left")  # one epoch in 30 s, three to go
    assert second.endswith("at most 0:01:30 left")  # two in 90 s, two to go


def test_a_line_of_json_per_epoch(tmp_path):
    path = tmp_path / "logs" / "train.jsonl"
    write, (run, other) = epoch_lines(path, 10), job(epochs=10).runs()
    write(run, 0, {}, False)
    assert not path.exists()
    write(run, 1, {**ROW, "steps": 31.0, "val_loss": float("nan")}, False)
    write(other, 10, {**ROW, "val_loss": float("inf")}, True)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "dataset": "mnist-5k",
        "network": "fcn",
        "augmentation": "translate",
        "level": 0.2,
        "fold": 0,
        "seed": 0,
        "epoch": 1,
        "epochs": 10,
        "finished": False,
        **ROW,
        "steps": 31.0,
        "val_loss": None,
    }
    assert (second["fold"], second["epoch"], second["finished"], second["val_loss"]) == (1, 10, True, None)


def test_lines_go_on_behind_those_of_a_killed_job(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"epoch": 1}\n{"epo')
    write, (run, _) = epoch_lines(path, 10), job(epochs=10).runs()
    write(run, 2, ROW, False)
    lines = path.read_text().splitlines()
    assert lines[:2] == ['{"epoch": 1}', '{"epo']
    assert json.loads(lines[2])["epoch"] == 2


def test_training_goes_on_without_lines_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    write, (run, _) = epoch_lines(tmp_path / "file" / "train.jsonl", 10), job(epochs=10).runs()
    for epoch in (1, 2):
        write(run, epoch, ROW, False)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1
    assert "expected a file that can be written, received " in printed[0]


def test_two_progress_functions_are_both_called():
    called = []
    show = both(lambda *values: called.append(("first", *values)), lambda *values: called.append(("second", *values)))
    show("run", 1, ROW, False)
    assert called == [("first", "run", 1, ROW, False), ("second", "run", 1, ROW, False)]
