import shutil
import xml.etree.ElementTree as ElementTree
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from freeconv.analysis.authors import authors_envelope
from freeconv.commands.figures import make_figures
from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.report.distance_rows import in_percent, with_spread
from freeconv.report.figures import draw_accuracy, draw_distance, draw_swap_accuracy, draw_vcp
from freeconv.report.measure_figures import (
    by_level,
    distance_by_radius,
    draw_distance_by_radius,
    draw_distance_to_shared,
    draw_shared_accuracy,
    draw_signal_to_noise,
    draw_transfer,
    signal_to_noise,
)
from freeconv.report.panels import WIDTHS, draw_samples, image_of
from freeconv.report.summary_figures import draw_answer, draw_claims
from freeconv.storage.csv_files import read_csv, read_table, write_csv
from freeconv.study import grid as study_grid
from freeconv.study import paths
from tests.made_study import small_params, write_run, write_runs, write_shards, write_study, write_traces

LEVELS = [0, 0.2, 0.4]
ELEVEN = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]
NETWORKS = ["fcn", "cnn"]
POSITIONS = {"free_1": 81, "free_2": 25, "free_3": 9}


@pytest.fixture
def curves(made):
    frame = pd.read_csv(made[0] / "reports/tables/accuracy_by_epoch.csv")
    return frame[frame["augmentation"] == "translate"]


@pytest.fixture
def distances(made):
    frame, history = (pd.read_csv(made[0] / f"reports/tables/{name}.csv") for name in ("distance", "history"))
    frame = with_spread(frame[frame["augmentation"] == "translate"], history)
    return in_percent(frame, POSITIONS)


@pytest.fixture(scope="module")
def measures(made):
    """Return the measures of all networks that were trained on translation, level 0 included, and no others."""
    frame = pd.read_csv(made[0] / "reports/tables/measures.csv")
    return frame[frame["augmentation"].isin(["none", "translate"])]


@pytest.fixture
def vcp(curves):
    """Return the curves of three shares of missing connections, and one of a convolution that does not belong here."""
    template = pick(curves, network="fcn", level=0.2)
    others = [template.assign(network=f"fcn-vcp-{share}", mean=template["mean"] - share) for share in (0.3, 0.99)]
    return pd.concat([template, *others, pick(curves, network="cnn", level=0.2)])


def pick(frame, **values):
    for key, value in values.items():
        frame = frame[frame[key] == value]
    return frame


def labels(axes):
    return [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]


def legend(figure, number=0):
    return [text.get_text() for text in figure.legends[number].get_texts()]


def panel_texts(axes):
    return [text.get_text() for text in axes.texts]


def svg_texts(path):
    """Return the texts of an SVG, which has them as text."""
    root = ElementTree.parse(path).getroot()
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def colors(axes, number):
    return [to_rgb(line.get_color()) for line in axes.lines[:number]]


def test_the_files_are_those_announced(made):
    folder, params = made
    written = {str(path.relative_to(folder)) for path in (folder / "reports/figures").iterdir()}
    assert written == set(study_grid.figure_files(params))
    # nine of each augmentation, kernels, swap, claims: numbers, SVG and PDF; of the images no numbers
    assert len(written) == (2 * 9 + 3) * 3 - 2
    for path in written:
        if path.endswith("pdf"):
            assert (folder / path).read_bytes().endswith(b"%%EOF\n")
        elif path.endswith("csv"):
            assert len(pd.read_csv(folder / path)) > 0
        else:
            assert (folder / path).read_text().startswith("<?xml")
            assert svg_texts(folder / path)
            assert not {"no runs", "not measured"} & set(svg_texts(folder / path))


def test_equal_figures_have_equal_bytes(made, tmp_path, monkeypatch):
    folder, params = made
    monkeypatch.chdir(folder)
    shutil.copytree("reports/tables", tmp_path / "tables")
    only = params.model_copy(update={"aug": params.aug.model_copy(update={"rotate": []})})
    before = dict(matplotlib.rcParams)
    make_figures(only, str(tmp_path))
    assert dict(matplotlib.rcParams) == before  # the caller's style is left alone
    for path in study_grid.figure_files(only):
        assert (tmp_path / Path(path).relative_to("reports")).read_bytes() == Path(path).read_bytes(), path


def test_figures_for_a_column_with_serifs(project):
    asked = {"formats": ["pdf", "png"], "width": "both", "font": "serif"}
    params = small_params(
        aug={"translate": [0]}, train={"folds": 2, "epochs": 1, "networks": ["cnn"]}, report={"figures": asked}
    )
    write_study(params)
    make_tables(params)
    make_figures(params)
    assert {str(path) for path in Path("reports/figures").iterdir()} == set(study_grid.figure_files(params))
    name = "reports/figures/mnist-5k-translate-accuracy"
    for path, width in ((name, "page"), (f"{name}-column", "column")):
        with Image.open(f"{path}.png") as image:
            assert image.width == round(150 * WIDTHS[width])
    assert "DejaVu Serif" in Path(f"{name}.svg").read_text()
    assert b"DejaVuSerif" in Path(f"{name}-column.pdf").read_bytes()  # a font: the text is text
    assert not Path(f"{name}-column.svg").exists()


def test_accuracy_shows_fcn_left_cnn_right_and_three_rows(curves):
    figure = draw_accuracy(curves, NETWORKS, LEVELS, "translate")
    grid = np.array(figure.axes).reshape(3, 2)
    assert [axes.get_title() for axes in grid[0]] == ["FCN", "CNN"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == [
        "Training accuracy (%)",
        "Validation accuracy (%)",
        "Translated accuracy (%)",
    ]
    assert grid[2, 0].get_xlabel() == "Epoch"
    for row in grid:
        assert row[0].get_ylim() == row[1].get_ylim()
    for axes, network, metric in ((grid[2, 0], "fcn", "translate_acc"), (grid[0, 1], "cnn", "train_acc")):
        for line, level in zip(axes.lines, LEVELS, strict=True):
            chosen = pick(curves, network=network, metric=metric, level=level)
            assert line.get_ydata() == pytest.approx(100 * chosen["mean"])
        assert len(axes.collections) == len(LEVELS)
    assert legend(figure) == ["0", "0.2", "0.4"]
    assert panel_texts(grid[2, 0]) == ["0", "0.2", "0.4"]  # at the lines' ends


def test_accuracy_with_one_network_one_level_one_epoch(curves):
    one = curves.query("network == 'cnn' and level == 0.2 and epoch == 1")
    figure = draw_accuracy(one, ["cnn"], [0.2], "translate")
    assert len(figure.axes) == 3
    line = figure.axes[1].lines[0]
    assert line.get_marker() == "o"  # a line through one point would be invisible
    assert len(line.get_xdata()) == 1


def test_accuracy_axes_do_not_leave_what_is_possible(curves):
    wide = curves.assign(low=curves["mean"] - 3, high=curves["mean"] + 3)
    for axes in draw_accuracy(wide, NETWORKS, LEVELS, "translate").axes:
        assert axes.get_ylim()[0] >= 0
        assert axes.get_ylim()[1] <= 101


def test_chance_is_where_the_panel_shows_it(curves):
    figure = draw_accuracy(curves, NETWORKS, LEVELS, "translate", chance=0.1)
    shown = ["chance" in panel_texts(axes) for axes in figure.axes]
    assert shown == [axes.get_ylim()[0] <= 10 for axes in figure.axes]
    assert shown[4]


def test_a_crowd_of_curves_is_shown_again_larger():
    rows = [
        ("fcn", metric, level, epoch, 0.95 - 0.75 * 0.4**epoch + 0.01 * level)
        for metric, level, epoch in product(["train_acc", "val_acc", "translate_acc"], LEVELS, range(1, 21))
    ]
    crowd = pd.DataFrame(rows, columns=["network", "metric", "level", "epoch", "mean"])
    for axes in draw_accuracy(crowd, ["fcn"], LEVELS, "translate").axes:
        (inset,) = axes.child_axes
        low, high = inset.get_ylim()
        assert (high - low) < 0.2 * (axes.get_ylim()[1] - axes.get_ylim()[0])
        assert [line.get_ydata().tolist() for line in inset.lines] == [line.get_ydata().tolist() for line in axes.lines]
    apart = crowd.assign(mean=crowd["mean"] - crowd["level"])
    assert not any(axes.child_axes for axes in draw_accuracy(apart, ["fcn"], LEVELS, "translate").axes)


def test_accuracy_leaves_out_what_was_not_run_and_names_it(curves):
    complete = draw_accuracy(curves, NETWORKS, LEVELS, "translate")
    without = draw_accuracy(curves[curves["level"] != 0.2], NETWORKS, LEVELS, "translate")
    assert legend(without) == ["0", "0.4", "not run: 0.2"]
    assert colors(without.axes[0], 2) == [colors(complete.axes[0], 3)[rank] for rank in (0, 2)]
    one_network = curves[(curves["level"] == 0.4) | (curves["network"] == "cnn")]
    assert legend(draw_accuracy(one_network, NETWORKS, LEVELS, "translate")) == [
        *("0", "0.2", "0.4"),
        "FCN not run: 0, 0.2",
    ]
    no_cnn = draw_accuracy(curves[curves["network"] == "fcn"], NETWORKS, LEVELS, "translate")
    assert ["no runs" in panel_texts(axes) for axes in no_cnn.axes] == [False, True] * 3
    assert legend(no_cnn) == ["0", "0.2", "0.4", "CNN not run: 0, 0.2, 0.4"]


def test_eleven_levels_have_a_panel_each(curves):
    template = curves.query("level == 0")
    many = pd.concat([template.assign(level=level, mean=template["mean"] - level / 20) for level in ELEVEN])
    figure = draw_accuracy(many[many["level"] != 0.3], NETWORKS, ELEVEN, "translate")
    assert [axes.get_title() for axes in figure.axes] == [f"translation {level}" for level in ELEVEN]
    for axes, level in zip(figure.axes, ELEVEN, strict=True):
        assert len(axes.lines) == (0 if level == 0.3 else 2 * 3)
    translated = pick(many, network="fcn", level=0.9, metric="translate_acc")
    assert figure.axes[9].lines[2].get_ydata() == pytest.approx(100 * translated["mean"])
    assert panel_texts(figure.axes[3]) == ["no runs"]
    assert legend(figure) == ["FCN", "CNN", "Training", "Validation", "Translated", "not run: 0.3"]


def test_missing_connections_have_six_panels_and_a_line_per_share(vcp):
    figure = draw_vcp(vcp, {"fcn": 0, "fcn-vcp-0.3": 0.3, "fcn-vcp-0.99": 0.99})
    assert [axes.get_title() for axes in figure.axes] == [
        *("Training", "Validation", "Translated"),
        *("Rotated", "Noise", "Edge noise"),
    ]
    metrics = ("train_acc", "val_acc", "translate_acc", "rotate_acc", "noise_acc", "edge_noise_acc")
    for axes, metric in zip(figure.axes, metrics, strict=True):
        for line, network in zip(axes.lines, ("fcn", "fcn-vcp-0.3", "fcn-vcp-0.99"), strict=True):
            assert line.get_ydata() == pytest.approx(100 * pick(vcp, network=network, metric=metric)["mean"])
        assert len(axes.collections) == 3
    assert figure.legends[0].get_title().get_text().startswith("Missing connections")
    assert legend(figure) == ["0", "0.3", "0.99"]


def test_many_shares_of_missing_connections_have_a_panel_each(vcp):
    shares = {"fcn": 0, **{f"fcn-vcp-{share}": share for share in (0.1, 0.3, 0.5, 0.7, 0.99)}}
    figure = draw_vcp(vcp, shares)
    assert [axes.get_title() for axes in figure.axes] == [f"{share} missing" for share in shares.values()]
    assert [len(axes.lines) for axes in figure.axes] == [6, 0, 6, 0, 0, 6]
    assert legend(figure) == [
        "Training",
        "Validation",
        "Translated",
        "Rotated",
        "Noise",
        "Edge noise",
        "not run: 0.1, 0.5, 0.7",
    ]


def test_missing_connections_that_were_not_run_or_asked_for(vcp):
    figure = draw_vcp(vcp, {"fcn-vcp-0.1": 0.1, "fcn-vcp-0.3": 0.3})
    assert legend(figure) == ["0.3", "not run: 0.1"]
    assert {len(axes.lines) for axes in figure.axes} == {1}


def test_swap_shows_both_networks_and_the_images_as_they_are_beside(curves):
    level_0 = curves[curves["level"] == 0]
    # level 0 of another augmentation is the same runs
    figure = draw_swap_accuracy(pd.concat([level_0, level_0.assign(augmentation="rotate", mean=0.1)]), NETWORKS)
    (axes,) = figure.axes
    for network, plain, swapped in zip(NETWORKS, axes.lines[::2], axes.lines[1::2], strict=True):
        assert swapped.get_ydata() == pytest.approx(100 * pick(level_0, network=network, metric="swap_acc")["mean"])
        assert plain.get_ydata() == pytest.approx(100 * pick(level_0, network=network, metric="val_acc")["mean"])
        assert plain.get_linewidth() < swapped.get_linewidth()
        assert plain.is_dashed()
        assert plain.get_color() == swapped.get_color()
    assert len(axes.collections) == 2
    assert legend(figure) == [
        *("FCN, quadrants swapped", "FCN, as they are"),
        *("CNN, quadrants swapped", "CNN, as they are"),
    ]
    assert legend(draw_swap_accuracy(pick(level_0, network="cnn"), NETWORKS))[2:] == ["not run: FCN"]


def test_distance_shows_both_radii_in_one_panel_beside_independent_kernels(distances):
    figure = draw_distance(distances, LEVELS, "translate", POSITIONS)
    (axes,) = figure.axes
    *lines, reference = axes.lines
    assert reference.get_ydata() == [100, 100]
    for number, (radius, level) in enumerate(product((1, 4), LEVELS)):
        chosen = pick(distances, radius=radius, level=level)
        assert lines[number].get_ydata() == pytest.approx(100 * chosen["median"] / np.sqrt(2 / 81))
        assert lines[number].is_dashed() == (radius == 4)
        assert lines[number].get_xdata()[0] == 0
        edges = axes.collections[number].get_paths()[0].vertices[:, 1]
        assert (edges.min(), edges.max()) == pytest.approx((chosen["low"].min(), chosen["high"].max()))
    assert [lines[rank].get_color() for rank in range(3)] == [lines[rank].get_color() for rank in range(3, 6)]
    assert figure.get_supylabel() == "Distance (% of independent kernels)"
    assert set(panel_texts(axes)) == {"0", "0.2", "0.4", "independent"}
    assert legend(figure) == ["0", "0.2", "0.4", "radius 1", "radius 4"]


def test_distance_shows_a_panel_per_layer_and_measure_and_of_many_levels_one_each(distances):
    both = pd.concat([distances, distances.assign(measure="cosine", distance=90)])
    deeper = pick(both, radius=1).assign(layer="free_2")
    every = pd.concat([both, deeper])
    figure = draw_distance(every, LEVELS, "translate", POSITIONS)
    assert [axes.get_title() for axes in figure.axes] == [
        *("Layer 1, Euclidean", "Layer 1, cosine"),
        *("Layer 2, Euclidean", "Layer 2, cosine"),
    ]
    assert [len(axes.lines) for axes in figure.axes] == [7, 7, 4, 4]
    many = pd.concat([pick(both, level=0).assign(level=level) for level in ELEVEN])
    figure = draw_distance(many, ELEVEN, "translate", POSITIONS)
    assert len(figure.axes) == 2 * 11
    assert figure.axes[0].get_title() == "translation 0, Layer 1, Euclidean"
    assert figure.axes[12].get_title() == "translation 0.1"
    assert {len(axes.lines) for axes in figure.axes} == {3}


def test_distance_without_a_level(distances):
    figure = draw_distance(distances[distances["level"] > 0], LEVELS, "translate", POSITIONS)
    assert legend(figure) == ["0.2", "0.4", "radius 1", "radius 4", "not run: 0"]


def test_transfer_shows_a_row_per_network_and_a_column_per_transformation(measures):
    figure = draw_transfer(measures.sample(frac=1, random_state=0), NETWORKS, LEVELS, "translate")
    grid = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_xlabel() for axes in grid[1]] == [
        "Shift to the right (% of width)",
        "Shift down (% of height)",
        "Turn counter-clockwise (degrees)",
    ]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["FCN: accuracy (%)", "CNN: accuracy (%)"]
    panels = (
        ("horizontal_shift_acc", [-25, 0, 25]),
        ("vertical_shift_acc", [-25, 0, 25]),
        ("angle_acc", [-90, 0, 90]),
    )
    for row, network in zip(grid, NETWORKS, strict=True):
        for axes, (measure, shown) in zip(row, panels, strict=True):
            lines = [line for line in axes.lines if line.get_linestyle() != "None"]
            for line, band, level in zip(lines, axes.collections, LEVELS, strict=True):
                found = pick(measures, network=network, measure=measure, level=level)
                by_setting = [sorted(pick(found, setting=setting)["value"]) for setting in sorted(set(found.setting))]
                assert line.get_xdata().tolist() == shown
                assert line.get_ydata() == pytest.approx([100 * values[1] for values in by_setting])  # of three folds
                edges = band.get_paths()[0].vertices[:, 1]
                assert (edges.min(), edges.max()) == pytest.approx((100 * np.min(by_setting), 100 * np.max(by_setting)))
    assert legend(figure) == ["0", "0.2", "0.4", "limit in training"]


def test_transfer_of_many_levels_is_a_map(measures):
    many = pd.concat([pick(measures, level=0).assign(level=level) for level in ELEVEN if level != 0.5])
    figure = draw_transfer(many, NETWORKS, ELEVEN, "translate")
    map_of_fcn = figure.axes[0].collections[0].get_array()
    assert map_of_fcn.shape == (11, 3)
    found = pick(measures, level=0, network="fcn", measure="horizontal_shift_acc", setting=0)
    assert map_of_fcn[3, 1] == pytest.approx(100 * found["value"].median())
    assert np.ma.getmaskarray(map_of_fcn)[5].all() or np.isnan(map_of_fcn[5]).all()
    assert legend(figure) == ["not run: 0.5"]


@pytest.mark.parametrize(
    ("augmentation", "levels", "expected"),
    [
        ("translate", [0, 0.2, 0.4], [{-20, 20}, {-20, 20}, set()]),  # 40 % is outside of the panel
        ("rotate", [0, 0.1, 0.2], [set(), set(), {-72, -36, 36, 72}]),
        ("noise", [0, 0.2, 0.4], [set(), set(), set()]),
    ],
)
def test_transfer_marks_how_far_training_went(measures, augmentation, levels, expected):
    renamed = measures.assign(level=measures["level"].map(dict(zip(LEVELS, levels, strict=True))))
    figure = draw_transfer(renamed, ["fcn"], levels, augmentation)
    for axes, ends in zip(figure.axes, expected, strict=True):
        marks = [x for line in axes.lines if line.get_marker() == "|" for x in line.get_xdata()]
        assert sorted(np.round(marks, 6)) == sorted(ends)
    assert ("limit in training" in legend(figure)) == any(expected)


def test_transfer_of_levels_that_were_not_run(measures):
    figure = draw_transfer(measures.query("network == 'cnn' or level == 0"), NETWORKS, LEVELS, "translate")
    assert legend(figure)[-1] == "FCN not run: 0.2, 0.4"
    assert not [x for line in figure.axes[0].lines if line.get_marker() == "|" for x in line.get_xdata()]


@pytest.fixture(scope="module")
def free(measures):
    return pick(measures, network="fcn")


def test_distance_by_radius_is_shown_against_chance(free):
    figure = draw_distance_by_radius(distance_by_radius(free), LEVELS, "translate")
    assert [axes.get_title() for axes in figure.axes] == ["Layer 1", "Layer 2", "Layer 3"]
    for axes, layer, largest in zip(figure.axes, POSITIONS, (4, 2, 1), strict=True):
        found = pick(free, measure="euclidean_distance", layer=layer)
        radii = range(1, largest + 1)

        def relative(statistic, level, radius, found=found):
            cell = pick(found, level=level, setting=radius).sort_values("fold")
            mean = pick(cell, statistic="permuted_mean")["value"].to_numpy()
            return 100 * pick(cell, statistic=statistic)["value"].to_numpy() / mean

        for line, level in zip(axes.lines, LEVELS, strict=True):
            assert line.get_xdata().tolist() == list(radii)
            expected = [np.median(relative("observed", level, radius)) for radius in radii]
            assert line.get_ydata() == pytest.approx(expected)
        null = axes.patches[0].get_data()
        assert null.edges.tolist() == [radius - 0.5 for radius in (*radii, largest + 1)]
        for edge, statistic, widest in (
            (null.baseline, "permuted_low", min),
            (null.values, "permuted_high", max),
        ):
            every = [[relative(statistic, level, radius) for level in LEVELS] for radius in radii]
            assert edge == pytest.approx([widest(np.ravel(values)) for values in every])
    low, high = figure.axes[0].get_ylim()
    observed = [value for axes in figure.axes for line in axes.lines for value in line.get_ydata()]
    assert low < min(observed) <= max(observed) < high
    assert legend(figure) == ["0", "0.2", "0.4", "reassigned at random"]


def medians(free, measure, layer, statistic="observed"):
    found = pick(free, measure=measure, layer=layer, statistic=statistic)
    return [sorted(pick(found, level=level)["value"])[1] for level in LEVELS]  # of three folds


def test_three_measures_of_sharing_are_shown_by_level(free):
    noise = draw_signal_to_noise(signal_to_noise(free), "translate").axes[0]
    shared_figure = draw_distance_to_shared(by_level(free, "distance_to_shared"), "translate", POSITIONS)
    accuracy_figure = draw_shared_accuracy(by_level(free, "shared_acc"), "translate")
    (shared,), (accuracy,) = shared_figure.axes, accuracy_figure.axes
    for line, layer in zip(noise.lines, POSITIONS, strict=True):
        assert line.get_xdata().tolist() == LEVELS
        assert line.get_ydata() == pytest.approx(medians(free, "signal_to_noise", layer, "median"))
    upper_edge = noise.collections[0].get_paths()[0].vertices[:, 1].max()
    assert upper_edge == pytest.approx(max(medians(free, "signal_to_noise", "free_1", "upper_quartile")))
    for line, layer in zip(shared.lines[:3], POSITIONS, strict=True):
        assert line.get_ydata() / 100 == pytest.approx(medians(free, "distance_to_shared", layer))
    expected = sorted(100 * np.sqrt(1 - 1 / positions) for positions in POSITIONS.values())
    assert sorted(line.get_ydata()[0] for line in shared.lines[3:]) == pytest.approx(expected)
    assert all(line.is_dashed() for line in shared.lines[3:])
    for line, layer in zip(accuracy.lines, (*POSITIONS, "all", "none"), strict=True):
        assert line.get_ydata() / 100 == pytest.approx(medians(free, "shared_acc", layer))
    assert len({line.get_marker() for line in accuracy.lines}) == 5  # not by colour alone
    assert legend(accuracy_figure) == ["layer 1", "layer 2", "layer 3", "all layers", "as trained"]
    assert legend(shared_figure) == ["layer 1", "layer 2", "layer 3", "independent"]


def test_sharing_without_a_level_and_without_positions(free):
    fewer = free[free["level"] != 0.4]
    by_radius = draw_distance_by_radius(distance_by_radius(fewer), LEVELS, "translate")
    assert legend(by_radius) == ["0", "0.2", "reassigned at random", "not run: 0.4"]
    shared = draw_distance_to_shared(by_level(fewer, "distance_to_shared"), "translate", {})
    assert [len(line.get_xdata()) for line in shared.axes[0].lines] == [2] * 3


def test_the_answer_shows_ours_and_the_papers(made):
    compared = pd.read_csv(made[0] / "reports/tables/compared.csv").query("augmentation == 'translate'")
    figure = draw_answer(compared, NETWORKS, "translate", chance=0.1)
    lines = [line for line in figure.axes[0].lines if line.get_marker() in "oD"]
    for network, (theirs, ours) in zip(NETWORKS, (lines[:2], lines[2:]), strict=True):
        of_network = pick(compared, network=network, metric="translate_acc").sort_values("level")
        assert ours.get_ydata() == pytest.approx(100 * of_network["ours"].dropna())
        assert theirs.get_ydata() == pytest.approx(100 * of_network["paper"])
        assert theirs.is_dashed()
        assert not ours.is_dashed()
    assert legend(figure) == ["FCN, this study", "CNN, this study", "FCN, the paper", "CNN, the paper"]
    assert {"FCN", "CNN", "chance"} <= set(panel_texts(figure.axes[0]))


def test_claims_have_verdicts_in_words_and_only_decisions_are_in_colour():
    verdicts = ["supported", "contradicted", "inconclusive", "not run", "exploratory"]
    rows = pd.DataFrame({"id": verdicts, "verdict": verdicts, "mark": list("✓✗?○·")})
    rows = rows.assign(ours=1.0, low=0.5, high=1.5, paper=[2, 2, 2, 2, np.nan])
    (axes,) = draw_claims(rows).axes
    assert panel_texts(axes) == ["✓ supported", "✗ contradicted", "? inconclusive", "○ not run", "· exploratory"]
    shades = [to_rgb(text.get_color()) for text in axes.texts]
    assert len(set(shades)) == 3
    assert len(set(shades[2:])) == 1


def test_names_at_the_ends_of_lines_do_not_cover_one_another(curves):
    alike = pd.concat([pick(curves, level=0).assign(level=level) for level in (0, 0.1, 0.2, 0.3, 0.4)])
    figure = draw_accuracy(alike, ["fcn"], [0, 0.1, 0.2, 0.3, 0.4], "translate")
    image_of(figure, "svg")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


def test_nothing_to_draw_is_said(curves, distances, measures):
    figures = [
        draw_accuracy(curves[:0], NETWORKS, LEVELS, "translate"),
        draw_accuracy(curves, NETWORKS, [0.7], "translate"),
        draw_vcp(curves[:0], {"fcn": 0, "fcn-vcp-0.3": 0.3}),
        draw_swap_accuracy(curves[:0], NETWORKS),
        draw_distance(distances[:0], LEVELS, "translate", {}),
        draw_answer(pd.DataFrame(columns=["network", "metric", "level", "ours", "paper"]), NETWORKS, "translate"),
    ]
    for figure in figures:
        (axes,) = figure.axes
        assert panel_texts(axes) == ["no runs"]
        assert not axes.lines
    assert panel_texts(draw_transfer(measures[:0], NETWORKS, LEVELS, "translate").axes[0]) == ["not measured"]


def test_samples_show_one_image_per_row_and_one_level_per_column():
    samples = np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8, 1), dtype="uint8")
    figure = draw_samples(samples, [0, 0.1, 0.5, 0.99], "translate")
    grid = np.array(figure.axes).reshape(3, 4)
    assert [axes.get_title() for axes in grid[0]] == ["0", "0.1", "0.5", "0.99"]
    assert np.array_equal(grid[2, 1].images[0].get_array(), samples[2, 1, ..., 0])
    assert grid[2, 1].images[0].get_clim() == (0, 255)
    assert not grid[2, 1].axison


def test_samples_in_color_and_as_noisy_floats():
    samples = np.random.default_rng(0).normal(0.5, 1, (2, 1, 8, 8, 3)).astype("float16")
    shown = draw_samples(samples, [0.3], "noise").axes[1].images[0].get_array()
    assert shown.shape == (8, 8, 3)
    assert np.allclose(shown, np.clip(samples[1, 0].astype("float32"), 0, 1))


@pytest.mark.parametrize("network", ["cnn", "fcn"])
def test_one_network_without_augmentation_and_one_epoch(project, network):
    params = small_params(aug={"translate": 0.0}, train={"folds": 3, "epochs": 1, "networks": [network]})
    write_study(params)
    make_tables(params)
    make_figures(params)
    written = {str(path) for path in Path("reports/figures").iterdir()}
    assert written == set(study_grid.figure_files(params))
    for figure in ("distance", "kernels", "shared-accuracy"):
        assert any(figure in path for path in written) == (network == "fcn")
    texts = {text for path in written if path.endswith("svg") for text in svg_texts(path)}
    assert not {"no runs", "not measured"} & texts


def test_every_figure_shows_what_there_is(project):
    params = small_params(
        aug={"translate": [0, 0.2, 0.4], "noise": [0.3]},
        vcp={"levels": [0, 0.5, 0.9], "translate": [0, 0.2]},
        train={"folds": 2, "epochs": 2, "kernel_layers": [1, 2]},
    )
    write_study(params)
    gone = [path for path in study_grid.run_files(params) if "/fcn/translate/0.4/" in path or "noise" in path]
    gone += [path for path in study_grid.run_files(params) if "/fcn-vcp-0.5/translate/" in path]
    gone += [paths.distance_file("mnist-5k", "fcn", "translate", 0.4), *Path("results").glob("distance/*/*/noise/*")]
    gone += [*Path("results").glob("measure/*/*/noise/*"), paths.measure_file("mnist-5k", "fcn", "translate", 0.4)]
    for path in gone:
        Path(path).unlink()
    make_tables(params)
    make_figures(params)

    def texts(subject, name):
        return svg_texts(paths.figure_file("reports", "mnist-5k", subject, name, "svg"))

    assert {str(path) for path in Path("reports/figures").iterdir()} == set(study_grid.figure_files(params))
    for name in ("accuracy", "transfer"):
        assert "FCN not run: 0.4" in texts("translate", name)
    for name in ("distance", "distance-by-radius"):
        assert "not run: 0.4" in texts("translate", name)
    assert {"Layer 1, Euclidean", "Layer 2, Euclidean"} <= set(texts("translate", "distance"))
    # 13 × 13 positions, of images of 28 × 28 pixels
    rows = pd.read_csv("reports/figures/mnist-5k-translate-distance.csv").query("layer == 'free_1'")
    assert np.allclose(rows["distance"], 100 * rows["median"] / np.sqrt(2 / 169), rtol=1e-4)
    assert {"level 0", "level 0.2"} <= set(texts("translate", "kernels"))
    assert "level 0.4" not in texts("translate", "kernels")
    for name in ("answer", "accuracy", "distance"):
        assert texts("noise", name) == ["no runs"]
    for name in ("transfer", "distance-by-radius", "signal-to-noise", "distance-to-shared", "shared-accuracy"):
        assert texts("noise", name) == ["not measured"]
    assert "not run: 0.5" in texts("vcp", "accuracy-0.2")
    assert "0.5" in texts("vcp", "accuracy-0")


def test_level_0_is_measured_once_and_shown_under_every_augmentation(made):
    folder, _ = made
    for augmentation, levels in (("translate", ["0", "0.2", "0.4"]), ("rotate", ["0", "0.1"])):
        texts = svg_texts(folder / paths.figure_file("reports", "mnist-5k", augmentation, "transfer", "svg"))
        assert {*levels, "limit in training"} <= set(texts)


def test_a_diverged_run_is_drawn_around(project):
    params = small_params(aug={"translate": [0]}, train={"folds": 2, "epochs": 4})
    write_study(params)
    lost = {"kernels/free_1": np.full((5, 81, 9, 4), np.nan, "float32"), "history/train_loss": np.full(4, np.nan)}
    for run in study_grid.runs(params):
        if run.network == "fcn":
            write_run(run, 4, arrays=lost)
    write_traces(params)
    path = Path(paths.measure_file("mnist-5k", "fcn", "none", 0))
    frame, config = read_csv(path)
    write_csv(path, frame.assign(value=frame["value"].where(frame["measure"].str.endswith("acc"))), config)
    make_tables(params)
    make_figures(params)
    assert {str(path) for path in Path("reports/figures").iterdir()} == set(study_grid.figure_files(params))
    accuracy = paths.figure_file("reports", "mnist-5k", "translate", "accuracy", "svg")
    assert "FCN not run: 0" in svg_texts(accuracy)


def test_names_what_is_missing(project):
    params = small_params(aug={"translate": [0, 0.2]})
    with pytest.raises(FreeconvError, match=r"accuracy_by_epoch\.csv: .*run `freeconv tables` first"):
        make_figures(params)
    write_runs(params)
    write_traces(params)
    write_shards(params)
    make_tables(params)
    shard = Path(paths.shard_file("mnist-5k", "translate", 0.2, 0))
    shard.unlink()
    with pytest.raises(FreeconvError, match=str(shard)):
        make_figures(params)


def test_words_in_tables_stay_words(made, monkeypatch):
    monkeypatch.chdir(made[0])
    compared = read_table("reports", "compared")
    assert set(compared["table"]) == {"1", "B.3"}
    assert compared["protocol"].map(type).eq(str).all()
    assert pd.isna(read_table("reports", "runs")["network"]).sum() == 0


def bands(axes):
    """Return the gray bands of a panel: lowest and highest ordinate, and last epoch."""
    vertices = [band.get_paths()[0].vertices for band in axes.collections if band.get_zorder() == 0]
    return [(points[:, 1].min(), points[:, 1].max(), points[:, 0].max()) for points in vertices]


def test_the_authors_runs_are_a_band_as_far_as_ours_were_trained():
    theirs = authors_envelope()
    curves = pd.DataFrame(
        [
            ("cnn", metric, level, epoch, 0.9)
            for metric, level, epoch in product(["val_acc", "swap_acc"], [0, 0.2], [1, 2, 3])
        ],
        columns=["network", "metric", "level", "epoch", "mean"],
    )
    expected = theirs[(theirs["network"] == "cnn") & theirs["epoch"].le(3)].groupby("metric")
    low, high = 100 * expected["lowest"].min(), 100 * expected["highest"].max()
    figure = draw_accuracy(curves, ["cnn"], [0, 0.2], "translate", theirs)
    assert [bands(axes) for axes in figure.axes] == [[], [(low["val_acc"], high["val_acc"], 3)], []]
    assert "authors" in figure.legends[0].get_texts()[-1].get_text()
    figure = draw_swap_accuracy(curves[curves["level"] == 0], ["cnn"], theirs)
    assert bands(figure.axes[0]) == [(low["swap_acc"], high["swap_acc"], 3)]
    # without level 0, or beside another dataset, there is none
    for figure in (
        draw_accuracy(curves[curves["level"] > 0], ["cnn"], [0.2], "translate", theirs),
        draw_accuracy(curves, ["cnn"], [0, 0.2], "translate"),
    ):
        assert not any(bands(axes) for axes in figure.axes)
        assert "authors" not in figure.legends[0].get_texts()[-1].get_text()
    distances = pd.DataFrame(
        [("free_1", "cosine", 4, 0.0, epoch, 50.0) for epoch in (0, 1)],
        columns=["layer", "measure", "radius", "level", "epoch", "distance"],
    )
    figure = draw_distance(distances, [0], "translate", {"free_1": 169}, theirs)
    of = theirs[(theirs["metric"] == "cosine_distance_radius_4") & theirs["epoch"].le(1)]
    assert bands(figure.axes[0]) == [(100 * of["lowest"].min(), 100 * of["highest"].max(), 1)]
