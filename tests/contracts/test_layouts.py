"""Layouts of images and masks that people have: read as such, never as classes; and classes never as pairs."""

import re
from pathlib import Path

import pytest

from finesight import inspect
from finesight.app.inspect import audit_data
from finesight.config import DataSettings
from finesight.data.formats import detect_format, list_unmasked
from finesight.errors import DataError
from layouts import CLASSES, LAYOUTS, UNCLEAR, Layout, make_classes, make_layout
from listings import read_listing

PAGE = Path(__file__).parents[2] / "docs" / "layouts.md"


def test_the_table_of_layouts_is_what_is_tested() -> None:
    rows = re.findall(r"^\| ([^|]+?) +\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [row.strip() for row in rows if row.strip() not in ("layout", "---")] == list(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_of_pairs_is_read(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    make_layout(layout, tmp_path / "data")
    listing = read_listing(tmp_path / "data")
    assert listing.format == layout.format
    assert {split: len(items) for split, items in listing.splits.items()} == layout.splits
    for item in (item for items in listing.splits.values() for item in items):
        assert isinstance(item.target, Path)
        assert item.target.is_file()
        assert layout.used in item.target.as_posix()
        image, mask = (re.findall("[0-9]+", path.stem) for path in (item.path, item.target))
        assert {str(int(number)) for number in image} & {str(int(number)) for number in mask}
    if layout.photos or layout.drawings:
        assert any("left out" in note or "Not used" in note for note in listing.notes)


@pytest.mark.parametrize("name", LAYOUTS)
def test_only_the_images_of_pairs_are_predicted(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    make_layout(layout, tmp_path / "data")
    keys = {item.key for item in list_unmasked(tmp_path / "data")}
    for image, mask in layout.pairs:
        assert image.format(3) in keys
        assert mask.format(3) not in keys


@pytest.mark.parametrize("name", UNCLEAR)
def test_pairs_that_are_not_clear_are_an_error_that_says_how_to_name_them(name: str, tmp_path: Path) -> None:
    make_layout(UNCLEAR[name], tmp_path / "data")
    with pytest.raises(DataError, match=r"--images '.+' --masks '.+'") as error:
        detect_format(tmp_path / "data")
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"--images"):
        audit_data(DataSettings(root=str(tmp_path / "data")))


@pytest.mark.parametrize("name", [name for name, layout in UNCLEAR.items() if layout.pairs])
def test_patterns_read_what_is_not_clear(name: str, tmp_path: Path) -> None:
    image, mask = (pattern.replace("{}", "*") for pattern in UNCLEAR[name].pairs[0])
    make_layout(UNCLEAR[name], tmp_path / "data")
    listing = read_listing(tmp_path / "data", images=image, masks=mask)
    assert sum(map(len, listing.splits.values())) == 6
    targets = [item.target for items in listing.splits.values() for item in items]
    assert all(isinstance(target, Path) and target.match(mask) for target in targets)
    assert "6 of 6 images and of 6 masks are pairs by their names." in listing.notes


@pytest.mark.parametrize("name", CLASSES)
def test_photographs_by_class_are_no_pairs(name: str, tmp_path: Path) -> None:
    make_classes(CLASSES[name], tmp_path / "data", drawn=False)
    assert detect_format(tmp_path / "data") in ("class_folders", "name_prefix")
    result = inspect(tmp_path / "data")
    assert result.task == "classification"
    assert len(result.classes) == len(CLASSES[name])


@pytest.mark.parametrize("name", ["folders", "prefixes", "digits", "real and fake", "face masks", "image as a name"])
def test_drawings_by_class_are_no_pairs(name: str, tmp_path: Path) -> None:
    make_classes(CLASSES[name], tmp_path / "data", drawn=True)
    assert detect_format(tmp_path / "data") in ("class_folders", "name_prefix")


def test_classes_that_look_like_pairs_are_read_as_classes_where_that_is_said(tmp_path: Path) -> None:
    make_layout(UNCLEAR["unknown words"], tmp_path / "data")
    assert read_listing(tmp_path / "data", format="class_folders").classes.names == ("ansicht", "klassen")


def test_unlabelled_files_that_are_pairs_are_told_to_be_named(tmp_path: Path) -> None:
    make_layout(Layout((("tiles/7{}.png", "tiles/7{}_drawn.png"),)), tmp_path / "data")
    with pytest.raises(DataError, match=r"--images 'tiles/\*\.png' --masks 'tiles/\*_drawn\.png'"):
        read_listing(tmp_path / "data")
