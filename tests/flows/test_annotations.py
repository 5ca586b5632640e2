"""COCO files through the commands: train, resume, evaluate on data that number the classes differently, predict."""

import json
from collections import Counter
from pathlib import Path

import pytest
from commands import Answer, finesight, refused, train

from annotations import make_coco, write_data_yaml, write_labels, write_text
from layouts import draw_photo

SIZE = (24, 32)  # of `draw_photo`
SETTINGS = {"model__name": "fcn/timm/test_resnet", "snapshots__count": 0, "batch_size": 2, "image__size": SIZE}


def write_data(root: Path) -> Path:
    for split, count in (("train", 4), ("val", 2)):
        names = [f"{number}.png" for number in range(count)]
        for number, name in enumerate(names):
            draw_photo(root / f"{split}2017" / name, number + 10 * count)
        document = make_coco(names, SIZE)
        if split == "val":  # the other way round
            document["categories"] = [{"id": 1, "name": "lake"}, {"id": 2, "name": "field"}]
            for each in document["annotations"]:
                each["category_id"] = 3 - int(str(each["category_id"]))
        write_text(root / "annotations" / f"instances_{split}2017.json", json.dumps(document))
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("annotated")


@pytest.fixture(scope="module")
def trained(place: Path) -> Answer:
    answer = train(write_data(place / "data"), place / "run", **SETTINGS)
    assert answer.code == 0, answer.err
    return answer


def test_trains_and_goes_on(trained: Answer, place: Path) -> None:
    assert "Data: coco, 2 classes, 4 train, 2 val." in trained.err
    classes = json.loads((place / "run" / "classes.json").read_text())
    assert classes["names"] == ["field", "lake"]
    answer = train(place / "data", place / "run", "--resume", **SETTINGS | {"epochs": 2})
    assert answer.code == 0, answer.err
    assert "Continuing after 1 of 2 epochs." in answer.err


def test_other_data_are_scored_by_the_names_of_classes(trained: Answer, place: Path) -> None:
    own = finesight("evaluate", place / "run", "--json").json()["metrics"]
    for number in range(2):
        draw_photo(place / "yolo" / "images" / "val" / f"{number}.png", number + 20)
        write_labels(place / "yolo" / "labels" / "val" / f"{number}.txt", reverse=True)
    data = write_data_yaml(place / "yolo" / "data.yaml", reverse=True, splits=("val",))
    answer = finesight("evaluate", place / "run", "--data", data, "--json")
    assert answer.code == 0, answer.err
    assert answer.json()["metrics"] == own


def test_predicts_masks(trained: Answer, place: Path) -> None:
    answer = finesight("predict", place / "run", place / "data" / "val2017", "--out", place / "masks")
    assert answer.code == 0, answer.err
    assert len(list((place / "masks").rglob("*.png"))) == 2


def test_boxes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    file = data / "annotations" / "instances_train2017.json"
    document = json.loads(file.read_text())
    for each in document["annotations"]:
        del each["segmentation"]
    file.write_text(json.dumps(document))
    refused(train(data, tmp_path / "run", **SETTINGS), tmp_path / "run", "holds boxes only")


def test_a_split_lists_drawn_masks_that_lie_beside_it(tmp_path: Path) -> None:
    """The table can be read without the annotations, the masks are no images of the folder, and nothing is overwritten
    that finesight did not write."""
    data = write_data(tmp_path / "data")
    before = finesight("inspect", data, "--split", data / "split.csv", "--json").json()
    assert sum(before["split"].values()) == 6
    (data / "annotations").rename(tmp_path / "annotations")
    after = finesight("inspect", data / "split.csv", "--json").json()
    assert (after["format"], after["splits"], after["classes"]) == ("mask_manifest", before["split"], ["field", "lake"])
    totals = [Counter(), Counter()]
    for total, result in zip(totals, (before, after), strict=True):
        for counts in result["class_counts"].values():
            total.update(counts)
    assert totals[0] == totals[1]
    (tmp_path / "annotations").rename(data / "annotations")
    again = finesight("inspect", data, "--format", "coco", "--split", data / "split.csv", "--json").json()
    assert again["split"] == before["split"]
    assert again["num_samples"] == 6
    (data / "split_masks" / ".finesight.json").unlink()
    answer = finesight("inspect", data, "--format", "coco", "--split", data / "split.csv")
    assert "split_masks, which exists already: name another --split" in answer.error()
