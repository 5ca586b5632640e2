"""What a reader takes along from the report: figures, tables, lists of images; and how galleries are narrowed down."""

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rendering import render_report
from synthetic_run import HOSTILE, SyntheticRun, write_run
from test_image import OPEN_KEY
from test_report import drag_over_plot, shown_keys
from visiting import Visit, open_page, visit_map

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> SyntheticRun:
    return write_run(tmp_path_factory.mktemp("synthetic"), ("wolf", "grey_fox", HOSTILE, "猫"))


@pytest.fixture(scope="module")
def report(synthetic: SyntheticRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_report(synthetic.run, tmp_path_factory.mktemp("page") / "report.html", synthetic.find_image)


@pytest.fixture(scope="module")
def visit(chromium: Any, report: Path) -> Iterator[Visit]:
    with visit_map(chromium, report) as opened:
        yield opened


def save(page: Any, section: str, label: str) -> bytes:
    with page.expect_download() as started:
        page.locator(f"{section} .save", has_text=label).first.click()
    return Path(started.value.path()).read_bytes()


@pytest.mark.parametrize("section", ["#confusion", "#curves", "#plot-saving", "#calibration", "#similar"])
def test_a_figure_is_saved_as_svg_and_png(visit: Visit, section: str) -> None:
    from PIL import Image

    root = ET.fromstring(save(visit.page, section, "SVG"))
    assert root.tag == f"{SVG}svg"
    assert root.find(f".//{SVG}img") is None
    texts = {text.text for text in root.iter(f"{SVG}text")}
    axes = {
        "#confusion": {"True class", "Predicted class"},
        "#curves": {"Epoch", "Loss", "training", "validation"},
        "#plot-saving": {"dimension 1", "dimension 2", "grey fox", HOSTILE[:26]},
        "#calibration": {"Confidence", "Accuracy"},
        "#similar": {"Class similarity"},
    }
    assert axes[section] <= texts
    image = Image.open(io.BytesIO(save(visit.page, section, "PNG"))).convert("RGB")
    assert abs(image.width - 3 * float(root.get("width", 0))) <= 2
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_a_table_is_saved_with_all_its_digits(visit: Visit, synthetic: SyntheticRun) -> None:
    header, *rows = csv.reader(io.StringIO(save(visit.page, "#classes", "CSV").decode()))
    metrics = synthetic.run.read_json("evaluation/val/metrics.json")["metrics"]
    assert header == ["Class", "Images", "Precision", "Recall", "F1", "Most confused with"]
    assert [row[0] for row in rows] == ["wolf", "grey fox", HOSTILE, "猫"]
    assert [float(row[4]) for row in rows][:2] == [metrics["f1/wolf"], metrics["f1/grey_fox"]]


def test_a_selection_is_a_list_of_files(visit: Visit, synthetic: SyntheticRun) -> None:
    page = visit.page
    page.click('button[data-tool="box"]')
    drag_over_plot(page)
    page.wait_for_selector("#projection-gallery:not([hidden])")
    paths = save(page, "#projection-gallery", "File list").decode().splitlines()
    assert paths == shown_keys(page, "#projection-gallery")
    assert all((synthetic.images / path).is_file() for path in paths)
    header, *rows = csv.reader(io.StringIO(save(page, "#projection-gallery", "CSV").decode()))
    assert header == ["path", "label", "prediction", "confidence"]
    assert [row[0] for row in rows] == paths
    assert {row[1] for row in rows} == {"c0", "c1", "c2", "c3"}  # ids, as a manifest needs them
    assert page.evaluate("report.root") == f"{synthetic.images}/"


def test_a_gallery_is_filtered_by_class_and_confidence(visit: Visit) -> None:
    page = visit.page
    page.locator("#classes tbody button", has_text="wolf").first.click()
    gallery = page.locator("#class-gallery")
    assert gallery.locator("output").inner_text() == "15 of 15 shown"
    select = gallery.locator("label", has_text="Predicted class").locator("select")
    assert select.locator("option").all_inner_texts() == ["all", "wolf (12)", "grey fox (3)"]
    select.select_option("1")
    assert gallery.locator("output").inner_text() == "3 of 15 shown"
    assert gallery.locator(".card").count() == 3
    gallery.locator(".tile").first.click()
    assert page.inner_text("#image-place") == "1 of 3"  # next leads through what fits
    page.keyboard.press("Escape")
    confidence = gallery.locator("label", has_text="Confidence").locator("select")
    assert confidence.locator("option").count() > 1


def test_the_dialog_steps_through_its_gallery(visit: Visit) -> None:
    page = visit.page
    tiles = page.locator("#errors .tile")
    keys = [tiles.nth(number).get_attribute("title") for number in range(tiles.count())]
    tiles.first.click()
    for number in (1, 2, 3, 0):
        page.keyboard.press("ArrowRight")
        assert page.evaluate(OPEN_KEY) == keys[number]
    page.click("#image-previous")
    assert page.evaluate(OPEN_KEY) == keys[3]
    assert page.inner_text("#image-place") == "4 of 4"
    for _ in range(12):  # focus never leaves the dialog
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || dialog.contains(document.activeElement)")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.title") == keys[0]


def test_on_a_phone_tables_scroll_inside_and_words_are_of_touch(chromium: Any, report: Path) -> None:
    visit = open_page(chromium, report, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = visit.page
    page.wait_for_selector("html.plot-drawn")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.inner_text("#classes p").startswith("Tap a heading to sort")
    box = page.locator("#classes .box")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth && box.classList.contains('more-right')")
    name = box.locator("tbody th").first
    before = name.bounding_box()["x"]
    box.evaluate("box => { box.scrollLeft = 60; }")
    assert abs(name.bounding_box()["x"] - before) < 2
    assert visit.errors == []
    page.close()
