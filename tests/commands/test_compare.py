"""Two studies' medians side by side."""

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from freeconv.commands.compare import KEYS, as_csv, compare_studies, show
from freeconv.errors import FreeconvError
from freeconv.storage.csv_files import write_sums
from freeconv.study import paths


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """Work in a folder with two studies, `one` and `two [b]`."""
    monkeypatch.chdir(tmp_path)
    write("one", {"mnist": {"translate": {"0": {"cnn": {"val_acc": 0.9}, "fcn": {"val_acc": 0.8, "swap_acc": 0.5}}}}})
    write("two [b]", {"mnist": {"translate": {"0": {"cnn": {"val_acc": 0.75}}, "0.2": {"cnn": {"val_acc": 1.0}}}}})


def write(folder, tree):
    reports = f"{folder}/{paths.REPORTS}"
    path = Path(paths.medians_file(reports))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(tree))
    write_sums([path], paths.sums_file(reports))


@pytest.mark.parametrize("folders", [("one", "two [b]"), ("one/reports", "two [b]/reports"), (Path("one"), "two [b]")])
def test_every_median_of_one_of_them(studies, folders):
    rows = compare_studies(*folders)
    assert [(*row.key, row.first, row.second, row.difference) for row in rows] == [
        ("mnist", "translate", "0", "cnn", "val_acc", 0.9, 0.75, pytest.approx(-0.15)),
        ("mnist", "translate", "0", "fcn", "val_acc", 0.8, None, None),
        ("mnist", "translate", "0", "fcn", "swap_acc", 0.5, None, None),
        ("mnist", "translate", "0.2", "cnn", "val_acc", None, 1.0, None),
    ]


def test_as_csv(studies):
    text = as_csv(compare_studies("one", "two [b]", ["val_acc"]), ("one", "two [b]"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["level"], row["one"], row["two [b]"], row["difference"]) for row in rows] == [
        ("0", "0.9", "0.75", "-0.15"),
        ("0", "0.8", "", ""),
        ("0.2", "", "1", ""),
    ]


def test_as_a_table(studies):
    console = Console(record=True, width=120, file=io.StringIO())
    show(compare_studies("one", "two [b]"), ("one", "two [b]"), console)
    lines = console.export_text().splitlines()
    assert lines[1].split() == [*KEYS, "one", "two", "[b]", "difference"]
    assert lines[3].split() == ["mnist", "translate", "0", "cnn", "val_acc", "0.9000", "0.7500", "-0.1500"]
    assert lines[4].split()[-3:] == ["0.8000", "—", "—"]


@pytest.mark.parametrize(
    ("second", "metrics", "message"),
    [
        ("none", [], "none: expected a study with reports/tables/medians.json, received none"),
        (".", [], r"\.: expected a study with reports/tables/medians.json"),
        ("one/reports/tables", [], "one/reports/tables: expected a study"),
        ("two [b]", ["acc"], "expected metrics among swap_acc, val_acc, received acc"),
    ],
)
def test_what_is_no_study_is_refused(studies, second, metrics, message):
    with pytest.raises(FreeconvError, match=message):
        compare_studies("one", second, metrics)


def test_changed_medians_are_refused(studies):
    Path("one/reports/tables/medians.json").write_text("{}")
    with pytest.raises(FreeconvError, match=r"one/reports/tables/medians\.json: expected content with SHA-256"):
        compare_studies("one", "two [b]")
