"""Pages of two tasks in one file: leafed through by tabs, each with its own scripts at work."""

from pathlib import Path
from typing import Any

from synthetic_masks import write_mask_run
from synthetic_run import write_run
from visiting import open_page

from finesight.reporting import make_page, write_book
from finesight.reporting.masks import Originals


def test_chapters_do_not_meet(chromium: Any, tmp_path: Path) -> None:
    synthetic = write_run(tmp_path / "answers")
    masks = write_mask_run(tmp_path, "masks")
    pages = {
        "Digits": make_page(synthetic.run, Originals(synthetic.find_picture, lambda key, size: None)),
        '<img src=x onerror="alert(1)">': make_page(masks.run, masks.originals),
    }
    visit = open_page(chromium, write_book(pages, tmp_path / "book.html"), viewport={"width": 1400, "height": 900})
    page = visit.page
    first, second = (page.frame_locator(f"#chapter-{number}") for number in (1, 2))
    first.locator("#map").wait_for()
    assert not page.locator("#chapter-2").is_visible()
    page.locator("label[for=tab-2]").click()
    assert page.locator("#chapter-2").is_visible()
    assert not page.locator("#chapter-1").is_visible()
    slider = second.locator("#film-epoch")
    slider.focus()
    before = second.locator("#film-at").inner_text()
    slider.press("ArrowLeft")
    assert second.locator("#film-at").inner_text() != before
    second.locator("nav a", has_text="Confusion").click()
    second.locator("#confusion").wait_for()
    assert visit.errors == []
    assert all(url.startswith(("file:", "about:")) for url in visit.requests)
    page.close()
