import pandas as pd

from freeconv.report.findings import finding
from freeconv.study import grid
from tests.made_study import small_params


def test_sentences_are_made_from_numbers():
    compared = pd.DataFrame(
        [("fcn", 0.0, 0.36), ("fcn", 0.2, 0.97), ("fcn", 0.4, 0.96), ("cnn", 0.0, 0.38)],
        columns=["network", "level", "ours"],
    )
    assert finding("answer", compared) == (
        "Of translated images the FCN is right on 36.0 % at level 0 and 97.0 % at level 0.2, its best; "
        "the CNN is right on 38.0 % at level 0."
    )
    distances = pd.DataFrame(
        [
            ("free_1", "euclidean", 1, level, epoch, 100 - 50 * level * epoch)
            for level in (0, 0.4)
            for epoch in (0, 1, 2)
        ]
        + [("free_1", "euclidean", 4, 0.4, 2, 1), ("free_2", "euclidean", 1, 0.4, 2, 2)],
        columns=["layer", "measure", "radius", "level", "epoch", "distance"],
    )
    assert finding("distance", distances) == (
        "After training, kernels one position apart are at 100 % (level 0) and 60 % (level 0.4) of the distance of "
        "independent kernels."
    )
    shared = pd.DataFrame(
        [("none", 0.0, 95), ("all", 0.0, 45), ("none", 0.4, 94), ("all", 0.4, 90), ("free_1", 0.4, 93)],
        columns=["layer", "level", "median"],
    )
    assert finding("shared-accuracy", shared) == (
        "One kernel for all positions of each layer costs 50.0 points (level 0) and 4.0 points (level 0.4)."
    )
    assert (
        finding("distance-to-shared", shared)
        == "Layer 1 lies 93 % (level 0.4) of its own size away from the best shared kernel."
    )


def test_accuracies_are_those_of_the_last_epoch_at_the_lowest_and_the_highest_level():
    rows = pd.DataFrame(
        [
            (network, metric, level, epoch, accuracy / 100)
            for network, metric, level, epoch, accuracy in [
                *(("fcn", "val_acc", 0.0, 1, 50), ("fcn", "val_acc", 0.0, 2, 90), ("fcn", "val_acc", 0.2, 2, 91)),
                *(("fcn", "val_acc", 0.4, 1, 60), ("fcn", "val_acc", 0.4, 2, 92.25), ("fcn", "swap_acc", 0.0, 2, 40)),
                *(("fcn", "train_acc", 0.4, 2, 10), ("fcn-vcp-0.9", "val_acc", 0.4, 3, 85)),
            ]
        ],
        columns=["network", "metric", "level", "epoch", "mean"],
    )
    text = "Of held-out images the FCN is right on 90.0 % (level 0) and 92.2 % (level 0.4); the FCN"
    assert finding("accuracy", rows).startswith(text)
    assert finding("vcp", rows).endswith(" 85.0 % (level 0.4).")
    assert finding("swap", rows) == "With quadrants exchanged the FCN is right on 40.0 % (level 0)."


def test_transfer_is_that_of_the_furthest_shift():
    rows = pd.DataFrame(
        [
            ("cnn", level, "horizontal_shift_acc", shift, value)
            for level, shift, values in [(0, 0.25, (0.1, 0.3, 0.2)), (0, 0, (0.9,)), (0.4, 0.25, (0.8,))]
            for value in values
        ]
        + [("cnn", 0.4, "angle_acc", 90, 0.5)],
        columns=["network", "level", "measure", "setting", "value"],
    )
    assert finding("transfer", rows) == (
        "Of images shifted right by 25 % of their width the CNN is right on 20.0 % (level 0) and 80.0 % (level 0.4)."
    )
    assert finding("transfer", rows[rows["measure"] == "angle_acc"]) == ""


def test_every_part_of_the_sharing_figure_has_a_sentence(made):
    folder, params = made
    for subject, name in grid.figures(params):
        if name in grid.FREE_FIGURES:
            rows = pd.read_csv(folder / f"reports/figures/mnist-5k-{subject}-{name}.csv")
            assert finding(name, rows).endswith("."), name


def test_nothing_is_said_without_numbers():
    for _, name in grid.figures(small_params()):
        assert finding(name, pd.DataFrame()) == ""
