import shutil
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
from freeconv.report.figures import draw_accuracy, draw_distance, draw_swap_accuracy, draw_vcp
from freeconv.report.measure_figures import draw_sharing, draw_transfer
from freeconv.report.panels import draw_samples
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
    frame = pd.read_csv(made[0] / "reports/tables/distance.csv")
    return frame[frame["augmentation"] == "translate"]


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
    """Return the texts of an SVG, which matplotlib writes as comments beside their outlines."""
    return [part.partition("-->")[0].strip() for part in Path(path).read_text().split("<!--")[1:]]


def colors(axes, number):
    return [to_rgb(line.get_color()) for line in axes.lines[:number]]


def test_the_files_are_those_announced(made):
    folder, params = made
    written = {str(path.relative_to(folder)) for path in (folder / "reports/figures").iterdir()}
    assert written == set(study_grid.figure_files(params))
    assert len(written) == (2 * 5 + 1) * 2
    for path in written:
        if path.endswith("png"):
            with Image.open(folder / path) as image:
                assert round(image.info["dpi"][0]) == 150
                assert len(np.unique(np.asarray(image.convert("L")))) > 20
        else:
            assert (folder / path).read_text().startswith("<?xml")
            assert "no runs" not in svg_texts(folder / path)


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


def test_accuracy_shows_fcn_left_cnn_right_and_three_rows(curves):
    figure = draw_accuracy(curves, NETWORKS, LEVELS, "translate")
    grid = np.array(figure.axes).reshape(3, 2)
    assert [axes.get_title() for axes in grid[0]] == ["FCN", "CNN"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == [
        "Training accuracy",
        "Validation accuracy",
        "Translated accuracy",
    ]
    assert grid[2, 0].get_xlabel() == "Epoch"
    for row in grid:
        assert row[0].get_ylim() == row[1].get_ylim()
    for axes, network, metric in ((grid[2, 0], "fcn", "translate_acc"), (grid[0, 1], "cnn", "train_acc")):
        for line, level in zip(axes.lines, LEVELS, strict=True):
            chosen = pick(curves, network=network, metric=metric, level=level)
            assert line.get_ydata().tolist() == chosen["mean"].tolist()
        assert len(axes.collections) == len(LEVELS)
    assert legend(figure) == ["0", "0.2", "0.4"]


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
        assert axes.get_ylim()[0] >= -0.01
        assert axes.get_ylim()[1] <= 1.01


def test_accuracy_leaves_out_what_was_not_run_and_names_it(curves):
    complete = draw_accuracy(curves, NETWORKS, LEVELS, "translate")
    without = draw_accuracy(curves[curves["level"] != 0.2], NETWORKS, LEVELS, "translate")
    assert legend(without) == ["0", "0.4", "not run: 0.2"]
    assert colors(without.axes[0], 2) == [colors(complete.axes[0], 3)[rank] for rank in (0, 2)]
    one_network = curves[(curves["level"] == 0.4) | (curves["network"] == "cnn")]
    assert legend(draw_accuracy(one_network, NETWORKS, LEVELS, "translate")) == [
        *("0", "0.2", "0.4"),
        "FCN not run: 0,\n0.2",
    ]
    no_cnn = draw_accuracy(curves[curves["network"] == "fcn"], NETWORKS, LEVELS, "translate")
    assert [panel_texts(axes) for axes in no_cnn.axes] == [[], ["no runs"]] * 3
    assert legend(no_cnn) == ["0", "0.2", "0.4", "CNN not run: 0,\n0.2, 0.4"]


def test_eleven_levels_have_eleven_colors(curves):
    template = curves.query("level == 0")
    many = pd.concat([template.assign(level=level) for level in ELEVEN])
    shades = np.array(colors(draw_accuracy(many, NETWORKS, ELEVEN, "translate").axes[0], 11))
    apart = np.linalg.norm(shades[:, None] - shades[None], axis=-1)[np.triu_indices(11, 1)]
    assert apart.min() > 0.07
    brightness = shades @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()  # order can be seen without hue, too


def test_missing_connections_have_six_panels_and_a_line_per_share(vcp):
    figure = draw_vcp(vcp, {"fcn": 0, "fcn-vcp-0.3": 0.3, "fcn-vcp-0.99": 0.99})
    assert [axes.get_title() for axes in figure.axes] == [
        *("Training", "Validation", "Translated"),
        *("Rotated", "Noise", "Edge noise"),
    ]
    metrics = ("train_acc", "val_acc", "translate_acc", "rotate_acc", "noise_acc", "edge_noise_acc")
    for axes, metric in zip(figure.axes, metrics, strict=True):
        for line, network in zip(axes.lines, ("fcn", "fcn-vcp-0.3", "fcn-vcp-0.99"), strict=True):
            assert line.get_ydata().tolist() == pick(vcp, network=network, metric=metric)["mean"].tolist()
        assert len(axes.collections) == 3
    assert figure.legends[0].get_title().get_text().startswith("Missing connections")
    assert legend(figure) == ["0", "0.3", "0.99"]


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
        assert swapped.get_ydata().tolist() == pick(level_0, network=network, metric="swap_acc")["mean"].tolist()
        assert plain.get_ydata().tolist() == pick(level_0, network=network, metric="val_acc")["mean"].tolist()
        assert plain.get_linewidth() < swapped.get_linewidth()
        assert plain.is_dashed()
        assert plain.get_color() == swapped.get_color()
    assert len(axes.collections) == 2
    assert legend(figure) == [
        *("FCN, quadrants swapped", "FCN, as they are"),
        *("CNN, quadrants swapped", "CNN, as they are"),
    ]
    assert legend(draw_swap_accuracy(pick(level_0, network="cnn"), NETWORKS))[2:] == ["not run: FCN"]


def test_distance_shows_a_panel_per_radius_with_references(distances):
    figure = draw_distance(distances, LEVELS, "translate", POSITIONS)
    assert [axes.get_title() for axes in figure.axes] == ["Radius 1", "Radius 4"]
    for axes, radius in zip(figure.axes, (1, 4), strict=True):
        *lines, reference, untrained = axes.lines
        assert reference.get_ydata() == pytest.approx([np.sqrt(2 / 81)] * 2)
        assert reference.is_dashed()
        assert panel_texts(axes) == ["independent: √(2/81)"]
        chosen = pick(distances, radius=radius)
        for line, level in zip(lines, LEVELS, strict=True):
            assert line.get_ydata().tolist() == pick(chosen, level=level)["median"].tolist()
            assert line.get_xdata()[0] == 0
        start = sorted(pick(chosen, epoch=0)["median"])[1]  # of three levels
        assert untrained.get_xydata().tolist() == [[0, start]]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_ylabel() == "Mean Euclidean distance"
    assert legend(figure) == ["0", "0.2", "0.4", "untrained"]


def test_distance_shows_a_row_per_measure_and_layer_with_the_radii_that_fit(distances):
    both = pd.concat([distances, distances.assign(measure="cosine", median=0.9)])
    deeper = pick(both, radius=1).assign(layer="free_2", median=0.3)
    figure = draw_distance(pd.concat([both, deeper]), LEVELS, "translate", POSITIONS)
    assert [(axes.get_title(), axes.get_ylabel(), axes.get_xlabel()) for axes in figure.axes] == [
        ("Radius 1", "Layer 1:\nmean Euclidean distance", ""),
        ("Radius 4", "", ""),
        ("", "Layer 1:\nmean cosine distance", ""),
        ("", "", "Epoch (0: untrained)"),
        ("", "Layer 2:\nmean Euclidean distance", ""),
        ("", "Layer 2:\nmean cosine distance", "Epoch (0: untrained)"),
    ]
    assert [panel_texts(axes)[0] for axes in figure.axes] == [
        *["independent: √(2/81)"] * 2,
        *["independent: 1"] * 2,
        *("independent: √(2/25)", "independent: 1"),
    ]
    assert figure.axes[3].lines[-2].get_ydata() == pytest.approx([1, 1])
    assert figure.axes[4].lines[-2].get_ydata() == pytest.approx([np.sqrt(2 / 25)] * 2)


def test_distance_without_a_level_and_without_positions(distances):
    figure = draw_distance(distances[distances["level"] > 0], LEVELS, "translate", {})
    assert legend(figure) == ["0.2", "0.4", "untrained", "not run: 0"]
    assert panel_texts(figure.axes[0]) == []


def test_transfer_shows_a_row_per_network_and_a_column_per_transformation(measures):
    figure = draw_transfer(measures.sample(frac=1, random_state=0), NETWORKS, LEVELS, "translate")
    grid = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_xlabel() for axes in grid[1]] == [
        "Shift to the right (% of width)",
        "Shift down (% of height)",
        "Turn counter-clockwise (degrees)",
    ]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["FCN: accuracy", "CNN: accuracy"]
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
                assert line.get_ydata().tolist() == [values[1] for values in by_setting]  # of three folds
                edges = band.get_paths()[0].vertices[:, 1]
                assert (edges.min(), edges.max()) == (np.min(by_setting), np.max(by_setting))
    assert legend(figure) == ["0", "0.2", "0.4", "limit in training"]


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
    assert legend(figure)[-1] == "FCN not run: 0.2,\n0.4"
    assert not [x for line in figure.axes[0].lines if line.get_marker() == "|" for x in line.get_xdata()]


def test_sharing_shows_distance_by_radius_against_chance(measures):
    figure = draw_sharing(measures, "fcn", LEVELS, "translate", POSITIONS)
    upper = figure.axes[:3]
    assert [axes.get_title() for axes in upper] == ["(a) Layer 1", "Layer 2", "Layer 3"]
    for axes, layer, largest in zip(upper, POSITIONS, (4, 2, 1), strict=True):
        found = pick(measures, network="fcn", measure="euclidean_distance", layer=layer)
        radii = range(1, largest + 1)

        def relative(statistic, level, radius, found=found):
            cell = pick(found, level=level, setting=radius).sort_values("fold")
            mean = pick(cell, statistic="permuted_mean")["value"].to_numpy()
            return pick(cell, statistic=statistic)["value"].to_numpy() / mean

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
    low, high = upper[0].get_ylim()
    observed = [value for axes in upper for line in axes.lines for value in line.get_ydata()]
    assert low < min(observed) <= max(observed) < high
    assert legend(figure) == ["0", "0.2", "0.4", "reassigned\nat random"]


def test_sharing_shows_three_measures_by_level(measures):
    figure = draw_sharing(measures, "fcn", LEVELS, "translate", POSITIONS)
    noise, shared, accuracy = figure.axes[3:]
    assert [axes.get_title()[:3] for axes in figure.axes[3:]] == ["(b)", "(c)", "(d)"]

    def medians(measure, layer, statistic="observed"):
        found = pick(measures, network="fcn", measure=measure, layer=layer, statistic=statistic)
        return [sorted(pick(found, level=level)["value"])[1] for level in LEVELS]  # of three folds

    for line, layer in zip(noise.lines, POSITIONS, strict=True):
        assert line.get_xdata().tolist() == LEVELS
        assert line.get_ydata().tolist() == medians("signal_to_noise", layer, "median")
    upper_edge = noise.collections[0].get_paths()[0].vertices[:, 1].max()
    assert upper_edge == max(medians("signal_to_noise", "free_1", "upper_quartile"))
    lines, references = shared.lines[::2], shared.lines[1::2]
    for line, reference, (layer, positions) in zip(lines, references, POSITIONS.items(), strict=True):
        assert line.get_ydata().tolist() == medians("distance_to_shared", layer)
        assert reference.get_ydata() == pytest.approx([np.sqrt(1 - 1 / positions)] * 2)
        assert reference.is_dashed()
    for line, layer in zip(accuracy.lines, (*POSITIONS, "all", "none"), strict=True):
        assert line.get_ydata().tolist() == medians("shared_acc", layer)
    assert len({line.get_marker() for line in accuracy.lines}) == 5  # not by colour alone
    assert legend(figure, 1)[:5] == ["layer 1", "layer 2", "layer 3", "all layers", "as trained"]


def test_sharing_without_a_level_and_without_positions(measures):
    figure = draw_sharing(measures[measures["level"] != 0.4], "fcn", LEVELS, "translate", {})
    assert legend(figure) == ["0", "0.2", "reassigned\nat random", "not run: 0.4"]
    assert len(figure.axes[4].lines) == 3
    assert {len(line.get_xdata()) for axes in figure.axes[3:] for line in axes.lines} == {2}


def test_nothing_to_draw_is_said(curves, distances, measures):
    figures = [
        draw_accuracy(curves[:0], NETWORKS, LEVELS, "translate"),
        draw_accuracy(curves, NETWORKS, [0.7], "translate"),
        draw_vcp(curves[:0], {"fcn": 0, "fcn-vcp-0.3": 0.3}),
        draw_swap_accuracy(curves[:0], NETWORKS),
        draw_distance(distances[:0], LEVELS, "translate", {}),
        draw_transfer(measures[:0], NETWORKS, LEVELS, "translate"),
        draw_sharing(measures[measures["network"] == "cnn"], "fcn", LEVELS, "translate", POSITIONS),
    ]
    for figure in figures:
        (axes,) = figure.axes
        assert panel_texts(axes) == ["no runs"]
        assert not axes.lines


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
    for figure in ("distance", "sharing"):
        assert any(figure in path for path in written) == (network == "fcn")
    assert not any("no runs" in svg_texts(path) for path in written if path.endswith("svg"))


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
    for name in ("distance", "sharing"):
        assert "not run: 0.4" in texts("translate", name)
    # 13 × 13 and 6 × 6 positions, of images of 28 × 28 pixels
    assert {"independent: √(2/169)", "independent: √(2/36)"} <= set(texts("translate", "distance"))
    for name in ("accuracy", "distance", "transfer", "sharing"):
        assert texts("noise", name) == ["no runs"]
    assert "not run: 0.5" in texts("vcp", "accuracy-0.2")
    assert "0.5" in texts("vcp", "accuracy-0")


def test_level_0_is_measured_once_and_shown_under_every_augmentation(made):
    folder, _ = made
    for augmentation, levels in (("translate", ["0", "0.2", "0.4"]), ("rotate", ["0", "0.1"])):
        texts = svg_texts(folder / paths.figure_file("reports", "mnist-5k", augmentation, "transfer", "svg"))
        assert texts[-len(levels) - 1 :] == [*levels, "limit in training"]


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
    low, high = expected["lowest"].min(), expected["highest"].max()
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
        [("free_1", "cosine", 4, 0.0, epoch, 0.5) for epoch in (0, 1)],
        columns=["layer", "measure", "radius", "level", "epoch", "median"],
    )
    figure = draw_distance(distances, [0], "translate", {}, theirs)
    of = theirs[(theirs["metric"] == "cosine_distance_radius_4") & theirs["epoch"].le(1)]
    assert bands(figure.axes[0]) == [(of["lowest"].min(), of["highest"].max(), 1)]
