"""Annotation files and the images they are about: read to items whose masks are drawn, with what is left out said."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotations import make_coco, write_coco, write_data_yaml, write_labelme, write_labels, write_text, write_values
from finesight.config import DataSettings
from finesight.data.formats import detect_format, read_splits
from finesight.data.leftovers import Note
from finesight.data.masks.looks import look_at_masks, read_mask
from finesight.data.masks.rule_choice import choose_rule
from finesight.data.targets import Splits
from finesight.errors import DataError
from listings import read_listing

SIZE = (6, 8)
HALVES = [["lake"] * 4 + ["field"] * 4] * 6


def write_image(path: Path, size: tuple[int, int] = SIZE, orientation: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size[::-1], "red")
    exif = image.getexif()
    exif[274] = orientation
    image.save(path, exif=exif)
    return path


def read(root: Path, **settings: object) -> tuple[Splits, list[str]]:
    notes: list[Note] = []
    masks = DataSettings(root=str(root), **settings)  # type: ignore[arg-type]
    _, _, splits = read_splits(masks.root, masks.val, masks.format, notes=notes, masks=masks)
    return splits, [note.text for note in notes]


def paint(splits: Splits) -> list[list[list[str]]]:
    """Names of the classes of every mask's pixels, as one rule for all reads them."""
    items = [item for some in splits.values() for item in some]
    rule, classes, _ = choose_rule(look_at_masks(items), None, DataSettings())
    masks = [rule.apply(read_mask(item.target)) for item in items if isinstance(item.target, Path)]
    return [[["" if v == 255 else classes.names[v] for v in row] for row in mask.tolist()] for mask in masks]


def keys(splits: Splits) -> dict[str, list[str]]:
    return {split: [item.key for item in items] for split, items in splits.items()}


def test_classes_are_matched_by_name_where_two_files_number_them_differently(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_image(tmp_path / f"{split}2017" / "0.jpg")
        document = make_coco(["0.jpg"], SIZE)
        if split == "val":
            document["categories"].reverse()
            for each in (*document["categories"], *document["annotations"]):
                name = "category_id" if "category_id" in each else "id"
                each[name] = 30 - int(str(each[name]))
        write_text(tmp_path / "annotations" / f"instances_{split}2017.json", json.dumps(document))
        write_text(tmp_path / "annotations" / f"captions_{split}2017.json", '{"images": [], "annotations": []}')
    splits, notes = read(tmp_path)
    assert keys(splits) == {"train": ["train2017/0.jpg"], "val": ["val2017/0.jpg"]}
    assert paint(splits) == [HALVES, HALVES]
    assert notes == ["Shapes of different classes overlap (0.5 of all pixels, in 2 images): the later shape is seen."]


def test_two_files_can_be_named(tmp_path: Path) -> None:
    for split in ("one", "two"):
        write_image(tmp_path / "images" / f"{split}.jpg")
        write_coco(tmp_path / "annotations" / f"{split}.json", [f"{split}.jpg"], SIZE)
    folder = tmp_path / "annotations"
    splits, _ = read(folder / "one.json", val=str(folder / "two.json"))
    assert keys(splits) == {"train": ["images/one.jpg"], "val": ["images/two.jpg"]}
    with pytest.raises(DataError, match=r"package.json' is not an annotation file that is read"):
        detect_format(write_text(tmp_path / "images" / "package.json", "{}"))


@pytest.mark.parametrize(
    ("written", "home"),
    [
        ("a/0.jpg", ""),
        ("images/a/0.jpg", ""),
        ("a\\0.jpg", "annotations/"),
        ("/home/somebody/a/0.jpg", "annotations/"),
        ("0.jpg", "images/a/"),
        ("../images/a/0.jpg", "annotations/"),
    ],
)
def test_images_are_found_whatever_folder_their_names_are_relative_to(written: str, home: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_image(tmp_path / "images" / folder / "0.jpg")
    write_coco(tmp_path / f"{home}labels.json", [written], SIZE)
    splits, notes = read(tmp_path)
    assert keys(splits) == {"train": ["images/a/0.jpg"]}
    assert notes[0] == "In no annotation file: 1 image ('images/b/0.jpg'), left out."


def test_a_name_that_two_images_have_is_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_image(tmp_path / folder / "0.jpg")
    write_coco(tmp_path / "labels.json", ["0.jpg"], SIZE)
    with pytest.raises(DataError, match=r"'0.jpg' could be 'a/0.jpg' or 'b/0.jpg': write the folder"):
        read(tmp_path)


def test_images_that_are_not_there_are_counted(tmp_path: Path) -> None:
    write_image(tmp_path / "0.jpg")
    write_coco(tmp_path / "labels.json", ["0.jpg", "1.jpg", "2.jpg"], SIZE)
    splits, notes = read(tmp_path)
    assert keys(splits) == {"train": ["0.jpg"]}
    assert notes[0] == "2 annotated images not there ('1.jpg' and 1 more): left out."
    write_coco(tmp_path / "labels.json", ["8.jpg", "9.jpg"], SIZE)
    with pytest.raises(DataError, match=r"No image that the annotations .* list is there, such as '8.jpg'"):
        read(tmp_path)


def test_annotations_of_another_size_are_refused(tmp_path: Path) -> None:
    """They are made on upright images, as viewers show them."""
    write_image(tmp_path / "0.jpg")
    write_image(tmp_path / "1.jpg", SIZE[::-1], orientation=6)
    write_coco(tmp_path / "labels.json", ["0.jpg", "1.jpg"], SIZE)
    assert paint(read(tmp_path)[0])[1] == HALVES
    write_image(tmp_path / "1.jpg", SIZE, orientation=6)
    with pytest.raises(DataError, match=r"^1 of 2 annotated images cannot be used:") as error:
        read(tmp_path)
    assert "'1.jpg' is 6x8 in the annotations, its file 8x6 pixels; annotate it as viewers show it" in str(error.value)
    faults: list[str] = []
    assert keys(read_splits(tmp_path, faults=faults)[2]) == {"train": ["0.jpg"]}
    assert len(faults) == 1


def test_two_files_that_annotate_one_image_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "0.jpg")
    for name in ("one", "two"):
        write_coco(tmp_path / f"{name}.json", ["0.jpg"], SIZE)
    with pytest.raises(DataError, match=r"'one.json' and 'two.json' both annotate '0.jpg'"):
        read(tmp_path)


@pytest.mark.parametrize("unannotated", ["background", "ignore"])
def test_pixels_that_no_shape_covers(unannotated: str, tmp_path: Path) -> None:
    for name in ("0.jpg", "1.jpg"):
        write_image(tmp_path / name)
    document = make_coco(["0.jpg", "1.jpg"], SIZE)
    document["annotations"] = document["annotations"][1:2]
    document["annotations"][0]["segmentation"] = [[-9, 0, 4, 0, 4, 6, -9, 6], [1, 1, 1.2, 1, 1.2, 1.2]]
    write_text(tmp_path / "labels.json", json.dumps(document))
    splits, notes = read(tmp_path, unannotated=unannotated)
    bare = "background" if unannotated == "background" else ""
    assert paint(splits) == [[["lake"] * 4 + [bare] * 4] * 6, [[bare] * 8] * 6]
    outcome = "are left out, as data.unannotated = ignore."
    if bare:
        outcome = "are of class 'background'; data.unannotated = ignore leaves them out."
    assert notes == [
        "Cut off at the border of the image: 1 shape of 1 image ('0.jpg').",
        "Without a pixel, so passed over: 1 shape of 1 image ('0.jpg').",
        f"Pixels that no shape covers (0.75 of all) {outcome}",
    ]


def test_masks_are_drawn_once_and_anew_where_annotations_change(tmp_path: Path) -> None:
    write_image(tmp_path / "0.jpg")
    write_coco(tmp_path / "labels.json", ["0.jpg"], SIZE)
    first = read(tmp_path)[0]["train"][0].target
    assert isinstance(first, Path)
    before = first.stat().st_mtime_ns
    assert read(tmp_path)[0]["train"][0].target == first
    assert first.stat().st_mtime_ns == before
    document = make_coco(["0.jpg"], SIZE)
    document["annotations"].pop()
    write_text(tmp_path / "labels.json", json.dumps(document))
    assert read(tmp_path)[0]["train"][0].target != first
    first.write_bytes(b"damaged")
    write_coco(tmp_path / "labels.json", ["0.jpg"], SIZE)
    assert read_mask(Path(str(read(tmp_path)[0]["train"][0].target))).kind == "name"


def test_more_classes_than_masks_hold_are_refused_or_merged(tmp_path: Path) -> None:
    document = make_coco(["0.jpg", "1.jpg"], SIZE)
    document["categories"] += [{"id": number, "name": f"class {number}"} for number in range(3, 300)]
    write_text(tmp_path / "data" / "labels.json", json.dumps(document))
    for name in ("0.jpg", "1.jpg"):
        write_image(tmp_path / "data" / name)
    with pytest.raises(DataError, match=r"^Masks can hold 255 classes; the annotations have 300. Merge some with --cl"):
        read(tmp_path / "data")
    classes = write_text(tmp_path / "merged.csv", "from,to\nlake,water\nfield,land\n")
    splits, _ = read(tmp_path / "data", classes=str(classes))
    assert paint(splits) == [[["water"] * 4 + ["land"] * 4] * 6] * 2
    assert read_listing(tmp_path / "data", classes=classes).classes.names == ("water", "land")
    write_text(classes, "from,to\nlake,\nfield,land\nclass 3,rest\n")
    splits, _ = read(tmp_path / "data", classes=str(classes))
    assert paint(splits) == [[[""] * 4 + ["land"] * 4] * 6] * 2
    write_text(classes, "from,to\nfield,land\n")
    with pytest.raises(DataError, match=r"Class 'lake' is not in the class list"):
        read(tmp_path / "data", classes=str(classes))


def make_yolo(root: Path, train: str = "images/train") -> None:
    for split in ("train", "val"):
        for number in range(2):
            write_image(root / "images" / split / f"{number}.jpg")
            write_labels(root / "labels" / split / f"{number}.txt")
    write_text(root / "data.yaml", f"train: {train}\nval: [images/val]\ntest: images/test\nnames: [field, lake]\n")


@pytest.mark.parametrize("train", ["images/train", "../images/train", "train.txt", "[train.txt, images/train]"])
def test_yolo_images_as_folders_and_lists(train: str, tmp_path: Path) -> None:
    make_yolo(tmp_path, train)
    write_text(tmp_path / "train.txt", "./images/train/0.jpg\nimages/train/1.jpg\nimages/train/9.jpg\n")
    for data in (tmp_path, tmp_path / "data.yaml"):
        splits, notes = read(data)
        assert keys(splits) == {split: [f"images/{split}/{n}.jpg" for n in (0, 1)] for split in ("train", "val")}
        assert paint(splits) == [HALVES] * 4
    assert "Split test: 'images/test' of 'data.yaml' is not there, so it is left out." in notes
    assert ("1 image listed in 'train.txt' not there ('images/train/9.jpg'): left out." in notes) == (".txt" in train)


def test_a_list_that_is_not_text_is_refused(tmp_path: Path) -> None:
    make_yolo(tmp_path, "images/train/0.jpg")
    with pytest.raises(DataError, match=r"0.jpg' should list images, a path a line"):
        read(tmp_path)


def test_yolo_images_without_a_label_file(tmp_path: Path) -> None:
    make_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "1.txt").unlink()
    (tmp_path / "labels" / "val" / "1.txt").write_text("")
    splits, notes = read(tmp_path)
    assert paint(splits)[1::2] == [[["background"] * 8] * 6] * 2
    assert "1 image without a label file, on which nothing is annotated then." in notes
    for path in (tmp_path / "labels").rglob("*.txt"):
        path.unlink()
    with pytest.raises(DataError, match=r"No image of .*data.yaml' has a label file, such as .*labels/train/0.txt'"):
        read(tmp_path, format="yolo")


LS_NOTES = json.dumps(
    {
        "categories": [{"id": 0, "name": "field"}, {"id": 1, "name": "lake"}],
        "info": {"year": 2026, "version": "1.0", "contributor": "Label Studio"},
    },
    indent=2,
)


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"classes.txt": "field\nlake\n", "notes.json": LS_NOTES}, "classes.txt"),
        ({"notes.json": LS_NOTES}, "notes.json"),
        (
            {"labels/train/classes.txt": "field\nlake", "labels/val/classes.txt": "field\nlake"},
            "labels/train/classes.txt",
        ),
        ({"obj.names": "field\nlake\n"}, "obj.names"),
    ],
)
def test_yolo_without_data_yaml(files: dict[str, str], source: str, tmp_path: Path) -> None:
    make_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    for name, text in files.items():
        write_text(tmp_path / name, text)
    assert detect_format(tmp_path) == "yolo"
    splits, notes = read(tmp_path)
    assert keys(splits) == {split: [f"images/{split}/{n}.jpg" for n in (0, 1)] for split in ("train", "val")}
    assert paint(splits) == [HALVES] * 4
    assert f"The classes of the label files are named by {source!r}: 0 is 'field', 1 is 'lake'." in notes


@pytest.mark.parametrize(
    "text", ["field\nlake", "0 field\n1 lake", "id,name\n1,lake\n0,field", "from,to\n0,field\n1,lake"]
)
def test_yolo_whose_classes_the_user_names(text: str, tmp_path: Path) -> None:
    make_yolo(tmp_path / "data")
    (tmp_path / "data" / "data.yaml").unlink()
    with pytest.raises(DataError, match=r"Nothing names the numbered classes .*: add classes.txt .* with --classes"):
        read(tmp_path / "data")
    file = write_text(tmp_path / ("classes.csv" if "," in text else "classes.txt"), text)
    listing = read_listing(tmp_path / "data", classes=file)
    target = listing.splits["val"][0].target
    assert isinstance(target, Path)
    mask = listing.rule.apply(read_mask(target))
    assert [[listing.classes.names[value] for value in row] for row in mask.tolist()] == HALVES


def test_yolo_whose_names_differ_or_lack_a_class(tmp_path: Path) -> None:
    make_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    write_text(tmp_path / "classes.txt", "field")
    with pytest.raises(DataError, match=r"'0.txt', line 2, has class 1, which classes.txt does not name"):
        read(tmp_path)
    write_text(tmp_path / "labels" / "val" / "classes.txt", "field\nlake")
    with pytest.raises(DataError, match=r"'classes.txt' and 'labels/val/classes.txt' in .* name other classes"):
        read(tmp_path)


def test_yolo_boxes_without_data_yaml_are_named(tmp_path: Path) -> None:
    make_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    for path in (tmp_path / "labels").rglob("*.txt"):
        path.write_text("0 0.5 0.5 1 1\n")
    with pytest.raises(DataError, match=r"hold boxes, such as 'labels/train/0.txt': segmentation needs polygons"):
        read(tmp_path)


def test_boxes_and_other_texts_beside_images_are_no_yolo_masks(tmp_path: Path) -> None:
    for number in range(3):
        for label in ("fox", "wolf"):
            write_image(tmp_path / label / f"{number}.jpg")
            write_text(
                tmp_path / label / f"{number}.txt", ("0 0.5 0.5 1 1\n", "a fox\n", "3 10 20 30 40 50 60\n")[number]
            )
    assert detect_format(tmp_path) == "class_folders"


def test_yolo_boxes_are_refused(tmp_path: Path) -> None:
    make_yolo(tmp_path)
    write_text(tmp_path / "labels" / "val" / "1.txt", "0 0.5 0.5 1 1\n")
    with pytest.raises(
        DataError, match=r"hold boxes: 1 line of 1 file \('1.txt', line 1\). Segmentation needs polygons"
    ):
        read(tmp_path)
    write_text(tmp_path / "labels" / "val" / "1.txt", "7 0 0 1 0 1 1\n")
    with pytest.raises(DataError, match=r"'1.txt', line 1, has class 7"):
        read(tmp_path)


def _yolo_masks(root: Path) -> Path:
    for split in ("train", "val"):
        for number in range(2):
            write_image(root / "images" / split / f"{number}.jpg")
            write_values(root / "masks" / split / f"{number}.png", SIZE)
    write_data_yaml(root / "data.yaml", masks_dir="masks")
    return root / "masks" / "train" / "0.png"


def _roboflow_masks(root: Path) -> Path:
    for split, names in (("train", "0, field\n1, lake"), ("valid", "1, field\n0, lake")):
        for number in range(2):
            write_image(root / split / f"{number}.jpg")
            write_values(root / split / f"{number}_mask.png", SIZE)
        write_text(root / split / "_classes.csv", f"Pixel Value, Class\n{names}\n")
    return root / "train" / "0_mask.png"


def test_a_table_of_values_is_that_of_its_own_folder(tmp_path: Path) -> None:
    _roboflow_masks(tmp_path)
    assert paint(read(tmp_path)[0])[1:3] == [HALVES, [["field"] * 4 + ["lake"] * 4] * 6]


@pytest.mark.parametrize("make", [_yolo_masks, _roboflow_masks])
def test_masks_of_values_that_name_no_class_are_refused(make: Callable[[Path], Path], tmp_path: Path) -> None:
    mask = make(tmp_path)
    Image.fromarray(np.full(SIZE, 7, np.uint8)).save(mask)
    with pytest.raises(DataError, match=rf"has a mask, '{mask.name}', with values that name no class \(7\)"):
        read(tmp_path)


def test_values_of_255_are_ignored_by_ultralytics(tmp_path: Path) -> None:
    mask = _yolo_masks(tmp_path)
    Image.fromarray(np.full(SIZE, 255, np.uint8)).save(mask)
    assert paint(read(tmp_path)[0])[0] == [[""] * 8] * 6


@pytest.mark.parametrize("make", [_yolo_masks, _roboflow_masks])
def test_an_image_without_a_mask_of_values(make: Callable[[Path], Path], tmp_path: Path) -> None:
    make(tmp_path).unlink()
    splits, notes = read(tmp_path, unmasked="skip")
    assert len(splits["train"]) == 1
    assert "1 image without a mask left out, as data.unmasked = skip; 3 are used." in notes
    with pytest.raises(DataError, match=r"0.jpg' has no mask '0"):
        look_at_masks(read(tmp_path)[0]["train"])


def test_labelme_images_without_a_file_are_images_without_a_mask(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "images" / f"{number}.jpg")
    write_labelme(tmp_path / "json" / "0.json", "../images/0.jpg", SIZE)
    write_labelme(tmp_path / "images" / "1.json", "somewhere/1.jpg", SIZE)
    write_labelme(tmp_path / "images" / "1_old.json", "gone.jpg", SIZE)
    splits, notes = read(tmp_path, unmasked="skip")
    assert keys(splits) == {"train": ["images/0.jpg", "images/1.jpg"]}
    assert paint(splits) == [HALVES] * 2
    assert "1 image without a mask left out, as data.unmasked = skip; 2 are used." in notes
    with pytest.raises(DataError, match=r"'images/2.jpg' has no mask '2.json'"):
        look_at_masks(read(tmp_path)[0]["train"])


def test_run_lengths_of_another_size_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "0.jpg")
    document = make_coco(["0.jpg"], SIZE)
    document["annotations"][0]["segmentation"] = {"size": [3, 3], "counts": [4, 5]}
    write_text(tmp_path / "labels.json", json.dumps(document))
    with pytest.raises(DataError, match=r"'0.jpg' has a run-length mask of 3x3 pixels, the image 6x8"):
        read(tmp_path)
