import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from freeconv import layout
from freeconv.errors import FreeconvError
from freeconv.figures import make_figures
from freeconv.params import check_params
from freeconv.report import accuracy_tables, findings, make_report, run_rows
from freeconv.tables import make_tables
from study import small_params, write_study

VOID = {"meta", "img", "link", "br", "hr", "input"}


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
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(made):
    return (made[0] / "reports/index.html").read_text()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture
def tree(made):
    return json.loads((made[0] / "reports/metrics.json").read_text())["mnist-5k"]


def test_is_html5_in_english_with_one_main_heading(text, page):
    assert text.startswith("<!DOCTYPE html>\n")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_needs_no_network(text, page, made):
    sources = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    assert len(sources) == 6
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements} == set()
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    for link in (attributes["href"] for attributes in page.all("a")):
        if link.startswith("#"):
            assert link[1:] in {attributes.get("id") for _, attributes in page.elements}
        elif not link.startswith("https://doi.org/"):
            assert (made[0] / "reports" / link).is_file()


def test_images_have_alternative_texts_and_tables_have_headers(page):
    assert all(len(image["alt"]) > 30 for image in page.all("img"))
    assert len(page.all("table")) == len(page.all("caption")) == 5
    assert {header["scope"] for header in page.all("th")} == {"col", "row", "colgroup"}
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_holds_every_median_in_its_table(text, tree):
    for augmentation in ("translate", "rotate"):
        for values in tree[augmentation].values():
            for metrics in values.values():
                for name, value in metrics.items():
                    assert name.startswith("distance") or f"{value:.4f}" in text


def test_bold_is_the_highest_of_each_column(made, tree):
    for table in accuracy_tables(made[1], "translate", tree["translate"]):
        assert table.networks == ["CNN", "FCN"]
        for column in range(2 * len(table.metrics)):
            values = [float(row[column]) for row in table.values]
            assert [marks[column] for marks in table.bests] == [value == max(values) for value in values]
    first, _ = accuracy_tables(made[1], "translate", tree["translate"])
    expected = tree["translate"]["0.2"]["fcn"]["val_acc"]
    assert first.values[1][3] == f"{expected:.4f}"
    assert first.metrics == ["Training", "Validation", "Translated"]


def test_one_level_has_no_bold(made, tree):
    params = small_params(aug={"translate": [0.2]})
    tables = accuracy_tables(params, "translate", tree["translate"])
    assert not any(mark for table in tables for row in table.bests for mark in row)


def test_shows_runs_versions_and_parameters(text, page, made):
    assert "keras 3.12.0, numpy 2.4.0" in page.texts
    assert "a made-up processor" in page.texts
    assert "24" in page.texts  # 2 networks · 3 folds · (none 1 + translate 2 + rotate 1) levels
    assert f"{8 * (12.5 + 13.5 + 14.5):,.1f}" in page.texts
    shown = text[text.index("<code>seed") + len("<code>") : text.rindex("</code>")]
    assert check_params(yaml.safe_load(shown.replace("&#39;", "'"))) == made[1]


def test_runs_are_summed_by_dataset_network_and_augmentation(made):
    rows = run_rows(pd.read_csv(made[0] / "reports/tables/runs.csv"))
    assert [(row["network"], row["augmentation"], row["runs"], row["epochs"]) for row in rows] == [
        (network, augmentation, runs, 4 * runs)
        for network in ("cnn", "fcn")
        for augmentation, runs in (("none", 3), ("translate", 6), ("rotate", 3))
    ]


def made_up(accuracies, ends):
    """Return levels of `metrics.json` from (cnn, fcn) accuracies and the FCN's distances by level."""
    return {
        level: {
            "cnn": {"translate_acc": cnn},
            "fcn": {"translate_acc": fcn, "distance_radius_1": ends[level]},
        }
        for level, (cnn, fcn) in accuracies.items()
    }


STARTS = {f"{level}:distance_radius_1": 0.1 for level in ("0", "0.2", "0.4")}


def test_findings_follow_the_signs_of_the_data():
    params = small_params()
    rising = {"0": (0.3, 0.2), "0.2": (0.9, 0.95), "0.4": (0.8, 0.7)}
    found = findings(params, "translate", made_up(rising, {"0": 0.12, "0.2": 0.09, "0.4": 0.05}), STARTS)
    assert found == [
        "CNN: accuracy on translated held-out images rises from 30.00 % at level 0 to 90.00 % at level 0.2, its best "
        "(+60.00 percentage points).",
        "FCN: accuracy on translated held-out images rises from 20.00 % at level 0 to 95.00 % at level 0.2, its best "
        "(+75.00 percentage points).",
        "Each at its best level, the FCN is 5.00 percentage points above the CNN on translated images.",
        "FCN at level 0: the mean euclidean distance between kernels 1 position apart rises from 0.1000 before "
        "training to 0.1200 after it (+20.0 %).",
        "FCN at level 0.4: the mean euclidean distance between kernels 1 position apart falls from 0.1000 before "
        "training to 0.0500 after it (−50.0 %).",
    ]


def test_findings_do_not_claim_what_the_data_does_not_show():
    params = small_params()
    falling = {"0": (0.5, 0.5), "0.2": (0.4, 0.50001), "0.4": (0.3, 0.45)}
    cnn, fcn, both, first, last = findings(
        params, "translate", made_up(falling, {"0": 0.100001, "0.2": 0.1, "0.4": None}), STARTS
    )
    assert cnn.endswith("is highest at level 0, 50.00 %; at level 0.4, the highest level, it is 30.00 %.")
    assert "rises" not in fcn
    assert both == "Each at its best level, the two networks are equally accurate on translated images."
    assert first.endswith("is 0.1000 before training and after it.")
    assert last.endswith("cannot be given: the weights are not finite.")


def test_findings_of_one_level_and_one_network():
    params = small_params(aug={"translate": [0.2]}, train={"networks": ["cnn"]})
    assert findings(params, "translate", {"0.2": {"cnn": {"translate_acc": 0.5}}}, {}) == [
        "CNN: accuracy on translated held-out images is 50.00 % at level 0.2."
    ]


def test_names_from_users_are_escaped(project):
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
    write_study(params)
    make_tables(params)
    make_figures(params)
    make_report(params)
    page = Page(Path(layout.report_file()).read_text())
    assert page.all("script") == []
    assert any("<script>alert(1)</script>" in text for text in page.texts)
    assert "FCN" not in "".join(page.texts[page.texts.index("What to see") :])


def test_names_what_is_missing(project):
    params = small_params(aug={"translate": [0]}, train={"folds": 2, "epochs": 1, "networks": ["cnn"]})
    with pytest.raises(FreeconvError, match=r"metrics\.json: .*run `freeconv tables` first"):
        make_report(params)
    write_study(params)
    make_tables(params)
    with pytest.raises(FreeconvError, match=r"samples\.png: .*run `freeconv figures` first"):
        make_report(params)
    make_figures(params)
    make_report(params)
    with pytest.raises(FreeconvError, match=r"metrics\.json: expected 'rotate', .*run `freeconv tables` again"):
        make_report(params.model_copy(update={"aug": params.aug.model_copy(update={"rotate": [0.1]})}))
