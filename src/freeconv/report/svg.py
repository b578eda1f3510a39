"""Pictures as part of a page: SVG files made to stand in one document, their text as text."""

import re

_HEAD = re.compile(r"^.*?(?=<svg\b)|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_STYLE_OF_ALL = re.compile(r"<style type=\"text/css\">\*\{(?P<rules>[^}]*)\}</style>")
_SIZE = re.compile(r"<svg\b[^>]*>")
_NAMED = re.compile(r"(?P<before>\bid=\"|href=\"#|url\(#)(?P<name>[^\")]+)")
_PATH = re.compile(r"(?<= d=\")[^\"]+")
_LONG = re.compile(r"\d+\.\d{3,}")


def inline_svg(text: str, name: str) -> str:
    """Return an SVG file's picture as an element of a page.

    It has no header and no metadata, its width is that of the page, names inside it are its own, and its paths are
    exact to a hundredth of a pixel.

    Args:
        text: content of the file.
        name: of the picture, unlike all others of the page.
    """
    text = _HEAD.sub("", text).strip()
    text = _STYLE_OF_ALL.sub("", text)  # would be the style of the whole page
    text = _SIZE.sub(_responsive, text, count=1)
    text = _NAMED.sub(lambda found: f"{found['before']}{name}-{found['name']}", text)
    return _PATH.sub(lambda path: _LONG.sub(_rounded, path[0]), text)


def _responsive(found: re.Match[str]) -> str:
    """Return the opening tag with a style in the place of a size: as wide as drawn, at most as the page."""
    tag = found[0]
    width = re.search(r"\bwidth=\"([\d.]+)(pt|px)?\"", tag)
    tag = re.sub(r"\s(?:width|height|style)=\"[^\"]*\"", "", tag)
    pixels = 0.0 if width is None else float(width[1]) * (4 / 3 if width[2] == "pt" else 1)
    size = f' style="width:{pixels:.0f}px"' if pixels else ""
    return f'{tag[:-1]} aria-hidden="true" focusable="false"{size}>'


def _rounded(number: re.Match[str]) -> str:
    """Return a number with two digits after the point at most."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
