import numpy as np
import pandas as pd
import pytest
from scipy import stats

from freeconv.report.fold_values import clear, fold_values, half, half_of_difference

# Runs of one cell: seed, fold, accuracies by epoch, distances from epoch 0.
RUNS = [
    (0, 0, [0.1, 0.5, 0.6], [0.10, 0.09, 0.08, 0.05]),
    (1, 0, [0.3, 0.7, 0.9], [0.10, 0.09, 0.08, 0.07]),
    (0, 1, [0.2, 0.4], [0.20, 0.21, 0.22]),
]


def history(runs, network="fcn", column="free_1_euclidean_1"):
    """Return the table of runs at level 0.2."""
    rows = [
        {"level": 0.2, "network": network, "seed": seed, "fold": fold, "epoch": epoch}
        | {"translate_acc": ([np.nan, *accuracies])[epoch], "val_acc": ([np.nan, *accuracies])[epoch]}
        | ({column: distances[epoch]} if epoch < len(distances) else {})
        for seed, fold, accuracies, distances in runs
        for epoch in range(len(accuracies) + 1)
    ]
    return pd.DataFrame(rows)


def test_seeds_of_a_fold_count_as_their_mean():
    found = fold_values(history(RUNS), "translate_acc", (1, "euclidean"), "all-epochs")
    accuracy = found["0.2", "fcn", "translate_acc"]
    assert accuracy.to_dict() == pytest.approx({0: (0.5 + 0.7) / 2, 1: 0.3})
    assert found["0.2", "fcn", "change_distance_radius_1"].to_dict() == pytest.approx({0: (-0.5 - 0.3) / 2, 1: 0.1})


def test_the_last_epoch_if_that_is_asked_for():
    found = fold_values(history(RUNS), "translate_acc", (1, "euclidean"), "final")
    assert found["0.2", "fcn", "translate_acc"].to_dict() == pytest.approx({0: (0.6 + 0.9) / 2, 1: 0.4})


def test_other_networks_and_other_distances_have_no_change():
    for table in (history(RUNS, network="cnn"), history(RUNS, column="free_1_cosine_1")):
        assert [metric for *_, metric in fold_values(table, "translate_acc", (1, "euclidean"), "final")] == [
            "translate_acc"
        ]


def test_a_run_whose_first_distance_is_not_the_untrained_one_says_nothing_of_a_change():
    late = history(RUNS)
    late.loc[(late["fold"] == 1) & (late["epoch"] == 0), "free_1_euclidean_1"] = np.nan
    found = fold_values(late, "translate_acc", (1, "euclidean"), "all-epochs")
    assert list(found["0.2", "fcn", "change_distance_radius_1"].index) == [0]


def test_an_accuracy_that_no_run_recorded_is_left_out():
    found = fold_values(history(RUNS).drop(columns="translate_acc"), "translate_acc", (1, "euclidean"), "final")
    assert list(found) == [("0.2", "fcn", "change_distance_radius_1")]
    assert fold_values(history(RUNS)[:0], "translate_acc", (1, "euclidean"), "final") == {}


def test_half_an_interval_is_that_of_the_t_test():
    one, other = pd.Series([0.9, 0.8, 0.95]), pd.Series([0.7, 0.75, 0.8])
    low, high = stats.ttest_rel(one, other).confidence_interval()
    assert half_of_difference(one, other) == pytest.approx((high - low) / 2)
    low, high = stats.ttest_1samp(one, 0).confidence_interval()
    assert half(one) == pytest.approx((high - low) / 2)


def test_folds_that_both_have_are_compared():
    one, other = pd.Series({0: 0.9, 1: 0.8, 2: 0.95}), pd.Series({1: 0.7, 2: 0.8, 3: 0.1})
    assert half_of_difference(one, other) == pytest.approx(half(pd.Series([0.1, 0.15])))


@pytest.mark.parametrize("values", [None, pd.Series([0.5]), pd.Series([0.5, 0.5]), pd.Series([], dtype=float)])
def test_without_spread_there_is_no_interval(values):
    assert np.isnan(half(values))
    assert np.isnan(half_of_difference(values, values))
    assert np.isnan(half_of_difference(pd.Series([0.9, 0.7]), None))
    assert clear(0.001, half(values))


def test_what_is_within_its_interval_is_not_clear():
    assert not clear(-0.1, 0.2)
    assert clear(-0.3, 0.2)
