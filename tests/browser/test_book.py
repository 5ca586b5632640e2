"""Pages of two tasks in one file: leafed through by tabs, each with its own scripts at work."""

from pathlib import Path
from typing import Any

from synthetic_masks import write_mask_run
from synthetic_run import draw_image, write_run
from visiting import open_page

from finesight.analysis.evidence import read_evidence
from finesight.reporting.html import write_book
from finesight.reporting.originals import Originals
from finesight.tasks import TASKS, find_task, make_page


def test_chapters_do_not_meet(chromium: Any, tmp_path: Path) -> None:
    synthetic = write_run(tmp_path / "answers")
    masks = write_mask_run(tmp_path, "masks")
    pages = {
        "Digits": make_page(synthetic.run, Originals(synthetic.find_image, lambda key, size: None)),
        '<img src=x onerror="alert(1)">': make_page(masks.run, masks.originals),
    }
    visit = open_page(chromium, write_book(pages, tmp_path / "book.html"), viewport={"width": 1400, "height": 900})
    page = visit.page
    first, second = (page.frame_locator(f"#chapter-{number}") for number in (1, 2))
    first.locator("#projection").wait_for()
    assert not page.locator("#chapter-2").is_visible()
    page.locator("label[for=tab-2]").click()
    assert page.locator("#chapter-2").is_visible()
    assert not page.locator("#chapter-1").is_visible()
    slider = second.locator("#snapshot-epoch")
    slider.focus()
    before = second.locator("#snapshot-at").inner_text()
    slider.press("ArrowLeft")
    assert second.locator("#snapshot-at").inner_text() != before
    second.locator("nav a", has_text="Confusion").click()
    second.locator("#confusion").wait_for()
    assert visit.errors == []
    assert all(url.startswith(("file:", "about:")) for url in visit.requests)
    page.close()


LIST_DRAWINGS = """async (body) => {
  const inside = (e) => [e, ...(e.shadowRoot ? find(e.shadowRoot) : [])];
  const find = (root) => [...root.querySelectorAll("*")].flatMap(inside);
  const isBlank = (drawing, width, height) => {
    if (!width || !height) return true;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(drawing, 0, 0);
    return context.getImageData(0, 0, width, height).data.every((value, index, all) => value === all[index % 4]);
  };
  const layers = (e) => [...e.parentNode.querySelectorAll("canvas")];
  const look = {  // canvases beside each other are layers of one drawing
    CANVAS: (e) => layers(e).every((layer) => isBlank(layer, layer.width, layer.height)),
    IMG: async (e) => { e.loading = "eager"; await e.decode(); return isBlank(e, e.naturalWidth, e.naturalHeight); },
    svg: (e) => { const box = e.getBBox(); return !box.width && !box.height; },
  };
  const drawings = find(body).filter((e) => e.tagName in look && !e.matches(".symbols") && e.checkVisibility());
  return Promise.all(drawings.map(async (e) => {
    const { width, height } = e.getBoundingClientRect();
    return { what: e.outerHTML.slice(0, 200), width, height, blank: await look[e.tagName](e) };
  }));
}"""


def test_every_tab_shows_every_drawing(chromium: Any, tmp_path: Path) -> None:
    """As the demo has it: a chapter in front, a comparison, and a map that is drawn while its chapter is hidden."""
    synthetic, masks = write_run(tmp_path / "answers"), write_mask_run(tmp_path, "masks", count=20)
    draw_image(synthetic.run.path / "preview.png", 0, seed=0)
    other = write_mask_run(tmp_path, "other", skill=0.7, count=20, network="fcn8s")
    pages = {
        "Digits": make_page(synthetic.run, Originals(synthetic.find_image, lambda key, size: None)),
        "Compared": TASKS["segmentation"].make_comparison_page(
            [read_evidence(each.run, "val", find_task(each.run)) for each in (masks, other)], masks.originals
        ),
        "Land": make_page(masks.run, masks.originals),
    }
    book = write_book(pages, tmp_path / "book.html", "Some pixels count nowhere.")
    visit = open_page(chromium, book, viewport={"width": 1400, "height": 900})
    page = visit.page
    assert page.get_by_text("Some pixels count nowhere.").is_visible()
    maps = batches = 0
    for number in range(1, len(pages) + 1):
        page.locator(f"label[for=tab-{number}]").click()
        frame = page.frame_locator(f"#chapter-{number}")
        frame.locator("footer, section").last.wait_for()
        if frame.locator("#plot").count():
            frame.locator("html.plot-drawn").wait_for()
            maps += 1
        if frame.locator("#first-batch").count():
            assert frame.locator(".first-batch img").is_visible()
            batches += 1
        drawings = frame.locator("body").evaluate(LIST_DRAWINGS)
        assert len(drawings) > 5
        assert [each for each in drawings if not each["width"] or not each["height"] or each["blank"]] == []
    assert (maps, batches) == (2, 1)
    assert visit.errors == []
    page.close()


def test_no_sideways_scrolling_on_a_phone(chromium: Any, tmp_path: Path) -> None:
    masks = write_mask_run(tmp_path, "masks", count=20)
    runs = [write_run(tmp_path / name, per_class=4) for name in ("first", "second")]
    runs[1].run.add_note("A-word-that-no-phone-can-hold" * 5)
    answers = [read_evidence(each.run, "val", find_task(each.run)) for each in runs]
    originals = Originals(runs[0].find_image, lambda key, size: None)
    pages = {
        "Land": make_page(masks.run, masks.originals),
        "Digits compared": TASKS["classification"].make_comparison_page(answers, originals),
    }
    book = write_book(pages, tmp_path / "book.html", "Some pixels count nowhere.")
    visit = open_page(chromium, book, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    for number in (1, 2):
        visit.page.locator(f"label[for=tab-{number}]").click()
        visit.page.frame_locator(f"#chapter-{number}").locator("footer").wait_for()
    widths = [frame.evaluate("document.documentElement.scrollWidth") for frame in visit.page.frames]
    assert widths == [390, 390, 390]
    visit.page.close()
