from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from freeconv.analysis.distance import kernel_distance
from freeconv.commands.drawings import first_grid, make_drawings, sample_image
from freeconv.errors import FreeconvError
from freeconv.images import swap_quadrants
from freeconv.report.illustrations import (
    LEVELS,
    draw_classes,
    draw_free_layer,
    draw_levels,
    draw_radii,
    draw_swap,
    missing_connections,
    ring,
)
from freeconv.storage.dataset_file import read_dataset
from freeconv.study import grid as study_grid
from freeconv.study.jobs import DataConfig
from freeconv.study.params import check_params
from tests.made_study import write_data


def random_image(shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def shown(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_the_files_are_those_announced_and_equal_drawings_have_equal_bytes(project):
    write_data("mnist-5k")
    write_data("small", (15, 15, 3))
    Path("small").mkdir()
    both, one = (
        check_params({"data": {"datasets": datasets, "folders": {"small": "small"}}})
        for datasets in (["small", "mnist-5k"], ["small"])
    )
    style = dict(matplotlib.rcParams)
    make_drawings(both)
    make_drawings(one, "again")
    assert dict(matplotlib.rcParams) == style
    assert {str(path) for path in Path("reports").rglob("*.*")} == set(study_grid.drawing_files(both))
    assert len(study_grid.drawing_files(both)) == 2 * (2 * 6 + 2)
    assert "reports/drawings/mnist-5k-edge_noise.svg" in study_grid.drawing_files(both)
    for path in study_grid.drawing_files(both):
        if path.endswith("pdf"):
            assert Path(path).read_bytes().endswith(b"%%EOF\n")
        else:
            assert Path(path).read_text().startswith("<?xml")
    for path in study_grid.drawing_files(one, "again"):
        assert Path(path).read_bytes() == Path("reports", Path(path).relative_to("again")).read_bytes(), path
    radii = Path("reports/drawings/radii.svg").read_text()
    assert "at radius 1 of it: 8" in radii
    assert "at radius 4" not in radii  # 7 × 7 positions of the first dataset: it does not fit


def test_names_the_dataset_that_is_missing(project):
    with pytest.raises(FreeconvError, match=r"^data/mnist-5k\.h5: .*does not exist"):
        make_drawings(check_params({}))


def test_the_sample_is_the_first_five(project):
    images = write_data("mnist-5k")
    image = sample_image(read_dataset("data/mnist-5k.h5", DataConfig(dataset="mnist-5k", seed=0, limit=None)))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, images[1] / 255, atol=1e-6)


def test_the_sample_is_the_first_image_where_there_are_few_classes(project):
    images = write_data("cats", labels=(1, 0, 1))
    image = sample_image(read_dataset("data/cats.h5", DataConfig(dataset="cats", seed=0, limit=None)))
    np.testing.assert_allclose(image, images[0] / 255, atol=1e-6)


@pytest.mark.parametrize("augmentation", ["translate", "rotate", "noise", "edge_noise"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_levels_are_eleven_lettered_panels_that_begin_with_the_image(augmentation, shape):
    image = random_image(shape)
    panels = draw_levels(image, augmentation, LEVELS, 0, None).axes
    assert [axes.get_title() for axes in panels] == [
        *("(a) 0", "(b) 0.1", "(c) 0.2", "(d) 0.3", "(e) 0.4", "(f) 0.5", "(g) 0.6", "(h) 0.7", "(i) 0.8", "(j) 0.9"),
        "(k) 0.99",
    ]
    np.testing.assert_array_equal(shown(panels[0]), np.squeeze(image))
    assert all(not np.array_equal(shown(axes), np.squeeze(image)) for axes in panels[1:])


def test_translation_is_to_the_left_by_exactly_the_level():
    image = random_image((12, 10, 3))
    for axes, pixels in zip(draw_levels(image, "translate", [0, 0.1, 0.7], 0, None).axes, (0, 1, 7), strict=True):
        expected = np.concatenate([image[:, pixels:], np.repeat(image[:, -1:], pixels, axis=1)], axis=1)
        np.testing.assert_allclose(shown(axes), expected, atol=1e-5)


def test_rotation_is_clockwise_by_exactly_the_level():
    image = random_image((12, 12, 3))
    for quarters, axes in enumerate(draw_levels(image, "rotate", [0, 0.25, 0.5, 0.75], 0, None).axes):
        np.testing.assert_allclose(shown(axes), np.rot90(image, -quarters), atol=1e-5)


def test_rotation_has_the_form_of_the_study():
    image = random_image((12, 12, 3))
    half = shown(draw_levels(image, "rotate", [0.5], 0, "keras-2018").axes[0])
    np.testing.assert_allclose(half[2:, 2:], np.rot90(image, 2)[:-2, :-2], atol=1e-5)


def test_noise_grows_with_the_level_and_is_the_same_otherwise():
    image = np.full((40, 40, 3), 0.5, np.float32)
    panels = draw_levels(image, "noise", [0, 0.05, 0.1], 0, None).axes
    weak, strong = (shown(axes) - image for axes in panels[1:])
    assert strong.std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(strong, 2 * weak, atol=1e-6)
    other = shown(draw_levels(image, "noise", [0.1], 1, None).axes[0])
    assert not np.array_equal(other - image, strong)


@pytest.mark.parametrize(
    ("form", "columns"), [(None, slice(5, -5)), ("border", slice(5, -5)), ("authors", slice(None))]
)
def test_edge_noise_has_the_form_of_the_study(form, columns):
    image = np.full((28, 28, 3), 0.5, np.float32)
    changed = shown(draw_levels(image, "edge_noise", [0.1], 0, form).axes[0]) != image
    border = np.ones_like(changed)
    border[5:-5, columns] = False
    np.testing.assert_array_equal(changed, border)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_swap_shows_the_image_and_what_the_evaluation_makes_of_it(shape):
    image = random_image(shape)
    left, right = draw_swap(image).axes
    np.testing.assert_array_equal(shown(left), np.squeeze(image))
    np.testing.assert_array_equal(shown(right), np.squeeze(swap_quadrants(image[None])[0]))
    assert [text.get_text() for axes in (left, right) for text in axes.texts] == ["I", "III", "III", "I"]
    assert [axes.get_title() for axes in (left, right)] == ["(a) Image", "(b) I and III swapped"]


def test_missing_connections_are_the_inputs_that_a_real_layer_does_not_see():
    from freeconv.layers import FreeConv2D

    layer = FreeConv2D(1, 3, strides=3, vcp=0.3, seed=4)
    single_inputs = np.eye(81, dtype="float32").reshape(81, 9, 9, 1)
    outputs = np.asarray(layer(single_inputs)).reshape(81, 9)
    missing = missing_connections(0.3, seed=4)
    np.testing.assert_array_equal(missing, (outputs == 0).all(axis=1).reshape(9, 9))
    assert 0 < missing.sum() < 81


def test_missing_connections_follow_probability_and_seed():
    assert not missing_connections(0, 0).any()
    many = np.stack([missing_connections(0.15, seed) for seed in range(40)])
    assert many.mean() == pytest.approx(0.15, abs=0.025)
    assert (many.mean(axis=0) > 0).mean() > 0.9
    with pytest.raises(ValueError, match=r"`vcp`.*Received: vcp=1\.5"):
        missing_connections(1.5, 0)


def test_the_free_layer_shows_its_connections_and_counts_the_missing_ones():
    missing = missing_connections(0.15, 3)
    left, right = draw_free_layer(0.15, 3).axes
    count = int(missing.sum())
    assert right.get_title() == f"(b) {count} of 81 connections missing ({100 * count / 81:.0f} %)"
    for axes, absent in ((left, 0), (right, count)):
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        connections = [line for line in axes.lines if line.get_marker() != "x"]
        assert len(crosses) == absent
        assert len(connections) == 81 - absent
        outputs = {tuple(np.round(line.get_xydata()[1], 6)): to_rgb(line.get_color()) for line in connections}
        assert len(outputs) == 9
        assert len(set(outputs.values())) == 9  # a colour for every position's kernel


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_the_ring_is_what_kernel_distance_compares(radius):
    side = 2 * radius + 1  # the smallest grid with an interior position: only the middle one
    compared = np.zeros((side, side), bool)
    for row, column in np.ndindex(side, side):
        kernels = np.zeros((side, side, 1, 1))
        kernels[row, column] = 1
        distance = kernel_distance(kernels.reshape(-1, 1, 1), (side, side), radius)
        compared[row, column] = distance > 0 and (row, column) != (radius, radius)
    np.testing.assert_array_equal(ring((side, side), radius), compared)
    assert compared.sum() == 8 * radius


@pytest.mark.parametrize(("grid", "middle"), [((13, 13), (6, 6)), ((14, 14), (7, 7)), ((9, 12), (4, 6))])
def test_the_ring_lies_whole_around_the_middle(grid, middle):
    rows, columns = (slice(center - 4, center + 5) for center in middle)
    np.testing.assert_array_equal(ring(grid, 4)[rows, columns], ring((9, 9), 4))
    assert ring(grid, 4).sum() == 32


@pytest.mark.parametrize("radius", [0, 7])
def test_a_radius_that_does_not_fit_is_refused(radius):
    with pytest.raises(ValueError, match=f"^radius: expected 1 to 6 on a grid of 13 × 13. Received: {radius}$"):
        draw_radii((13, 13), [1, radius])


def test_radii_are_marked_around_a_cross():
    figure = draw_radii((13, 13), [1, 4])
    (axes,) = figure.axes
    assert axes.get_title() == "13 × 13 positions"
    assert axes.lines[0].get_xydata().tolist() == [[6.5, 6.5]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "a kernel",
        "at radius 1 of it: 8",
        "at radius 4 of it: 32",
    ]
    cells = [patch for patch in axes.patches if to_rgb(patch.get_facecolor()) != (1, 1, 1)]
    marked = np.zeros((13, 13), bool)
    for cell in cells:
        marked[cell.get_y(), cell.get_x()] = True
    np.testing.assert_array_equal(marked, ring((13, 13), 1) | ring((13, 13), 4))


def test_the_grid_is_that_of_the_first_layer():
    # √(2/169) = 0.1088, the untrained distance of the paper's Figure 5
    for shape, grid in (((28, 28, 1), (13, 13)), ((32, 32, 3), (14, 14)), ((20, 40, 1), (9, 19))):
        assert first_grid(shape) == grid


@pytest.mark.parametrize(
    ("names", "rows", "note"),
    [
        (["a", "b"], 2, None),
        (["$x_1$", "a class with a very long name", "c"], 3, None),
        ([f"class {n}" for n in range(50)], 40, "and 10 more classes"),
    ],
)
def test_the_contact_sheet_has_a_row_for_each_class(names, rows, note):
    rng = np.random.default_rng(0)
    samples = {name: rng.integers(0, 256, (1 + n % 8, 9, 7, 3), np.uint8) for n, name in enumerate(names)}
    figure = draw_classes(samples)
    panels = [axes for axes in figure.axes if axes.images]
    assert len(figure.axes) == 8 * rows
    assert len(panels) == sum(len(samples[name]) for name in names[:rows])
    np.testing.assert_array_equal(shown(figure.axes[0]), samples[names[0]][0])
    texts = [axes.texts[0].get_text() for axes in figure.axes if axes.texts]
    assert texts == [name if len(name) <= 16 else "a class with a …" for name in names[:rows]]
    assert (figure.get_supxlabel() or None) == note
    figure.canvas.draw()
