"""The pages of a study are whole in a browser without a network."""

import pytest


@pytest.mark.parametrize("name", ["index", "measures", "runs"])
def test_a_page_asks_for_nothing_and_shows_all_its_pictures(browser, made, name):
    folder, _ = made
    page = browser.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((folder / f"reports/{name}.html").as_uri(), wait_until="load")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert errors == []
    assert page.title()
    missing = page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)")
    assert missing == []
    page.close()
