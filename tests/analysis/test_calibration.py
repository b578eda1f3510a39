import numpy as np
import pandas as pd
import pytest

from freeconv.analysis.authors import EPOCHS, authors_runs, authors_study
from freeconv.analysis.calibration import (
    COLUMNS,
    Scenario,
    authors_noise,
    calibration,
    cut_short,
    heavy_noise,
    redrawn,
    simulated,
)
from freeconv.analysis.judgement import judge
from freeconv.study.claims import load_claims

CLAIMS = load_claims()[0]


def most(allowed, studies):
    """Return the largest share of errors that chance leaves to tests of an allowed rate."""
    return allowed + 3 * np.sqrt(allowed * (1 - allowed) / studies)


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
@pytest.mark.parametrize("scenario", [Scenario("margin"), Scenario("one-margin"), Scenario("false", 3)])
def test_simulated_error_rates(dataset, scenario):
    frame = simulated(CLAIMS, dataset, scenario, 60, np.random.default_rng(0))
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 9
    assert frame["claim"].iloc[-1] == "any of 8"
    assert frame["wrong"].max() <= most(0.05, 60)
    shares = frame[["supported", "contradicted", "inconclusive", "not tested"]].iloc[:-1]
    assert shares.sum(axis=1).tolist() == pytest.approx([1] * 8, abs=1e-3)


@pytest.mark.parametrize(("truth", "verdict"), [("true", "supported"), ("false", "contradicted")])
def test_what_is_far_from_its_margin_is_found(truth, verdict):
    frame = simulated(CLAIMS, "mnist", Scenario(truth, 20), 10, np.random.default_rng(1))
    within = [one.direction == "within" for one in CLAIMS if "mnist" in one.primary]
    # what is so far from one of two margins lies at the other
    found = frame[verdict].iloc[:-1][[not (of and truth == "true") for of in within]]
    assert found.eq(1).all()
    assert frame["wrong"].eq(0).all()


@pytest.mark.parametrize("noise", [authors_noise(), heavy_noise])
def test_noise_has_variance_1(noise):
    drawn = noise(np.random.default_rng(0), (100_000,))
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)


def test_the_authors_runs():
    runs = authors_runs()
    assert runs.groupby("network")[["fold", "run"]].nunique().to_numpy().tolist() == [[5, 5], [5, 5]]
    length = runs.drop_duplicates(["network", "fold", "run"]).groupby("network")["length"].mean()
    assert length.to_dict() == pytest.approx({"cnn": 124.6, "fcn": 143.4}, abs=0.05)
    values, traces = authors_study(24)
    assert (values["epochs"] == 24).all()
    assert not values["stopped"].any()
    assert values["drift"].isna().all()
    assert traces["epoch"].max() == 24
    whole, _ = authors_study()
    assert whole["stopped"].all()
    # medians of the runs' medians, near the pooled ones of the paper's Table 1
    medians = whole.groupby(["network", "metric"])["value"].median()
    assert medians["cnn", "val_acc"] == pytest.approx(0.990536, abs=0.002)
    assert medians["fcn", "translate_acc"] == pytest.approx(0.372287, abs=0.006)
    # and the numbers of claims that the paper gives in a figure only
    paper = {one.id: one.paper.get("mnist") for one in CLAIMS}
    assert medians["cnn", "swap_acc"] == pytest.approx(paper["swap-cnn-near-half"], abs=0.0005)
    lead = medians["cnn", "swap_acc"] - medians["fcn", "swap_acc"]
    assert lead == pytest.approx(paper["swap-by-twenty-points"], abs=0.0005)


def test_no_cut_run_contradicts_a_claim():
    frame = cut_short(CLAIMS).set_index(["truth", "claim"]).sort_index()
    cut = frame[frame.index.get_level_values("truth") != "as far as they trained"]
    assert set(cut.index.get_level_values(0)) == {f"cut after {epochs} epochs" for epochs in EPOCHS}
    assert cut["contradicted"].sum() == cut["wrong"].sum() == 0
    rising = frame.xs("distance-rises-untranslated", level="claim")
    assert rising.loc[[f"cut after {epochs} epochs" for epochs in (5, 10, 24, 50)], "not tested"].eq(1).all()
    assert rising.loc["as far as they trained", "inconclusive"] == 1
    assert frame.loc[("as far as they trained", "swap-hurts-fcn-more"), "supported"] == 1


def test_one_run_per_fold_of_the_authors_cut_short_contradicts_nothing():
    runs, rng = authors_runs(), np.random.default_rng(0)
    for epochs in (5, 10, 24, 50):
        drawn = pd.DataFrame([(fold, rng.integers(5)) for fold in range(5)], columns=["fold", "run"])
        judged = judge(CLAIMS, *authors_study(epochs, runs.merge(drawn)))
        assert "contradicted" not in set(judged["verdict"])


def test_intervals_of_redraws():
    frame = redrawn(300, np.random.default_rng(0)).set_index("truth")
    wrong = frame["wrong"].astype(float)
    means = wrong[wrong.index.str.contains("mean difference")]
    assert means.max() <= most(0.05, 300)
    # a median's own interval leaves out that the other one has an error, too
    alone = wrong["95 % interval of one median of val_acc against another's"]
    both = wrong["95 % interval of the difference of two medians of val_acc"]
    assert both < alone


def test_the_table_in_the_package():
    frame = calibration()
    assert list(frame.columns) == list(COLUMNS)
    assert set(frame["source"]) == {"simulation", "the authors' runs", "redraws of the authors' runs"}
    simulations = frame[frame["source"] == "simulation"]
    normal = simulations[simulations["truth"].str.endswith("normal noise")]
    studies = int(normal["studies"].iloc[0])
    assert studies >= 1000
    assert normal["wrong"].astype(float).max() <= most(0.05, studies)
    primary = {(one.id, dataset) for one in CLAIMS for dataset in one.primary}
    assert primary <= set(zip(simulations["claim"], simulations["dataset"], strict=True))
    # it is of today's claims
    authors = frame[frame["source"] == "the authors' runs"].reset_index(drop=True)
    again = cut_short(CLAIMS).astype(str)
    pd.testing.assert_frame_equal(authors[["claim", "truth"]], again[["claim", "truth"]])
    assert authors["contradicted"].astype(float).eq(0).all()
