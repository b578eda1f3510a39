import pytest

from freeconv.report.highlights import findings, number
from tests.made_study import small_params


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
    rising = {"0": (0.3, 0.2), "0.2": (0.9, 0.95), "0.4": (0.8, 0.7)}
    found = findings(small_params(), "translate", made_up(rising, {"0": 0.12, "0.2": 0.09, "0.4": 0.05}), STARTS)
    assert found == [
        "On translated images the CNN's accuracy is 30.00 % at level 0; its best, at level 0.2, is 90.00 %.",
        "On translated images the FCN's accuracy is 20.00 % at level 0; its best, at level 0.2, is 95.00 %.",
        "Each at its best level, the FCN is 5.00 points above the CNN on translated images.",
        "FCN at level 0: the euclidean distance between kernels 1 position apart rises from 0.1000 to 0.1200 in "
        "training (+20.0 %).",
        "FCN at level 0.4: the euclidean distance between kernels 1 position apart falls from 0.1000 to 0.0500 in "
        "training (−50.0 %).",
    ]


def test_findings_do_not_claim_what_the_data_does_not_show():
    falling = {"0": (0.5, 0.5), "0.2": (0.4, 0.50001), "0.4": (0.3, 0.45)}
    levels = made_up(falling, {"0": 0.100001, "0.2": 0.1, "0.4": None})
    cnn, fcn, both, first = findings(small_params(), "translate", levels, STARTS)
    assert cnn.endswith("is 50.00 % at level 0, its best; at level 0.4 it is 30.00 %.")
    assert fcn.endswith("is 50.00 % at level 0, its best; at level 0.4 it is 45.00 %.")
    assert both == "Each at its best level, the two networks are equally accurate on translated images."
    assert first.endswith("is 0.1000 before training and after it.")


def test_findings_of_one_level_and_one_network():
    params = small_params(aug={"translate": [0.2]}, train={"networks": ["cnn"]})
    assert findings(params, "translate", {"0.2": {"cnn": {"translate_acc": 0.5}}}, {}) == [
        "On translated images the CNN's accuracy is 50.00 % at level 0.2."
    ]


def test_missing_numbers_are_left_out():
    levels = made_up({"0.2": (0.9, 0.8), "0.4": (0.8, None)}, {"0.2": 0.09, "0.4": 0.05})
    cnn, fcn, both, distance = findings(small_params(), "translate", levels, STARTS)
    assert cnn.endswith("the CNN's accuracy is 90.00 % at level 0.2, its best; at level 0.4 it is 80.00 %.")
    assert fcn.endswith("the FCN's accuracy is 80.00 % at level 0.2.")
    assert both == "Each at its best level, the FCN is 10.00 points below the CNN on translated images."
    assert distance.startswith("FCN at level 0.4: ")
    assert findings(small_params(), "translate", levels, {}) == [cnn, fcn, both]
    assert findings(small_params(), "translate", {}, STARTS) == []


@pytest.mark.parametrize("levels", [{}, {"0.2": {}}, {"0.2": {"cnn": {}}}, {"0.2": {"cnn": {"val_acc": None}}}])
def test_a_number_that_is_not_there_is_nan(levels):
    value = number(levels, 0.2, "cnn", "val_acc")
    assert value != value
