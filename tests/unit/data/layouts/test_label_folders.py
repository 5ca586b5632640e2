"""Labels from folders and names: what is a split, what is a class, what lies out of place, and how that is told."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from finesight.data.formats import list_images
from finesight.errors import DataError
from listings import read_listing

Draw = Callable[..., Path]
TWO = [f"{label}/{number}.png" for label in ("fox", "wolf") for number in range(6)]


def _under(folder: str, names: list[str] = TWO) -> list[str]:
    return [f"{folder}/{name}" for name in names]


def _flat(folder: str, count: int = 9) -> list[str]:
    return [f"{folder}/{number}.png" for number in range(count)]


def _counts(root: Path, **options: str) -> dict[str, int]:
    return {split: len(items) for split, items in read_listing(root, **options).splits.items()}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "names",
    [
        ["airport", "train_interior", "train_station"],
        ["control", "test_negative", "test_positive"],
        ["train-station", "test tube"],
        ["bus", "car", "train"],
        ["valley", "trainer"],
    ],
)
@pytest.mark.parametrize("split", ["", "train/"])
def test_classes_whose_names_begin_like_splits(draw: Draw, tmp_path: Path, names: list[str], split: str) -> None:
    for name in names:
        for number in range(3):
            draw(f"d/{split}{name}/{number}.png")
    for options in ({}, {"format": "class_folders"}):
        listing = read_listing(tmp_path / "d", **options)  # type: ignore[arg-type]
        assert (listing.format, set(listing.classes.ids)) == ("class_folders", set(names))


def test_classes_called_train_and_test_need_the_format_named(draw: Draw, tmp_path: Path) -> None:
    for name in (*_flat("d/train"), *_flat("d/test")):
        draw(name)
    with pytest.raises(
        DataError, match=r"'test', 'train' .* hold no folders: if they are classes, give --format class_f"
    ):
        read_listing(tmp_path / "d")
    assert read_listing(tmp_path / "d", format="class_folders").classes.ids == ("test", "train")


@pytest.mark.parametrize(
    ("names", "counts", "note"),
    [
        (_under("train") + _under("eval"), {"train": 12, "val": 12}, ""),
        (_under("training_set") + _under("dev") + _under("holdout"), {"train": 12, "val": 12, "test": 12}, ""),
        (_under("training_set/training_set") + _under("test_set/test_set"), {"train": 10, "val": 2, "test": 12}, ""),
        (
            _under("seg_train/seg_train") + _under("seg_test/seg_test") + _flat("seg_pred/seg_pred"),
            {"train": 10, "val": 2, "test": 12},
            "9 images in no folder of a class",
        ),
        (_under("train") + _under("val") + ["test/1.png"], {"train": 12, "val": 12}, "1 image of test without a label"),
        (_under("train") + _flat("test"), {"train": 10, "val": 2}, "9 images of test without a label"),
        ([*TWO, "legend.png"], {"train": 10, "val": 2}, "1 image in no folder of a class ('legend.png')"),
        (_under("train") + _under("val") + ["preview.png"], {"train": 12, "val": 12}, "('preview.png')"),
        ([*TWO, "wolf/@eaDir/0.png"], {"train": 10, "val": 2}, "1 folder ('wolf/@eaDir'): made by other programs"),
        (_under("UCMerced/Images"), {"train": 10, "val": 2}, "All images lie in the folder 'UCMerced/Images'"),
        (_under("data/train") + _under("data/val"), {"train": 12, "val": 12}, "All images lie in the folder 'data'"),
    ],
)
def test_nearly_plain_class_folders(
    draw: Draw, tmp_path: Path, names: list[str], counts: dict[str, int], note: str
) -> None:
    for name in names:
        draw(f"d/{name}")
    listing = read_listing(tmp_path / "d")
    assert (listing.format, listing.classes.ids) == ("class_folders", ("fox", "wolf"))
    assert {split: len(items) for split, items in listing.splits.items()} == counts
    assert note in " ".join(listing.notes)
    assert bool(note) == bool(listing.notes)
    assert all(listing.root / item.key == item.path for items in listing.splits.values() for item in items)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            _under("day") + _under("night"),
            r"'day/fox/0.png'.* lies in a folder of a folder.*--format class_folders .*--data .*/day ",
        ),
        ([*TWO, *[f"{number}.png" for number in range(5)]], r"'0.png' and 4 more lie in .* beside 2 class folders"),
        (_under("train") + _flat("val"), r"'val/0.png' and 8 more lie in"),
        (_under("a/b/train") + _flat("a/b/val"), r"'val/0.png' and 8 more lie in .*/a/b' beside 2 class folders"),
        (_under("train/day") + _under("train/night"), r"'day/fox/0.png' .*--format class_folders .*--data .*/day "),
        (
            [*_under("data"), "docs/figure.png"],
            r"'docs' beside 'data', which holds 2 class folders: --data .*/data reads",
        ),
        (_flat("dev") + _flat("test") + _flat("prod"), r"'dev', 'test' .* give --format class_folders"),
        (_under("train") + _under("val") + _under("dev"), r"'dev', 'val' .* both called like the split val"),
        ([f"2021-0{month}-0{day}.png" for month in range(1, 5) for day in range(1, 5)], "No image has a label"),
    ],
)
def test_the_culprit_is_named_in_one_line(draw: Draw, tmp_path: Path, names: list[str], says: str) -> None:
    for name in names:
        draw(f"d/{name}")
    with pytest.raises(DataError, match=says) as error:
        read_listing(tmp_path / "d")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def test_folders_in_class_folders_if_the_format_is_named(draw: Draw, tmp_path: Path) -> None:
    for name in _under("day") + _under("night"):
        draw(f"d/{name}")
    assert read_listing(tmp_path / "d", format="class_folders").classes.ids == ("day", "night")
    for name in _under("train") + _under("val") + _under("dev"):
        draw(f"e/{name}")
    with pytest.raises(DataError, match="both called like the split val"):
        read_listing(tmp_path / "e", format="class_folders")


@pytest.mark.parametrize("name", ["{}.{}.png", "{}-{}.png", "{} ({}).png", "{}_{}.png"])
def test_names_with_other_separators(draw: Draw, tmp_path: Path, name: str) -> None:
    for label in ("cat", "dog 2"):
        for number in range(4):
            draw(f"d/train/{name.format(label, number)}")
    for path in _flat("d/test1"):
        draw(path)
    listing = read_listing(tmp_path / "d")
    assert (listing.format, listing.classes.ids) == ("name_prefix", ("cat", "dog 2"))
    assert {split: len(items) for split, items in listing.splits.items()} == {"train": 6, "val": 2}
    assert listing.notes == ("Skipped: 9 images of test without a label ('test1/0.png' and 8 more).",)


def test_both_unicode_forms_of_a_folder_are_one_class(draw: Draw, tmp_path: Path) -> None:
    for form, split in (("NFC", "train"), ("NFD", "val")):
        for label in ("caf\u00e9", "b"):
            draw(f"d/{split}/{unicodedata.normalize(form, label)}/1.png")
    (tmp_path / "classes.txt").write_text(unicodedata.normalize("NFD", "b\ncaf\u00e9\n"), encoding="utf-8")
    for classes in ("", str(tmp_path / "classes.txt")):
        listing = read_listing(tmp_path / "d", classes=classes)
        assert listing.classes.ids == ("b", "caf\u00e9")
        assert [item.target for item in listing.splits["val"]] == ["b", "caf\u00e9"]
        assert "decomposed Unicode" in listing.notes[0]


def test_twins_are_told(draw: Draw, tmp_path: Path) -> None:
    for label in ("Fox", "fox", "wolf"):
        for number in range(3):
            draw(f"d/{label}/{number}.png")
    listing = read_listing(tmp_path / "d")
    assert listing.classes.ids == ("Fox", "fox", "wolf")
    assert listing.notes == ("Classes of nearly the same name, read as different classes: 'Fox', 'fox'.",)


def test_a_class_of_val_that_is_written_otherwise_in_train(draw: Draw, tmp_path: Path) -> None:
    for name in ("train/Fox/1.png", "train/wolf/1.png", "val/fox/1.png", "val/wolf/1.png"):
        draw(f"d/{name}")
    with pytest.raises(DataError, match=r"images of 'fox', but .* little more than case: 'Fox', 'fox'"):
        read_listing(tmp_path / "d")


def test_validation_of_one_class_is_not_gone_into(draw: Draw, tmp_path: Path) -> None:
    """`--val` with a single class folder: its files' names are not classes."""
    for name in TWO:
        draw(f"d/{name}")
    for number in range(3):
        draw(f"v/fox/{'ab'[number % 2]}_{number}.png")
    assert {item.target for item in read_listing(tmp_path / "d", val=tmp_path / "v").splits["val"]} == {"fox"}
    assert len(list_images(tmp_path / "v")) == 3
