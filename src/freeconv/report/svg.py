"""SVG files made lighter, and to fit a page."""

import re

_WHOLE_PAGE = '<style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>'
_NOT_SEEN = re.compile(r"^.*?(?=<svg\b)|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_OPENING = re.compile(r"<svg\b[^>]*>")
_NAMED = re.compile(r"\bid=\"|href=\"#|url\(#")
_PATH = re.compile(r"(?<= d=\")[^\"]+")
_LONG = re.compile(r"\d+\.\d{3,}")


def for_page(svg: str, name: str) -> str:
    """Return an SVG file's picture as an element of a page, as wide as drawn and at most as the page.

    Metadata is left out, paths are exact to a hundredth of a point, and the style of all elements, which matplotlib
    writes, is that of the picture alone.

    Args:
        svg: content of the file.
        name: of the picture, unlike all others of the page: names inside it begin with it.
    """
    svg = _NOT_SEEN.sub("", svg).replace(_WHOLE_PAGE, "").strip()
    svg = _OPENING.sub(_fitting, svg, count=1)
    svg = _NAMED.sub(lambda found: f"{found[0]}{name}-", svg)
    return _PATH.sub(lambda path: _LONG.sub(_rounded, path[0]), svg)


def _fitting(found: re.Match[str]) -> str:
    """Return the opening tag with its width as a style, and no height."""
    width = re.search(r"\bwidth=\"([\d.]+)(pt)?", found[0])
    tag = re.sub(r"\s(?:width|height|style)=\"[^\"]*\"", "", found[0])
    style = "stroke-linejoin:round;stroke-linecap:butt"
    if width:
        style += f";width:{float(width[1]) * (4 / 3 if width[2] else 1):.0f}px"
    return f'{tag[:-1]} aria-hidden="true" focusable="false" style="{style}">'


def _rounded(number: re.Match[str]) -> str:
    """Return a number with two digits after the point at most."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
