"""The map of a segmentation in a browser: the right image under the pointer, and its neighbours in the panel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rendering import render_report
from synthetic_masks import MaskRun, write_mask_run
from test_image import NEIGHBOURS, OPEN_KEY
from test_report import LOCATE, LONELIEST
from visiting import Visit, find_near, visit_map

from finesight.analysis.evidence import read_evidence
from finesight.analysis.features import load_features
from finesight.tasks import find_task

NUM_IMAGES = 20  # fewer have no projection


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MaskRun:
    return write_mask_run(tmp_path_factory.mktemp("masks"), count=NUM_IMAGES)


@pytest.fixture(scope="module")
def near(made: MaskRun) -> dict[str, list[str]]:
    return find_near(made.run.embedding("val"))


@pytest.fixture(scope="module")
def report(made: MaskRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    originals = made.originals
    out = tmp_path_factory.mktemp("page") / "report.html"
    return render_report(made.run, out, originals.find_image, read_truth=originals.read_truth)


@pytest.fixture
def visit(chromium: Any, report: Path) -> Iterator[Visit]:
    with visit_map(chromium, report) as opened:
        yield opened


def test_hover_shows_the_image_and_how_much_of_it_is_right(visit: Visit, made: MaskRun) -> None:
    page = visit.page
    dot = page.evaluate(LONELIEST)
    page.mouse.move(*page.evaluate(LOCATE, dot))
    page.wait_for_selector("#tip:not([hidden])")
    key = load_features(made.run.embedding("val")).keys[dot]
    assert page.text_content("#tip .key") == key
    evaluation = read_evidence(made.run, "val", find_task(made.run)).evaluation
    assert evaluation is not None
    (right,) = (image.fraction_right for image in evaluation.images if image.key == key)
    assert f"{100 * right:.1f} % correct" in page.inner_text("#tip")


def test_a_dot_opens_its_image_with_its_neighbours(visit: Visit, near: dict[str, list[str]]) -> None:
    page = visit.page
    page.mouse.click(*page.evaluate(LOCATE, page.evaluate(LONELIEST)))
    key = page.evaluate(OPEN_KEY)
    assert page.evaluate(NEIGHBOURS) == near[key]
    facts = page.inner_text("#image-facts")
    assert "mostly meadow" in facts
    assert "✗" not in facts
    assert page.inner_text("#image-near-summary") == "6 of 6 have mostly the same class."


@pytest.mark.parametrize("section", ["best", "worst", "snapshots", "labels"])
def test_every_gallery_leads_to_neighbours(visit: Visit, near: dict[str, list[str]], section: str) -> None:
    page = visit.page
    button = page.locator(f"#{section} .nearby").first
    shown = button.locator("xpath=..").locator(".key").inner_text()
    button.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(OPEN_KEY) == shown
    assert page.evaluate(NEIGHBOURS) == near[shown]
    page.keyboard.press("Escape")
    assert page.locator("#enlarged").is_hidden()


def test_what_is_selected_is_images(visit: Visit) -> None:
    page = visit.page
    page.click('button[data-tool="box"]')
    box = page.locator("#plot").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4, steps=6)
    page.mouse.up()
    assert page.inner_text("#projection-gallery h3") == f"Selected: {NUM_IMAGES} images"
