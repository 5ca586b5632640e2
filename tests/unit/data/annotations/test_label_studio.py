"""Label Studio's exports, written as its own converter writes them: JSON, JSON-MIN, percent, RGBA run lengths."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotations import choose, draw_region, make_task, write_label_studio_table
from finesight.data.annotations.brushes import unpack_brush
from finesight.data.annotations.label_studio import name_image, read_export, without_prefix
from finesight.data.formats import detect_format, read_splits
from finesight.data.leftovers import Note
from finesight.errors import DataError
from listings import read_listing

SIZE = (6, 8)
BRUSH = np.zeros(SIZE, np.uint8)
BRUSH[2:4, 3:7] = 255
LAKE = [[0, 0], [50, 0], [50, 100], [0, 100]]  # percent: the left half


def pack_brush(mask: np.ndarray) -> list[int]:
    """As `encode_rle` of label_studio_sdk: words of 8 bits, lengths of 3, 4, 8 and 16 bits."""
    values = np.repeat(mask.reshape(-1), 4)
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    for value, run in groupby(values.tolist()):
        length = len(list(run))
        kind, size = next((kind, size) for kind, size in enumerate((3, 4, 8, 16)) if length <= 2**size)
        bits += f"1{kind:02b}{length - 1:0{size}b}{value:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


def region(label: str, **value: object) -> dict[str, object]:
    return draw_region(label, SIZE, **value)


def draw_two() -> list[dict[str, object]]:
    """A polygon on a field, and a brush on one."""
    field = region("field", points=[[0, 0], [100, 0], [100, 100], [0, 100]])
    brush = region("lake", rle=pack_brush(BRUSH), format="rle")
    return [make_task(0, UPLOADS[0], [field, region("lake", points=LAKE)]), make_task(1, UPLOADS[1], [field, brush])]


def write(
    root: Path, tasks: Sequence[object], images: Sequence[str] = (), name: str = "project-1-at-2026.json"
) -> Path:
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1], (len(image), 90, 30)).save(root / image)
    root.mkdir(exist_ok=True)
    (root / name).write_text(json.dumps(tasks), encoding="utf-8")
    return root


def read(root: Path, format: str = "auto") -> tuple[dict[str, list[tuple[str, object]]], str]:
    notes: list[Note] = []
    _, _, splits = read_splits(root, format=format, notes=notes)
    found = {split: [(item.key, item.target) for item in items] for split, items in splits.items()}
    return found, " ".join(note.text for note in notes)


IMAGES = [f"images/{number}.jpg" for number in range(4)]
UPLOADS = [f"/data/upload/7/3f2a1b8c-{number}.jpg" for number in range(4)]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/7/3f2a1b8c-a b.jpg", "data/upload/7/3f2a1b8c-a b.jpg"),
        ("/data/local-files/?d=tiles%2Fone/a.jpg", "tiles/one/a.jpg"),
        ("/storage-data/uploaded/?filepath=upload/7/a.jpg", "upload/7/a.jpg"),
        ("https://host/x/a%20b.jpg?sig=1", "x/a b.jpg"),
        ("s3://bucket/x/a.jpg", "x/a.jpg"),
        ("C:\\tiles\\a.jpg", "\\tiles\\a.jpg".replace("\\", "/").lstrip("/")),
    ],
)
def test_addresses_name_files(address: str, name: str) -> None:
    assert name_image(address) == name
    assert without_prefix("7/3f2a1b8c-a.jpg") == "7/a.jpg"


def test_one_choice_an_image_is_classification(tmp_path: Path) -> None:
    tasks = [make_task(number, UPLOADS[number], [choose(["cat" if number % 2 else "dog"])]) for number in range(3)]
    splits, notes = read(write(tmp_path, [*tasks, make_task(3, UPLOADS[3])], IMAGES))
    assert detect_format(tmp_path) == "label_studio_choice"
    assert splits == {"train": [("images/0.jpg", "dog"), ("images/1.jpg", "cat"), ("images/2.jpg", "dog")]}
    assert "Left out: 1 task that nobody answered yet ('data/upload/7/3f2a1b8c-3.jpg')." in notes
    assert "Left out: 1 image in no answered task ('images/3.jpg')." in notes
    assert detect_format(tmp_path / "project-1-at-2026.json") == "label_studio_choice"


def test_several_choices_are_multilabel(tmp_path: Path) -> None:
    answers = [choose(["cat", "dog"])], [choose(["cat"])], []
    write(tmp_path, [make_task(number, UPLOADS[number], each) for number, each in enumerate(answers)], IMAGES[:3])
    splits, notes = read(tmp_path)
    assert detect_format(tmp_path) == "label_studio_choices"
    assert splits == {"train": [("images/0.jpg", ("cat", "dog")), ("images/1.jpg", ("cat",))]}
    assert "Left out: 1 image for which nothing was chosen ('images/2.jpg')." in notes


def test_json_min_says_the_same(tmp_path: Path) -> None:
    facts = {"annotator": 1, "annotation_id": 5, "created_at": "", "updated_at": "", "lead_time": 2.5}
    records = [
        {"image": UPLOADS[0], "id": 1, "choice": "cat", **facts},
        {"image": UPLOADS[1], "id": 2, "choice": {"choices": ["cat", "dog"]}, **facts},
    ]
    splits, _ = read(write(tmp_path, records, IMAGES[:2]))
    assert splits == {"train": [("images/0.jpg", ("cat",)), ("images/1.jpg", ("cat", "dog"))]}


@pytest.mark.parametrize("name", ["project.csv", "project.tsv", "exports/project.csv"])
def test_a_table_says_the_same_as_json(tmp_path: Path, name: str) -> None:
    tasks = [
        *draw_two(),
        make_task(2, UPLOADS[2], [region("field", x=1, y=1, width=9, height=9)]),
        make_task(3, UPLOADS[3]),
    ]
    for task in tasks:
        task["data"]["tile"] = 7  # type: ignore[index]  # a number beside the image is no choice
    write(tmp_path / "json", tasks, IMAGES)
    write(tmp_path / "table", [], IMAGES)
    (tmp_path / "table" / "project-1-at-2026.json").unlink()
    (tmp_path / "table" / name).parent.mkdir(exist_ok=True)
    write_label_studio_table(tmp_path / "table" / name, tasks)
    one, other = (read_listing(tmp_path / folder) for folder in ("json", "table"))
    assert one.format == other.format == "label_studio"
    assert one.classes == other.classes
    assert one.notes == other.notes
    for split, items in one.splits.items():
        for mine, its in zip(items, other.splits[split], strict=True):
            assert isinstance(mine.target, Path)
            assert isinstance(its.target, Path)
            assert mine.target.read_bytes() == its.target.read_bytes()
    assert detect_format(tmp_path / "table" / name) == "label_studio"


@pytest.mark.parametrize("control", ["choice", "label", "labels"])
def test_choices_in_a_table(tmp_path: Path, control: str) -> None:
    """Also where a control is called like a column of a manifest."""
    answers = [choose(["cat", "dog"], control)], [choose(["7"], control)]
    tasks = [make_task(number, UPLOADS[number], *([each] for each in answer)) for number, answer in enumerate(answers)]
    tasks += [make_task(2, UPLOADS[2]), make_task(3, UPLOADS[3], [], cancelled=True)]
    write(tmp_path, [], IMAGES)
    (tmp_path / "project-1-at-2026.json").unlink()
    write_label_studio_table(tmp_path / "project.csv", tasks)
    splits, notes = read(tmp_path)
    assert splits == {"train": [("images/0.jpg", ("cat", "dog")), ("images/1.jpg", ("7",))]}
    assert "Left out: 1 task that nobody answered yet ('data/upload/7/3f2a1b8c-2.jpg')." in notes
    write_label_studio_table(tmp_path / "project.csv", tasks[1:])
    assert read(tmp_path)[0] == {"train": [("images/1.jpg", "7")]}


def test_a_long_brush_in_a_table(tmp_path: Path) -> None:
    """Longer than the cells that csv reads by itself."""
    size = (600, 400)
    noise = (np.random.default_rng(0).random(size) < 0.5).astype(np.uint8) * 255
    brush = draw_region("lake", size, rle=pack_brush(noise), format="rle")
    path = write_label_studio_table(tmp_path / "project.csv", [make_task(1, UPLOADS[0], [brush])])
    assert path.stat().st_size > 1 << 17
    ((name, shape),) = read_export(path).tasks[0].regions or ()
    assert name == "lake"
    assert np.array_equal(shape.cover(size).pixels, noise > 0)


def test_a_damaged_table_is_a_sentence(tmp_path: Path) -> None:
    path = write_label_studio_table(tmp_path / "project.csv", [make_task(1, UPLOADS[0], [choose(["cat"])])])
    path.write_text(path.read_text() + "1,2\n")
    with pytest.raises(DataError, match="row 3: it has not as many cells as the header"):
        read(tmp_path / "project.csv")
    write_label_studio_table(path, [make_task(1, UPLOADS[0], [region("lake", points=LAKE)])])
    path.write_text(path.read_text().replace('""lake""]', '""la'))
    with pytest.raises(DataError, match="row 2: 'label' is not whole JSON, as spreadsheets cut long cells: export it"):
        read(tmp_path / "project.csv")


def test_splits_are_those_of_several_exports(tmp_path: Path) -> None:
    write(
        tmp_path,
        [make_task(0, UPLOADS[0], [choose(["cat"])]), make_task(1, UPLOADS[1], [choose(["dog"])])],
        IMAGES,
        "train.json",
    )
    write(tmp_path, [make_task(2, UPLOADS[2], [choose(["cat"])])], (), "val.json")
    assert {split: len(items) for split, items in read(tmp_path)[0].items()} == {"train": 2, "val": 1}
    write(tmp_path, [make_task(9, UPLOADS[0], [choose(["cat"])])], (), "val.json")
    with pytest.raises(DataError, match=r"Tasks 0 of 'train.json' and 9 of 'val.json' are both about 'images/0.jpg'"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([make_task(1, UPLOADS[0], [choose(["cat"])], [choose(["dog"])])], "task 1 has two annotations that disagree"),
        (
            [make_task(1, UPLOADS[0], [choose(["a"]), choose(["b"], control="light")])],
            "choices of 'choice', 'light', of which",
        ),
        ([make_task(1, UPLOADS[0], [region("a", x=1, y=1, width=9, height=9)])], r"no region .*\(1 rectangle\)"),
        (
            [make_task(1, UPLOADS[0], [region("a", points=LAKE) | {"image_rotation": 90}])],
            "task 1 was annotated on a turned",
        ),
        ([make_task(1, UPLOADS[0], [region("a", points=[[1, 2, 3]])])], "not as Label Studio writes it"),
        (
            [make_task(1, UPLOADS[0], [region("a", points=LAKE)], [region("b", points=LAKE)])],
            "two annotations with regions",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, tasks: list[object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(write(tmp_path, tasks, IMAGES))


def test_annotators_who_agree_and_skipped_tasks(tmp_path: Path) -> None:
    tasks = [
        make_task(0, UPLOADS[0], [choose(["cat"])], [choose(["cat"])]),
        make_task(1, UPLOADS[1], [choose(["dog"])]),
        make_task(2, UPLOADS[2], [], cancelled=True),
        make_task(3, "/data/upload/7/gone.jpg", [choose(["dog"])]),
    ]
    splits, notes = read(write(tmp_path, tasks, IMAGES))
    assert splits == {"train": [("images/0.jpg", "cat"), ("images/1.jpg", "dog")]}
    assert "Left out: 1 task that was skipped." in notes
    assert "whose image is not there ('data/upload/7/gone.jpg')" in notes


def test_regions_are_drawn(tmp_path: Path) -> None:
    tasks = [
        *draw_two(),
        make_task(2, UPLOADS[2], [region("field", points=[[0, 0], [100, 0], [100, 100], [0, 100]])]),
        make_task(3, UPLOADS[3], [region("field", x=1, y=1, width=9, height=9)]),
    ]
    listing = read_listing(write(tmp_path, tasks, IMAGES))
    assert listing.format == "label_studio"
    assert listing.classes.names == ("field", "lake")
    masks = {}
    for item in (item for items in listing.splits.values() for item in items):
        assert isinstance(item.target, Path)
        with Image.open(item.target) as image:
            masks[item.key] = np.array(image)
    names = sorted(np.unique(masks["images/0.jpg"]))
    assert np.array_equal(masks["images/0.jpg"] == names[1], np.indices(SIZE)[1] < 4)
    assert np.array_equal(masks["images/1.jpg"] == names[1], BRUSH > 0)
    assert len(masks) == 3
    assert "passed over: 1 rectangle" in " ".join(listing.notes)


@pytest.mark.parametrize("seed", range(3))
def test_brushes_come_back(seed: int) -> None:
    mask = (np.random.default_rng(seed).random((37, 41)) < (0.02, 0.5, 0.9)[seed]).astype(np.uint8) * 255
    packed = bytes(pack_brush(mask))
    assert np.array_equal(unpack_brush(packed, 4 * mask.size).reshape(37, 41, 4)[..., 3], mask)
    for wrong in (packed[: len(packed) // 2], packed[:5], b""):
        with pytest.raises(DataError, match=r"cut off|does not fill"):
            unpack_brush(wrong, 4 * mask.size)


def test_literal_blocks_of_a_brush() -> None:
    """The editor writes values that do not repeat as one block: 0, kind, length, values."""
    head = f"{8:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    bits = head + "000" + f"{8 - 1:03b}" + "".join(f"{value:08b}" for value in range(8))
    bits += "0" * (-len(bits) % 8)
    packed = bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))
    assert unpack_brush(packed, 8).tolist() == list(range(8))


def test_an_ellipse_and_labels_beside_a_shape_are_read(tmp_path: Path) -> None:
    facts = {"original_width": 100, "original_height": 50, "from_name": "label", "to_name": "image"}
    value = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 40, "rotation": 0}
    results = [
        {"id": "a", "type": "ellipse", "value": value, **facts},
        {"id": "a", "type": "labels", "value": {**value, "labels": ["lake"]}, **facts},
    ]
    export = read_export(write(tmp_path, [make_task(1, UPLOADS[0], results)]) / "project-1-at-2026.json")
    ((name, shape),) = export.tasks[0].regions or ()
    assert name == "lake"
    assert shape.cover((50, 100)).pixels.sum() == pytest.approx(np.pi * 20 * 20, rel=0.02)
    assert not +export.undrawn
