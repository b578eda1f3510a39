import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from freeconv.commands.report import make_report
from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.report.html_tables import VERDICTS
from freeconv.report.run_rows import run_cells
from freeconv.storage.pictures import sealed_svg
from freeconv.study import grid, paths
from freeconv.study.params import check_params
from tests.made_study import small_params, sum_tables, write_measures, write_runs, write_traces

VOID = {"meta", "img", "link", "br", "hr", "input"}
IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="9pt"><text y="9">a picture</text></svg>'
IMAGE = sealed_svg(IMAGE)
# everything that the pages can have
PARAMS = small_params(
    aug={"translate": [0, 0.1, 0.3], "noise": [0, 0.2]},
    vcp={"levels": [0, 0.5], "translate": [0.3]},
    search={"learning_rates": [0.01, 0.001], "layers": [2, 3], "epochs": 2},
    train={"folds": 2, "epochs": 2},
)
LOST = paths.run_file("mnist-5k", "fcn", "translate", 0.1, 1)
PAGES = ["index.html", "measures.html", "runs.html"]


class Page(HTMLParser):
    """Collects elements and text, and insists that every element is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and not {"script", "style"} & {*self.open[-1:]}:
            self.texts.append(" ".join(data.split()))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def write_pictures(params):
    """Write stand-ins for all figures and drawings of a study."""
    for path in (*grid.figure_files(params), *grid.drawing_files(params)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(IMAGE if path.endswith(".svg") else "level\n")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return the folder of the reports of a study that lacks a run."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_runs(PARAMS)
        write_traces(PARAMS)
        write_measures(PARAMS)
        Path(LOST).unlink()
        make_tables(PARAMS)
        write_pictures(PARAMS)
        make_report(PARAMS)
    return folder / "reports"


@pytest.fixture(scope="module")
def pages(reports):
    return {name: Page((reports / name).read_text()) for name in PAGES}


@pytest.fixture
def table(reports):
    return lambda name: pd.read_csv(reports / f"tables/{name}.csv")


@pytest.fixture
def copied(reports, tmp_path, monkeypatch):
    """Work in a copy of the study's reports, to be made again."""
    shutil.copytree(reports, tmp_path / "reports")
    monkeypatch.chdir(tmp_path)
    return Path("reports")


@pytest.mark.parametrize("name", PAGES)
def test_is_html5_in_english_with_one_main_heading(name, reports, pages):
    page = pages[name]
    assert (reports / name).read_text().startswith("<!DOCTYPE html>\n")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("name", PAGES)
def test_needs_no_network_and_links_lead_somewhere(name, reports, pages):
    page = pages[name]
    assert {"link", "iframe", "object", "img"} & {tag for tag, _ in page.elements} == set()
    assert all("src" not in script for script in page.all("script"))
    text = (reports / name).read_text()
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    for link in (attributes["href"] for attributes in page.all("a")):
        file, _, anchor = link.partition("#")
        if link.startswith("https://doi.org/"):
            continue
        if anchor:
            assert anchor in pages[file or name].ids
        else:
            assert (reports / file).resolve().is_file()


def test_each_page_holds_its_pictures(pages, reports):
    drawn = {name: [figure["id"] for figure in page.all("figure")] for name, page in pages.items()}
    own = ["accuracy", "distance"]
    beyond = ["transfer", "distance-by-radius", "signal-to-noise", "distance-to-shared", "shared-accuracy"]
    of = "figure-mnist-5k"
    assert drawn["index.html"][0] == f"{of}-translate-answer"
    for augmentation in ("translate", "noise"):
        assert {f"{of}-{augmentation}-{name}" for name in ("samples", *own)} <= set(drawn["index.html"])
    others = {"none-swap", "vcp-accuracy-0.3", "claims-forest", "translate-kernels", "translate", "swap"}
    assert {f"{of}-{name}" for name in others} <= set(drawn["index.html"])
    assert drawn["measures.html"] == [
        f"{of}-{augmentation}-{name}" for augmentation in ("translate", "noise") for name in beyond
    ]
    assert drawn["runs.html"] == []
    for name, figures in drawn.items():
        assert (reports / name).read_text().count("a picture</text>") == len(figures)


@pytest.mark.parametrize("name", PAGES)
def test_pictures_have_alternative_texts_and_tables_have_headers(name, pages):
    page = pages[name]
    pictures = [attributes for _, attributes in page.elements if attributes.get("class") == "chart-static"]
    assert all(picture["role"] == "img" and len(picture["aria-label"]) > 30 for picture in pictures)
    assert len(page.all("figcaption")) == len(page.all("figure")) == len(pictures)
    assert len(page.all("table")) == len(page.all("caption"))
    assert {header["scope"] for header in page.all("th")} <= {"col", "row", "colgroup", "rowgroup"}


def test_the_first_screen_says_what_is_decided_and_what_was_run(pages):
    texts = pages["index.html"].texts
    start = texts.index("Do neural networks need weight sharing?")
    shown = " ".join(texts[start : texts.index("The paper’s claims", start)])
    assert "Nothing is decided yet: of the paper's 8 tested claims this study decides none." in shown
    assert "2 of 250" in shown
    assert "3 of 11" in shown
    assert "A study of this size can decide 0 of the 8 tested claims." in shown
    assert "mnist-5k is not the paper's own images" in shown
    assert "a made-up processor" in shown
    assert "keras 3.12.0, numpy 2.4.0" in shown


def test_every_claim_is_shown_with_its_verdict(pages, table):
    page = pages["index.html"]
    judged = table("claims")
    assert len(judged) > 20
    # a study below what claims require contradicts nothing
    assert "contradicted" not in set(judged["verdict"])
    (day,), (sha256,) = judged["registered"].unique(), judged["registration"].unique()
    assert f"are of {day} (SHA-256 {sha256} …)." in " ".join(page.texts)
    rows = [name for name in page.ids if name.startswith("claim-")]
    assert sorted(rows) == sorted(f"claim-{row.id}-{row.dataset}" for row in judged.itertuples())
    shown = set(page.texts)
    for row in judged.itertuples():
        assert row.statement in shown
        assert any(row.comparison in text for text in shown)
    start = page.texts.index("Tested claims")
    marks = [text for text in page.texts[start:] if text in VERDICTS.values()]
    assert sorted(marks) == sorted(VERDICTS[verdict] for verdict in judged["verdict"])
    counts = [str((judged["verdict"] == verdict).sum()) for verdict in VERDICTS]
    assert " ".join(["mnist-5k", *counts]) in " ".join(page.texts[:start])


def test_a_study_without_claims_says_so(copied):
    judged = copied / "tables/claims.csv"
    judged.write_text(judged.read_text().splitlines()[0] + "\n")
    sum_tables()
    make_report(PARAMS)
    page = Page((copied / "index.html").read_text())
    assert any(text.startswith("The paper makes no claims about datasets like those") for text in page.texts)


def test_shows_every_compared_cell_with_its_runs(pages, table):
    page = pages["index.html"]
    shown = set(page.texts)
    compared = table("compared")
    for row in compared[compared["network"].isin(["cnn", "fcn"])].itertuples():
        for value in (row.paper, row.ours):
            assert pd.isna(value) or f"{100 * value:.2f}" in shown
        assert pd.isna(row.difference) or f"{100 * row.difference:+.2f}".replace("-", "−") in shown
    links = {attributes["href"] for attributes in page.all("a")}
    trained = [(run.network, run.augmentation, run.level) for run in grid.runs(PARAMS)]
    assert {link for link in links if link.startswith("runs.html#")} == {
        f"runs.html#mnist-5k-{network}-{augmentation}-{level:g}" for network, augmentation, level in trained
    }


def test_says_above_a_table_how_its_protocol_differs(pages):
    text = " ".join(pages["index.html"].texts)
    assert "Run under another protocol than the paper's: 5,000 images instead of 70,000; 2 epochs instead of" in text


def test_exports_are_linked(pages):
    links = [attributes["href"] for attributes in pages["index.html"].all("a")]
    assert [link for link in links if link.startswith("exports/")] == [
        f"exports/mnist-5k-{augmentation}.{suffix}"
        for augmentation in ("translate", "noise")
        for suffix in ("csv", "md", "tex")
    ]


def test_problems_are_named(pages, table):
    page = pages["index.html"]
    problems = table("problems")
    assert LOST in set(problems["path"])
    for row in problems.itertuples():
        assert row.path in page.texts
        assert f": {row.problem}" in page.texts


def test_no_problems_no_section(copied):
    problems = copied / "tables/problems.csv"
    problems.write_text("path,used,problem\n")
    sum_tables()
    make_report(PARAMS)
    assert "problems" not in Page((copied / "index.html").read_text()).ids


def test_what_is_not_studied_has_no_section(pages, copied):
    sections = {"mnist-5k-missing-connections", "mnist-5k-quadrant-swap", "search", "drawings"}
    assert sections <= set(pages["index.html"].ids)
    make_report(small_params(aug={"translate": [0.3]}, train=PARAMS.train.model_dump()))
    assert sections & set(Page((copied / "index.html").read_text()).ids) == {"drawings"}


def test_runs_page_has_every_run(pages, table):
    page = pages["runs.html"]
    study = table("runs")
    assert len(study) == len(grid.run_files(PARAMS)) - 1
    assert [row["data-path"] for row in page.all("tr") if "data-path" in row] == list(study["path"])
    assert "keras 3.12.0, numpy 2.4.0" in page.texts
    seconds, other = study["seconds"].sum(), study["overhead_seconds"].sum()
    assert f"{seconds:,.1f}" in page.texts
    assert any(text.startswith(f"{100 * seconds / (seconds + other):.0f} % of the time") for text in page.texts)


def test_runs_of_a_cell_stand_together(table):
    study = table("runs")
    path = paths.run_file("mnist-5k", "fcn", "translate", 0.1, 0)
    log = "logs/train/mnist-5k/fcn/translate/0.1.log"
    cells = {cell.anchor: cell.rows for cell in run_cells(PARAMS, study, {path, log}, "../")}
    assert len(cells) == len(study[["network", "augmentation", "level"]].drop_duplicates())
    assert [row.number for rows in cells.values() for row in rows] == list(range(1, len(study) + 1))
    accuracies = study.loc[study["path"] == path, ["last_val_acc", "best_val_acc"]].iloc[0]
    (row,) = cells["mnist-5k-fcn-translate-0.1"]
    shown = [f"{100 * accuracy:.2f}" for accuracy in accuracies]
    expected = ["mnist-5k", "FCN", "translate", "0.1", "0", "0", "2", *shown, "12.5", "a made-up processor"]
    assert row.texts == expected
    assert (row.file, row.log) == (f"../{path}", f"../{log}")
    assert row.command == f"freeconv rerun {path} --out again.h5"
    config = json.loads(row.config)
    assert (config["network"], config["level"], config["fold"]) == ("fcn", 0.1, 0)
    assert all(other.log == "" for other in cells["mnist-5k-fcn-none-0"])  # none is there


def test_shows_parameters(reports):
    text = (reports / "index.html").read_text()
    start = text.index("<code>seed") + len("<code>")
    shown = text[start : text.index("</code></pre>", start)]
    assert check_params(yaml.safe_load(html.unescape(shown))) == PARAMS


def test_page_of_measures_defines_what_it_shows(pages):
    page = pages["measures.html"]
    assert len(page.all("dt")) == len(page.all("dd")) == 6


def test_names_from_users_are_escaped(copied):
    # a folder's path comes from params.yaml and is shown on the page
    folder = Path("<script>alert(1)</script>")
    folder.mkdir(parents=True)
    params = check_params(
        {
            "data": {"datasets": ["mine"], "folders": {"mine": str(folder)}},
            "aug": {"translate": [0]},
            "train": {"folds": 2, "epochs": 1, "networks": ["cnn"]},
        }
    )
    make_report(params)
    page = Page((copied / "index.html").read_text())
    assert (copied / "index.html").read_text().count("<script>alert(1)</script>") == 0
    assert any("<script>alert(1)</script>" in text for text in page.texts)


@pytest.mark.parametrize(
    "name",
    ["accuracy", "checklist", "claims", "compared", "dataset", "distance", "problems", "runs", "search", "medians"],
)
def test_what_tables_lack_is_missing_on_the_page(name, reports, copied):
    if name == "medians":
        (copied / "tables/medians.json").write_text("{}")
    else:
        path = copied / f"tables/{name}.csv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
    sum_tables()
    make_report(PARAMS)
    for page in PAGES:
        assert Page((copied / page).read_text()).texts  # whole, every element closed


def test_rows_that_tables_lack_are_missing_on_the_page(copied):
    compared = pd.read_csv(copied / "tables/compared.csv")
    lost = (compared["level"] == 0.3) & (compared["network"] == "cnn") & (compared["augmentation"] == "translate")
    compared[~lost].to_csv(copied / "tables/compared.csv", index=False)
    sum_tables()
    shown = f"{100 * compared.loc[lost, 'ours'].iloc[0]:.2f}"
    assert shown in Page((copied / "index.html").read_text()).texts
    make_report(PARAMS)
    assert shown not in Page((copied / "index.html").read_text()).texts


def test_a_missing_table_is_named(copied):
    Path("reports/tables/claims.csv").unlink()
    with pytest.raises(FreeconvError, match=r"claims\.csv: .*run `freeconv tables` first"):
        make_report(PARAMS)
    Path("reports/tables/medians.json").unlink()
    with pytest.raises(FreeconvError, match=r"medians\.json: .*run `freeconv tables` first"):
        make_report(PARAMS)


def test_changed_tables_and_damaged_pictures_are_refused(copied):
    for name in ("tables/runs.csv", "tables/medians.json", "tables/SHA256SUMS", "drawings/radii.svg"):
        path = copied / name
        before = path.read_bytes()
        place = 3 if name.endswith("SUMS") else len(before) - 3
        path.write_bytes(before[:place] + bytes([before[place] ^ 1]) + before[place + 1 :])
        refused = r"medians\.json|\.csv" if name.endswith("SUMS") else name
        with pytest.raises(FreeconvError, match=f"{refused}: expected .*remove .* run again$") as error:
            make_report(PARAMS)
        assert "\n" not in str(error.value)
        path.write_bytes(before)
    make_report(PARAMS)


def test_missing_pictures_are_shown_as_missing(copied):
    Path("reports/drawings/radii.svg").unlink()
    Path("reports/figures/mnist-5k-noise-transfer.svg").unlink()
    make_report(PARAMS)
    for name in ("index.html", "measures.html"):
        assert Page((copied / name).read_text()).texts.count("— This picture is missing.") == 1


def test_names_study_parameter_file_and_commit(copied, monkeypatch):
    def origin():
        make_report(PARAMS)
        texts = Page((Path("reports") / "index.html").read_text()).texts
        facts = texts[texts.index("Report of") :]
        return [facts[facts.index(name) + 1] for name in ("Study", "Parameters", "Commit")]

    monkeypatch.delenv(paths.PROJECT, raising=False)
    monkeypatch.delenv(paths.PARAMS_FILE, raising=False)
    assert origin() == ["that of the project's folder", "passed by hand", "not under Git"]
    project = copied.resolve().parent
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a", "--allow-empty"],
    ):
        subprocess.run(["git", *command], check=True)
    commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True).stdout.strip()
    (project / "studies/own").mkdir(parents=True)
    shutil.copytree("reports", "studies/own/reports")
    monkeypatch.chdir("studies/own")
    monkeypatch.setenv(paths.PROJECT, str(project))
    monkeypatch.setenv(paths.PARAMS_FILE, "params/<own>.yaml")
    assert origin() == ["studies/own", "params/<own>.yaml", commit]
    (project / "tracked").touch()
    subprocess.run(["git", "add", "tracked"], cwd=project, check=True)
    assert origin()[2] == f"{commit} and uncommitted changes"


def test_the_citation_names_software_and_paper(copied, monkeypatch):
    authors = [{"family-names": "Ott", "given-names": "Jordan"}]
    about = {"title": "freeconv: a study", "version": "1", "authors": [{"name": "Its authors"}]}
    about |= {"references": [{"title": "To share", "authors": authors, "year": 2020, "doi": "10.1/2"}]}
    Path("CITATION.cff").write_text(yaml.safe_dump(about))
    make_report(PARAMS)
    text = html.unescape((copied / "index.html").read_text())
    assert "@software{freeconv2" in text
    assert "author = {{Its authors}}" in text
    assert "@article{ott2020,\n  author = {Ott, Jordan},\n  title = {To share}" in text


@pytest.mark.parametrize(
    "sections",
    [
        {"aug": {"translate": [0.3]}},
        {"train": {**PARAMS.train.model_dump(), "networks": ["cnn"]}},
        {"train": {**PARAMS.train.model_dump(), "networks": ["fcn"], "held_out": [0]}},
        {"aug": {"translate": []}},
    ],
)
def test_a_study_with_little_in_it_still_has_its_pages(sections, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = small_params(**{"train": PARAMS.train.model_dump(), **sections})
    write_runs(params)
    write_traces(params)
    make_tables(params)  # measures, figures and drawings failed
    make_report(params)
    pages = {name: Page(Path("reports", name).read_text()) for name in PAGES}
    assert "— This picture is missing." in pages["index.html"].texts
    assert len(pages["runs.html"].all("details")) >= len(grid.run_files(params))
