"""Every layout of docs/labels.md, generated and read."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from annotations import choose, make_task
from finesight.app.inspect import audit_data
from finesight.config import DataSettings
from finesight.data.targets import list_labels
from listings import read_listing

PAGE = Path(__file__).parents[2] / "docs" / "labels.md"
LABELS = ("fox", "wolf")
DRAWN = {"train": 8, "val": 2}


def names(pattern: str, count: int = 5) -> list[str]:
    return [pattern.format(label=label, number=number) for label in LABELS for number in range(count)]


def names_of(pattern: str, label: str, count: int) -> list[str]:
    return [pattern.format(label=label, number=number) for number in range(count)]


def table(header: str, rows: Sequence[str]) -> str:
    return "\n".join([header, *rows])


def one_hot(header: str, pattern: str, count: int) -> str:
    """A table with a column of 0 and 1 for each label."""
    flags = {"fox": "1, 0", "wolf": "0, 1"}
    return table(header, [f"{name}, {flags[label]}" for label in LABELS for name in names_of(pattern, label, count)])


def json_lines(columns: tuple[str, str]) -> str:
    """Lines of `{"file_name": …, column: label}`; a list of one label where the column is called labels."""
    pattern, column = columns
    return "".join(
        json.dumps({"file_name": name, column: [label] if column == "labels" else label}) + "\n"
        for label in LABELS
        for name in names_of(pattern, label, 5)
    )


def answer(images: Sequence[str]) -> str:
    """Label Studio's JSON of uploaded images with the labels that their names hold."""
    tasks = [
        make_task(number, f"/data/upload/1/3f2a1b8c-{image}", [choose([label for label in LABELS if label in image])])
        for number, image in enumerate(images)
    ]
    return json.dumps(tasks)


# name: (files, tables by name, what --data names below the folder, format, images a split)
LAYOUTS: dict[str, tuple[list[str], dict[str, str], str, str, dict[str, int]]] = {
    "class folders": (names("{label}/{number}.jpg"), {}, "", "class_folders", DRAWN),
    "class folders below splits": (
        names("train/{label}/{number}.jpg") + names("val/{label}/{number}.jpg", 1),
        {},
        "",
        "class_folders",
        {"train": 10, "val": 2},
    ),
    "splits of other names": (
        names("training_set/{label}/{number}.jpg") + names("dev/{label}/1.jpg", 1) + names("holdout/{label}/1.jpg", 1),
        {},
        "",
        "class_folders",
        {"train": 10, "val": 2, "test": 2},
    ),
    "splits with a prefix (Intel)": (
        names("seg_train/seg_train/{label}/{number}.jpg")
        + names("seg_test/seg_test/{label}/1.jpg", 1)
        + [f"seg_pred/seg_pred/{number}.jpg" for number in range(4)],
        {},
        "",
        "class_folders",
        DRAWN | {"test": 2},
    ),
    "a test split without labels": (
        names("train/{label}/{number}.jpg") + [f"test/{number}.jpg" for number in range(6)],
        {},
        "",
        "class_folders",
        DRAWN,
    ),
    "one folder around all": (names("UCMerced_LandUse/Images/{label}/{number}.tif"), {}, "", "class_folders", DRAWN),
    "names with underscores": (names("{label}_{number}.jpg"), {}, "", "name_prefix", DRAWN),
    "names with dots (Kaggle)": (
        names("train/{label}.{number}.jpg") + [f"test1/{number}.jpg" for number in range(6)],
        {},
        "",
        "name_prefix",
        DRAWN,
    ),
    "names with hyphens": (names("{label}-{number}.jpg"), {}, "", "name_prefix", DRAWN),
    "names numbered by Windows": (names("{label} ({number}).jpg"), {}, "", "name_prefix", DRAWN),
    "CSV file": (
        names("{label}{number}.jpg"),
        {
            "labels.csv": table(
                "path,label,split", names("{label}{number}.jpg,{label},train", 3) + names("{label}4.jpg,{label},val", 1)
            )
        },
        "labels.csv",
        "manifest",
        {"train": 6, "val": 2},
    ),
    "CSV file of ids": (
        names("train_images/0{label}{number}.jpg"),
        {"train.csv": table("image_id,label", names("0{label}{number},{label}"))},
        "",
        "manifest",
        DRAWN,
    ),
    "CSV file with a flag": (
        names("{label}{number}.jpg"),
        {
            "labels.csv": table(
                "filename;class;is_valid",
                names("{label}{number}.jpg;{label};0", 4) + names("{label}4.jpg;{label};1", 1),
            )
        },
        "labels.csv",
        "manifest",
        {"train": 8, "val": 2},
    ),
    "CSV file of several labels": (
        ["foxwolf.jpg", *names("{label}{number}.jpg", 2)],
        {
            "labels.csv": table(
                "path,labels,split",
                [
                    "foxwolf.jpg,fox;wolf,train",
                    *names("{label}0.jpg,{label},train", 1),
                    *names("{label}1.jpg,{label},val", 1),
                ],
            )
        },
        "labels.csv",
        "multilabel_manifest",
        {"train": 3, "val": 2},
    ),
    "CSV file of a column for each class": (
        ["foxwolf.jpg", "fox0.jpg", "wolf0.jpg"],
        {
            "labels.csv": table(
                "path,fox,wolf,split", ["foxwolf.jpg,1,1,train", "fox0.jpg,1,0,val", "wolf0.jpg,0,1,val"]
            )
        },
        "labels.csv",
        "multilabel_manifest",
        {"train": 1, "val": 2},
    ),
    "Kaggle, a column for each class": (
        [*names("images/Train_{label}{number}.jpg"), "images/Test_0.jpg"],
        {
            "train.csv": one_hot("image_id,fox,wolf", "Train_{label}{number}", 5),
            "test.csv": table("image_id", ["Test_0"]),
            "sample_submission.csv": table("image_id,fox,wolf", ["Test_0,0.5,0.5"]),
        },
        "",
        "manifest",
        DRAWN,
    ),
    "a CSV file for each split": (
        names("images/{label}{number}.jpg"),
        {
            "train.csv": table("filename,label", names("images/{label}{number}.jpg,{label}", 4)),
            "val.csv": table("filename,label", names("images/{label}4.jpg,{label}", 1)),
        },
        "",
        "manifest",
        {"train": 8, "val": 2},
    ),
    "Hugging Face, metadata.csv": (
        names("train/{label}{number}.png") + names("validation/{label}{number}.png", 1),
        {
            "train/metadata.csv": table("file_name,label", names("{label}{number}.png,{label}")),
            "validation/metadata.csv": table("file_name,label", names("{label}{number}.png,{label}", 1)),
        },
        "",
        "manifest",
        {"train": 10, "val": 2},
    ),
    "Hugging Face, one metadata.csv": (
        names("train/{label}{number}.png") + names("test/{label}{number}.png", 1),
        {
            "metadata.csv": table(
                "file_name,label",
                names("train/{label}{number}.png,{label}") + names("test/{label}{number}.png,{label}", 1),
            )
        },
        "",
        "manifest",
        DRAWN | {"test": 2},
    ),
    "Hugging Face, metadata.jsonl": (
        names("train/{label}{number}.png"),
        {"train/metadata.jsonl": json_lines(("{label}{number}.png", "label"))},
        "",
        "manifest",
        DRAWN,
    ),
    "Hugging Face, several labels": (
        ["foxwolf.png", *names("{label}{number}.png")],
        {
            "metadata.jsonl": json.dumps({"file_name": "foxwolf.png", "labels": list(LABELS)})
            + "\n"
            + json_lines(("{label}{number}.png", "labels"))
        },
        "",
        "multilabel_manifest",
        {"train": 9, "val": 2},
    ),
    "Roboflow, single label": (
        [f"{split}/{name}" for split in ("train", "valid") for name in names("{label}_{number}_jpg.rf.0a1b.jpg")],
        {
            f"{split}/_classes.csv": one_hot("filename, fox, wolf", "{label}_{number}_jpg.rf.0a1b.jpg", 5)
            for split in ("train", "valid")
        },
        "",
        "manifest",
        {"train": 10, "val": 10},
    ),
    "Roboflow, several labels": (
        ["train/foxwolf.jpg", *names("train/{label}{number}.jpg"), *names("valid/{label}{number}.jpg", 1)],
        {
            "train/_classes.csv": one_hot("filename, fox, wolf", "{label}{number}.jpg", 5) + "\nfoxwolf.jpg, 1, 1",
            "valid/_classes.csv": one_hot("filename, fox, wolf", "{label}{number}.jpg", 1),
        },
        "",
        "multilabel_manifest",
        {"train": 11, "val": 2},
    ),
    "Label Studio, one choice": (
        names("images/{label}{number}.jpg"),
        {
            f"{split}.json": answer(
                [name for name in names("{label}{number}.jpg") if ("0" in name) == (split == "val")]
            )
            for split in ("train", "val")
        },
        "",
        "label_studio_choice",
        {"train": 8, "val": 2},
    ),
    "Label Studio, several choices": (
        ["train/foxwolf.jpg", *names("train/{label}{number}.jpg"), *names("val/{label}9.jpg", 1)],
        {"project.json": answer(["foxwolf.jpg", *names("{label}{number}.jpg"), *names("{label}9.jpg", 1)])},
        "",
        "label_studio_choices",
        {"train": 11, "val": 2},
    ),
}


def test_the_table_of_layouts_is_what_is_tested() -> None:
    rows = re.findall(r"^\| ([^|]+?) +\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [row.strip() for row in rows if row.strip() != "layout"] == list(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_of_labels_is_read(name: str, tmp_path: Path) -> None:
    files, tables, data, format, counts = LAYOUTS[name]
    for number, file in enumerate(files):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number % 256, 3 * number % 256, 9)).save(tmp_path / file)
    for file, text in tables.items():
        (tmp_path / file).write_text(text)
    listing = read_listing(tmp_path / data)
    assert listing.format == format
    assert listing.classes.ids == LABELS
    assert {split: len(items) for split, items in listing.splits.items()} == counts
    for item in listing.splits["train"]:
        assert list_labels(item) == tuple(label for label in LABELS if label in item.key)
    assert audit_data(DataSettings(root=str(tmp_path / data))).format == format
