"""Public data sets in their true layouts, small, from `inspect` to `report`."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import draw, finesight, train

from layouts import NUMBERS, draw_mask, draw_photo
from tiny import COLOURS

SEGMENTER = {"model__name": "fcn/timm/test_resnet", "film__count": 1, "batch_size": 2}


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())


def make_voc(root: Path) -> dict[str, int]:
    """Twelve images, eight with masks; lists of which one names an image that is not there."""
    voc = root / "VOCdevkit" / "VOC2012"
    names = [f"2007_{number:06}" for number in range(12)]
    for number, name in enumerate(names):
        draw_photo(voc / "JPEGImages" / f"{name}.jpg", number)
        (voc / "Annotations").mkdir(exist_ok=True)
        (voc / "Annotations" / f"{name}.xml").write_text("<annotation/>")
        if number < 8:
            draw_mask(voc / "SegmentationClass" / f"{name}.png", number)
            draw_mask(voc / "SegmentationObject" / f"{name}.png", number, 2)
    lists = voc / "ImageSets" / "Segmentation"
    write(lists / "train.txt", [*names[:5], "2011_000001"])
    write(lists / "val.txt", names[5:8])
    write(lists / "trainval.txt", names[:8])
    write(voc / "ImageSets" / "Main" / "cat_train.txt", [f"{name}  1" for name in names])
    return {"train": 5, "val": 3}


def make_camvid(root: Path) -> dict[str, int]:
    for split in ("train", "val", "test"):
        for number in NUMBERS:
            draw_photo(root / split / f"0001TP_{number:06}.png", number)
            draw_mask(root / f"{split}annot" / f"0001TP_{number:06}.png", number)
        write(
            root / f"{split}.txt",
            [
                f"/SegNet/CamVid/{split}/0001TP_{number:06}.png /SegNet/CamVid/{split}annot/0001TP_{number:06}.png"
                for number in NUMBERS
            ],
        )
    return dict.fromkeys(("train", "val", "test"), len(NUMBERS))


def make_merced(root: Path) -> dict[str, int]:
    for name, colour in zip(("agricultural", "airplane", "denseresidential"), COLOURS, strict=True):
        for number in range(8):
            draw(root / "UCMerced_LandUse" / "Images" / name / f"{name}{number:02}.tif", colour, seed=number)
    return {"train": 21, "val": 3}


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (make_voc, SEGMENTER, "4 images in none of them left out."),
        (make_camvid, SEGMENTER, "Splits as listed in test.txt (6), train.txt (6), val.txt (6)."),
        (make_merced, {}, "which is read as if --data named it"),
    ],
)
def test_a_public_set_from_inspect_to_report(
    make: Callable[[Path], dict[str, int]], settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    data, run = tmp_path / "data", tmp_path / "runs" / "first"
    splits = make(data)
    result = finesight("inspect", data, "--json").json()
    assert result["splits"] == splits
    assert not [problem for problem in result["problems"] if problem["severity"] == "error"]
    answer = train(data, run, **settings)
    assert answer.code == 0, answer.err
    assert said in answer.err
    with (run / "splits.csv").open(encoding="utf-8", newline="") as file:
        used = [row["split"] for row in csv.DictReader(file)]
    assert {split: used.count(split) for split in set(used)}.items() <= splits.items()
    for command in (("evaluate", run), ("evaluate", run, "--data", data, "--split", "val"), ("report", run)):
        answer = finesight(*command)
        assert answer.code == 0, answer.err
    answer = finesight("predict", run, data, "--out", tmp_path / ("masks" if settings else "labels.csv"))
    assert answer.code == 0, answer.err
