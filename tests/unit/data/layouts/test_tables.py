"""Tables as Kaggle, Hugging Face and Roboflow write them, and what may be wrong with them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from finesight.data.formats import detect_format, read_splits
from finesight.data.leftovers import Note
from finesight.errors import DataError


def fill(root: Path, images: list[str], tables: Mapping[str, str]) -> Path:
    for name in (*images, *tables):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in tables.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def read(root: Path, format: str = "auto") -> tuple[dict[str, list[tuple[str, object]]], str]:
    """(key and target of each image by split, all notes)."""
    notes: list[Note] = []
    _, _, splits = read_splits(root, format=format, notes=notes)
    found = {split: [(item.key, item.target) for item in items] for split, items in splits.items()}
    return found, " ".join(note.text for note in notes)


ROBOFLOW = [f"{split}/{name}.jpg" for split in ("train", "valid") for name in "abc"]


def test_columns_are_found_by_name_in_each_table(tmp_path: Path) -> None:
    tables = {
        "train/_classes.csv": "\ufefffilename;fox;wolf;width\na.jpg;1;0;9\nb.jpg;0;1;9\nc.jpg;0;1;9\n",
        "valid/_classes.csv": "wolf, fox, filename\n0, 1, a.jpg\n1, 0, b.jpg\n0, 1, c.jpg\n",
    }
    splits, notes = read(fill(tmp_path, ROBOFLOW, tables))
    assert [label for _, label in splits["train"]] == ["fox", "wolf", "wolf"]
    assert [label for _, label in splits["val"]] == ["fox", "wolf", "fox"]
    assert "Every row has one 1 in the columns 'fox', 'wolf'" in notes
    assert "Columns that are not 0 or 1 in every row are not used: 'width'" in notes


def test_one_row_of_two_classes_makes_the_data_multilabel_however_late(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(1500)]
    rows = [f"{name},1,0" for name in names[:-1]]
    fill(tmp_path, names, {"t.csv": "\n".join(["image,fox,wolf", *rows, f"{names[-1]},1,1"])})
    assert detect_format(tmp_path) == "multilabel_manifest"
    with pytest.raises(DataError, match=r"row 1501: 'fox', 'wolf' are all 1|has no column 'label'"):
        read(tmp_path, "manifest")


def test_classes_that_only_one_split_has_are_no_columns_without_a_one(tmp_path: Path) -> None:
    tables = {
        "train/_classes.csv": "filename, bear, fox, wolf\na.jpg, 0, 1, 0\nb.jpg, 0, 0, 1\nc.jpg, 0, 0, 1\n",
        "valid/_classes.csv": "filename, bear, fox, wolf\na.jpg, 0, 1, 0\nb.jpg, 0, 1, 0\nc.jpg, 0, 1, 0\n",
    }
    _, notes = read(fill(tmp_path, ROBOFLOW, tables))
    assert "Columns without a 1 make no class: 'bear'." in notes


def test_numbered_names_beside_a_tools_table_are_no_classes(tmp_path: Path) -> None:
    images = [f"img_{number:03}.png" for number in range(6)] + [f"photo_{number:03}.png" for number in range(6)]
    rows = [f"{image},{'cat' if number % 2 else 'dog'}" for number, image in enumerate(images)]
    fill(tmp_path, images, {"metadata.csv": "\n".join(["file_name,label", *rows])})
    assert detect_format(tmp_path) == "manifest"


def test_a_tools_table_beside_class_folders_is_for_the_user_to_choose(tmp_path: Path) -> None:
    images = [f"train/{label}/{number}.png" for label in ("fox", "wolf") for number in range(3)]
    rows = [f"{image.removeprefix('train/')},wolf" for image in images]
    fill(tmp_path, images, {"train/metadata.csv": "\n".join(["file_name,label", *rows])})
    with pytest.raises(DataError, match="class_folders or manifest: say which"):
        detect_format(tmp_path)
    (tmp_path / "train/metadata.csv").write_text("file_name,text\nfox/0.png,a fox\n")
    assert detect_format(tmp_path) == "class_folders"


def test_unlisted_repeated_and_missing_images_are_counted(tmp_path: Path) -> None:
    lines = [{"file_name": f"{name}.jpg", "label": name} for name in "aab"]
    text = "".join(json.dumps(line) + "\n\n" for line in lines)
    splits, notes = read(fill(tmp_path, [f"{name}.jpg" for name in "abcd"], {"metadata.jsonl": text}))
    assert splits == {"train": [("a.jpg", "a"), ("b.jpg", "b")]}
    assert "Left out: 2 images in no row of 'metadata.jsonl' ('c.jpg', 'd.jpg')." in notes
    assert "Skipped: 1 row that repeats an earlier one of 'metadata.jsonl' ('a.jpg')." in notes
    with (tmp_path / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "z.jpg", "label": "z"}\n')
    with pytest.raises(DataError, match=r"row 4: image 'z.jpg' does not exist"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"file_name": "b.jpg", "label": "x"', "row 2: it is not JSON"),
        ('["b.jpg", "x"]', "row 2: it should be an object"),
        ('{"file_name": "b.jpg"}', "row 2: 'b.jpg' has no label"),
        ('{"file_name": "b.jpg", "label": null}', "row 2: 'b.jpg' has no label"),
        ('{"file_name": "a.jpg", "label": "y"}', "row 2: 'a.jpg' is already in row 1"),
    ],
)
def test_lines_that_cannot_be_used_are_named(tmp_path: Path, line: str, says: str) -> None:
    text = f'{{"file_name": "a.jpg", "label": "x"}}\n{line}\n'
    with pytest.raises(DataError, match=says):
        read(fill(tmp_path, ["a.jpg", "b.jpg"], {"metadata.jsonl": text}), "manifest")


def test_names_with_commas_in_lists_stay_whole(tmp_path: Path) -> None:
    lines = [{"file_name": "a.jpg", "labels": ["red, ripe", "apple"]}, {"file_name": "b.jpg", "labels": ["apple"]}]
    text = "\n".join(map(json.dumps, lines))
    splits, _ = read(fill(tmp_path, ["a.jpg", "b.jpg"], {"metadata.jsonl": text}))
    assert splits["train"] == [("a.jpg", ("red, ripe", "apple")), ("b.jpg", ("apple",))]


def test_a_split_whose_table_gives_nothing_is_said(tmp_path: Path) -> None:
    tables = {
        "train.csv": "filename,label\ntrain/a.jpg,fox\ntrain/b.jpg,wolf\ntrain/c.jpg,wolf\n",
        "valid.csv": "filename,label\nvalid/a.jpg,fox\nvalid/b.jpg,wolf\nvalid/c.jpg,wolf\n",
        "test.csv": "filename\nz.jpg\n",
        "sample_submission.csv": "filename,label\nvalid/a.jpg,fox\n",
    }
    splits, notes = read(fill(tmp_path, ROBOFLOW, tables))
    assert {split: len(items) for split, items in splits.items()} == {"train": 3, "val": 3}
    assert "Splits as in the tables train.csv (train), valid.csv (val). Not used, as no label" in notes
    assert "'test.csv'" in notes
    assert "a form for predictions: 'sample_submission.csv'" in notes


def test_all_faults_of_all_tables_are_collected(tmp_path: Path) -> None:
    tables = {
        "train/metadata.csv": "file_name,label\na.jpg,fox\nb.jpg,\nc.jpg,wolf\n",
        "valid/metadata.csv": "file_name,label\na.jpg,fox\ngone.jpg,wolf\n",
    }
    fill(tmp_path, ROBOFLOW, tables)
    faults: list[str] = []
    _, _, splits = read_splits(tmp_path, faults=faults)
    assert {split: len(items) for split, items in splits.items()} == {"train": 2, "val": 1}
    assert any("'train/b.jpg' has no label" in fault for fault in faults)
    assert any("'gone.jpg' does not exist" in fault for fault in faults)
