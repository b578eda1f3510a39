import pandas as pd
import pytest

from freeconv.report.highlights import highlights
from freeconv.report.medians import median, medians_of
from tests.made_study import small_params

MEDIANS = ["level", "network", "metric", "median"]
STARTS = dict.fromkeys(("0", "0.2", "0.4"), 0.1)


def made_up(accuracies, ends, starts=STARTS):
    """Return medians from (cnn, fcn) accuracies, and the FCN's distances after and before training, by level."""
    accuracy = [
        (float(level), network, "translate_acc", value)
        for level, both in accuracies.items()
        for network, value in zip(("cnn", "fcn"), both, strict=True)
    ]
    trained = [(float(level), "fcn", "distance_radius_1", value) for level, value in ends.items()]
    distances = [
        (float(level), layer, 1, "euclidean", epoch, value + 0.5 * (epoch > 0) + 0.7 * (layer != "free_1"))
        for level, value in starts.items()
        for layer in ("free_1", "free_2")
        for epoch in (0, 1)
    ]
    return medians_of(
        pd.DataFrame(accuracy, columns=MEDIANS).astype({"median": float}),
        pd.DataFrame(trained, columns=MEDIANS).astype({"median": float}),
        pd.DataFrame(distances, columns=["level", "layer", "radius", "measure", "epoch", "median"]),
    )


def test_highlights_follow_the_signs_of_the_data():
    rising = {"0": (0.3, 0.2), "0.2": (0.9, 0.95), "0.4": (0.8, 0.7)}
    found = highlights(small_params(), "translate", made_up(rising, {"0": 0.12, "0.2": 0.09, "0.4": 0.05}), {})
    assert found == [
        "On translated images the CNN's accuracy is 30.00 % at level 0; its best, at level 0.2, is 90.00 %.",
        "On translated images the FCN's accuracy is 20.00 % at level 0; its best, at level 0.2, is 95.00 %.",
        "Each at its best level, the FCN is 5.00 points above the CNN on translated images.",
        "FCN at level 0: the euclidean distance between kernels 1 position apart rises from 0.1000 to 0.1200 in "
        "training (+20.0 %).",
        "FCN at level 0.4: the euclidean distance between kernels 1 position apart falls from 0.1000 to 0.0500 in "
        "training (−50.0 %).",
    ]


def test_highlights_do_not_claim_what_the_data_does_not_show():
    falling = {"0": (0.5, 0.5), "0.2": (0.4, 0.50001), "0.4": (0.3, 0.45)}
    medians = made_up(falling, {"0": 0.100001, "0.2": 0.1, "0.4": None})
    cnn, fcn, both, first = highlights(small_params(), "translate", medians, {})
    assert cnn.endswith("is 50.00 % at level 0, its best; at level 0.4 it is 30.00 %.")
    assert fcn.endswith("is 50.00 % at level 0, its best; at level 0.4 it is 45.00 %.")
    assert both == "Each at its best level, the two networks are equally accurate on translated images."
    assert first.endswith("is 0.1000 before training and after it.")


def test_highlights_carry_intervals_over_folds():
    medians = made_up({"0": (0.5, 0.4), "0.4": (0.9, 0.8)}, {"0": 0.1005, "0.4": 0.05})
    folds = {
        ("0.4", "cnn", "translate_acc"): pd.Series([0.91, 0.92, 0.87]),
        ("0.4", "fcn", "translate_acc"): pd.Series([0.80, 0.83, 0.77]),
        ("0", "fcn", "change_distance_radius_1"): pd.Series([0.004, 0.005, -0.006]),
        ("0.4", "fcn", "change_distance_radius_1"): pd.Series([-0.50, -0.52, -0.48]),
    }
    *_, both, untranslated, translated = highlights(small_params(), "translate", medians, folds)
    assert both == "Each at its best level, the FCN is 10.00 ± 2.48 points below the CNN on translated images."
    assert untranslated.endswith("is 0.1000 before training and 0.1005 after it (+0.5 ± 1.5 %).")
    assert translated.endswith("falls from 0.1000 to 0.0500 in training (−50.0 ± 5.0 %).")
    close = medians | {("0.4", "fcn", "translate_acc"): 0.88}
    *_, both, _, _ = highlights(small_params(), "translate", close, folds)
    assert both == (
        "Each at its best level, neither network is clearly above the other on translated images "
        "(FCN − CNN: −2.00 ± 2.48 points)."
    )


def test_highlights_of_one_level_and_one_network():
    params = small_params(aug={"translate": [0.2]}, train={"networks": ["cnn"]})
    assert highlights(params, "translate", {("0.2", "cnn", "translate_acc"): 0.5}, {}) == [
        "On translated images the CNN's accuracy is 50.00 % at level 0.2."
    ]


def test_missing_numbers_are_left_out():
    found = {"0.2": (0.9, 0.8), "0.4": (0.8, None)}, {"0.2": 0.09, "0.4": 0.05}
    cnn, fcn, both, distance = highlights(small_params(), "translate", made_up(*found), {})
    assert cnn.endswith("the CNN's accuracy is 90.00 % at level 0.2, its best; at level 0.4 it is 80.00 %.")
    assert fcn.endswith("the FCN's accuracy is 80.00 % at level 0.2.")
    assert both == "Each at its best level, the FCN is 10.00 points below the CNN on translated images."
    assert distance.startswith("FCN at level 0.4: ")
    assert highlights(small_params(), "translate", made_up(*found, starts={}), {}) == [cnn, fcn, both]
    assert highlights(small_params(), "translate", made_up({}, {}), {}) == []


def test_two_networks_of_ones_own_are_compared_the_free_one_first(two_networks):
    params = small_params(train={"networks": ["small", "patches"]})
    medians = {("0.2", "small", "translate_acc"): 0.5, ("0.2", "patches", "translate_acc"): 0.6}
    assert highlights(params, "translate", medians, {}) == [
        "On translated images the small net's accuracy is 50.00 % at level 0.2.",
        "On translated images the patch net's accuracy is 60.00 % at level 0.2.",
        "Each at its best level, the patch net is 10.00 points above the small net on translated images.",
    ]


@pytest.mark.parametrize("key", [("0", "cnn", "val_acc"), ("0.2", "fcn", "val_acc"), ("0.2", "cnn", "train_acc"), None])
def test_a_number_that_is_not_there_is_nan(key):
    value = median({key: 0.5} if key else {}, 0.2, "cnn", "val_acc")
    assert value != value
