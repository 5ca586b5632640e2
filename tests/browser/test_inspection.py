"""The page of `finesight inspect` in a browser: it opens without a word, and its images and tables work."""

from pathlib import Path
from typing import Any

from visiting import open_page

from finesight import inspect


def test_the_page_opens_and_sorts(chromium: Any, images: Path, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    codes = [problem.code for problem in inspect(images, html=file).problems]
    visit = open_page(chromium, file)
    assert visit.page.locator("section").count() == 2 + len(codes)  # data, samples
    for code in codes:
        visit.page.click(f'nav a[href="#{code}"]')
    names = visit.page.locator("tbody .name")
    assert names.all_inner_texts() == ["blue", "green", "red"]
    visit.page.click("th >> text=Class")
    visit.page.click("th >> text=Class")
    assert names.all_inner_texts() == ["red", "green", "blue"]
    visit.page.set_viewport_size({"width": 390, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 390
    assert not visit.errors
    assert visit.requests == [file.as_uri()]
