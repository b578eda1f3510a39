from base64 import b64decode

import numpy as np

from freeconv.report.gallery import FILTERS, draw_gallery, gallery, kernel_size, kernel_table

RNG = np.random.default_rng(0)


def test_kernels_are_found_again_in_the_gallery():
    # two levels, grid of 2 × 3, kernels of 2 × 2 with three channels, five filters; one level stopped early
    snapshots = {
        0.0: ([0, 1, 9], RNG.normal(size=(3, 6, 12, 5))),
        0.4: ([0, 1], RNG.normal(size=(2, 6, 12, 5))),
    }
    table = kernel_table(snapshots, (2, 3), kernel_size(12, 3))
    assert len(table) == 5 * 6
    assert table.iloc[4][["level", "epoch", "row", "column"]].tolist() == [0, 0, 1, 1]
    assert table["w1_0_2_3"].iloc[4] == np.float32(snapshots[0.0][1][0, 4, (1 * 2 + 0) * 3 + 2, 3])
    shown = gallery(table)
    assert (shown["levels"], shown["epochs"]) == ([0.0, 0.4], ["0", "1", "last"])
    assert (shown["grid"], shown["kernel"], shown["filters"]) == ([2, 3], [2, 2], FILTERS)
    values = np.frombuffer(b64decode(shown["values"]), "int8").reshape(2, 3, 6, 2, 2, 3, FILTERS)
    weights = snapshots[0.4][1][1].reshape(6, 2, 2, 3, 5)[..., 1]
    scale = np.quantile(abs(weights), 0.99)
    assert np.allclose(values[1, 1, ..., 1] / 127, np.clip(weights / scale, -1, 1), atol=0.01)
    assert (values[1, 2] == values[1, 1]).all()  # the last one, again
    figure = draw_gallery(table)
    assert len(figure.axes) == 2 * 3
    assert [axes.get_title() for axes in figure.axes[:3]] == ["untrained", "epoch 1", "epoch last"]


def test_kernels_that_are_not_square_and_weights_that_are_no_numbers():
    assert kernel_size(9, 1) == (3, 3)
    assert kernel_size(27, 3) == (3, 3)
    assert kernel_size(6, 1) == (1, 6)
    lost = {0.0: ([0], np.full((1, 4, 9, 1), np.nan))}
    assert set(b64decode(gallery(kernel_table(lost, (2, 2), (3, 3)))["values"])) == {0}


def test_no_kernels():
    (axes,) = draw_gallery(kernel_table({}, (0, 0), (0, 0))).axes
    assert axes.texts[0].get_text() == "no runs"
