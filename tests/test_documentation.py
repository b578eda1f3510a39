"""Links between the project's Markdown files lead somewhere, on GitHub, too, which names headings in its own way."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, text=True, capture_output=True, check=True).stdout.split()
CODE = re.compile(r"```.*?```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_to_files_and_headings(name):
    page = ROOT / name
    links = LINK.findall(CODE.sub("", page.read_text()))
    lost = [path for path, _ in links if path and not (page.parent / path).exists()]
    assert lost == []
    targets = [(page.parent / path if path else page, anchor) for path, anchor in links if anchor]
    assert [(str(path), anchor) for path, anchor in targets if anchor not in _anchors(path)] == []


def test_a_heading_is_named_as_on_github():
    assert _slug("With 30 % translation, `to` the end") == "with-30--translation-to-the-end"


def _anchors(path):
    """Return the anchors of a page's headings."""
    return {_slug(heading) for heading in re.findall(r"^#+ (.+)$", CODE.sub("", path.read_text()), re.MULTILINE)}


def _slug(heading):
    """Return the anchor that GitHub makes of a heading: no marks, and a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
