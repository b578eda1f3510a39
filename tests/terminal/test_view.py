import io
import time

import pytest

from freeconv.terminal.view import Job, Phase, SteadyConsole, View, failure, last_words, phase_of, phase_text
from tests.terminal.test_epochs import line

NOW = time.time()


def training(folder, begin=NOW - 60):
    """Return a training job of two runs, one of which has done three of six epochs."""
    (folder / "job.jsonl").write_bytes(line(3, time=NOW))
    return Job("train", "mnist-5k fcn translate", begin, [str(folder / "job.log")], runs=2)


def shown(width, *jobs, height=30):
    phases = [Phase("train", 4, 1, begin=NOW - 100), Phase("report", 4)]
    output = io.StringIO()
    console = SteadyConsole(file=output, force_terminal=True, width=width, height=height, color_system=None)
    console.print(View(phases, list(jobs)))
    return output.getvalue()


def test_phases_of_rules():
    assert [phase_of(rule) for rule in ("fetch", "train_vcp_fcn", "figures", "all", "all_train", "own")] == [
        *("data", "train", "report"),
        *(None, None, "own"),
    ]


def test_a_phase_says_what_is_done_running_and_left(tmp_path):
    job = training(tmp_path)
    # one job and a quarter of another in 100 s, of four
    assert phase_text(Phase("train", 4, 1, begin=NOW - 100), [job], NOW) == (
        "train: 1 of 4 jobs, 1 running, 0:03:40 left"
    )
    assert phase_text(Phase("train", 4, failed=1), [], NOW) == "train: 0 of 4 jobs, 1 failed"
    stored = Phase("train", 4, 2, begin=NOW - 100, stored=1)
    assert stored.left([], NOW) == pytest.approx(200)


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_nothing_is_lost_in_a_narrow_terminal(tmp_path, width):
    text = shown(width, training(tmp_path), Job("report", "tables", NOW))
    assert all(len(row) <= width for row in text.splitlines())
    for word in ("train", "1/4", "report", "0/4", "mnist-5k fcn translate", "run 1 of 2", "tables"):
        assert word in text
    assert "epoch 3/6, train_acc 0.750" in " ".join(text.split())


def test_more_jobs_than_a_terminal_has_lines_are_counted():
    text = shown(100, *(Job("train", f"job {number}", NOW) for number in range(50)), height=20)
    assert len(text.splitlines()) <= 20
    assert "jobs more" in text


def test_the_view_never_hides_the_cursor():
    output = io.StringIO()
    console = SteadyConsole(file=output, force_terminal=True)
    console.show_cursor(False)
    assert output.getvalue() == ""


def test_the_last_words_of_a_log(tmp_path):
    log = tmp_path / "log"
    assert last_words(log) == ("", False)
    log.write_bytes(b"\xff\xfe no UTF-8\n" + b"x" * 100_000 + b"\nlast \xe9\n\n")
    assert last_words(log) == ("last \ufffd", False)
    log.write_text("epoch 1\nfreeconv: error: a: expected b, received c\nOSError: closed\n")
    assert failure("fcn", [str(log)]) == f"freeconv: error: a: expected b, received c (fcn; log: {log})"
    log.write_text("epoch 1\nTraceback (most recent call last):\n  File\nValueError: no\n")
    assert failure("fcn", [str(log)]) == f"freeconv: error: fcn: ValueError: no (log: {log})"
    log.write_text("epoch 1\n")
    assert failure("fcn", [str(log)]) == (
        f"freeconv: error: fcn: ended without an error, as a killed job does; it said last: epoch 1 (log: {log})"
    )
    assert failure("fcn", []) == "freeconv: error: fcn: ended without an error, as a killed job does (no log)"
