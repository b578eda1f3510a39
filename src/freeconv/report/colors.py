"""The colours of figures and charts, for light and for dark pages, and how far they stand out from either."""

import re
from collections.abc import Iterable

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgb

# What figures are drawn on.
LIGHT, DARK = "#ffffff", "#15181d"

CONTRAST = 3.0  # of lines and marks, as the Web Content Accessibility Guidelines ask for

# Colours by what they are for, on a light and on a dark page. Nothing is told by colour alone.
TEXT, SOFT, GRID = ("#1c2330", "#e4e7ec"), ("#5a6475", "#a3adba"), ("#e3e5e9", "#2c323b")
BAND = ("#d9dce1", "#3a414c")  # behind lines: the authors' runs, random reassignments
SUPPORTED, CONTRADICTED = ("#17693f", "#7fd6a4"), ("#a8261c", "#ff9d94")

# Of networks and layers, in the order in which they are registered; the first two are the paper's FCN and CNN.
SERIES = [
    ("#0b62ad", "#5cb0f5"),
    ("#bd4b00", "#ff9d57"),
    ("#00755a", "#3fcf9e"),
    ("#a03c7a", "#ea8fc6"),
    ("#7a5c00", "#e0c04a"),
    ("#0e7490", "#5fd3ea"),
    ("#6b4bb8", "#b9a3f5"),
]

# The parts of the colour map of levels that stand out from a light and from a dark page.
LEVELS = "plasma"
LEVEL_RANGES = ((0.0, 0.64), (0.42, 1.0))
STEPS = 11  # the paper's levels


def _level_pairs() -> list[tuple[str, str]]:
    """Return the colours of levels, from the lowest to the highest."""
    light, dark = (
        [to_hex(color) for color in matplotlib.colormaps[LEVELS](np.linspace(*part, STEPS))] for part in LEVEL_RANGES
    )
    return list(zip(light, dark, strict=True))


LEVEL_COLORS = _level_pairs()

# Every colour of figures: that on a light page to that on a dark one.
THEME = dict([TEXT, SOFT, GRID, BAND, SUPPORTED, CONTRADICTED, *SERIES, *LEVEL_COLORS, (LIGHT, DARK)])

# Those of lines, marks and text, which have to stand out.
FOREGROUND = [TEXT, SOFT, SUPPORTED, CONTRADICTED, *SERIES, *LEVEL_COLORS]


def level_colors(levels: Iterable[float]) -> dict[float, str]:
    """Return a colour for each level, for light pages, as far apart as they can be."""
    ordered = sorted(levels)
    places = np.linspace(0, STEPS - 1, len(ordered)).round().astype(int)
    return {level: LEVEL_COLORS[place][0] for level, place in zip(ordered, places, strict=True)}


def variable(color: str) -> str:
    """Return a colour of `THEME` as CSS that follows the page: `var(--c-0b62ad, #0b62ad)`.

    Raises:
        KeyError: it is none of them.
    """
    THEME[color]
    return f"var(--c-{color[1:]}, {color})"


def style_sheet() -> str:
    """Return the CSS variables of all colours: light, and dark where the reader prefers that, but for print."""
    dark = " ".join(f"--c-{light[1:]}: {dark};" for light, dark in THEME.items())
    return f"@media screen and (prefers-color-scheme: dark) {{\n  :root {{ {dark} }}\n}}\n"


def themed(svg: str) -> str:
    """Return an SVG whose colours follow the page that it is part of."""
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: variable(found[0]) if found[0] in THEME else found[0], svg)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21, as the Web Content Accessibility Guidelines define it."""
    low, high = sorted(_luminance(color) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    """Return a colour's relative luminance, from 0 to 1."""
    values = np.array(to_rgb(color))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
