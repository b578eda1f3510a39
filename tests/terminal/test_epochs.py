import json
from datetime import UTC, datetime

from freeconv.terminal.epochs import EpochLines

NOW = 1_790_000_000


def line(epoch, fold=0, time=NOW, **more):
    row = {
        "time": datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds"),
        **{"level": 0.2, "fold": fold, "seed": 0, "epoch": epoch, "epochs": 6, "finished": False},
        **{"train_acc": 0.75, "val_acc": None, "train_loss": 1.0},
    }
    return json.dumps({**row, **more}).encode() + b"\n"


def test_the_last_line_of_each_run_counts_and_only_what_was_added_is_read(tmp_path):
    path = tmp_path / "job.jsonl"
    lines = EpochLines(path)
    assert lines.look() == {}
    assert lines.latest() is None
    path.write_bytes(line(1) + line(2)[:-20])
    assert [epoch.epoch for epoch in lines.look().values()] == [1]
    with path.open("ab") as file:
        file.write(line(2)[-20:] + line(1, fold=3, time=NOW + 5))
    assert {run: epoch.epoch for run, epoch in lines.look().items()} == {(0.2, 0, 0): 2, (0.2, 3, 0): 1}
    assert lines.latest().text() == "0.2 fold 3: epoch 1/6, train_acc 0.750"


def test_lines_of_an_earlier_job_do_not_count_and_a_new_file_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "job.jsonl"
    path.write_bytes(line(5, time=NOW - 100) + line(1))
    lines = EpochLines(path, NOW)
    assert lines.look()[0.2, 0, 0].epoch == 1
    path.write_bytes(line(2))
    assert lines.look()[0.2, 0, 0].epoch == 2


def test_what_is_no_line_of_an_epoch_is_passed_over(tmp_path):
    path = tmp_path / "job.jsonl"
    path.write_bytes(b"\xff\xfe\n[]\n{}\nnull\n" + line("x") + line(3, finished=True))
    (epoch,) = EpochLines(path).look().values()
    assert (epoch.epoch, epoch.done()) == (3, 6)
