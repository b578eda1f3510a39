"""Augmentations and networks that are registered from outside are drawn, described and tabulated like the others."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from freeconv.commands.figures import make_figures
from freeconv.commands.report import make_report
from freeconv.commands.tables import make_tables
from freeconv.networks import NETWORKS
from freeconv.report.captions import drawing_caption, figure_caption
from freeconv.report.figures import draw_swap_accuracy, draw_vcp
from freeconv.report.illustrations import draw_levels
from freeconv.report.measure_figures import (
    by_level,
    distance_by_radius,
    draw_distance_by_radius,
    draw_distance_to_shared,
)
from freeconv.report.panels import PALETTE, network_color
from freeconv.report.titles import free_first, metric_title, network_title
from freeconv.storage.csv_files import read_table
from freeconv.study import grid, paths
from tests.made_study import small_params, write_study


@pytest.fixture
def params(project, inversion, two_networks):
    """Make the tables and figures of a study of everything that is registered."""
    params = small_params(
        aug={"translate": [0, 0.2], "invert": [0.1]},
        vcp={"levels": [0, 0.5], "translate": [0.2]},
        train={"folds": 2, "epochs": 2, "networks": ["cnn", "fcn", "small", "patches"]},
    )
    write_study(params)
    make_tables(params)
    make_figures(params)
    return params


def svg(subject, name):
    return Path(paths.figure_file("reports", "mnist-5k", subject, name, "svg")).read_text()


def test_everything_registered_is_in_every_figure_and_page(params):
    figures = [(subject, name) for subject, name in grid.figures(params) if subject == "invert"]
    every = ["samples", "answer", "accuracy", "networks", "transfer", *grid.FREE_FIGURES]
    assert [name for _, name in figures] == every
    assert {str(path) for path in Path("reports/figures").iterdir()} == set(grid.figure_files(params))
    for subject, name in (*product(("translate", "invert"), ("accuracy", "networks")), ("none", "swap")):
        for title in ("FCN", "patch net", "CNN", "small net"):
            assert title in svg(subject, name), (subject, name, title)
    drawn = "".join(svg(*figure) for figure in grid.figures(params))
    assert "no runs" not in drawn
    assert "not measured" not in drawn

    make_report(params)
    text = Path("reports/index.html").read_text()
    for title in ("mnist-5k, inversion", ">Inversion<", ">patch net<", ">small net<", "at each level of inversion"):
        assert title in text
    drawings = [path for path in grid.drawing_files(params) if path.endswith(".svg")]  # which nobody has made
    assert text.count("This picture is missing") == len(drawings)
    assert "level of inversion" in Path("reports/measures.html").read_text()
    for suffix in ("csv", "md", "tex"):
        assert "patch" in Path(f"reports/exports/mnist-5k-invert.{suffix}").read_text()


def test_what_an_augmentation_does_not_say_has_a_plain_text(inversion):
    assert metric_title("invert_acc") == "Inversion"
    assert "levels of inversion" in drawing_caption("mnist-invert").alt
    assert drawing_caption("mnist-invert").text == "Inversion."
    assert "at each level of inversion" in figure_caption("mnist", "invert", "accuracy").alt
    panels = draw_levels(np.full((8, 8, 1), 0.25, np.float32), "invert", [0, 1], 0, None).axes
    assert [float(axes.images[0].get_array()[0, 0]) for axes in panels] == [0.25, 0.75]


def test_networks_are_shown_free_ones_first_each_in_its_colour(two_networks):
    assert free_first(["small", "cnn", "patches", "fcn"]) == ["fcn", "patches", "cnn", "small"]
    assert network_title("patches-vcp-0.5") == "patch net, 0.5 missing"
    others = [name for name in free_first(NETWORKS) if name not in ("fcn", "cnn")]
    colors = [network_color(name) for name in ("fcn", "cnn", *others)]
    assert {"patches", "small"} < set(others)
    assert colors == [PALETTE[number % len(PALETTE)] for number in range(len(colors))]


def test_the_two_networks_of_the_paper_have_their_colours():
    assert (network_color("fcn"), network_color("cnn")) == (PALETTE[0], PALETTE[1])
    assert free_first(["cnn", "fcn"]) == ["fcn", "cnn"]


def test_a_free_network_of_ones_own_shows_how_alike_its_kernels_are(project, two_networks):
    params = small_params(aug={"translate": [0, 0.2]}, train={"folds": 2, "epochs": 1, "networks": ["patches"]})
    write_study(params)
    make_tables(params)
    make_figures(params)
    measures = read_table("reports", "measures")
    panels = draw_distance_by_radius(distance_by_radius(measures), [0, 0.2], "translate").axes
    assert [axes.get_title() for axes in panels] == ["Layer 1", "Layer 2"]
    (axes,) = draw_distance_to_shared(
        by_level(measures, "distance_to_shared"), "translate", {"free_1": 169, "free_2": 36}
    ).axes
    assert sorted(line.get_ydata()[0] for line in axes.lines[2:]) == pytest.approx(
        [100 * np.sqrt(35 / 36), 100 * np.sqrt(168 / 169)]
    )


def test_measures_that_were_not_taken_are_said_to_be_missing(project):
    params = small_params(
        aug={"translate": [0]},
        train={"folds": 2, "epochs": 1, "networks": ["fcn"]},
        measure={"measures": ["signal_to_noise"]},
    )
    write_study(params)
    make_tables(params)
    make_figures(params)
    for name in ("distance-by-radius", "distance-to-shared", "shared-accuracy"):
        assert "not measured" in svg("translate", name)
    assert "not measured" not in svg("translate", "signal-to-noise")


def test_swap_of_networks_of_ones_own(two_networks):
    rows = [(network, metric, 1, 0.5) for network in two_networks for metric in ("swap_acc", "val_acc")]
    curves = pd.DataFrame(rows, columns=["network", "metric", "epoch", "mean"]).assign(low=0.4, high=0.6, level=0.0)
    (axes,) = draw_swap_accuracy(curves, two_networks).axes
    assert {line.get_color() for line in axes.lines} == {network_color(network) for network in two_networks}


def test_missing_connections_have_a_panel_for_every_accuracy(made, inversion):
    curves = pd.read_csv(made[0] / "reports/tables/accuracy_by_epoch.csv").query("augmentation == 'translate'")
    inverted = curves[curves["metric"] == "noise_acc"].assign(metric="invert_acc")
    panels = draw_vcp(pd.concat([curves, inverted]), {"fcn": 0}).axes
    assert [axes.get_title() for axes in panels][-2:] == ["Edge noise", "Inversion"]
    shown = [axes.xaxis.get_tick_params()["labelbottom"] for axes in panels]
    assert shown == [False] * 4 + [True] * 3  # the last one of each column
