import html
import re
import shutil
import subprocess
from base64 import b64encode
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from freeconv.commands.report import make_report
from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.report.captions import Caption
from freeconv.report.html_tables import VERDICTS
from freeconv.report.pages import claim_entries, picture, problem_lines, run_cells
from freeconv.study import grid, paths
from freeconv.study.params import check_params
from tests.made_study import small_params, sum_tables, write_measures, write_runs, write_traces

VOID = {"meta", "img", "link", "br", "hr", "input"}
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IEND" + bytes.fromhex("ae426082")  # stands for an image
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
        if data.strip():
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
        Path(path).write_bytes(IMAGE)


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
    assert {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements} == set()
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
            assert (reports / file).is_file()


def test_first_page_holds_its_pictures_and_the_others_show_files(pages, reports):
    sources = {name: [image["src"] for image in page.all("img")] for name, page in pages.items()}
    # 2 augmentations · (samples, accuracy, distance), missing connections, swap, 4 augmentations, swap, classes, layer,
    # radii
    assert len(sources["index.html"]) == 2 * 3 + 1 + 1 + 4 + 4
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in sources["index.html"])
    assert sources["measures.html"] == [
        f"figures/mnist-5k-{augmentation}-{figure}.png"
        for augmentation in ("translate", "noise")
        for figure in ("transfer", "sharing")
    ]
    assert sources["runs.html"] == []


@pytest.mark.parametrize("name", PAGES)
def test_images_have_alternative_texts_and_tables_have_headers(name, pages):
    page = pages[name]
    assert all(len(image["alt"]) > 30 for image in page.all("img"))
    assert len(page.all("figcaption")) == len(page.all("figure")) == len(page.all("img"))
    assert len(page.all("table")) == len(page.all("caption"))
    assert {header["scope"] for header in page.all("th")} <= {"col", "row", "colgroup", "rowgroup"}


def test_opens_with_the_claims(pages, table):
    page = pages["index.html"]
    assert next(attributes for tag, attributes in page.elements if tag == "h2") == {"id": "claims"}
    judged = table("claims")
    assert len(judged) > 20
    # a study below what claims require contradicts nothing
    assert "contradicted" not in set(judged["verdict"])
    (day,), (sha256,) = judged["registered"].unique(), judged["registration"].unique()
    assert f"are of {day} (SHA-256 {sha256} …)." in " ".join(page.texts)
    assert [f"claim-{name}" for name in judged["id"]] == [name for name in page.ids if name.startswith("claim-")]
    start = page.texts.index(
        "Claims in our words, and the comparison that decides each. n: folds behind ours. —: missing."
    )
    shown = page.texts[start : page.texts.index("Problems", start)]
    marks = VERDICTS
    for row in judged.itertuples():
        assert row.statement in shown
        assert row.comparison in shown
        assert row.reason in shown
    assert [text for text in shown if text in marks] == list(judged["verdict"])
    assert [text for text in shown if text in marks.values()] == [marks[verdict] for verdict in judged["verdict"]]
    counts = [str((judged["verdict"] == verdict).sum()) for verdict in marks]
    assert " ".join(["mnist-5k", *counts]) in " ".join(page.texts[:start])


def test_numbers_of_claims():
    row = {
        **dict.fromkeys(("id", "section", "statement", "source", "reason"), "x"),
        **{"comparison": "val_acc", "dataset": "mnist", "folds": 5, "verdict": "supported"},
        **{"p_holm": 0.0123, "paper_check": "the paper's own number fails", "older": True, "registered": "2026-11-25"},
        **{"paper": float("nan"), "ours": -0.12345, "low": -0.2, "high": 0.00001},
    }
    small = {**row, "id": "y", "comparison": "distance_radius_1", "low": float("nan")}
    small |= {"p_holm": float("nan"), "paper_check": float("nan"), "older": False}
    first, second = (claim.rows[0] for claim in claim_entries(pd.DataFrame([row, small])))
    notes = [
        "p = 0.012 after Holm's correction.",
        "The paper's own number fails.",
        "Older than the claim's margin and requirements, of 2026-11-25.",
    ]
    assert first == ("mnist", "—", "−0.1235", "−0.2000 … +0.0000", 5, "supported", "✓", "x", notes)
    assert second.notes == []
    assert (second.ours, second.interval) == ("−0.123450", "")


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
            assert pd.isna(value) or f"{value:.4f}" in shown
        assert pd.isna(row.difference) or f"{row.difference:+.4f}".replace("-", "−") in shown
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
    lines = problem_lines(problems)
    assert sum(map(len, lines.values())) == len(problems)
    assert LOST in dict(lines["Left out"])


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
    assert [text for text in page.texts if text.endswith(".h5")] == list(study["path"])
    assert "keras 3.12.0, numpy 2.4.0" in page.texts
    seconds, other = study["seconds"].sum(), study["overhead_seconds"].sum()
    assert f"{seconds:,.1f}" in page.texts
    assert any(text.startswith(f"{100 * seconds / (seconds + other):.0f} % of the time") for text in page.texts)


def test_runs_of_a_cell_stand_together(table):
    study = table("runs")
    cells = {cell.anchor: cell.rows for cell in run_cells(study)}
    assert len(cells) == len(study[["network", "augmentation", "level"]].drop_duplicates())
    path = paths.run_file("mnist-5k", "fcn", "translate", 0.1, 0)
    device = "a made-up processor"
    accuracies = study.loc[study["path"] == path, ["last_val_acc", "best_val_acc"]].iloc[0]
    row = ["mnist-5k", "FCN", "translate", "0.1", "0", "2", *(f"{accuracy:.4f}" for accuracy in accuracies)]
    assert cells["mnist-5k-fcn-translate-0.1"] == [[*row, "12.5", device, path]]
    assert len(cells["mnist-5k-fcn-none-0"]) == 2


def test_shows_parameters(reports):
    text = (reports / "index.html").read_text()
    shown = text[text.index("<code>seed") + len("<code>") : text.rindex("</code>")]
    assert check_params(yaml.safe_load(html.unescape(shown))) == PARAMS


def test_page_of_measures_defines_what_it_shows(pages):
    page = pages["measures.html"]
    assert len(page.all("dt")) == len(page.all("dd")) == 5


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
    assert page.all("script") == []
    assert any("<script>alert(1)</script>" in text for text in page.texts)


@pytest.mark.parametrize(
    "name", ["accuracy", "claims", "compared", "distance", "problems", "runs", "search", "metrics.json"]
)
def test_what_tables_lack_is_missing_on_the_page(name, reports, copied):
    if name == "metrics.json":
        (copied / name).write_text("{}")
    else:
        path = copied / f"tables/{name}.csv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
    sum_tables()
    make_report(PARAMS)
    pages = {page: Page((copied / page).read_text()) for page in PAGES}  # whole, every element closed
    missing = pages["index.html"].texts.count("—")
    before = Page((reports / "index.html").read_text()).texts.count("—")
    assert missing > before if name in ("accuracy", "search") else missing <= before


def test_rows_that_tables_lack_are_missing_on_the_page(copied):
    compared = pd.read_csv(copied / "tables/compared.csv")
    lost = (compared["level"] == 0.3) & (compared["network"] == "cnn") & (compared["augmentation"] == "translate")
    compared[~lost].to_csv(copied / "tables/compared.csv", index=False)
    sum_tables()
    shown = f"{compared.loc[lost, 'ours'].iloc[0]:.4f}"
    assert shown in Page((copied / "index.html").read_text()).texts
    make_report(PARAMS)
    assert shown not in Page((copied / "index.html").read_text()).texts


def test_a_missing_table_is_named(copied):
    Path("reports/tables/claims.csv").unlink()
    with pytest.raises(FreeconvError, match=r"claims\.csv: .*run `freeconv tables` first"):
        make_report(PARAMS)
    Path("reports/metrics.json").unlink()
    with pytest.raises(FreeconvError, match=r"metrics\.json: .*run `freeconv tables` first"):
        make_report(PARAMS)


def test_changed_tables_and_damaged_pictures_are_refused(copied):
    for name in ("tables/runs.csv", "metrics.json", "tables/SHA256SUMS", "drawings/radii.png"):
        path = copied / name
        before = path.read_bytes()
        path.write_bytes(before[:-3] + bytes([before[-3] ^ 1]) + before[-2:])
        refused = r"metrics\.json|claims\.csv|\.csv" if name.endswith("SUMS") else name
        with pytest.raises(FreeconvError, match=f"{refused}: expected .*remove .* run again$") as error:
            make_report(PARAMS)
        assert "\n" not in str(error.value)
        path.write_bytes(before)
    make_report(PARAMS)


def test_missing_pictures_are_shown_as_missing(copied):
    Path("reports/drawings/radii.png").unlink()
    Path("reports/figures/mnist-5k-noise-sharing.png").unlink()
    make_report(PARAMS)
    for name in ("index.html", "measures.html"):
        page = Page((copied / name).read_text())
        assert page.texts.count("— This picture is missing.") == 1
        assert len(page.all("figure")) == len(page.all("img")) + 1


def test_a_picture_is_held_or_shown():
    path, caption = "drawings/radii.png", Caption("alt", "caption")
    held = picture({path: IMAGE}, path, caption)
    assert held.source == f"data:image/png;base64,{b64encode(IMAGE).decode()}"
    assert picture({path: IMAGE}, path, caption, inline=False) == held._replace(source="drawings/radii.png")
    assert picture({}, path, caption) == ("", "alt", "caption", "")
    assert held.link == "drawings/radii.svg"


def test_names_study_parameter_file_and_commit(copied, monkeypatch):
    def origin():
        make_report(PARAMS)
        (text,) = re.findall(r'<p class="origin">(.*?)</p>', (Path("reports") / "index.html").read_text(), re.DOTALL)
        return " ".join(text.split())

    monkeypatch.delenv(paths.PROJECT, raising=False)
    monkeypatch.delenv(paths.PARAMS_FILE, raising=False)
    assert origin() == "Study: that of the project's folder; parameters: passed by hand; commit: not under Git."
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
    assert origin() == (
        f"Study: <code>studies/own</code>; parameters: <code>params/&lt;own&gt;.yaml</code>; commit: {commit}."
    )
    (project / "tracked").touch()
    subprocess.run(["git", "add", "tracked"], cwd=project, check=True)
    assert origin().endswith(f"commit: {commit} and uncommitted changes.")
