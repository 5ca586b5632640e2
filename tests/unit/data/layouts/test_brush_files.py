"""Label Studio's PNG masks of brushes: a file for each label of a task."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.data.formats import detect_format
from finesight.errors import DataError
from listings import read_listing

SIZE = (6, 8)
ROAD, CAR = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
ROAD[:3], CAR[2:4, :4] = 255, 200


def export(root: Path, *labels: str, tasks: int = 4) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for task in range(1, tasks + 1):
        Image.new("RGB", SIZE[::-1], (task, 90, 30)).save(root / f"images/{task}.jpg")
        for label in labels:
            name = f"task-{task}-annotation-{task + 50}-by-a@b.org-tag-{label}-0.png"
            Image.fromarray(CAR if label == "car" else ROAD).save(root / "masks" / name)
    return root


def test_a_mask_for_each_label_is_one_mask(tmp_path: Path) -> None:
    listing = read_listing(export(tmp_path, "road", "car", "bus-stop"))
    assert listing.format == "label_studio_brushes"
    assert set(listing.classes.names) == {"background", "bus-stop", "car", "road"}
    assert {split: len(items) for split, items in listing.splits.items()} == {"train": 3, "val": 1}
    assert "Masks of brushes by 'tag': classes are 'bus-stop', 'car', 'road'." in listing.notes
    assert not any("left out" in note.lower() for note in listing.notes)


def test_masks_of_one_label_stay_masks_of_two_values(tmp_path: Path) -> None:
    assert detect_format(export(tmp_path, "road")) == "mask_folders"


def test_what_cannot_be_matched_is_said_or_refused(tmp_path: Path) -> None:
    root = export(tmp_path, "road", "car")
    (root / "images/4.jpg").rename(root / "images/tile.jpg")
    notes = " ".join(read_listing(root).notes)
    assert "the masks of 1 task without an image called by its number, such as 4.jpg" in notes
    assert "In no annotation file: 1 image ('images/tile.jpg'), left out." in notes
    Image.fromarray(ROAD[:3]).save(root / "masks/task-1-annotation-51-by-a@b.org-tag-car-0.png")
    with pytest.raises(DataError, match=r"is 6x8 pixels, its mask 'task-1-.*' 3x8"):
        read_listing(root)
    Image.fromarray(ROAD).save(root / "masks/task-1-annotation-99-by-b-tag-car-0.png")
    with pytest.raises(DataError, match=r"Task 1 in .* has masks of several annotations"):
        read_listing(root)
