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


def test_every_part_of_the_sharing_figure_has_a_sentence(made):
    folder, params = made
    for subject, name in grid.figures(params):
        if name in grid.FREE_FIGURES:
            rows = pd.read_csv(folder / f"reports/figures/mnist-5k-{subject}-{name}.csv")
            assert finding(name, rows).endswith("."), name


def test_nothing_is_said_without_numbers():
    for _, name in grid.figures(small_params()):
        assert finding(name, pd.DataFrame()) == ""
