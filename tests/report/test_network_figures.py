from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from freeconv.commands.figures import make_figures
from freeconv.commands.tables import make_tables
from freeconv.report.findings import finding
from freeconv.report.network_figures import draw_networks, network_rows
from freeconv.study import grid
from tests.made_study import small_params, write_study

LEVELS = [0, 0.3]
FOLDS = 3


def value(*key):
    """Return a made-up share that belongs to a key, the same every time."""
    return np.random.default_rng([sum(map(ord, str(part))) for part in key]).uniform(0.2, 0.8)


@pytest.fixture
def curves():
    rows = [
        (network, level, metric, epoch, value(network, level, metric, epoch), FOLDS)
        for network, level, metric in product(("cnn", "mlp", "fcn"), LEVELS, ("val_acc", "translate_acc"))
        for epoch in range(1, 5 if network == "mlp" else 4)
    ]
    frame = pd.DataFrame(rows, columns=["network", "level", "metric", "epoch", "mean", "runs"])
    return frame.assign(low=frame["mean"] - 0.1, high=frame["mean"] + 0.1)


@pytest.fixture
def measures():
    """Return measures as networks have them: an mlp has none of convolutions, a cnn none of free layers."""
    layers = {"cnn": ["conv_2", "conv_10", "conv_11"], "fcn": ["free_1", "free_2"]}  # the last has one position
    rows = [
        (network, level, fold, measure, layer, statistic, value(network, level, fold, measure, layer, statistic))
        for network, level, fold in product(layers, LEVELS, range(FOLDS))
        for layer in layers[network]
        for measure, statistic in [
            ("equivariance_error", "through"),
            ("equivariance_error", "own"),
            *[("distance_to_shared", "observed")] * (network == "fcn"),
        ]
    ]
    frame = pd.DataFrame(rows, columns=["network", "level", "fold", "measure", "layer", "statistic", "value"])
    return frame.assign(value=frame["value"].where(frame["layer"] != "conv_11"))


def test_rows_are_those_of_the_last_epoch_the_last_convolution_and_the_first_free_layer(curves, measures):
    rows = network_rows(curves, measures).set_index(["measure", "network", "level"])
    assert len(rows) == 3 * 2 + 2 * 2 + 2
    for level in LEVELS:
        assert rows.loc[("translate_acc", "mlp", level), "mean"] == value("mlp", level, "translate_acc", 4)
        assert rows.loc[("translate_acc", "cnn", level), "mean"] == value("cnn", level, "translate_acc", 3)
        for network, measure, layer, statistic in (
            ("cnn", "equivariance_error", "conv_10", "through"),
            ("fcn", "equivariance_error", "free_2", "through"),
            ("fcn", "distance_to_shared", "free_1", "observed"),
        ):
            values = [value(network, level, fold, measure, layer, statistic) for fold in range(FOLDS)]
            low, high = stats.t.interval(0.95, FOLDS - 1, np.mean(values), stats.sem(values))
            found = rows.loc[(measure, network, level)]
            assert found[["mean", "low", "high"]].tolist() == pytest.approx([np.mean(values), low, high])
            assert found["runs"] == FOLDS


def test_without_measures_there_are_accuracies(curves, measures):
    assert set(network_rows(curves, measures[:0])["measure"]) == {"translate_acc"}
    assert network_rows(curves[:0], measures[:0]).empty


def test_each_network_has_a_row_of_dots_and_bars(curves, measures):
    networks = ["fcn", "cnn", "mlp", "cnn_wide"]
    rows = network_rows(curves, measures)
    figure = draw_networks(rows, networks, LEVELS, "translate", {"fcn": 169})
    *accuracies, equivariance, shared = figure.axes
    assert [text.get_text() for text in accuracies[0].get_yticklabels()] == [
        "FCN",
        "CNN",
        "MLP",
        "CNN of the FCN's size",
    ]
    drawn = [(axes, "translate_acc", [level]) for axes, level in zip(accuracies, LEVELS, strict=True)]
    for axes, measure, levels in (*drawn, (equivariance, "equivariance_error", LEVELS)):
        for line, bars, level in zip(axes.lines, axes.collections, levels, strict=True):
            chosen = rows[(rows["measure"] == measure) & (rows["level"] == level)]
            assert line.get_xdata() == pytest.approx(100 * chosen["mean"])
            assert np.round(-line.get_ydata()).tolist() == [networks.index(name) for name in chosen["network"]]
            ends = np.array([segment[:, 0] for segment in bars.get_segments()])
            assert ends == pytest.approx(100 * chosen[["low", "high"]].to_numpy())
    assert len({line.get_marker() for line in equivariance.lines}) == len(LEVELS)  # not by colour alone
    assert shared.lines[-1].get_xdata()[0] == pytest.approx(100 * np.sqrt(168 / 169))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["0", "0.3", "independent kernels", "not run: CNN of the FCN's size"]


def test_many_levels_have_one_panel_of_accuracies(curves, measures):
    levels = [*LEVELS, 0.5]
    more = pd.concat([curves, curves[curves["level"] == 0].assign(level=0.5)])
    figure = draw_networks(network_rows(more, measures), ["fcn", "cnn", "mlp"], levels, "translate", {})
    assert len(figure.axes) == 3
    assert len(figure.axes[0].lines) == 3


def test_without_rows_there_is_nothing_to_draw(curves, measures):
    (axes,) = draw_networks(network_rows(curves[:0], measures[:0]), ["fcn"], LEVELS, "translate", {}).axes
    assert axes.texts[0].get_text() == "no runs"


def test_the_finding_names_every_network(curves, measures):
    sentence = finding("networks", network_rows(curves, measures))
    assert sentence.startswith("After training, of translated images the CNN is right on ")
    assert "; the MLP is right on " in sentence


def test_drawn_where_there_are_more_networks_than_the_papers(project):
    assert ("translate", "networks") not in grid.figures(small_params())
    params = small_params(
        aug={"translate": [0, 0.3]}, train={"folds": 2, "epochs": 2, "networks": ["cnn", "cnn_wide", "fcn"]}
    )
    assert ("translate", "networks") in grid.figures(params)
    write_study(params)
    make_tables(params)
    make_figures(params)
    rows = pd.read_csv("reports/figures/mnist-5k-translate-networks.csv")
    assert set(rows.loc[rows["measure"] == "translate_acc", "network"]) == {"cnn", "cnn_wide", "fcn"}
    assert set(rows.loc[rows["measure"] == "distance_to_shared", "network"]) == {"fcn"}
