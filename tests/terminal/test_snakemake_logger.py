"""The plugin, called as Snakemake calls it."""

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace

import pytest
from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from freeconv.study import paths
from snakemake_logger_plugin_freeconv import LogHandler
from tests.terminal.test_epochs import line

CELL = {"dataset": "mnist-5k", "network": "fcn"}


class Snakemake:
    """A run that sends messages to the plugin."""

    def __init__(self, stream, **settings):
        none = {"verbose": False, "quiet": set(), "debug_dag": False, "dryrun": False, "printshellcmds": False}
        values = SimpleNamespace(**{**none, "nocolor": False, "stdout": False, "show_failed_logs": True, **settings})
        with redirect_stderr(stream), redirect_stdout(stream):
            self.handler = LogHandler(values, None)
        self.handler.addFilter(
            DefaultFilter(values.quiet, values.debug_dag, values.verbose, values.dryrun, values.printshellcmds)
        )
        self.handler.setFormatter(DefaultFormatter(values.quiet, values.show_failed_logs))
        self.stream = stream

    def say(self, text=None, event=None, level=logging.INFO, **fields):
        record = logging.LogRecord("snakemake", level, "", 0, text, None, None)
        record.__dict__.update(fields, **({"event": event} if event else {}))
        self.handler.handle(record)

    def job(self, number, rule, log=(), **fields):
        output = fields.pop("output", ["a", "b"])
        self.say(
            f"Rule: {rule}", LogEvent.JOB_INFO, jobid=number, rule_name=rule, log=list(log), output=output, **fields
        )

    def done(self, number):
        self.say(f"Finished jobid: {number}", LogEvent.JOB_FINISHED, job_id=number)

    def fail(self, number, rule, log, **fields):
        self.say(
            "Error", LogEvent.JOB_ERROR, logging.ERROR, jobid=number, rule_name=rule, log=[str(log)], aux={}, **fields
        )

    def end(self):
        self.handler.close()
        return self.stream.getvalue().splitlines()


@pytest.fixture
def stream(monkeypatch, tmp_path):
    """Work in an empty folder, and return a stream to take the place of standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    return io.StringIO()


def test_a_run_in_plain_lines(stream, tmp_path):
    (tmp_path / "reports/tables").mkdir(parents=True)
    (tmp_path / paths.report_file()).write_text("")
    (tmp_path / "reports/tables/claims.csv").write_text("id,verdict\na,supported\nb,not run\nc,supported\n")
    run = Snakemake(stream)
    run.say("Building DAG of jobs...")
    run.say("table", LogEvent.RUN_INFO, stats={"train_none": 1, "shard": 30, "report": 1, "all": 1, "total": 33})
    run.job(1, "train_none", ["train.log"], wildcards=CELL)
    (tmp_path / "train.jsonl").write_bytes(line(6, finished=True, time=4e9))
    run.done(1)
    for number in range(2, 32):
        run.job(number, "shard", wildcards={"dataset": "mnist-5k"})
        run.done(number)
    run.job(32, "report")
    run.say("a warning", level=logging.WARNING)
    run.done(32)
    lines = run.end()
    assert lines[0] == "freeconv: 32 jobs: shards 30, train 1, report 1"
    assert lines[1][9:].startswith("mnist-5k fcn none: 1 runs, 0.2 fold 0: epoch 6/6, train_acc 0.750 in 0:00:0")
    assert sum("shards: " in text for text in lines) == 10
    assert "a warning" in lines
    assert lines[-2].startswith("freeconv: 32 jobs done in 0:00:0")
    assert lines[-1] == "freeconv: report: reports/index.html; claims: 2 supported, 1 not run"
    assert len(lines) == 17


def test_a_failure_is_one_line_with_the_logs_path_and_what_is_left_is_said(stream, tmp_path):
    log = tmp_path / "fcn.log"
    log.write_bytes(b"\xff\nfreeconv: error: data: expected a, received b; run it again\n")
    run = Snakemake(stream)
    run.say("table", LogEvent.RUN_INFO, stats={"train_none": 3, "total": 3})
    run.job(1, "train_none", [str(log)], wildcards=CELL)
    run.say("RuleException:\nCalledProcessError in file", LogEvent.ERROR, logging.ERROR)
    for _ in range(2):  # Snakemake says it twice, without wildcards
        run.fail(1, "train_none", log)
    run.say("WorkflowError:\nAt least one job did not complete successfully.", LogEvent.ERROR, logging.ERROR)
    run.say("WorkflowError:\nno space", LogEvent.ERROR, logging.ERROR)
    run.job(2, "train_none", wildcards=CELL)
    run.done(2)
    lines = run.end()
    assert f"freeconv: error: data: expected a, received b; run it again (mnist-5k fcn none; log: {log})" in lines
    assert [text for text in lines if "rror" in text][1:] == ["WorkflowError:"]
    assert lines[-1].startswith("freeconv: 1 of 3 jobs done, 1 failed, 1 not run in 0:00:0")


def test_a_run_that_is_refused_before_its_first_job_says_nothing_else(stream):
    run = Snakemake(stream)
    run.say("table", LogEvent.RUN_INFO, stats={"train_none": 3, "total": 3})
    assert run.end() == []


def test_a_job_that_is_tried_again_has_not_failed(stream, tmp_path):
    run = Snakemake(stream)
    run.say("table", LogEvent.RUN_INFO, stats={"fetch": 1, "total": 1})
    for attempt in range(2):
        run.job(1, "fetch", wildcards={})
        if attempt == 0:
            run.fail(1, "fetch", tmp_path / "missing.log", wildcards={}, shellcmd="")
    run.done(1)
    lines = run.end()
    assert "ended without an error" in lines[1]
    assert lines[-1].startswith("freeconv: 1 job done")


@pytest.mark.parametrize("settings", [{}, {"nocolor": True}])
def test_a_terminal_shows_one_view(stream, monkeypatch, settings, tmp_path):
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    run = Snakemake(stream, **settings)
    run.say("table", LogEvent.RUN_INFO, stats={"train_none": 2, "total": 2})
    (tmp_path / "train.jsonl").write_bytes(line(3, time=4e9))
    run.job(1, "train_none", ["train.log"], wildcards=CELL)
    run.handler._shown._live.refresh()
    text = "\n".join(run.end())
    assert "run 1 of 2, 0.2 fold 0: epoch 3/6, train_acc 0.750" in text
    assert "\x1b[?25l" not in text
    assert ("\x1b[36m" in text) is not settings.get("nocolor", False)


def test_a_stage_of_dvc_gets_plain_lines(stream, monkeypatch):
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("DVC_STAGE", "train")
    run = Snakemake(stream)
    run.say("table", LogEvent.RUN_INFO, stats={"fetch": 1, "total": 1})
    run.job(1, "fetch", wildcards={})
    run.done(1)
    assert len(run.end()) == 3


def test_a_dry_run_has_a_line_per_job_and_the_numbers_once(stream):
    run = Snakemake(stream, dryrun=True, stdout=True, printshellcmds=True)
    reason = "Missing output files: a, b, c; Input files updated by another job: d"
    run.say("Job stats:\ntotal 1", LogEvent.RUN_INFO, stats={})
    run.job(1, "train_none", wildcards=CELL, reason=reason)
    run.say("Shell command: x", LogEvent.SHELLCMD, shellcmd="freeconv train [x]")
    changed = 'Params have changed since last execution: Union: before: \'{"a": 1, "b": {"c": 2}}\', \'x\' now: '
    run.job(2, "tables", wildcards={}, reason=changed + '\'{"a": 1, "b": {"c": 3}}\', \'x\'')
    run.job(3, "tables", wildcards={}, reason="Params have changed: before: 'a', 'b' now: 'c'")
    run.job(4, "all", wildcards={}, reason="Input files updated by another job: d")
    run.say("Job stats:\ntotal 1", LogEvent.RUN_INFO, stats={})
    assert run.end() == [
        "mnist-5k fcn none: Missing output files: a and 2 more",
        "freeconv train [x]",
        "tables: b.c was 2, is 3",
        "tables: Params have changed: before: 'a' and 1 more",
        "Job stats:",
        "total 1",
    ]


def test_nothing_to_be_done_is_said_as_snakemake_says_it(stream):
    run = Snakemake(stream)
    run.say("Nothing to be done (all requested files are present and up to date).")
    assert run.end() == ["Nothing to be done (all requested files are present and up to date)."]


@pytest.mark.parametrize("settings", [{"verbose": True}, {"quiet": {"host"}}])
def test_snakemakes_own_messages_remain(stream, settings):
    run = Snakemake(stream, **settings)
    run.say("Building DAG of jobs...")
    assert run.end() == ["Building DAG of jobs..."]
