import io
import json

import altair as alt
import numpy as np
import pandas as pd
import pytest

from freeconv.analysis.authors import authors_envelope
from freeconv.report import charts
from freeconv.report.distance_rows import in_percent, with_spread
from freeconv.report.forest_rows import forest_rows
from freeconv.report.thinning import MOST, thinned
from tests.workflow.project import ROOT

NETWORKS, LEVELS, POSITIONS = ["fcn", "cnn"], [0, 0.2, 0.4], {"free_1": 81}


@pytest.fixture(scope="module")
def tables(made):
    names = ("accuracy_by_epoch", "claims", "compared", "distance", "history")
    return {name: pd.read_csv(made[0] / f"reports/tables/{name}.csv") for name in names}


@pytest.fixture(scope="module")
def specs(tables):
    """Return a chart of each kind."""
    rows = {
        name: table.query("augmentation == 'translate'") for name, table in tables.items() if "augmentation" in table
    }
    distances = in_percent(with_spread(rows["distance"], tables["history"]), POSITIONS)
    return {
        "answer": charts.answer(rows["compared"], NETWORKS, "translate", chance=0.1),
        "accuracy": charts.accuracy_by_epoch(
            rows["accuracy_by_epoch"], NETWORKS, LEVELS, "translate", authors_envelope(), 0.1
        ),
        "distance": charts.distance(distances, LEVELS, "translate", POSITIONS, authors_envelope()),
        "forest": charts.forest(forest_rows(tables["claims"], 81)),
    }


def table(spec, name="rows"):
    return pd.read_csv(io.StringIO(spec["datasets"][name]))


def data_names(spec):
    """Return the names of all tables that a specification asks for."""
    if isinstance(spec, dict):
        own = [spec["data"]["name"]] if "name" in spec.get("data", {}) else []
        return own + [name for value in spec.values() for name in data_names(value)]
    return [name for value in spec for name in data_names(value)] if isinstance(spec, list) else []


@pytest.mark.parametrize("kind", ["answer", "accuracy", "distance", "forest"])
def test_every_chart_compiles_and_holds_all_that_it_needs(specs, kind):
    import vl_convert

    spec = specs[kind]
    compiled = vl_convert.vegalite_to_vega(spec)
    assert set(data_names(spec)) <= spec["datasets"].keys()
    signals = {signal["name"] for signal in compiled["signals"]}
    for control in spec["usermeta"]["controls"]:
        assert control["signal"] in signals
        assert control["label"]
    assert {name for name, _ in spec["usermeta"]["columns"]} <= set(table(spec))
    assert "http" not in json.dumps({key: value for key, value in spec.items() if key not in ("$schema", "datasets")})


def test_the_answer_has_our_medians_and_the_papers_in_per_cent(specs, tables):
    rows = table(specs["answer"])
    compared = tables["compared"].query("augmentation == 'translate' and metric == 'translate_acc'")
    ours, theirs = rows[rows["source"] == charts.OURS], rows[rows["source"] == charts.PAPER]
    assert len(theirs) == 2 * 11
    cell = compared.query("network == 'fcn' and level == 0.2").iloc[0]
    shown = ours.query("network == 'FCN' and level == 0.2").iloc[0]
    assert shown[["accuracy", "low", "high"]].tolist() == pytest.approx(
        100 * cell[["ours", "low", "high"]].astype(float), rel=1e-4
    )
    assert theirs.query("network == 'FCN' and level == 0.2")["accuracy"].iloc[0] == pytest.approx(
        100 * cell["paper"], rel=1e-4
    )


def test_the_level_is_a_slider_and_networks_and_the_authors_runs_are_switches(specs):
    controls = {control["signal"]: control for control in specs["accuracy"]["usermeta"]["controls"]}
    assert controls["level"]["kind"] == "slider"
    assert controls["level"]["texts"] == ["0", "0.2", "0.4"]
    assert controls["networks"]["values"] == ["FCN", "CNN"]
    assert controls["metric"]["values"] == ["Translated", "Validation", "Training"]
    assert {"authors", "chance"} <= controls.keys()
    assert {"radii", "level", "authors"} == {control["signal"] for control in specs["distance"]["usermeta"]["controls"]}


def test_only_decisions_are_in_colour(specs):
    scale = next(
        layer["encoding"]["color"]["scale"]
        for layer in specs["forest"]["layer"]
        if "color" in layer.get("encoding", {})
    )
    colors = dict(zip(scale["domain"], scale["range"], strict=True))
    assert len(set(colors.values())) == 3
    assert colors["inconclusive"] == colors["not run"] == colors["exploratory"]


def test_nothing_to_show_is_no_error(tables):
    none = {name: frame[:0] for name, frame in tables.items()}
    distances = in_percent(with_spread(none["distance"], tables["history"]), POSITIONS)
    for spec in (
        charts.answer(none["compared"], NETWORKS, "translate"),
        charts.accuracy_by_epoch(none["accuracy_by_epoch"], NETWORKS, LEVELS, "translate", authors_envelope()),
        charts.distance(distances, LEVELS, "translate", POSITIONS, authors_envelope()),
        charts.forest(forest_rows(none["claims"])),
    ):
        assert table(spec).empty


def test_the_bundle_is_one_script_without_addresses_that_a_page_would_load():
    text = charts.bundle()
    assert "vegaEmbed" in text
    assert "</script" not in text.lower()
    assert len(text) < 1_000_000  # of a page of four


def test_dvcs_page_of_plots_has_the_same_bundle():
    assert f"<script>{{\n{charts.bundle()}\n}}</script>" in (ROOT / ".dvc/plots/page.html").read_text()
    used = json.loads((ROOT / ".dvc/plots/by_level.json").read_text())["$schema"]
    assert used.rpartition("/")[2] == f"{alt.SCHEMA_VERSION.partition('.')[0]}.json"


def test_long_curves_are_thinned_and_keep_their_ends():
    rows = pd.DataFrame({"epoch": np.tile(np.arange(1, 251), 2), "network": ["fcn"] * 250 + ["cnn"] * 250})
    shown = thinned(rows)
    epochs = shown.loc[shown["network"] == "fcn", "epoch"]
    assert (epochs.min(), epochs.max()) == (1, 250)
    assert len(epochs) <= MOST
    assert thinned(rows[rows["epoch"] <= MOST]).equals(rows[rows["epoch"] <= MOST])
