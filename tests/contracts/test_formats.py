"""Every entry of FORMATS: a tiny data set in its layout is detected as itself and says the same as all others."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from annotations import (
    choose,
    draw_regions,
    write_coco,
    write_data_yaml,
    write_label_studio,
    write_labelme,
    write_labels,
    write_values,
)
from finesight.app.inspect import audit_data
from finesight.config import DataSettings
from finesight.data.formats import FORMATS, detect_format, list_images, list_unmasked
from finesight.errors import DataError
from listings import read_listing

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
            _write(root / "images" / f"{index}, {name}.png")
            rows.writerow([f"images/{index}, {name}.png", name, split, 'said "so"'])


def make_multilabel_manifest(root: Path) -> None:
    root.mkdir()
    with (root / "several.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "labels", "split"])
        for index, (split, name, number) in enumerate(SAMPLES):
            _write(root / "images" / f"{index}.png")
            rows.writerow([f"images/{index}.png", f"{name}; {NAMES[int(number) % 2]}", split])


def _write_pair(image: Path, mask: Path, number: int) -> None:
    _write(image)
    mask.parent.mkdir(parents=True, exist_ok=True)
    pixels = Image.new("RGB", (3, 2), "red")
    pixels.putpixel((number % 3, 0), (0, 0, 255))
    pixels.save(mask)


def make_mask_suffix(root: Path) -> None:
    for split, count in PAIRS.items():
        for number in range(count):
            folder = root / split
            _write_pair(folder / f"{number:04} 狐_sat.jpg", folder / f"{number:04} 狐_mask.png", number)


def make_mask_folders(root: Path) -> None:
    for split, count in PAIRS.items():
        for number in range(count):
            _write_pair(root / "images" / split / f"{number}.jpg", root / "masks" / split / f"{number}.png", number)


def make_mask_manifest(root: Path) -> None:
    root.mkdir()
    with (root / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["mask", "image", "split"])
        for split, count in PAIRS.items():
            for number in range(count):
                name = f"{split}, {number}"
                _write_pair(root / "a" / f"{name}.png", root / "b" / f"{name}.png", number)
                rows.writerow([f"b/{name}.png", f"a/{name}.png", split])


def _write_annotated(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), "red").save(path)


def make_coco(root: Path) -> None:
    for split, count in PAIRS.items():
        names = [f"{number} 狐.jpg" for number in range(count)]
        for name in names:
            _write_annotated(root / f"{split}2017" / name)
        write_coco(root / "annotations" / f"instances_{split}2017.json", names, (6, 8))


def make_yolo(root: Path) -> None:
    for split, count in PAIRS.items():
        for number in range(count):
            _write_annotated(root / "images" / split / f"{number} 狐.jpg")
            write_labels(root / "labels" / split / f"{number} 狐.txt")
    write_data_yaml(root / "data.yaml")


def make_yolo_masks(root: Path) -> None:
    for split, count in PAIRS.items():
        for number in range(count):
            _write_annotated(root / "images" / split / f"{number}.jpg")
            write_values(root / "masks" / split / f"{number}.png", (6, 8))
    write_data_yaml(root / "data.yaml", masks_dir="masks")


def make_labelme(root: Path) -> None:
    for split, count in PAIRS.items():
        for number in range(count):
            _write_annotated(root / split / f"{number} 狐.jpg")
            write_labelme(root / split / f"{number} 狐.json", f"{number} 狐.jpg", (6, 8))


def make_label_studio(root: Path) -> None:
    for split, count in PAIRS.items():
        names = [f"{split} {number} 狐.jpg" for number in range(count)]
        for name in names:
            _write_annotated(root / "images" / name)
        write_label_studio(root / f"{split}.json", names, [draw_regions((6, 8))] * count)


def make_label_studio_brushes(root: Path) -> None:
    task = 0
    for split, count in PAIRS.items():
        for _ in range(count):
            task += 1
            _write_annotated(root / split / f"{task}.jpg")
            for name in ("field", "lake"):
                path = root / "masks" / f"task-{task}-annotation-{task}-by-1-tag-{name}-0.png"
                path.parent.mkdir(exist_ok=True)
                brush = Image.new("L", (8, 6))
                brush.paste(255, (0, 0, 8 if name == "field" else 4, 6))
                brush.save(path)


def make_label_studio_choice(root: Path) -> None:
    _make_choices(root, [[name] for _, name, _ in SAMPLES])


def make_label_studio_choices(root: Path) -> None:
    _make_choices(root, [[name, NAMES[int(number) % 2]] for _, name, number in SAMPLES])


def _make_choices(root: Path, choices: list[list[str]]) -> None:
    names = [f"{index}.png" for index in range(len(SAMPLES))]
    for name in names:
        _write(root / "images" / name)
    for split in PAIRS:
        chosen = [index for index, sample in enumerate(SAMPLES) if sample[0] == split]
        answers = [[choose(list(dict.fromkeys(choices[index])))] for index in chosen]
        write_label_studio(root / f"{split}.json", [names[index] for index in chosen], answers)


def make_roboflow_masks(root: Path) -> None:
    for split, count in PAIRS.items():
        for number in range(count):
            _write_annotated(root / split / f"{number}.jpg")
            write_values(root / split / f"{number}_mask.png", (6, 8))
        (root / split / "_classes.csv").write_text("Pixel Value, Class\n0, field\n1, lake\n", encoding="utf-8")


def make_unlabelled(root: Path) -> None:
    for index in range(4):
        _write(root / f"IMG {index}.png")


PAIRS = {"train": 3, "val": 2}
MAKERS: dict[str, Callable[[Path], None]] = {
    "name_prefix": make_name_prefix,
    "class_folders": make_class_folders,
    "manifest": make_manifest,
    "multilabel_manifest": make_multilabel_manifest,
    "mask_suffix": make_mask_suffix,
    "mask_folders": make_mask_folders,
    "mask_manifest": make_mask_manifest,
    "coco": make_coco,
    "yolo": make_yolo,
    "yolo_masks": make_yolo_masks,
    "labelme": make_labelme,
    "label_studio": make_label_studio,
    "label_studio_brushes": make_label_studio_brushes,
    "label_studio_choice": make_label_studio_choice,
    "label_studio_choices": make_label_studio_choices,
    "roboflow_masks": make_roboflow_masks,
    "unlabelled": make_unlabelled,
}
SEGMENTATION = [name for name, format in FORMATS.items() if format.task == "segmentation"]
ANNOTATED = ("label_studio", "label_studio_brushes", "coco", "yolo", "yolo_masks", "labelme", "roboflow_masks")
CLASSIFICATION = [name for name, format in FORMATS.items() if format.task == "classification"]


@pytest.mark.parametrize("name", FORMATS)
def test_is_detected_as_itself(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    assert detect_format(tmp_path / "data") == name
    assert FORMATS[name].title


def test_the_table_of_annotation_files_is_what_is_tested() -> None:
    page = (Path(__file__).parents[2] / "docs" / "annotations.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| ([a-z_]+) \| .+ \| .+ \| .+ \|$", page, re.MULTILINE)) == ("format", *ANNOTATED)


@pytest.mark.parametrize("name", FORMATS)
def test_is_inspected_as_itself(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    audit = audit_data(DataSettings(root=str(tmp_path / "data")))
    assert audit.format == name
    assert not audit.split_is_made
    assert not [key for key, file in audit.files.items() if file.fault]
    if name != "unlabelled":
        listing = read_listing(tmp_path / "data")
        assert audit.splits == listing.splits
        assert audit.classes == listing.classes
        assert audit.found.rule == listing.rule


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_says_the_same_as_all_others(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    listing = read_listing(tmp_path / "data")
    assert listing.format == name
    assert set(listing.classes.ids) == set(NAMES)
    assert listing.classes.ids == listing.classes.names
    counts = {split: [item.target for item in items] for split, items in listing.splits.items()}
    assert {split: {name: labels.count(name) for name in NAMES} for split, labels in counts.items()} == {
        "train": dict.fromkeys(NAMES, 4),
        "val": dict.fromkeys(NAMES, 2),
    }
    assert listing.notes == ()
    for item in (*listing.splits["train"], *listing.splits["val"]):
        assert listing.root / item.key == item.path
        assert item.path.is_file()
        assert isinstance(item.target, str)


@pytest.mark.parametrize("name", SEGMENTATION)
def test_pairs_say_the_same_as_all_others(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    listing = read_listing(tmp_path / "data")
    assert listing.format == name
    assert {split: len(items) for split, items in listing.splits.items()} == PAIRS
    if name in ANNOTATED:
        assert listing.classes.names == ("field", "lake")
    else:
        assert listing.classes.colours == ((0, 0, 255), (255, 0, 0))
    assert listing.rule is not None
    for item in (*listing.splits["train"], *listing.splits["val"]):
        assert listing.root / item.key == item.path
        assert item.path.is_file()
        assert isinstance(item.target, Path)
        assert item.target.is_file()


@pytest.mark.parametrize("name", ["mask_suffix", "mask_folders"])
def test_all_broken_pairs_are_listed_at_once(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    items = read_listing(tmp_path / "data").splits["train"]
    assert all(isinstance(item.target, Path) for item in items)
    items[0].path.unlink()
    items[1].target.unlink()  # type: ignore[union-attr]
    Image.new("RGB", (2, 2)).save(items[2].target)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^3 of 5 pairs") as error:
        read_listing(tmp_path / "data")
    for problem in ("has no image", "has no mask", "is 2x3 but its mask"):
        assert problem in str(error.value)


@pytest.mark.parametrize("name", SEGMENTATION)
def test_pairs_of_a_folder_to_predict_are_its_images(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    keys = [item.key for item in list_unmasked(tmp_path / "data")]
    assert len(keys) == (10 if name == "mask_manifest" else 5)


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
def test_images_are_listed_without_labels(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / "data")
    items = list_images(tmp_path / "data")
    expected = {"unlabelled": 4} | dict.fromkeys(SEGMENTATION, 2 * sum(PAIRS.values()))
    expected["label_studio_brushes"] = 3 * sum(PAIRS.values())
    expected |= dict.fromkeys(("coco", "yolo", "labelme", "label_studio"), sum(PAIRS.values()))
    assert len(items) == expected.get(name, len(SAMPLES))
    assert all(item.target is None for item in items)
