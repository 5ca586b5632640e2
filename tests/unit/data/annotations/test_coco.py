"""COCO JSON: shapes by image in draw order; what cannot be used is refused in a sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotations import make_coco, write_text
from finesight.data.annotations.coco import CocoFile, read_coco
from finesight.data.annotations.drawing import draw
from finesight.errors import DataError

SIZE = (6, 8)


def read(document: dict[str, Any], tmp_path: Path) -> CocoFile:
    return read_coco(write_text(tmp_path / "labels.json", json.dumps(document)))


def paint(coco: CocoFile) -> list[list[str]]:
    """Classes of the pixels of the first image."""
    values = {name: value for value, name in enumerate(coco.names)}
    mask = draw(SIZE, [(values[name], shape) for name, shape in coco.images[0].shapes]).mask
    return [[coco.names[value] if value < len(coco.names) else "" for value in row] for row in mask.tolist()]


def test_shapes_are_drawn_in_the_order_of_the_file(tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    coco = read(document, tmp_path)
    assert coco.images[0].file_name == "a.jpg"
    assert coco.images[0].size == SIZE
    assert paint(coco) == [["lake"] * 4 + ["field"] * 4] * 6
    document["annotations"].reverse()
    assert paint(read(document, tmp_path)) == [["field"] * 8] * 6


def test_crowds_come_first(tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    document["annotations"].reverse()
    document["annotations"][1]["iscrowd"] = 1
    assert paint(read(document, tmp_path)) == [["lake"] * 4 + ["field"] * 4] * 6


@pytest.mark.parametrize("counts", [[24, 24], "h0h0"])
def test_run_lengths(counts: object, tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    document["annotations"][1]["segmentation"] = {"size": list(SIZE), "counts": counts}
    assert paint(read(document, tmp_path)) == [["field"] * 4 + ["lake"] * 4] * 6


def test_parts_of_an_object_cut_no_holes_into_each_other(tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    document["annotations"][0]["segmentation"] *= 2
    assert paint(read(document, tmp_path))[0][7] == "field"


def test_classes_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    document["categories"][0]["id"] = document["annotations"][0]["category_id"] = 90
    assert read(document, tmp_path).names == ("lake", "field")


def test_roboflows_name_of_the_project_is_not_a_class(tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    document["categories"].insert(0, {"id": 0, "name": "land", "supercategory": "none"})
    coco = read(document, tmp_path)
    assert coco.names == ("field", "lake")
    assert coco.notes == ("Not a class, as it only groups others in 'labels.json': 'land'.",)


def test_categories_of_one_name_are_one_class(tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    document["categories"][1]["name"] = "field"
    coco = read(document, tmp_path)
    assert coco.names == ("field",)
    assert coco.notes == ("Several categories of 'labels.json' are called 'field': read as one class.",)


def _change(path: str, value: object) -> dict[str, Any]:
    """The document with one value changed: `annotations.0.category_id`."""
    document: Any = make_coco(["a.jpg"], SIZE)
    *parents, last = path.split(".")
    place = document
    for parent in parents:
        place = place[int(parent)] if parent.isdigit() else place[parent]
    place[int(last) if last.isdigit() else last] = value
    return document  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("annotations.0.category_id", 7, "Annotation 1 in .* has category_id 7, which is not listed"),
        ("annotations.0.category_id", [7], "has category_id None, which is not listed"),
        ("annotations.1.image_id", "b", "Annotation 2 in .* has image_id 'b', which is not listed"),
        ("annotations.0.segmentation", [], "holds 1 boxes among 2 annotations, and segmentation needs outlines"),
        ("annotations.0.segmentation", [[1, 2, 3]], "cannot be read: a polygon should be a list of x, y"),
        ("annotations.0.segmentation", [["a", 2]], "Annotation 1 .* has a segmentation that cannot be read"),
        ("annotations.0.segmentation", [[1, 2, float("nan"), 4]], "a corner that is not a number"),
        ("annotations.0.segmentation", {"counts": [1]}, "has a segmentation that cannot be read: 'size'"),
        ("annotations.0.segmentation", {"counts": [10**30], "size": [6, 8]}, "a run is longer than the image"),
        ("annotations.0.segmentation", 5, "has a segmentation that cannot be read"),
        ("annotations", {}, "has no list of annotations"),
        ("images", [], "lists no images"),
        ("images.0", {"id": 0}, "Image 0 .* has no file_name"),
        ("categories.0.name", "", "has no name or no id"),
        ("categories.0.id", 2, "Two categories .* have the id 2"),
    ],
)
def test_what_cannot_be_used_is_refused(path: str, value: object, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        read(_change(path, value), tmp_path)


def test_boxes_alone_are_refused(tmp_path: Path) -> None:
    document = make_coco(["a.jpg"], SIZE)
    for each in document["annotations"]:
        del each["segmentation"]
    with pytest.raises(
        DataError, match=r"holds boxes only, and segmentation needs outlines \(polygons or run lengths\)"
    ):
        read(document, tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not valid JSON"),
        (b"[]", "does not hold a JSON object"),
        (b"\xff{}", "is not in UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"[" * 100_000, "is not valid JSON"),
    ],
)
def test_files_that_are_not_json_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_coco(tmp_path / "labels.json")


def test_the_masks_are_those_of_the_tests(tmp_path: Path) -> None:
    """The text of run lengths above covers the right half."""
    from finesight.data.annotations.shapes import Runs

    assert Runs("h0h0", SIZE).cover(SIZE).pixels.sum(axis=0).tolist() == [0] * 4 + [6] * 4
    assert np.array_equal(Runs("h0h0", SIZE).cover(SIZE).pixels, Runs((24, 24), SIZE).cover(SIZE).pixels)
