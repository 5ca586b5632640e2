"""labelmap.txt as CVAT and Datumaro write it, found beside masks or given as a class file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.classes import ClassList
from finesight.data.class_files import read_class_file
from finesight.data.label_maps import parse_label_map, voc_colour
from finesight.errors import DataError
from listings import read_listing

HEADER = "# label:color_rgb:parts:actions\n"
CVAT = f"{HEADER}background:0,0,0::\nroad:128,64,128::\ntraffic light:250,170,30:lamp,pole:on,off\n"


def export(root: Path, labelmap: str, colours: list[tuple[int, int, int]]) -> Path:
    """As CVAT's Segmentation mask 1.1."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for number in range(4):
        pixels = np.zeros((8, 8, 3), np.uint8)
        for place, colour in enumerate(colours):
            pixels[place : place + 2] = colour
        pixels[0, number] = colours[-1]
        Image.fromarray(pixels).save(root / f"SegmentationClass/{number}.png")
        Image.fromarray(255 - pixels).save(root / f"JPEGImages/{number}.jpg")
    (root / "ImageSets/Segmentation/train.txt").write_text("0\n1\n2\n")
    (root / "ImageSets/Segmentation/val.txt").write_text("3\n")
    (root / "labelmap.txt").write_text(labelmap, encoding="utf-8")
    return root


def test_names_and_colours_come_from_the_label_map(tmp_path: Path) -> None:
    listing = read_listing(export(tmp_path, CVAT, [(0, 0, 0), (128, 64, 128), (250, 170, 30)]))
    assert listing.classes.names == ("background", "road", "traffic light")
    assert listing.classes.colours == ((0, 0, 0), (128, 64, 128), (250, 170, 30))
    assert {split: len(items) for split, items in listing.splits.items()} == {"train": 3, "val": 1}
    assert "Class names and colours are read from 'labelmap.txt'." in listing.notes


def test_a_colour_that_is_no_label_is_refused(tmp_path: Path) -> None:
    root = export(tmp_path, CVAT, [(0, 0, 0), (1, 2, 3)])
    with pytest.raises(DataError, match="#010203"):
        read_listing(root)


def test_a_user_s_class_file_comes_first(tmp_path: Path) -> None:
    root = export(tmp_path / "data", CVAT, [(0, 0, 0), (128, 64, 128)])
    (tmp_path / "mine.csv").write_text("name,r,g,b\nnothing,0,0,0\nstreet,128,64,128\n")
    assert read_listing(root, classes=str(tmp_path / "mine.csv")).classes.names == ("nothing", "street")


def test_label_maps_of_several_exports_are_joined_or_refused(tmp_path: Path) -> None:
    colours = [(0, 0, 0), (128, 64, 128)]
    export(tmp_path / "one", f"{HEADER}background:0,0,0::\nroad:128,64,128::\n", colours)
    export(tmp_path / "two", f"{HEADER}car:0,0,142::\nroad:128,64,128::\nbackground:0,0,0::\n", colours)
    assert read_listing(tmp_path).classes.names == ("background", "road", "car")
    (tmp_path / "two/labelmap.txt").write_text("background:0,0,0::\nroad:1,1,1::\n")
    with pytest.raises(DataError, match="'road' has another colour in"):
        read_listing(tmp_path)


def test_a_border_of_voc_is_ignored_and_colours_may_be_left_to_voc(tmp_path: Path) -> None:
    found = parse_label_map("background:0,0,0::\nplane:128,0,0::\nignored:224,224,192::\n")
    assert found is not None
    assert found.ignore == 2
    assert parse_label_map("background:::\nplane:::\nbike:::\n") == ClassList(
        *[("background", "plane", "bike")] * 2, ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    )
    assert voc_colour(15) == (192, 128, 128)  # person
    assert voc_colour(255) == (224, 224, 192)
    with pytest.raises(DataError, match="'bike' of a label map has no colour"):
        parse_label_map("plane:128,0,0::\nbike:::\n")


def test_a_label_map_is_a_class_file_and_other_texts_are_not(tmp_path: Path) -> None:
    path = tmp_path / "labelmap.txt"
    path.write_text(CVAT)
    assert read_class_file(path).names == ("background", "road", "traffic light")
    path.write_text("12:30 train\nlate: bus\n")
    assert read_class_file(path).names == ("12:30 train", "late: bus")
    path.write_text("a:0,0,0::\na:1,1,1::\n")
    with pytest.raises(DataError, match="same id"):
        read_class_file(path)
