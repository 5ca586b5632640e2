"""The report in a browser: what a reader does with it, and what it must never do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rendering import render_report
from synthetic_run import HOSTILE, NAMES, SyntheticRun, write_run
from visiting import Visit, open_page, visit_map

# Where a dot is on the screen, from the plot's own scales.
LOCATE = """dot => {
  const view = Bokeh.index.roots[0];
  const source = view.model.document.get_model_by_name("samples");
  const box = document.getElementById("plot").getBoundingClientRect();
  const border = document.getElementById("plot").clientLeft;
  return [box.left + border + view.frame.x_scale.compute(source.data.x[dot]),
          box.top + border + view.frame.y_scale.compute(source.data.y[dot])];
}"""
# The dot that lies farthest from all others, so that pointing at it is unambiguous.
LONELIEST = """() => {
  const { x, y } = Bokeh.index.roots[0].model.document.get_model_by_name("samples").data;
  const gap = (i, j) => (i === j ? Infinity : Math.hypot(x[i] - x[j], y[i] - y[j]));
  const room = [...x].map((_, i) => Math.min(...[...x].map((_, j) => gap(i, j))));
  return room.indexOf(Math.max(...room));
}"""


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> SyntheticRun:
    return write_run(tmp_path_factory.mktemp("synthetic"))


@pytest.fixture(scope="module")
def keys(synthetic: SyntheticRun) -> list[str]:
    return [key for key, _ in synthetic.run.read_splits()["val"]]


@pytest.fixture(scope="module")
def report(synthetic: SyntheticRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_report(synthetic.run, tmp_path_factory.mktemp("page") / "report.html", synthetic.find_image)


@pytest.fixture
def visit(chromium: Any, report: Path) -> Iterator[Visit]:
    with visit_map(chromium, report) as opened:
        yield opened


def drag_over_plot(page: Any) -> None:
    box = page.locator("#plot").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4, steps=6)
    page.mouse.up()


def shown_keys(page: Any, gallery: str) -> list[str]:
    return page.eval_on_selector_all(f"{gallery} .card", "cards => cards.map(card => card.dataset.key)")  # type: ignore[no-any-return]


def test_no_error_no_dialog_no_request(visit: Visit, report: Path) -> None:
    drag_over_plot(visit.page)
    assert visit.errors == []
    assert visit.requests == [report.as_uri()]


def test_hover_shows_the_image_under_the_pointer(visit: Visit, keys: list[str]) -> None:
    page = visit.page
    dot = page.evaluate(LONELIEST)
    page.mouse.move(*page.evaluate(LOCATE, dot))
    page.wait_for_selector("#tip:not([hidden])")
    assert page.text_content("#tip .key") == keys[dot]
    place = page.evaluate("dot => report.images.place[dot]", dot)
    style = page.get_attribute("#tip .tile", "style")
    assert style.replace(" ", "") == f"--x:{place[1]};--y:{place[2]};"
    assert page.evaluate("getComputedStyle(document.querySelector('#tip .tile')).backgroundImage").startswith(
        'url("data:image/webp'
    )


def test_sprite_shows_the_colours_of_its_image(visit: Visit, synthetic: SyntheticRun, keys: list[str]) -> None:
    """From file through sheet, place and CSS to the screen."""
    import io

    import numpy as np
    from PIL import Image

    tile = visit.page.locator("#errors .tile").first
    key = tile.get_attribute("title")
    seen = np.asarray(Image.open(io.BytesIO(tile.screenshot())).convert("RGB"), float)
    image = Image.open(synthetic.images / key)
    side = min(image.size)
    left = (image.width - side) // 2
    expected = np.asarray(image.crop((left, 0, left + side, side)).resize(seen.shape[1::-1]), float)
    assert np.abs(seen - expected)[8:-8, 8:-8].mean() < 12


def test_muting_a_class_takes_its_dots_away(visit: Visit, keys: list[str]) -> None:
    page = visit.page
    page.click('button[data-tool="box"]')
    page.click('.class-list button[data-class="2"]')
    drag_over_plot(page)
    page.wait_for_selector("#projection-gallery:not([hidden])")
    assert sorted(shown_keys(page, "#projection-gallery")) == sorted(
        key for key in keys if not key.startswith("class 2/")
    )
    page.click('button[data-classes="none"]')
    assert page.locator("#projection-gallery").is_hidden()
    page.click('button[data-classes="all"]')
    drag_over_plot(page)
    assert sorted(shown_keys(page, "#projection-gallery")) == sorted(keys)


def test_only_mistakes(visit: Visit) -> None:
    page = visit.page
    page.click("#only-errors")
    page.click('button[data-tool="lasso"]')
    box = page.locator("#plot").bounding_box()
    corners = [(4, 4), (box["width"] - 4, 4), (box["width"] - 4, box["height"] - 4), (4, box["height"] - 4), (4, 6)]
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    page.mouse.up()
    page.wait_for_selector("#projection-gallery:not([hidden])")
    wrong = page.eval_on_selector_all("#errors .key", "all => all.map(one => one.textContent)")
    assert sorted(shown_keys(page, "#projection-gallery")) == sorted(wrong)


def test_lasso_lists_what_it_holds_and_nothing_else(visit: Visit, keys: list[str]) -> None:
    page = visit.page
    page.click('button[data-tool="lasso"]')
    dots = [page.evaluate(LOCATE, dot) for dot in range(len(keys))]
    across = sorted(x for x, _ in dots)
    middle = len(dots) // 3
    edge = (across[middle - 1] + across[middle]) / 2  # a third of the dots lies left of it
    box = page.locator("#plot").bounding_box()
    left, top, bottom = box["x"] + 4, box["y"] + 4, box["y"] + box["height"] - 4
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in [(edge, top), (edge, bottom), (left, bottom), (left, top + 2)]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()
    page.wait_for_selector("#projection-gallery:not([hidden])")
    inside = [key for key, (x, _) in zip(keys, dots, strict=True) if x < edge]
    assert len(inside) == middle
    assert sorted(shown_keys(page, "#projection-gallery")) == sorted(inside)


def test_click_on_a_dot_opens_its_image(visit: Visit, keys: list[str]) -> None:
    page = visit.page
    dot = page.evaluate(LONELIEST)
    page.mouse.move(*page.evaluate(LOCATE, dot))
    page.wait_for_selector("#tip:not([hidden])")
    page.mouse.down()
    page.mouse.up()
    assert page.text_content("#image-name") == keys[dot]
    assert page.locator("#image").is_visible()


def test_click_on_a_cell_shows_its_images(visit: Visit, keys: list[str]) -> None:
    page = visit.page
    cell = page.locator('.matrix .cell[data-truth="2"][data-prediction="2"]')
    cell.hover()
    assert page.text_content("#tip strong") == HOSTILE
    assert cell.get_attribute("data-count") in page.text_content("#tip .soft")
    cell.click()
    found = shown_keys(page, "#cell-gallery")
    assert len(found) == int(cell.get_attribute("data-count"))
    assert all(key.startswith("class 2/") for key in found)


def test_confusion_button_works_by_keyboard(visit: Visit) -> None:
    button = visit.page.locator(".frequent button.link").first
    button.focus()
    visit.page.keyboard.press("Enter")
    assert len(shown_keys(visit.page, "#cell-gallery")) == int(visit.page.text_content(".frequent td:nth-child(2)"))


def test_table_sorts_both_ways(visit: Visit) -> None:
    page = visit.page
    column = "#classes tbody tr td:nth-child(5)"
    values = f"[...document.querySelectorAll('{column}')].map(cell => Number(cell.dataset.value))"
    page.click("#classes thead th:nth-child(5) button")
    assert page.evaluate(values) == sorted(page.evaluate(values), reverse=True)
    page.click("#classes thead th:nth-child(5) button")
    assert page.evaluate(values) == sorted(page.evaluate(values))
    page.click("#classes thead th:nth-child(1) button")
    names = page.eval_on_selector_all("#classes tbody th .name", "all => all.map(one => one.textContent)")
    assert set(names) == set(NAMES)
    assert names.index("grey fox") < names.index("wolf")


def test_matrix_order_can_be_changed(visit: Visit) -> None:
    page = visit.page
    buttons = page.locator("button[data-order]")
    if not buttons.count():
        pytest.skip("close classes already stand side by side in the class list")
    page.click('button[data-order="list"]')
    at = "i => document.querySelector(`.row-label[data-class='${i}']`).getBoundingClientRect().top"
    tops = [page.evaluate(at, index) for index in range(len(NAMES))]
    assert tops == sorted(tops)


def test_hostile_class_name_does_nothing(visit: Visit) -> None:
    page = visit.page
    page.click('button[data-tool="box"]')
    drag_over_plot(page)
    page.locator('.matrix .cell[data-truth="2"]').first.click()
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("[onerror]").count() == 0
    assert HOSTILE in page.text_content(".class-list")
    assert visit.errors == []


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_sideways_scrolling(chromium: Any, report: Path, width: int, scheme: str) -> None:
    visit = open_page(chromium, report, viewport={"width": width, "height": 800}, color_scheme=scheme)
    visit.page.wait_for_selector("html.plot-drawn")
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width
    ink, paper = visit.page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        ".map(text => Number(text.match(/\\d+/)[0]))"
    )
    assert (ink < paper) == (scheme == "light")
    visit.page.close()


def test_without_scripts_everything_is_there(chromium: Any, report: Path) -> None:
    visit = open_page(chromium, report, java_script_enabled=False)
    page = visit.page
    assert page.locator(".static-plot img").is_visible()
    assert page.locator("#plot").is_hidden()
    assert page.locator("#errors .tile").first.is_visible()
    assert page.locator("#classes table").is_visible()
    assert page.locator("#projection-gallery").is_hidden()
    page.close()
