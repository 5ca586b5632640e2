import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rendering import render_report
from synthetic_run import HOSTILE, NAMES, SyntheticRun

from finesight.errors import RunError
from finesight.run.folder import RunFolder


class Page(HTMLParser):
    """Elements with their attributes, and the text of those that were asked for by id or by tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.unbalanced: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "img", "input", "wbr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        tag = self.open[-1] if self.open else ""
        self.texts[tag] = self.texts.get(tag, "") + data

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]


@pytest.fixture(scope="module")
def parsed(page: str) -> Page:
    return Page(page)


def read_data(html: str) -> dict:
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def without_scripts(html: str) -> str:
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def copy_run(synthetic: SyntheticRun, folder: Path) -> SyntheticRun:
    shutil.copytree(synthetic.run.path, folder / "run")
    return SyntheticRun(RunFolder(folder / "run"), synthetic.images)


def test_html_is_balanced_and_its_ids_are_unique(parsed: Page) -> None:
    assert not parsed.unbalanced
    assert not parsed.open
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))


def test_every_anchor_leads_somewhere(parsed: Page) -> None:
    anchors = [value for value in parsed.values("href") if value.startswith("#")]
    assert len(anchors) > 10
    assert {anchor[1:] for anchor in anchors} <= set(parsed.values("id"))


def test_nothing_comes_from_outside(page: str, parsed: Page) -> None:
    addresses = [
        value for name in ("src", "href", "action", "srcset", "poster", "data") for value in parsed.values(name)
    ]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"@import|url\((?!data:)", without_scripts(page))
    assert "://" not in without_scripts(page)


def test_policy_forbids_the_network(parsed: Page) -> None:
    policy = next(a["content"] for _, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_metrics_are_those_of_the_evaluation(synthetic: SyntheticRun, page: str) -> None:
    metrics = synthetic.run.read_json("evaluation/val/metrics.json")["metrics"]
    shown = re.findall(r'<data value="([^"]+)" data-metric="([^"]+)">', page)
    assert {name: float(value) for value, name in shown} == {
        name: value for name, value in metrics.items() if "/" not in name
    }
    assert (
        f'<data value="{metrics["accuracy"]}">{100 * metrics["accuracy"]:.1f}\N{NO-BREAK SPACE}%</data></a>'
        " on 60 images" in page
    )
    for metric in ("precision", "recall", "f1"):
        assert f'<data value="{metrics[f"{metric}/wolf"]}">' in page


def test_matrix_cells_are_the_confusion_counts(synthetic: SyntheticRun, page: str) -> None:
    with (synthetic.run.evaluation("val") / "confusion.csv").open(encoding="utf-8") as file:
        rows = [[int(count) for count in row[1:]] for row in list(csv.reader(file))[1:]]
    cells = re.findall(r'data-truth="(\d+)" data-prediction="(\d+)" data-count="(\d+)"', page)
    expected = {(t, p, count) for t, row in enumerate(rows) for p, count in enumerate(row) if count}
    assert {tuple(map(int, cell)) for cell in cells} == expected


def test_hostile_class_name_stays_text(page: str, parsed: Page) -> None:
    assert not any("onerror" in attributes for _, attributes in parsed.elements)
    assert "<img src=x" not in page
    assert HOSTILE in parsed.texts["span"]
    assert read_data(page)["names"] == list(NAMES)


def test_page_data_names_every_image(synthetic: SyntheticRun, page: str) -> None:
    data = read_data(page)
    keys = [key for key, _ in synthetic.run.read_splits()["val"]]
    assert data["images"]["key"] == keys
    assert data["projection"]["image"] == list(range(len(keys)))
    assert all(place is not None for place in data["images"]["place"])


def test_gone_images_leave_a_placeholder_and_a_note(synthetic: SyntheticRun, tmp_path: Path) -> None:
    gone = {"class 0/000.png", "class 1/003.png"}
    out = render_report(
        synthetic.run, tmp_path / "r.html", lambda key: None if key in gone else synthetic.find_image(key)
    )
    html = out.read_text(encoding="utf-8")
    assert "2 images of 60 cannot be read" in html
    assert 'aria-label="no image: wolf, class 0/000.png"' in html
    assert [place for place in read_data(html)["images"]["place"] if place is None] == [None, None]


def test_all_images_gone(synthetic: SyntheticRun, tmp_path: Path) -> None:
    html = render_report(synthetic.run, tmp_path / "r.html", lambda key: None).read_text(encoding="utf-8")
    assert "60 images of 60 cannot be read" in html
    assert not Page(html).unbalanced


def test_without_embedding_the_map_says_how_to_make_one(synthetic: SyntheticRun, tmp_path: Path) -> None:
    made = copy_run(synthetic, tmp_path)
    shutil.rmtree(made.run.path / "embedding")
    html = render_report(made.run, tmp_path / "r.html", made.find_image).read_text(encoding="utf-8")
    assert (
        html.count(f"<code>finesight embed {made.run.path}</code>") == 3
    )  # map, close classes, the map through training
    assert read_data(html)["projection"] is None
    assert "Bokeh" not in html
    assert "Most frequent confusions" in html


def test_without_evaluation_its_sections_say_how_to_make_one(synthetic: SyntheticRun, tmp_path: Path) -> None:
    made = copy_run(synthetic, tmp_path)
    shutil.rmtree(made.run.path / "evaluation")
    html = render_report(made.run, tmp_path / "r.html", made.find_image).read_text(encoding="utf-8")
    assert "Not yet evaluated on the validation split" in html
    assert html.count(f"<code>finesight evaluate {made.run.path} --split val</code>") == 4
    assert read_data(html)["projection"] is not None


def test_run_that_was_just_started(synthetic: SyntheticRun, tmp_path: Path) -> None:
    made = copy_run(synthetic, tmp_path)
    for name in ("evaluation", "embedding"):
        shutil.rmtree(made.run.path / name)
    for name in (
        "journal.jsonl",
        "timings.jsonl",
        "freezing.jsonl",
        "architecture.txt",
        "architecture.json",
        "splits.csv",
    ):
        (made.run.path / name).unlink()
    html = render_report(made.run, tmp_path / "r.html", made.find_image).read_text(encoding="utf-8")
    assert "No epoch has finished" in html
    assert "no freeze ledger yet" in html
    assert not Page(html).unbalanced


def test_damaged_file_is_named(synthetic: SyntheticRun, tmp_path: Path) -> None:
    made = copy_run(synthetic, tmp_path)
    (made.run.evaluation("val") / "confusion.csv").write_text("truth,wrong\n")
    with pytest.raises(RunError, match=r"confusion\.csv"):
        render_report(made.run, tmp_path / "r.html", made.find_image)
    assert not (tmp_path / "r.html").exists()


def test_key_that_is_no_utf8_can_be_reported(synthetic: SyntheticRun, tmp_path: Path) -> None:
    made = copy_run(synthetic, tmp_path)
    for file in [*made.run.path.rglob("*.csv")]:
        file.write_bytes(file.read_bytes().replace(b"class 0/000.png", b"class 0/\xff\x1b[31m.png"))
    html = render_report(made.run, tmp_path / "r.html", made.find_image).read_text(encoding="utf-8")
    assert read_data(html)["images"]["key"][0] == "class 0/\udcff\x1b[31m.png"


def test_static_parts_need_no_script(page: str) -> None:
    static = without_scripts(page)
    assert 'class="tile sheet-0"' in static
    assert "Most confident errors" in static
    assert '<tr>\n        <th scope="row" data-value="wolf">' in static


def test_checks_that_found_nothing_are_accounted_for(page: str) -> None:
    static = without_scripts(page)
    assert "1 check passed, 1 not applicable, 1 ignored" in static
    assert 'V004 <span class="soft">ignored</span></dt><dd>Too few images to score a class' in static
