"""Every entry of FORMATS: a tiny data set in its layout is detected as itself and says the same as all others."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from finesight.data.formats import FORMATS, detect_format, list_pictures, read_listing
from finesight.errors import DataError

NAMES = ["willow tree", 'a "b", c', "<script>alert(1)</script>".replace("/", "⁄"), "狐狸"]
SAMPLES = [
    (split, name, f"{number:03}")
    for split in ("train", "val")
    for name in NAMES
    for number in range(4 if split == "train" else 2)
]


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2), "red").save(path)


def make_name_prefix(root: Path) -> None:
    for split, name, number in SAMPLES:
        _write(root / f"{split}_50" / f"{name}_{number}.png")


def make_class_folders(root: Path) -> None:
    for split, name, number in SAMPLES:
        _write(root / {"train": "training", "val": "validation"}[split] / name / f"{number}.png")


def make_manifest(root: Path) -> None:
    root.mkdir()
    with (root / "anything.csv").open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "split", "remark"])
        for index, (split, name, _) in enumerate(SAMPLES):
            _write(root / "pictures" / f"{index}, {name}.png")
            rows.writerow([f"pictures/{index}, {name}.png", name, split, 'said "so"'])


def make_unlabelled(root: Path) -> None:
    for index in range(4):
        _write(root / f"IMG {index}.png")


MAKERS: dict[str, Callable[[Path], None]] = {
    "name_prefix": make_name_prefix,
    "class_folders": make_class_folders,
    "manifest": make_manifest,
    "unlabelled": make_unlabelled,
}
CLASSIFICATION = [name for name, format in FORMATS.items() if format.task == "classification"]


@pytest.mark.parametrize("name", FORMATS)
def test_is_detected_as_itself(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    assert detect_format(tmp_path / "data") == name
    assert FORMATS[name].title


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_says_the_same_as_all_others(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    listing = read_listing(tmp_path / "data")
    assert listing.format == name
    assert set(listing.classes.ids) == set(NAMES)
    assert listing.classes.ids == listing.classes.names
    counts = {split: [item.label for item in items] for split, items in listing.splits.items()}
    assert {split: {name: labels.count(name) for name in NAMES} for split, labels in counts.items()} == {
        "train": dict.fromkeys(NAMES, 4),
        "val": dict.fromkeys(NAMES, 2),
    }
    assert listing.notes == ()
    for item in (*listing.splits["train"], *listing.splits["val"]):
        assert listing.root / item.key == item.path
        assert item.path.is_file()
        assert item.mask is None


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_takes_validation_from_another_root(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    for split, label, number in SAMPLES:
        if split == "val":
            _write(tmp_path / "other" / label / f"{number}.png")
    listing = read_listing(tmp_path / "data", val=tmp_path / "other")
    assert {item.key.split("/")[0] for item in listing.splits["train"]} == {"data"}
    assert {item.key.split("/")[0] for item in listing.splits["val"]} == {"other"}
    assert all(listing.root / item.key == item.path for items in listing.splits.values() for item in items)


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="nothing"):
        read_listing(tmp_path / "nothing", format=name)


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_are_listed_without_labels(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    items = list_pictures(tmp_path / "data")
    assert len(items) == (4 if name == "unlabelled" else len(SAMPLES))
    assert all(item.label is None for item in items)
