"""The report as readers have it: on screens of several sizes, in the dark, in print, without scripts."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from freeconv.commands.figures import make_figures
from freeconv.commands.report import make_report
from freeconv.commands.tables import make_tables
from freeconv.storage.pictures import sealed_svg
from freeconv.storage.results import Problem, read_measures
from freeconv.study import grid
from tests.made_study import small_params, write_data, write_measures, write_runs, write_shards, write_traces

PAGES = ["index.html", "measures.html", "runs.html"]
WIDTHS = [390, 1024, 1440]
PRINTED = 1032  # A4 across without margins, in CSS pixels
PRINTED_HEIGHT = 703
PARAMS = small_params(
    aug={"translate": [0, 0.1, 0.3]},
    vcp={"levels": [0, 0.99], "translate": [0.3]},
    search={"learning_rates": [0.01], "layers": [2, 3], "epochs": 2},
    train={"folds": 2, "epochs": 2},
)
MISSING = "reports/archive/whole/mnist/fcn/edge_noise/0.99.csv"
LEFT_OUT = Problem("fcn.csv", False, f"{MISSING}: expected a file, received nothing: the file does not exist")
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="200pt" height="40pt"><text y="20">a drawing</text></svg>'


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return the folder of the reports of a finished study; drawings, which need Keras, are stand-ins.

    A file is named as left out, as from an archive without measures: its path is longer than a phone is wide.
    """
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copy(Path(__file__).parents[2] / "CITATION.cff", folder)
        write_data("mnist-5k")
        write_runs(PARAMS)
        write_traces(PARAMS)
        write_measures(PARAMS)
        write_shards(PARAMS)
        measures, problems = read_measures(PARAMS)
        patch.setattr("freeconv.commands.tables.read_measures", lambda *_: (measures, [*problems, LEFT_OUT]))
        make_tables(PARAMS)
        make_figures(PARAMS)
        for path in grid.drawing_files(PARAMS):
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_text(sealed_svg(DRAWING))
        make_report(PARAMS)
    return folder / "reports"


@pytest.fixture
def opened(browser, reports):
    """Open pages of the report; their errors, and what they ask the network for, are in `troubles`."""
    contexts = []

    def open_page(name, width=1440, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.troubles = []
        page.on("request", lambda request: page.troubles.append(request.url) if _leaves(request.url) else None)
        page.on("console", lambda message: page.troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.goto((reports / name).as_uri(), wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


def _leaves(url):
    """Return whether a request is for something that is not part of the page or beside it."""
    return not url.startswith(("file:", "data:", "blob:"))


def charts_shown(page):
    """Scroll through a page until all of its charts have taken the place of their pictures."""
    page.evaluate("document.querySelectorAll('main details').forEach((box) => { box.open = true; })")
    count = page.locator("figure.chart:has(script)").count()
    for place in range(count):
        page.locator("figure.chart:has(script)").nth(place).scroll_into_view_if_needed()
    page.wait_for_function(f"document.querySelectorAll('.chart-live:not([hidden])').length >= {count}")
    return count


@pytest.mark.parametrize("name", PAGES)
def test_asks_for_nothing_and_reports_no_errors(opened, name):
    page = opened(name)
    assert page.title()
    charts_shown(page)
    assert page.troubles == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(opened, name, width, scheme):
    page = opened(name, width, color_scheme=scheme)
    charts_shown(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


CUT = """(width) => [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  if (!box.width || box.right <= width + 1 || element.closest(".skip")) return false;
  for (let above = element.parentElement; above; above = above.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(above).overflowX)) return false;
  return true;
}).map((element) => `${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}`)"""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_on_a_screen(opened, name, width):
    page = opened(name, width)
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT, width) == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_in_print(opened, name):
    page = opened(name, PRINTED)
    charts_shown(page)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    scrolls = "[...document.querySelectorAll('main *')].filter((one) => one.scrollWidth > one.clientWidth + 1 && "
    scrolls += "getComputedStyle(one).overflowX !== 'visible').map((one) => one.outerHTML.slice(0, 80))"
    assert page.evaluate(scrolls) == []
    assert page.evaluate(CUT, PRINTED) == []
    assert page.locator("main details:not([open]):not(.forest details)").count() == 0
    assert page.locator(".chart-live:visible").count() == 0  # pictures in their place
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_the_first_printed_page_has_answer_picture_what_was_run_and_facts(opened):
    page = opened("index.html", PRINTED)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for part in (".answer", ".first .chart-static svg", ".first .dials", ".facts"):
        box = page.locator(part).first.bounding_box()
        assert 0 < box["y"] < box["y"] + box["height"] <= PRINTED_HEIGHT, part


def test_contents_stay_in_view_and_know_the_place(opened):
    page = opened("index.html")
    page.locator("#glossary").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('glossary').scrollIntoView()")
    contents = page.get_by_role("navigation", name="Contents")
    assert contents.get_by_role("link", name="Answer").is_visible()
    page.wait_for_function("document.querySelector('aside [aria-current=true]')?.textContent === 'Glossary'")


def test_contents_fold_on_a_phone(opened):
    page = opened("index.html", 390)
    link = page.get_by_role("navigation", name="Contents").get_by_role("link", name="Glossary")
    assert not link.is_visible()
    page.locator("aside summary").click()
    link.click()
    assert not link.is_visible()
    assert page.locator("#glossary").is_visible()


def test_a_phone_keeps_level_and_network_in_view(opened):
    page = opened("index.html", 390)
    table = page.get_by_role("region", name="mnist-5k, translate: ours beside the paper's", exact=True)
    table.scroll_into_view_if_needed()
    level, network = table.locator("tbody th").first, table.locator("tbody .stays").first
    before = level.bounding_box()["x"], network.bounding_box()["x"]
    table.evaluate("(box) => { box.scrollLeft = 200; }")
    assert (level.bounding_box()["x"], network.bounding_box()["x"]) == pytest.approx(before, abs=12)
    assert table.evaluate("(box) => box.scrollLeft") == 200


def test_what_was_not_run_is_counted_and_opens_for_a_link(opened, reports):
    page = opened("index.html")
    folded = page.get_by_text("8 of 11 levels not run")
    assert folded.is_visible()
    row = page.locator("[id='cell-mnist-5k-translate-0.9']")
    assert not row.is_visible()
    page.evaluate("location.hash = '#cell-mnist-5k-translate-0.9'")
    row.wait_for(state="visible")


def test_what_was_left_out_is_named(opened):
    page = opened("index.html")
    assert page.locator("ul.problems > li", has_text=MISSING).is_visible()


def test_the_citation_can_be_copied(opened):
    page = opened("index.html", permissions=["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy citation")
    button.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert "@article{ott2020" in page.evaluate("navigator.clipboard.readText()")


def shown_runs(page):
    """Return the numbers of the runs that the table shows, in order."""
    return [int(text) for text in page.locator("#runs tbody tr:visible th a").all_inner_texts()]


def test_runs_are_sorted_by_a_click_and_back(opened, reports):
    page = opened("runs.html")
    study = pd.read_csv(reports / "tables/runs.csv")
    button = page.get_by_role("button", name="Last, %")
    button.click()
    ascending = shown_runs(page)
    values = study["last_val_acc"].round(4)
    assert [values[number - 1] for number in ascending] == sorted(values)
    button.click()
    assert [values[number - 1] for number in shown_runs(page)] == sorted(values, reverse=True)
    assert page.locator("th[aria-sort=descending]").inner_text() == "Last, %"


def test_runs_are_filtered(opened, reports):
    page = opened("runs.html")
    study = pd.read_csv(reports / "tables/runs.csv")
    page.get_by_label("Network").select_option("CNN")
    page.get_by_label("Level").select_option("0.3")
    asked = study[(study["network"] == "cnn") & (study["level"] == 0.3)]
    assert shown_runs(page) == [number + 1 for number in asked.index]
    assert page.locator("#run-tools output").inner_text() == f"{len(asked)} of {len(study)} runs"
    page.get_by_label("Search").fill("no such run")
    assert shown_runs(page) == []


def test_ticked_runs_are_compared(opened):
    page = opened("runs.html")
    button = page.get_by_role("button", name="Compare ticked runs")
    assert button.is_disabled()
    for number in (1, 2):  # two folds of one cell
        page.get_by_role("checkbox", name=f"Compare run {number}", exact=True).check()
    button.click()
    compared = page.get_by_role("region", name="Compared runs")
    marked = compared.locator("tr:has(.differs) th").all_inner_texts()
    assert "Fold" in marked
    assert "fold" in marked  # of the configuration
    assert "batch" in compared.locator("tbody th").all_inner_texts()
    assert "batch" not in marked


def test_a_runs_number_leads_to_its_file_and_command(opened, reports):
    page = opened("runs.html")
    page.locator("#runs").get_by_role("link", name="1", exact=True).click()
    about = page.locator("#run-1-about")
    link = about.get_by_role("link").first
    link.wait_for(state="visible")
    assert (reports / link.get_attribute("href")).resolve().is_file()
    assert about.get_by_text(f"freeconv rerun {link.inner_text()}").is_visible()


def test_charts_have_tables_and_controls(opened):
    page = opened("index.html")
    chart = page.locator("#figure-mnist-5k-translate-accuracy")
    chart.scroll_into_view_if_needed()
    chart.get_by_role("button", name="Table").click()
    rows = chart.locator(".chart-table tbody tr")
    assert rows.count() > 10
    chart.get_by_role("button", name="Chart").click()
    assert not chart.locator(".chart-table").is_visible()
    before = chart.locator(".chart-live").inner_html()
    chart.locator("input[type=range]").first.fill("0")
    page.wait_for_function(
        "(before) => document.querySelector('#figure-mnist-5k-translate-accuracy .chart-live').innerHTML !== before",
        arg=before,
    )


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_everything_is_there(opened, reports, name):
    page = opened(name, java_script_enabled=False)
    assert page.locator("aside nav").last.is_visible()
    assert page.locator(".chart-tools:visible, #run-tools:visible").count() == 0
    pictures = page.locator("main figure:visible .chart-static svg")
    assert pictures.count() > 0 or name == "runs.html"
    if name == "runs.html":
        assert len(shown_runs(page)) == len(pd.read_csv(reports / "tables/runs.csv"))


def test_find_in_page_finds_the_text_of_figures(opened):
    page = opened("measures.html")
    texts = page.locator(".chart-static svg text").all_text_contents()
    word = max((text for text in texts if text.strip()), key=len)
    assert page.evaluate("(word) => window.find(word)", word)
