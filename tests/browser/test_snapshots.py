"""Masks through training in a browser: one slider moves all, by keyboard, and nothing leaves the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rendering import render_comparison, render_report
from synthetic_masks import MaskRun, write_mask_run
from visiting import Visit, open_page

EPOCHS = "[...document.querySelectorAll('.strip .at')].map(each => Number(each.textContent))"
SHOWN = "[...document.querySelectorAll('.strip .frame')].map(each => each.src)"
KEPT = "at => report.snapshots.strips.map(strip => strip.masks[Math.min(at, strip.masks.length - 1)])"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[MaskRun, MaskRun]:
    folder = tmp_path_factory.mktemp("masks")
    return write_mask_run(folder, "baseline"), write_mask_run(folder, "improved", 6, 0.97, network="fcn8s")


@pytest.fixture(scope="module")
def pages(runs: tuple[MaskRun, MaskRun], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, first = tmp_path_factory.mktemp("pages"), runs[0]
    find_image, read_truth = first.originals.find_image, first.originals.read_truth
    return {
        "one": render_report(first.run, folder / "one.html", find_image, read_truth=read_truth),
        "both": render_comparison([made.run for made in runs], folder / "both.html", first.originals),
    }


@pytest.fixture(params=["one", "both"])
def visit(chromium: Any, pages: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Visit]:
    opened = open_page(chromium, pages[request.param], viewport={"width": 1400, "height": 1000})
    yield opened
    assert opened.errors == []
    assert opened.requests == [pages[request.param].as_uri()]
    opened.page.close()


def test_arrow_keys_move_every_frame(visit: Visit) -> None:
    page = visit.page
    last = page.evaluate(EPOCHS)
    page.focus("#snapshot-epoch")
    page.keyboard.press("Home")
    assert set(page.evaluate(EPOCHS)) == {1}
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert set(page.evaluate(EPOCHS)) == {3}
    assert page.evaluate(SHOWN) == page.evaluate(KEPT, 2)
    assert page.text_content("#snapshot-at") == "3"
    assert page.get_attribute("#snapshot-epoch", "aria-valuetext") == "epoch 3"
    miou = page.evaluate("report.snapshots.strips.map(strip => strip.miou[2].toFixed(3))")
    assert page.eval_on_selector_all(".strip .miou", "all => all.map(one => one.textContent)") == miou
    page.keyboard.press("End")  # a shorter film stands at its last frame
    assert page.evaluate(EPOCHS) == last


def test_what_changed_is_shown_and_taken_away(visit: Visit) -> None:
    page = visit.page
    veils = page.locator(".strip .changed")
    page.focus("#snapshot-changed")
    page.keyboard.press("Enter")
    assert veils.first.is_visible()
    assert veils.first.evaluate("each => each.naturalWidth") == 48
    page.focus("#snapshot-epoch")
    page.keyboard.press("Home")
    assert not veils.first.is_visible()  # nothing is before the first frame
    page.keyboard.press("ArrowRight")
    assert veils.first.evaluate("each => each.src") == page.evaluate("report.snapshots.strips[0].changed[1]")
    page.click("#snapshot-changed")
    assert not veils.first.is_visible()


def test_tip_of_the_confusion_counts_pixels(chromium: Any, pages: dict[str, Path]) -> None:
    visit = open_page(chromium, pages["one"], viewport={"width": 1400, "height": 1000})
    cell = visit.page.locator('.matrix .cell[data-truth="0"][data-prediction="0"]')
    cell.hover()
    assert "pixels" in visit.page.text_content("#tip")
    cell.click()
    assert visit.errors == []
    visit.page.close()


def test_an_image_with_its_masks_enlarges(chromium: Any, pages: dict[str, Path]) -> None:
    visit = open_page(chromium, pages["both"], viewport={"width": 1400, "height": 1000})
    page = visit.page
    button = page.locator(".mask-row .enlarge").first
    button.focus()
    small = page.locator(".mask-row img").first.bounding_box()["width"]
    page.keyboard.press("Enter")
    assert page.text_content("#enlarged-name") == page.locator(".mask-row .key").first.text_content()
    assert page.locator("#enlarged img").first.bounding_box()["width"] > 1.5 * small
    page.keyboard.press("Escape")
    assert page.locator("#enlarged").is_hidden()
    assert visit.errors == []
    page.close()


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("name", ["one", "both"])
def test_no_sideways_scrolling(chromium: Any, pages: dict[str, Path], width: int, name: str) -> None:
    visit = open_page(chromium, pages[name], viewport={"width": width, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width
    assert visit.page.locator("img[src=x]").count() == 0
    visit.page.close()


def test_without_scripts_the_table_is_there(chromium: Any, pages: dict[str, Path]) -> None:
    visit = open_page(chromium, pages["one"], java_script_enabled=False)
    assert visit.page.locator("#snapshot-epoch").is_hidden()
    assert visit.page.locator(".snapshot-table img").count() == 3 * 6  # image, truth, four epochs
    assert visit.page.locator(".snapshot-table img").first.is_visible()
    visit.page.close()
