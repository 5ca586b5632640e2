"""Figures and the JSON they are from: the README's table, its sentence on other peers, and the recipes' headers."""

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from finesight.config import RECIPES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def read(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return value


def list_rows(text: str) -> list[str]:
    """Rows of the tables of peers, as they are written."""
    works = "resnet50-224|lite0-128|fcn8s-512|light-256|labels-128|masks-256"
    return re.findall(rf"^\| (?:{works}) \|.*$", text, re.MULTILINE)


def plain(path: Path) -> str:
    """Text in one line, without comment signs and code quotes."""
    return " ".join(path.read_text(encoding="utf-8").replace("`", "").replace("#", " ").split())


@pytest.fixture(scope="module")
def make_table() -> Callable[[dict[str, Any]], str]:
    """That of `python benchmarks/peers --table`."""
    spec = importlib.util.spec_from_file_location("peers_table", ROOT / "benchmarks/peers/table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Callable[[dict[str, Any]], str] = module.make_table
    return made


def test_the_table_of_the_readme_is_its_json(make_table: Callable[[dict[str, Any]], str]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = list_rows(text)
    (name,) = re.findall(r"benchmarks/results/(peers-[\w-]+\.json)", text)
    measured = list_rows(make_table(read(name)))
    assert len(rows) > 10
    assert [row for row in rows if row not in measured] == []
    twice = [row for row in measured if row.count(", **") == 2]
    assert rows == twice  # no row of two rounds is left out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("peers-2026-11-29-amx.json", "on this machine {} to {} times their defaults and {} to {} times their best"),
        ("peers-2026-11-29.json", "on a processor without bf16 {} to {} and {} to {}"),
    ],
)
def test_the_sentence_on_the_other_peers_is_its_json(name: str, sentence: str) -> None:
    found = re.search(re.escape(sentence).replace(r"\{\}", r"(\d+(?:\.\d+)?)"), plain(ROOT / "README.md"))
    assert found
    turns = [turn for turn in read(name)["turns"] if "ratio" in turn]
    for flags, (low, high) in zip(("defaults", "best"), (found.groups()[:2], found.groups()[2:]), strict=True):
        ratios: dict[tuple[str, str], list[float]] = {}
        for turn in turns:
            if turn["peer"] in ("torchvision", "fastai", "lightning", "torchgeo") and turn["flags"] == flags:
                ratios.setdefault((turn["work"], turn["peer"]), []).append(turn["ratio"])
        medians = [median(each) for each in ratios.values()]
        for written, value in ((low, min(medians)), (high, max(medians))):
            assert float(written) == pytest.approx(value, abs=0.5 * 10.0 ** -len(written.partition(".")[2]) + 0.005)


def test_tables_of_the_benchmarks_are_their_json(make_table: Callable[[dict[str, Any]], str]) -> None:
    rows = list_rows((ROOT / "benchmarks/README.md").read_text(encoding="utf-8"))
    measured = {row for file in RESULTS.glob("peers-*.json") for row in list_rows(make_table(read(file.name)))}
    assert rows
    assert [row for row in rows if row not in measured and row.count("|") == 8] == []


def test_results_that_are_named_are_there() -> None:
    files = [ROOT / "README.md", ROOT / "benchmarks/README.md", *RECIPES.glob("*.toml")]
    named = {name for file in files for name in re.findall(r"[\w-]+-\d{4}-\d\d-\d\d[\w-]*\.(?:json|png)", plain(file))}
    kept = {file.name for file in RESULTS.iterdir()}
    assert named == kept


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_score_in_a_recipe_has_its_json(recipe: Path) -> None:
    text = plain(recipe)
    if "Measured" not in text:
        return
    name = re.search(r"benchmarks/results/([\w-]+\.json)", text)
    assert name is not None
    run = next(run for run in read(name[1])["runs"].values() if run["recipe"] == recipe.stem)
    ((metric, written),) = re.findall(r"(mIoU|accuracy) ([\d.]+)", text)
    assert float(written) == round(run["metrics"][metric.lower()], 3)


def test_scores_of_the_readme_say_where_they_are_from() -> None:
    text = plain(ROOT / "README.md")
    found = re.search(
        r"The recipe p2-cpu reached mIoU ([\d.]+) \(([\d.]+) with test-time augmentation\) on 200 of 2,000 scenes "
        r"drawn at random.{0,100}, and ([\d.]+) \(([\d.]+)\) on .{0,200}?(p2-cpu[\d-]+\.json)",
        text,
    )
    assert found is not None
    runs = read(found[5])["runs"]
    measured = [runs[split][each] for split in ("random", "spatial") for each in ("metrics", "metrics_tta")]
    assert [float(each) for each in found.groups()[:4]] == [round(each["miou"], 3) for each in measured]
    found = re.search(r"p1-cpu reached accuracy ([\d.]+) \(([\d.]+) with .{0,100}?(p1-cpu[\d-]+\.json)", text)
    assert found is not None
    run = read(found[3])["runs"]["val_50"]
    measured = [run[each]["accuracy"] for each in ("metrics", "metrics_tta")]
    assert [float(each) for each in found.groups()[:2]] == [round(each, 3) for each in measured]
