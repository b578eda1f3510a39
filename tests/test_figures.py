import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from freeconv import layout, runs
from freeconv.errors import FreeconvError
from freeconv.figures import draw_accuracy, draw_distance, draw_samples, make_figures
from freeconv.tables import make_tables
from study import small_params, write_runs, write_shards, write_study, write_traces

LEVELS = [0, 0.2, 0.4]


@pytest.fixture
def curves(made):
    frame = pd.read_csv(made[0] / "reports/tables/accuracy_by_epoch.csv")
    return frame[frame["augmentation"] == "translate"]


@pytest.fixture
def distances(made):
    frame = pd.read_csv(made[0] / "reports/tables/distance.csv")
    return frame[frame["augmentation"] == "translate"]


def pick(frame, **values):
    for key, value in values.items():
        frame = frame[frame[key] == value]
    return frame


def labels(axes):
    return [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]


def test_the_files_are_those_announced(made):
    folder, params = made
    written = {str(path.relative_to(folder)) for path in (folder / "reports/figures").iterdir()}
    assert written == set(runs.figure_files(params))
    assert len(written) == 2 * 3 * 2
    for path in written:
        if path.endswith("png"):
            with Image.open(folder / path) as image:
                assert round(image.info["dpi"][0]) == 150
                assert len(np.unique(np.asarray(image.convert("L")))) > 20
        else:
            assert (folder / path).read_text().startswith("<?xml")


def test_equal_figures_have_equal_bytes(made, tmp_path, monkeypatch):
    folder, params = made
    monkeypatch.chdir(folder)
    shutil.copytree("reports/tables", tmp_path / "tables")
    only = params.model_copy(update={"aug": params.aug.model_copy(update={"rotate": []})})
    make_figures(only, str(tmp_path))
    for path in runs.figure_files(only):
        assert (tmp_path / Path(path).relative_to("reports")).read_bytes() == Path(path).read_bytes(), path


def test_the_callers_style_is_left_alone(made, tmp_path, monkeypatch, curves):
    before = dict(matplotlib.rcParams)
    folder, params = made
    monkeypatch.chdir(folder)
    shutil.copytree("reports/tables", tmp_path / "tables")
    make_figures(params.model_copy(update={"aug": params.aug.model_copy(update={"rotate": []})}), str(tmp_path))
    assert dict(matplotlib.rcParams) == before


def test_accuracy_shows_fcn_left_cnn_right_and_three_rows(curves):
    figure = draw_accuracy(curves, LEVELS, "translate")
    grid = np.array(figure.axes).reshape(3, 2)
    assert [axes.get_title() for axes in grid[0]] == ["FCN", "CNN"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == [
        "Training accuracy",
        "Validation accuracy",
        "Translated validation accuracy",
    ]
    assert grid[2, 0].get_xlabel() == "Epoch"
    for row in grid:
        assert row[0].get_ylim() == row[1].get_ylim()
    for axes, network, metric in ((grid[2, 0], "fcn", "translate_acc"), (grid[0, 1], "cnn", "train_acc")):
        assert labels(axes) == ["0", "0.2", "0.4"]
        for line, level in zip(axes.lines, LEVELS, strict=True):
            chosen = pick(curves, network=network, metric=metric, level=level)
            assert line.get_ydata().tolist() == chosen["mean"].tolist()
        assert len(axes.collections) == len(LEVELS)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "0.2", "0.4"]


def test_accuracy_with_one_network_one_level_one_epoch(curves):
    one = curves.query("network == 'cnn' and level == 0.2 and epoch == 1")
    figure = draw_accuracy(one, [0.2], "translate")
    assert len(figure.axes) == 3
    line = figure.axes[1].lines[0]
    assert line.get_marker() == "o"  # a line through one point would be invisible
    assert len(line.get_xdata()) == 1


def test_accuracy_axes_do_not_leave_what_is_possible(curves):
    wide = curves.assign(low=curves["mean"] - 3, high=curves["mean"] + 3)
    for axes in draw_accuracy(wide, LEVELS, "translate").axes:
        assert axes.get_ylim()[0] >= -0.01
        assert axes.get_ylim()[1] <= 1.01


def test_distance_shows_a_panel_per_radius_with_the_reference(distances):
    figure = draw_distance(distances, LEVELS, "translate", 81)
    assert [axes.get_title() for axes in figure.axes] == ["Radius 1", "Radius 4"]
    for axes, radius in zip(figure.axes, (1, 4), strict=True):
        *lines, reference = axes.lines
        assert reference.get_ydata() == pytest.approx([np.sqrt(2 / 81)] * 2)
        assert reference.is_dashed()
        assert axes.texts[0].get_text() == "independent: √(2/81)"
        for line, level in zip(lines, LEVELS, strict=True):
            chosen = pick(distances, radius=radius, level=level)
            assert line.get_ydata().tolist() == chosen["median"].tolist()
            assert line.get_xdata()[0] == 0
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_distance_shows_a_row_per_measure(distances):
    both = pd.concat([distances, distances.assign(measure="cosine", median=0.9)])
    figure = draw_distance(both, LEVELS, "translate", 81)
    assert len(figure.axes) == 4
    assert figure.axes[2].get_ylabel() == "Mean cosine distance"
    assert figure.axes[2].lines[-1].get_ydata() == pytest.approx([1, 1])


def test_eleven_levels_have_eleven_colors(curves):
    levels = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]
    template = curves.query("level == 0")
    many = pd.concat([template.assign(level=level) for level in levels])
    colors = np.array([to_rgb(line.get_color()) for line in draw_accuracy(many, levels, "translate").axes[0].lines])
    apart = np.linalg.norm(colors[:, None] - colors[None], axis=-1)[np.triu_indices(11, 1)]
    assert apart.min() > 0.07
    brightness = colors @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()  # order can be seen without hue, too


def test_samples_show_one_image_per_row_and_one_level_per_column():
    samples = np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8, 1), dtype="uint8")
    figure = draw_samples(samples, [0, 0.1, 0.5, 0.99], "translate")
    grid = np.array(figure.axes).reshape(3, 4)
    assert [axes.get_title() for axes in grid[0]] == ["0", "0.1", "0.5", "0.99"]
    assert np.array_equal(grid[2, 1].images[0].get_array(), samples[2, 1, ..., 0])
    assert grid[2, 1].images[0].get_clim() == (0, 255)


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
    assert written == set(runs.figure_files(params))
    assert any("distance" in path for path in written) == (network == "fcn")


def test_names_what_is_missing(project):
    params = small_params(aug={"translate": [0, 0.2]})
    with pytest.raises(FreeconvError, match=r"accuracy_by_epoch\.csv: .*run `freeconv tables` first"):
        make_figures(params)
    write_runs(params)
    write_traces(params)
    write_shards(params)
    make_tables(params)
    shard = Path(layout.shard_file("mnist-5k", "translate", 0.2, 0))
    shard.unlink()
    with pytest.raises(FreeconvError, match=str(shard)):
        make_figures(params)
