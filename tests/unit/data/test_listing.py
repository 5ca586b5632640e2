"""read_listing and its neighbours: what is refused, what is noted, what shifts nothing."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.classes import natural_key
from finesight.data.formats import detect_format, is_in_order, list_images
from finesight.errors import DataError
from listings import read_listing

Draw = Callable[..., Path]


def _labels(draw: Draw, root: str, labels: dict[str, int]) -> None:
    for label, count in labels.items():
        for number in range(count):
            draw(f"{root}/{label}_{number}.png")


@given(st.sets(st.text("0019a_/é\0"), min_size=1))
def test_keys_in_natural_order_are_known_as_such(keys: set[str]) -> None:
    """The quick way, by neighbours with numbers of one length, agrees with the slow one."""
    ordered = sorted(keys, key=natural_key)
    assert is_in_order(ordered) or any("\0" in key for key in keys)
    assert is_in_order(sorted(keys)) == (sorted(keys) == ordered) or any("\0" in key for key in keys)


def test_a_class_missing_in_val_shifts_nothing(draw: Draw, tmp_path: Path) -> None:
    for label in ("ant", "bee", "cat"):
        draw(f"train/{label}/1.png")
    for label in ("ant", "cat"):
        draw(f"val/{label}/1.png")
    listing = read_listing(tmp_path)
    assert listing.classes.names == ("ant", "bee", "cat")
    assert [listing.classes.index(item.target or "") for item in listing.splits["val"]] == [0, 2]
    assert listing.notes == ("Class without an image in val: 'bee'.",)
    assert read_listing(tmp_path / "train", val=tmp_path / "val").splits == listing.splits


def test_validation_of_a_single_class_is_read_like_the_training_images(draw: Draw, tmp_path: Path) -> None:
    _labels(draw, "train", {"ant": 2, "bee": 2})
    _labels(draw, "more", {"bee": 2})
    listing = read_listing(tmp_path / "train", val=tmp_path / "more")
    assert [item.target for item in listing.splits["val"]] == ["bee", "bee"]


def test_ids_and_names_are_one_class(draw: Draw, tmp_path: Path) -> None:
    _labels(draw, "train", {"0": 2, "10": 2})
    _labels(draw, "check", {"fox": 1, "hare": 1})
    (tmp_path / "names.json").write_text(json.dumps({"0": "fox", "2": "wolf", "10": "hare"}))
    listing = read_listing(tmp_path / "train", val=tmp_path / "check", classes=str(tmp_path / "names.json"))
    assert listing.classes.names == ("fox", "wolf", "hare")
    assert [listing.classes.index(item.target or "") for item in listing.splits["val"]] == [0, 2]
    assert listing.notes == ("In the class list but without images: 'wolf'.",)


def test_a_split_is_made_where_there_is_none(draw: Draw, tmp_path: Path) -> None:
    _labels(draw, "all", {"ant": 10, "bee": 10, "rare": 1})
    listing = read_listing(tmp_path / "all", val_fraction=0.2)
    assert [len(listing.splits[split]) for split in ("train", "val")] == [17, 4]
    assert listing.notes == ("Class without an image in val: 'rare'.",)
    assert read_listing(tmp_path / "all", val_fraction=0.2) == listing
    assert read_listing(tmp_path / "all", val_fraction=0.2, seed=1).splits != listing.splits


def test_natural_order_and_test_split(draw: Draw, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        _labels(draw, f"d/{split}", {"a": 11, "b": 1})
    listing = read_listing(tmp_path / "d")
    assert list(listing.splits) == ["train", "val", "test"]
    assert [item.key for item in listing.splits["train"]][1:4] == [f"train/a_{i}.png" for i in (1, 2, 3)]
    assert listing.splits["train"][10].key == "train/a_10.png"


def test_dotted_root_and_links(draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _labels(draw, "real/data", {"a": 2, "b": 2})
    (tmp_path / "real/data/loop").symlink_to(tmp_path / "real/data")
    (tmp_path / "link").symlink_to(tmp_path / "real/data")
    monkeypatch.chdir(tmp_path / "real")
    assert read_listing("data/../data").root == tmp_path / "real/data"
    assert [item.key for item in list_images(tmp_path / "link")] == ["a_0.png", "a_1.png", "b_0.png", "b_1.png"]


def test_what_is_no_image_is_passed_over(draw: Draw, tmp_path: Path) -> None:
    _labels(draw, "d", {"a": 2, "b": 2})
    draw("d/.hidden/x.png")
    draw("d/__MACOSX/x.png")
    for name in ("Thumbs.db", "._a_0.png", "notes.txt", "classes.csv"):
        (tmp_path / "d" / name).write_text("name\na\nb\n")
    assert len(list_images(tmp_path / "d")) == 4
    assert detect_format(tmp_path / "d") == "name_prefix"


def test_single_file(draw: Draw, tmp_path: Path) -> None:
    path = draw("狐 <b>.PNG")
    (item,) = list_images(path)
    assert (item.key, item.path, item.target) == ("狐 <b>.PNG", path, None)
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"a\.txt' is a file"):
        list_images(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "holds no images"),
        (["cat/1.png", "cat/2.png"], "one folder of images, 'cat'; at least two"),
        (["a_1.png", "b_1.png", "odd.png"], r"3 images directly in it \('a_1.png', 'b_1.png' and 1 more\)"),
        (["train_50/cat/1.png", "val_50/cat/1.png", "extra/cat/1.png"], "'extra' beside them is not"),
        (["train_50/a_1.png", "val_50/b_1.png", "extra/a_2.png"], "'extra' beside them is not"),
        (["train_50/a_1.png", "train_100/b_1.png"], "both called like the split train"),
        (["a/b/c/1.png", "b/b/c/1.png"], "'a/b/c/1.png'.*lies in a folder of a folder.*--format class_folders"),
    ],
)
def test_what_fits_nothing_is_told(draw: Draw, tmp_path: Path, names: list[str], says: str) -> None:
    (tmp_path / "d").mkdir()
    for name in names:
        draw(f"d/{name}")
    with pytest.raises(DataError, match=says):
        read_listing(tmp_path / "d")


def test_what_fits_twice_is_told(draw: Draw, tmp_path: Path) -> None:
    _labels(draw, "d", {"a": 2, "b": 2})
    (tmp_path / "d/labels.csv").write_text("path,label\na_0.png,x\nb_0.png,y\na_1.png,x\nb_1.png,y\n")
    with pytest.raises(DataError, match="name_prefix or manifest: say which"):
        read_listing(tmp_path / "d")
    assert read_listing(tmp_path / "d", format="manifest").classes.names == ("x", "y")
    assert read_listing(tmp_path / "d/labels.csv").format == "manifest"
    (tmp_path / "d/other.csv").write_text("path,label\na_0.png,x\n")
    with pytest.raises(DataError, match="Name the one CSV"):
        read_listing(tmp_path / "d", format="manifest")


def test_bad_roots(draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No data is given"):
        read_listing("")
    with pytest.raises(DataError, match="missing' does not exist"):
        read_listing(tmp_path / "missing")
    with pytest.raises(DataError, match="is a file"):
        read_listing(draw("a.png"))
    with pytest.raises(DataError, match="Did you mean 'class_folders'"):
        read_listing(tmp_path, format="class_folder")
    (tmp_path / "x.csv").write_text("colour,label\n")
    with pytest.raises(DataError, match="no column 'path'"):
        read_listing(tmp_path / "x.csv")


def test_forced_formats_say_which_image(draw: Draw, tmp_path: Path) -> None:
    draw("d/flat.png")
    with pytest.raises(DataError, match=r"'flat.png'.*folder named after its class"):
        read_listing(tmp_path / "d", format="class_folders")
    with pytest.raises(DataError, match=r"'flat.png'.*CLASS_ID"):
        read_listing(tmp_path / "d", format="name_prefix")


def test_senseless_data(draw: Draw, tmp_path: Path) -> None:
    _labels(draw, "one", {"a": 3})
    with pytest.raises(DataError, match="of one class, 'a'"):
        read_listing(tmp_path / "one", format="name_prefix")
    _labels(draw, "singles", {"a": 1, "b": 1})
    with pytest.raises(DataError, match="No class has two images"):
        read_listing(tmp_path / "singles")
    _labels(draw, "good", {"a": 2, "b": 2})
    _labels(draw, "unknown", {"a": 1, "wolf": 1})
    with pytest.raises(DataError, match="Split 'val' has images of 'wolf'"):
        read_listing(tmp_path / "good", val=tmp_path / "unknown")
    with pytest.raises(DataError, match="in both train and val"):
        read_listing(tmp_path / "good", val=tmp_path / "good")
    _labels(draw, "late/val", {"a": 1, "b": 1})
    with pytest.raises(DataError, match="no training split"):
        read_listing(tmp_path / "late")
    for split in ("train", "test"):
        _labels(draw, f"noval/{split}", {"a": 1, "b": 1})
    with pytest.raises(DataError, match="but no val"):
        read_listing(tmp_path / "good", val=tmp_path / "noval")


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_are_not_utf8(draw: Draw, tmp_path: Path) -> None:
    _labels(draw, "d", {"a": 2, "b": 2})
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "d") + b"/b_\xff.png")).touch()
    except OSError:
        pytest.skip("the file system has Unicode names only")
    with pytest.raises(DataError, match=r"not in UTF-8, 'b_\\udcff"):
        read_listing(tmp_path / "d")
