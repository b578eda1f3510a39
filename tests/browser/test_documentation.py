"""The documentation's site on paper and on a phone: nothing of a page is cut off."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINTED = 718  # A4 across within margins of 1 cm, in CSS pixels
PHONE = 390
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "|---|" in path.read_text())
TABLES = [path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES]
# Tables, and what holds them, that scroll, which paper cannot, or that are wider than the page.
CUT = """(width) => [...document.querySelectorAll('article :is(.md-typeset__scrollwrap, .md-typeset__table, table)')]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > width + 1)
  .map((one) => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def _opened(browser, site, name, width):
    """Return a page as wide as that, of the folder of this name."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((site / name.removeprefix("index") / "index.html").as_uri(), wait_until="load")
    assert page.locator("article table").count()
    return page


@pytest.mark.parametrize("name", TABLES)
def test_all_columns_of_wide_tables_are_printed(browser, site, name):
    page = _opened(browser, site, name, PRINTED)
    page.emulate_media(media="print")
    assert page.evaluate(CUT, PRINTED) == []
    page.close()


@pytest.mark.parametrize("name", TABLES)
def test_a_wide_table_does_not_widen_a_phones_page(browser, site, name):
    page = _opened(browser, site, name, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    page.close()
