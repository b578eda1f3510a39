"""Augmentations and networks that are registered from outside are drawn, described and tabulated like the others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from freeconv.commands.figures import make_figures
from freeconv.commands.report import make_report
from freeconv.commands.tables import make_tables
from freeconv.networks import NETWORKS
from freeconv.report.captions import drawing_caption, figure_caption
from freeconv.report.figures import draw_swap_accuracy, draw_vcp, network_color
from freeconv.report.illustrations import draw_levels
from freeconv.report.measure_figures import draw_sharing
from freeconv.report.panels import PALETTE
from freeconv.report.titles import free_first, metric_title, network_title
from freeconv.storage.csv_files import read_table
from freeconv.study import grid, paths
from tests.made_study import small_params, write_study

MEASURES = ["euclidean_distance", "signal_to_noise", "distance_to_shared", "shared_acc"]


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
    assert [name for _, name in figures] == ["samples", "accuracy", "transfer", "distance", "sharing"]
    assert {str(path) for path in Path("reports/figures").iterdir()} == set(grid.figure_files(params))
    for subject, name in (("translate", "accuracy"), ("invert", "accuracy"), ("none", "swap")):
        for title in ("FCN", "patch net", "CNN", "small net"):
            assert title in svg(subject, name), (subject, name, title)
    assert "no runs" not in "".join(svg(*figure) for figure in grid.figures(params))

    make_report(params)
    text = Path("reports/index.html").read_text()
    for title in ("mnist-5k, inversion", ">Inversion<", ">patch net<", ">small net<", "at each level of inversion"):
        assert title in text
    assert text.count('src="data:image/png;base64,') == len(figures[:3]) + 5  # 2 · 3 of augmentations, swap, vcp
    assert "level of inversion" in Path("reports/measures.html").read_text()
    for suffix in ("csv", "md", "tex"):
        assert "patch" in Path(f"reports/exports/mnist-5k-invert.{suffix}").read_text()


def test_what_an_augmentation_does_not_say_has_a_plain_text(inversion):
    assert metric_title("invert_acc") == "Inversion"
    assert "levels of inversion" in drawing_caption("mnist-invert").alt
    assert drawing_caption("mnist-invert").text == "Inversion."
    assert "one line per level of inversion" in figure_caption("mnist", "invert", "accuracy").alt
    panels = draw_levels(np.full((8, 8, 1), 0.25, np.float32), "invert", [0, 1], 0, None).axes
    assert [float(axes.images[0].get_array()[0, 0]) for axes in panels] == [0.25, 0.75]


def test_networks_are_shown_free_ones_first_each_in_its_colour(two_networks):
    assert free_first(["small", "cnn", "patches", "fcn"]) == ["fcn", "patches", "cnn", "small"]
    assert network_title("patches-vcp-0.5") == "patch net, 0.5 missing"
    others = [name for name in free_first(NETWORKS) if name not in ("fcn", "cnn")]
    colors = [network_color(name) for name in ("fcn", "cnn", *others)]
    assert {"patches", "small"} < set(others)
    assert colors == [to_rgb(PALETTE[number % len(PALETTE)]) for number in range(len(colors))]


def test_the_two_networks_of_the_paper_have_their_colours():
    assert (network_color("fcn"), network_color("cnn")) == (PALETTE[0], PALETTE[1])
    assert free_first(["cnn", "fcn"]) == ["fcn", "cnn"]


def test_a_free_network_of_ones_own_shows_how_alike_its_kernels_are(project, two_networks):
    params = small_params(aug={"translate": [0, 0.2]}, train={"folds": 2, "epochs": 1, "networks": ["patches"]})
    write_study(params)
    make_tables(params)
    make_figures(params)
    measures = read_table("reports", "measures")
    figure = draw_sharing(measures, "patches", [0, 0.2], "translate", {"free_1": 169, "free_2": 36})
    assert [axes.get_title() for axes in figure.axes[:2]] == ["(a) Layer 1", "Layer 2"]
    assert [line.get_ydata()[0] for line in figure.axes[3].lines[1::2]] == pytest.approx(
        [np.sqrt(168 / 169), np.sqrt(35 / 36)]
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_that_were_not_taken_leave_their_panel_empty(made, measure):
    measures = pd.read_csv(made[0] / "reports/tables/measures.csv")
    figure = draw_sharing(measures[measures["measure"] != measure], "fcn", [0, 0.2, 0.4], "translate", {})
    empty = [axes.get_title() for axes in figure.axes if [text.get_text() for text in axes.texts] == ["not measured"]]
    (title,) = empty
    assert title[:3] == f"({'abcd'[MEASURES.index(measure)]})"


def test_swap_of_networks_of_ones_own(two_networks):
    rows = [(network, metric, 1, 0.5) for network in two_networks for metric in ("swap_acc", "val_acc")]
    curves = pd.DataFrame(rows, columns=["network", "metric", "epoch", "mean"]).assign(low=0.4, high=0.6, level=0.0)
    (axes,) = draw_swap_accuracy(curves, two_networks).axes
    assert {to_rgb(line.get_color()) for line in axes.lines} == {network_color(network) for network in two_networks}


def test_missing_connections_have_a_panel_for_every_accuracy(made, inversion):
    curves = pd.read_csv(made[0] / "reports/tables/accuracy_by_epoch.csv").query("augmentation == 'translate'")
    inverted = curves[curves["metric"] == "noise_acc"].assign(metric="invert_acc")
    panels = draw_vcp(pd.concat([curves, inverted]), {"fcn": 0}).axes
    assert [axes.get_title() for axes in panels][-2:] == ["Edge noise", "Inversion"]
    shown = [axes.xaxis.get_tick_params()["labelbottom"] for axes in panels]
    assert shown == [False] * 4 + [True] * 3  # the last one of each column
