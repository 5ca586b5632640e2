"""An image opened with its neighbours, and a number with its meaning: by pointer and by keyboard alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rendering import render_report
from synthetic_run import HOSTILE, SyntheticRun, write_run
from visiting import Visit, find_near, open_page

OPEN_KEY = "document.getElementById('image-name').textContent"
NEIGHBOURS = "[...document.querySelectorAll('#image-neighbours .tile')].map(tile => tile.title)"
FOCUSED = "document.activeElement.title"


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> SyntheticRun:
    return write_run(tmp_path_factory.mktemp("synthetic"))


@pytest.fixture(scope="module")
def near(synthetic: SyntheticRun) -> dict[str, list[str]]:
    return find_near(synthetic.run.embedding("val"))


@pytest.fixture(scope="module")
def report(synthetic: SyntheticRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_report(synthetic.run, tmp_path_factory.mktemp("page") / "report.html", synthetic.find_image)


@pytest.fixture
def visit(chromium: Any, report: Path) -> Iterator[Visit]:
    opened = open_page(chromium, report, viewport={"width": 1400, "height": 1000})
    opened.page.wait_for_selector("html.plot-drawn")
    yield opened
    assert opened.errors == []
    assert opened.requests == [report.as_uri()]
    opened.page.close()


def test_opened_by_keyboard_with_the_right_neighbours(visit: Visit, near: dict[str, list[str]]) -> None:
    page = visit.page
    first = page.locator('#errors .tile[tabindex="0"]')
    first.focus()
    key = first.get_attribute("title")
    page.keyboard.press("Enter")
    assert page.locator("#image").is_visible()
    assert page.evaluate(OPEN_KEY) == key
    assert page.evaluate(NEIGHBOURS) == near[key]
    page.locator('#image-neighbours .tile[tabindex="0"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    second = near[key][1]
    assert page.evaluate(OPEN_KEY) == second
    assert page.evaluate(NEIGHBOURS) == near[second]
    page.keyboard.press("Tab")  # to Back
    page.keyboard.press("Enter")
    assert page.evaluate(OPEN_KEY) == key
    page.keyboard.press("Escape")
    assert page.locator("#image").is_hidden()
    assert page.evaluate(FOCUSED) == key  # where it was before


def test_the_panel_says_what_was_told(visit: Visit) -> None:
    page = visit.page
    page.locator("#errors .tile").first.click()
    index = page.evaluate(f"report.images.key.indexOf({OPEN_KEY})")
    truth, prediction, confidence = (
        page.evaluate(f"report.images.{column}[{index}]") for column in ("truth", "prediction", "confidence")
    )
    names = page.evaluate("report.names")
    facts = page.inner_text("#image-facts")
    assert names[truth] in facts
    assert f"{names[prediction]} ✗ wrong {min(100 * confidence, 99.9):.1f} %" in facts
    near = page.evaluate(f"report.images.near[{index}].map(other => report.images.truth[other])")
    assert page.inner_text("#image-near-summary").startswith(f"{near.count(truth)} of 6 ")
    assert page.locator("#image-neighbours .wrong").count() == 6 - near.count(truth)


def test_arrow_keys_lead_through_a_gallery_that_is_one_stop(visit: Visit) -> None:
    page = visit.page
    keys = page.eval_on_selector_all("#errors .gallery .tile", "tiles => tiles.map(tile => tile.title)")
    assert page.locator('#errors .gallery .tile[tabindex="0"]').count() == 1
    page.locator("#errors .gallery .tile").first.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == keys[2]
    page.keyboard.press("ArrowUp")
    assert page.evaluate(FOCUSED) == keys[1]
    assert page.locator('#errors .gallery .tile[tabindex="0"]').get_attribute("title") == keys[1]


def test_a_class_shows_its_images_and_a_click_beside_the_panel_closes_it(visit: Visit) -> None:
    page = visit.page
    page.locator("#classes tbody button", has_text=HOSTILE).first.click()
    tiles = page.locator("#class-gallery .tile")
    assert tiles.count() == 15
    tiles.nth(3).click()
    assert page.evaluate(OPEN_KEY) == tiles.nth(3).get_attribute("title")
    page.mouse.click(10, 500)
    assert page.locator("#image").is_hidden()


def test_a_finding_shows_its_images(visit: Visit, synthetic: SyntheticRun) -> None:
    page = visit.page
    keys = synthetic.run.read_json("findings/val.json")["findings"][0]["keys"]
    tiles = page.locator("#findings .finding").first.locator(".tile")
    assert [tiles.nth(i).get_attribute("title") for i in range(tiles.count())] == keys
    assert page.locator("#findings .severity").all_inner_texts() == ["error", "note"]
    tiles.first.click()
    assert page.evaluate(OPEN_KEY) == keys[0]


def test_a_number_tells_its_meaning(visit: Visit, synthetic: SyntheticRun) -> None:
    page = visit.page
    definitions = synthetic.run.read_json("evaluation/val/metrics.json")["definitions"]
    number = page.locator("#verdict h1 a")
    number.focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#definition p") == f"{definitions['accuracy'].capitalize()}."
    page.keyboard.press("Escape")
    assert page.locator("#definition").is_hidden()
    assert number.evaluate("each => each === document.activeElement")
    page.locator("#classes tbody tr").first.locator("td").nth(2).click()
    assert page.inner_text("#definition p") == f"{definitions['recall/wolf']}."
    page.locator("#definition a").click()
    assert page.locator("#definition").is_hidden()
    assert page.evaluate("location.hash") == "#glossary"


def test_inside_the_panel_too(visit: Visit) -> None:
    page = visit.page
    page.locator("#errors .tile").first.click()
    page.locator("#image-neighbours [data-term]").first.click()
    assert "Cosine" in page.inner_text("#definition p")
    page.keyboard.press("Escape")
    assert page.locator("#definition").is_hidden()
    assert page.locator("#image").is_visible()


def test_print_shows_what_paper_can(chromium: Any, report: Path) -> None:
    visit = open_page(chromium, report, color_scheme="dark")
    visit.page.wait_for_selector("html.plot-drawn")
    visit.page.emulate_media(media="print")
    shown = {name: visit.page.locator(name).first.is_visible() for name in ("nav", "#plot", ".static-plot img", "h1")}
    assert shown == {"nav": False, "#plot": False, ".static-plot img": True, "h1": True}
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    visit.page.close()


def test_without_scripts_every_section_is_there(chromium: Any, report: Path) -> None:
    visit = open_page(chromium, report, java_script_enabled=False)
    page = visit.page
    anchors = [link.get_attribute("href") for link in page.locator("nav a").all()]
    assert len(anchors) > 12
    for anchor in anchors:
        section = page.locator(anchor)
        assert section.is_visible(), anchor
        assert len(section.inner_text()) > 40, anchor
    assert page.locator(".js-only:visible").count() == 0
    assert page.locator("#errors .nearest .tile").count() == 7 * page.locator("#errors .card").count()
    page.locator("#verdict h1 a").click()
    assert page.locator("#term-accuracy").is_visible()
    page.close()


def test_a_curve_tells_its_meaning(visit: Visit) -> None:
    page = visit.page
    page.locator("#curves svg").first.click()
    assert page.inner_text("#definition strong") == "Loss"
    page.keyboard.press("Escape")


def test_a_finding_tells_what_to_do(visit: Visit) -> None:
    finding = visit.page.locator("#findings .finding").first
    finding.locator(".explanation summary").click()
    assert finding.locator("h4").all_inner_texts() == ["What it means", "How it is judged", "What to do"]
    assert "`" not in finding.inner_text()
