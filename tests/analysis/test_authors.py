"""The authors' own runs, and where ours lie among them."""

import numpy as np
import pandas as pd
import pytest

from freeconv.analysis.authors import (
    AUTHORS_COLUMNS,
    JUDGED,
    authors_envelope,
    authors_runs,
    authors_study,
    beside_authors,
)
from freeconv.analysis.distance import TRACE_COLUMNS
from freeconv.storage.run_file import Run
from freeconv.study import grid
from tests.made_study import small_params

ENVELOPE = authors_envelope()


def theirs(network, metric, epoch):
    """Return one row of the envelope."""
    chosen = ENVELOPE[(ENVELOPE["network"] == network) & (ENVELOPE["metric"] == metric) & (ENVELOPE["epoch"] == epoch)]
    return chosen.iloc[0]


def test_the_envelope_is_that_of_the_runs():
    runs = authors_runs()
    assert set(JUDGED) < set(runs["metric"])
    for epoch in (5, 10, 24):
        at = runs[runs["epoch"] == epoch].groupby(["network", "metric"])["value"]
        found = at.agg(runs="size", lowest="min", median="median", highest="max")
        expected = ENVELOPE[ENVELOPE["epoch"] == epoch].set_index(["network", "metric"])
        assert len(found) == 7 + 11
        names = ["runs", "lowest", "median", "highest"]
        assert np.allclose(found[names], expected.loc[found.index, names], atol=2e-6)


def test_runs_of_theirs_lie_inside_25_others_with_92_percent_at_one_epoch():
    runs = authors_runs()
    at = runs[(runs["epoch"] == 5) & ~runs["metric"].str.contains("distance")]
    inside = []
    for _, group in at.groupby(["network", "metric"]):
        values = group["value"].to_numpy()
        others = (np.delete(values, place) for place in range(len(values)))
        inside += [of.min() <= value <= of.max() for value, of in zip(values, others, strict=True)]
    assert np.mean(inside) == pytest.approx(1 - 2 / 25, abs=0.01)


def test_claims_are_judged_on_the_same_of_their_runs_as_before():
    values, traces = authors_study()
    assert set(values["metric"]) == {"train_acc", "val_acc", "translate_acc", "swap_acc"}
    assert set(traces["radius"]) == {1, 4}
    assert set(traces["measure"]) == {"euclidean"}


def made(params, shift):
    """Return a run of the cnn at level 0 after 3 epochs, so far from the authors' median."""
    config = next(run for run in grid.runs(params) if (run.network, run.level) == ("cnn", 0))
    history = {"val_acc": np.array([theirs("cnn", "val_acc", epoch)["median"] + shift for epoch in (1, 2, 3)])}
    return Run(config, "a path", {**history, "val_loss": np.ones(3)}, {})


def test_ours_are_counted_below_inside_and_above():
    params = small_params(data={"datasets": ["mnist"]})
    study = [made(params, shift) for shift in (-0.2, 0, 0, 0.2)]
    keys = {"dataset": "mnist", "augmentation": "translate", "level": 0.0, "network": "fcn", "fold": 0, "seed": 0}
    one = {**keys, "layer": "free_1", "radius": 4, "measure": "cosine", "epoch": 0, "distance": 99.0}
    traces = pd.DataFrame([one, {**one, "augmentation": "rotate"}, {**one, "layer": "free_2"}, {**one, "level": 0.2}])
    table = beside_authors(study, traces[list(TRACE_COLUMNS)], ["mnist"])
    assert list(table.columns) == list(AUTHORS_COLUMNS)
    assert len(table) == 3 + 1
    row = table.iloc[1]
    expected = theirs("cnn", "val_acc", 2)
    assert row[["network", "metric", "epoch", "runs", "their_runs"]].tolist() == ["cnn", "val_acc", 2, 4, 25]
    assert row[["below", "inside", "above"]].tolist() == [1, 2, 1]
    assert row["their_lowest"] == expected["lowest"]
    assert row["median"] == pytest.approx(expected["median"])
    assert row["highest"] == pytest.approx(expected["median"] + 0.2)
    last = table.iloc[3]
    assert last[["network", "metric", "epoch", "above"]].tolist() == ["fcn", "cosine_distance_radius_4", 0, 1]


def test_other_datasets_are_not_beside_them():
    study = [made(small_params(data={"datasets": ["cifar10"]}), 0)]
    table = beside_authors(study, pd.DataFrame(columns=list(TRACE_COLUMNS)), [])
    assert table.empty
    assert list(table.columns) == list(AUTHORS_COLUMNS)
