"""The tables of docs/results.md are what its command makes of the archives."""

import re
import sys

import pytest
from benchmarks.project import copy_project

from tests.workflow.project import run


@pytest.mark.parametrize("study", ["mnist", "beyond"])
def test_tables_of_the_page_are_made_from_the_archive(study, tmp_path):
    folder = tmp_path / "clone"
    copy_project(folder)
    page = folder / "docs/results.md"
    written = page.read_text()
    emptied = re.sub(rf"(<!-- {study}: .+? -->).+?(<!-- end -->)", r"\1\2", written, flags=re.DOTALL)
    assert emptied.count("<!-- end -->") == written.count("<!-- end -->") > 0
    page.write_text(emptied.replace("--><!--", "-->\n<!--"))
    for command in (
        ("freeconv", "tables", f"params/{study}.yaml", "--archive"),
        (sys.executable, "docs/results_tables.py", study),
    ):
        done = run(*command, cwd=folder)
        assert done.returncode == 0, done.stdout[-3000:]
    assert page.read_text() == written


def test_a_study_that_the_page_has_no_tables_of_is_named(tmp_path):
    copy_project(tmp_path / "clone")
    made = run(sys.executable, "docs/results_tables.py", "sampler", cwd=tmp_path / "clone")
    assert made.returncode == 1
    assert made.stdout.strip().endswith("has no tables of sampler")
