"""A class file that merges, renames and drops classes: part of the run, and heeded by every command."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import draw_classes, finesight, read_rows, train
from PIL import Image

from listings import read_listing

LABELS = "from,to\nred,warm\ngreen,cold\nblue,cold\nyellow,\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("mapped")
    draw_classes(home / "data", 6)
    for number in range(3):
        (home / "data" / f"red_{number}.png").rename(home / "data" / f"yellow_{number}.png")
    answer = train(home / "data", home / "run", data__classes=str(_write(home / "map.csv", LABELS)), epochs=1)
    assert answer.code == 0, answer.err
    assert "Merged into 'cold': 'green', 'blue'." in answer.err
    assert "Left out: 3 images of classes that the class file drops: 'yellow'." in answer.err
    return home


def test_the_run_says_what_was_trained_on(home: Path) -> None:
    kept = json.loads((home / "run/classes.json").read_text())
    assert kept["ids"] == ["warm", "cold"]
    assert kept["mapping"] == [["red", "warm"], ["green", "cold"], ["blue", "cold"], ["yellow", ""]]
    rows = read_rows(home / "run/splits.csv")
    assert {row["label"] for row in rows if row["key"].startswith(("green", "blue"))} == {"cold"}
    assert len(rows) == 15
    assert not [row for row in rows if row["key"].startswith("yellow")]


def test_other_data_with_the_original_labels_is_evaluated(home: Path, tmp_path: Path) -> None:
    draw_classes(tmp_path / "more", 2, first=50)
    draw_classes(tmp_path / "more", 1, first=90, classes=("red",))
    (tmp_path / "more/red_90.png").rename(tmp_path / "more/yellow_90.png")
    answer = finesight("evaluate", home / "run", "--data", tmp_path / "more", "--json")
    assert answer.code == 0, answer.err
    assert answer.json()["num_samples"] == 6
    assert "Left out: 1 image of classes that the class file drops: 'yellow'." in answer.err
    assert finesight("evaluate", home / "run").code == 0


def test_inspect_counts_what_is_left(home: Path) -> None:
    result = finesight("inspect", home / "data", "--classes", home / "map.csv", "--json").json()
    counts = result["class_counts"]
    assert {name: counts["train"][name] + counts["val"][name] for name in ("warm", "cold")} == {"warm": 3, "cold": 12}
    assert "D301" not in [problem["code"] for problem in result["problems"]]


def test_a_split_of_dropped_classes_is_told(tmp_path: Path) -> None:
    draw_classes(tmp_path / "d/train", 4)
    draw_classes(tmp_path / "d/val", 1, classes=("red",))
    mapped = _write(tmp_path / "map.csv", "from,to\nred,\ngreen,a\nblue,b\n")
    listing = read_listing(tmp_path / "d", classes=str(mapped))
    assert {split: len(items) for split, items in listing.splits.items()} == {"train": 6, "val": 2}
    assert "Split 'val' holds only classes that the class file drops." in listing.notes


def test_all_dropped(home: Path, tmp_path: Path) -> None:
    mapped = _write(tmp_path / "map.csv", "from,to\nred,\ngreen,\nblue,\nyellow,\nwhite,pale\n")
    answer = train(home / "data", tmp_path / "run", "--classes", mapped)
    assert "drops every training image" in answer.error()


def _draw_masks(folder: Path, codes: tuple[object, ...]) -> Path:
    """Stripes of grey, a code each."""
    folder.mkdir(parents=True)
    for number in range(8):
        stripes = (np.arange(64) // 16 + number) % len(codes)
        grey = np.repeat((40 + 60 * stripes)[None, :, None], 32, axis=0) + np.zeros((1, 1, 3))
        Image.fromarray(grey.astype(np.uint8)).save(folder / f"{number}_sat.png")
        Image.fromarray(np.repeat(np.array(codes, np.uint8)[stripes][None], 32, axis=0)).save(
            folder / f"{number}_mask.png"
        )
    return folder


VALUES = (0, 1, 2, 7)
COLOURS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))


@pytest.mark.parametrize(
    ("codes", "text"),
    [(VALUES, "0,bare\n1,green\n2,green\n7,\n"), (COLOURS, "#000000,bare\n#ff0000,green\n#00FF00,green\n#0000ff,\n")],
)
def test_masks(tmp_path: Path, codes: tuple[object, ...], text: str) -> None:
    data = _draw_masks(tmp_path / "data", codes)
    mapped = _write(tmp_path / "map.csv", f"from,to\n{text}")
    network = {"model__name": "fcn/timm/test_resnet", "film__count": 0, "epochs": 1, "batch_size": 4}
    answer = train(data, tmp_path / "run", "--classes", mapped, **network)
    assert answer.code == 0, answer.err
    assert json.loads((tmp_path / "run/classes.json").read_text())["ids"] == ["bare", "green"]
    counts = json.loads((tmp_path / "run/class_counts.json").read_text())["train"]
    assert counts[1] == 2 * counts[0]  # and nothing of the dropped quarter
    assert finesight("evaluate", tmp_path / "run", "--data", data).code == 0
    assert finesight("predict", tmp_path / "run", data, "--out", tmp_path / "masks").code == 0
    assert finesight("inspect", data, "--classes", mapped).code in (0, 1)


def test_masks_that_names_are_mapped_of(tmp_path: Path) -> None:
    data = _draw_masks(tmp_path / "data", VALUES)
    mapped = _write(tmp_path / "map.csv", "from,to\nwater,blue\nwood,green\n")
    answer = train(data, tmp_path / "run", "--classes", mapped, model__name="fcn/timm/test_resnet")
    assert "maps 'water': of masks, from holds either their values or colours" in answer.error()
