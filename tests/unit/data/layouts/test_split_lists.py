"""Text files that list the images of a split."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.data.layouts.split_lists import read_split_lists

KEYS = ["images/a b.png", "images/c.png", "images/sub/d.png"]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        ({"train.txt": "a b\nc\n", "val.txt": "d\n"}, ("train", "train", "val")),
        ({"train_list.txt": "images/a b.png masks/a b.png\nimages/c.png\n"}, ("train", "train", "")),
        ({"splits/val.lst": "images\\sub\\d.png\r\n\r\n"}, ("", "", "val")),
        ({"images/ImageSets/Segmentation/trainval.txt": "c\n"}, ("", "train", "")),
        ({"trainval.txt": "c\n", "train.txt": "d\n"}, ("", "", "train")),
        ({"test.txt": "/far/away/images/sub/d.png\t/far/away/masks/d.png\n"}, ("", "", "test")),
        ({"training_notes.txt": "c\n", "classes.txt": "c\n"}, ("", "", "")),
    ],
)
def test_lists_of_all_kinds(files: dict[str, str], splits: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, files)
    found = read_split_lists(tmp_path, KEYS, {})
    assert tuple("".join(found.splits.get(key, ())) for key in KEYS) == splits
    assert not found.missing


def test_what_is_missing_and_what_names_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"train.txt": "c\ne\n", "val.txt": "f\n", "test.txt": ""})
    found = read_split_lists(tmp_path, KEYS, {})
    assert (found.missing, found.unused) == (("e",), ("val.txt",))


def test_a_name_of_two_images_is_none_of_them(tmp_path: Path) -> None:
    write(tmp_path, {"train.txt": "d\n"})
    assert not read_split_lists(tmp_path, [*KEYS, "images/other/d.png"], {}).splits


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train.txt").write_text(text, encoding="utf-8", errors="replace")
        assert set(read_split_lists(Path(folder), KEYS, {}).splits) <= set(KEYS)
