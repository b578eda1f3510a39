import numpy as np
import pytest

from freeconv.report.charts import PALE
from freeconv.report.colors import (
    CONTRAST,
    DARK,
    FOREGROUND,
    LEVEL_COLORS,
    LIGHT,
    SERIES,
    contrast,
    level_colors,
    style_sheet,
    themed,
    variable,
)
from freeconv.report.panels import STYLE

ELEVEN = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # their own example
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")


@pytest.mark.parametrize(("light", "dark"), FOREGROUND)
def test_every_colour_of_lines_and_text_stands_out_on_both_kinds_of_pages(light, dark):
    assert contrast(light, LIGHT) >= CONTRAST
    assert contrast(dark, DARK) >= CONTRAST


def test_lines_behind_the_chosen_ones_stand_out_too():
    def mixed(color, page):
        values = [
            int(color[place : place + 2], 16) * PALE + int(page[place : place + 2], 16) * (1 - PALE)
            for place in (1, 3, 5)
        ]
        return "#" + "".join(f"{round(value):02x}" for value in values)

    for light, dark in SERIES:
        assert contrast(mixed(light, LIGHT), LIGHT) >= CONTRAST
        assert contrast(mixed(dark, DARK), DARK) >= CONTRAST


def test_colours_of_text_and_axes_follow_the_page():
    for name in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"):
        assert variable(STYLE[name]).startswith("var(--c-")


def test_eleven_levels_have_eleven_colours_and_few_are_far_apart():
    colors = level_colors(ELEVEN)
    assert len(set(colors.values())) == 11
    assert list(level_colors([0.4, 0, 0.2]).values()) == [LEVEL_COLORS[place][0] for place in (0, 5, 10)]
    lightness = [contrast(color, LIGHT) for color in colors.values()]
    assert (np.diff(lightness) < 0).all()  # order can be seen without hue, too


def test_a_themed_picture_has_variables_and_other_colours_as_they_are():
    color, other = SERIES[0][0], "#123456"
    assert themed(f'<path style="stroke: {color}; fill: {other}"/>') == (
        f'<path style="stroke: var(--c-{color[1:]}, {color}); fill: {other}"/>'
    )
    assert f"--c-{color[1:]}: {SERIES[0][1]};" in style_sheet()
    with pytest.raises(KeyError):
        variable(other)
