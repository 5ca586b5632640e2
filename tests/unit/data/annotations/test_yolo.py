"""data.yaml and the label files of Ultralytics and Roboflow."""

from pathlib import Path

import pytest

from annotations import write_text
from finesight.data.annotations.yolo import BoxLines, find_entry, is_data_yaml, read_data_yaml, read_labels, swap_folder
from finesight.errors import DataError

NAMES = {0: "field", 1: "lake"}
SIZE = (6, 8)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[field, lake]", NAMES),
        ("{0: field, 1: lake}", NAMES),
        ("\n  0: field\n  1: lake", NAMES),
        ("[yes]", {0: "True"}),
    ],
)
def test_names_are_a_list_or_a_name_for_each_index(names: str, expected: dict[int, str], tmp_path: Path) -> None:
    file = write_text(tmp_path / "data.yaml", f"train: images\nval: [a, b.txt]\ntest:\nnc: 2\nnames: {names}\n")
    data = read_data_yaml(file)
    assert data.names == expected
    assert data.splits == {"train": ("images",), "val": ("a", "b.txt")}
    assert (data.root, data.masks_dir, data.missing_root) == (tmp_path, "", "")
    assert is_data_yaml(file)


def test_paths_begin_in_path_where_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "set" / "train").mkdir(parents=True)
    text = "path: {}\ntrain: ../train\nmasks_dir: masks\nnames: [a, b]\n"
    data = read_data_yaml(write_text(tmp_path / "data.yaml", text.format("set")))
    assert (data.root, data.masks_dir) == (tmp_path / "set", "masks")
    assert find_entry(data, "train") == find_entry(data, "../train") == tmp_path / "set" / "train"
    assert find_entry(data, "nothing") is None
    moved = read_data_yaml(write_text(tmp_path / "data.yaml", text.format("/content/set")))
    assert (moved.root, moved.missing_root) == (tmp_path, "/content/set")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: images\n", "should name the classes"),
        ("names: [a]\n", "names no images"),
        ("names: [a]\ntrain: 5\n", "should give train as a folder"),
        ("names: ['']\ntrain: images\n", "should name the classes"),
        ("names: [a\n", "cannot be read as YAML"),
        ("names: !!python/object/apply:os.system [ls]\n", "cannot be read as YAML"),
    ],
)
def test_files_that_are_no_data_yaml_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    file = write_text(tmp_path / "data.yaml", text)
    with pytest.raises(DataError, match=reason):
        read_data_yaml(file)


def test_masks_and_labels_lie_where_images_would() -> None:
    path = Path("/images/a/images/train/7.x.jpg")
    assert swap_folder(path, "labels", ".txt") == Path("/images/a/labels/train/7.x.txt")
    assert swap_folder(Path("a/7.jpg"), "labels", ".txt") == Path("a/7.txt")


def test_larger_shapes_are_drawn_first(tmp_path: Path) -> None:
    lines = "1 0.1 0.1 0.2 0.1 0.2 0.2\n\n0 0 0 1 0 1 1 0 1\n"
    shapes = read_labels(write_text(tmp_path / "7.txt", lines), NAMES, SIZE)
    assert [name for name, _ in shapes] == ["field", "lake"]
    assert shapes[0][1].cover(SIZE).pixels.sum() == 48


def test_box_lines_are_refused_and_counted(tmp_path: Path) -> None:
    with pytest.raises(BoxLines, match=r"'7.txt', line 2") as error:
        read_labels(write_text(tmp_path / "7.txt", "0 0 0 1 0 1 1\n1 0.5 0.5 1 1\n1 0.5 0.5 1 1\n"), NAMES, SIZE)
    assert error.value.count == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("5 0 0 1 0 1 1", "'7.txt', line 1, has class 5, which data.yaml does not name"),
        ("0 0 0 1 0 1", "line 1, should read: class x1 y1"),
        ("0 0 0 1 0 1 x", "line 1, should read: class x1 y1"),
        ("0 0 0 1 0 1 inf", "line 1, should read: class x1 y1"),
        ("0 0 0 640 0 640 480", "has the coordinate 640: fractions of width and height are expected"),
    ],
)
def test_lines_that_cannot_be_read_are_refused(line: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        read_labels(write_text(tmp_path / "7.txt", f"{line}\n"), NAMES, SIZE)
