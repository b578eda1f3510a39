"""The tables of docs/results.md and docs/results/ are what their command makes of the archives."""

import re
import sys

from benchmarks.project import copy_project

from tests.workflow.project import run

TABLE = re.compile(r"(<!-- \w+ -->).+?(<!-- end -->)", re.DOTALL)


def test_tables_of_the_pages_are_made_from_the_archives(tmp_path):
    copy_project(tmp_path / "clone")
    docs = tmp_path / "clone/docs"
    pages = [docs / "results.md", *sorted((docs / "results").glob("*.md"))]
    written = [page.read_text() for page in pages]
    for page, text in zip(pages, written, strict=True):
        emptied = TABLE.sub(r"\1\n\2", text)
        assert len(TABLE.findall(emptied)) == emptied.count("<!-- end -->") >= 1
        page.write_text(emptied)
    done = run(sys.executable, "docs/results_tables.py", cwd=tmp_path / "clone")
    assert done.returncode == 0, done.stdout[-3000:]
    assert [page.read_text() for page in pages] == written


def test_a_table_that_a_page_lacks_is_named(tmp_path):
    copy_project(tmp_path / "clone")
    page = tmp_path / "clone/docs/results/mnist.md"
    page.write_text(written := page.read_text().replace("<!-- leads -->", ""))
    done = run(sys.executable, "docs/results_tables.py", cwd=tmp_path / "clone")
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("expected <!-- leads --> in")
    assert "docs/results/mnist.md" in last
    assert page.read_text() == written


def test_a_level_that_is_not_complete_is_left_out_and_named(tmp_path):
    copy_project(tmp_path / "clone")
    page = tmp_path / "clone/docs/results/mnist.md"
    before = page.read_text()
    for cell in ("fcn/translate/0.9", "cnn/rotate/0.3", "fcn-vcp-0.9/translate/0.2"):
        (tmp_path / f"clone/reports/archive/mnist/mnist/{cell}.csv").unlink()
    done = run(sys.executable, "docs/results_tables.py", cwd=tmp_path / "clone")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "mnist: translation at level 0.9 is left out, as its runs are not complete" in done.stdout
    assert "mnist: rotation at level 0.3 is left out, as its runs are not complete" in done.stdout
    assert "mnist: 0.9 of the connections missing is left out, as its runs are not complete" in done.stdout
    assert re.findall(r"^\| (\d+) % \|", _table(page, "connections"), re.MULTILINE) == ["0", "80", "99"]
    assert before.count("\n| 0.9 | cnn | val_acc |") == before.count("\n| rotation | 0.3 | cnn | val_acc |") == 1
    assert "\n| 0.9 |" not in (medians := _table(page, "medians"))
    assert "\n| 0.99 | fcn | val_acc |" in medians
    for name in ("others", "other_kernels", "other_medians"):
        assert "\n| rotation | 0.3 |" not in (rows := _table(page, name))
        assert "\n| noise | 0.3 |" in rows


def _table(page, name):
    """Return one of the tables about full MNIST."""
    return page.read_text().partition(f"<!-- {name} -->")[2].partition("<!-- end -->")[0]
