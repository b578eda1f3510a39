import re

from freeconv.report.panels import image_of, new_figure, style
from freeconv.report.svg import for_page


def test_a_picture_fits_a_page_and_its_names_are_its_own():
    with style():
        figure = new_figure(3, 2)
        figure.subplots().plot([0, 1], [0.123456789, 1])
        svg = image_of(figure, "svg").decode()
    shown = for_page(svg, "mine")
    assert shown.startswith("<svg")
    assert "<metadata>" not in shown
    assert "*{" not in shown
    assert all(name.startswith("mine-") for name in re.findall(r'\bid="([^"]+)"', shown))
    assert set(re.findall(r"url\(#([^)]+)\)", shown)) <= set(re.findall(r'\bid="([^"]+)"', shown))
    assert not re.search(r' d="[^"]*\d\.\d{3}', shown)
    opening = shown[: shown.index(">")]
    assert "height=" not in opening
    assert 'aria-hidden="true"' in opening
    assert "px" in opening
