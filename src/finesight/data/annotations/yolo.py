"""Ultralytics YOLO: `data.yaml` names splits and classes, text files hold polygons in fractions of an image's sides.

docs.ultralytics.com/datasets/segment and /datasets/semantic. Larger shapes are drawn first, as Ultralytics does, so
that small ones stay visible.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from finesight.classes import compose
from finesight.data.annotations.shapes import Polygon, Shape, Size, read_ring
from finesight.errors import DataError

SPLITS = ("train", "val", "test")
MOST_BYTES = 5_000_000  # of a YAML file
START = 1_000_000  # characters of a label file that are looked at to recognise it
FURTHEST = 2.0  # of a coordinate that is a fraction, if a shape reaches out of its image


@dataclass(frozen=True)
class YoloData:
    """What a data.yaml says. root: the folder that its paths begin in. names: of the classes by index. splits: paths by
    split. masks_dir: the folder that stands for `images` in the paths of masks; "" where there are label files.
    missing_root: its `path`, where that is not there.
    """

    file: Path
    root: Path
    names: Mapping[int, str]
    splits: Mapping[str, tuple[str, ...]]
    masks_dir: str
    missing_root: str = ""


class BoxLines(DataError):
    """A label file has lines that are boxes. count: how many."""

    def __init__(self, path: Path, number: int, count: int) -> None:
        super().__init__(f"{path.name!r}, line {number}")
        self.count = count


def is_data_yaml(path: Path) -> bool:
    try:
        found = _load(path)
    except DataError:
        return False
    return isinstance(found.get("names"), list | dict) and any(found.get(split) for split in SPLITS)


def read_data_yaml(path: Path) -> YoloData:
    """Raises DataError."""
    found = _load(path)
    names = found.get("names")
    pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    classes = {number: compose(str(name).strip()) for number, name in pairs if isinstance(number, int)}
    if not classes or not all(classes.values()):
        raise DataError(f"{str(path)!r} should name the classes: names, a list or a name for each index.")
    splits = {split: _list_paths(found[split], split, path) for split in SPLITS if found.get(split)}
    if not splits:
        raise DataError(f"{str(path)!r} names no images: train and val should be their folders.")
    masks = found.get("masks_dir")
    masks_dir = masks if isinstance(masks, str) else ""
    root = path.parent / str(found.get("path") or "")
    if not root.is_dir():  # exports often name a folder of another machine
        return YoloData(path, path.parent, classes, splits, masks_dir, str(found["path"]))
    return YoloData(path, root, classes, splits, masks_dir)


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{str(path)!r} is too large for a data.yaml.")
        found = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be read as YAML: {str(error).splitlines()[0]}.") from None
    return found if isinstance(found, dict) else {}


def _list_paths(value: Any, split: str, path: Path) -> tuple[str, ...]:
    found = tuple(value) if isinstance(value, list) else (value,)
    if not all(isinstance(each, str) for each in found):
        raise DataError(f"{str(path)!r} should give {split} as a folder, a .txt file or a list of them.")
    return found


def find_entry(data: YoloData, entry: str) -> Path | None:
    """The folder or .txt file of a split's path. Roboflow writes `../train/images` for `train/images`."""
    for written in (entry, entry.removeprefix("../")):
        if (path := data.root / written).exists():
            return path
    return None


def swap_folder(path: Path, other: str, ending: str) -> Path:
    """The last folder `images` of a path replaced, as Ultralytics does; beside the image where there is none."""
    parts = list(path.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = other
    return Path(*parts).with_suffix(ending)


def guess_shape(path: Path) -> Literal["polygon", "box", ""]:
    """What the first line of a file gives a class, if it is a label file."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            index, *numbers = map(float, file.readline(START).split())
    except (OSError, ValueError):
        return ""
    if len(numbers) < 4 or len(numbers) % 2 or max(map(abs, numbers)) > FURTHEST or index < 0 or not index.is_integer():
        return ""
    return "box" if len(numbers) == 4 else "polygon"


def read_labels(path: Path, names: Mapping[int, str], size: Size, source: str = "data.yaml") -> list[tuple[str, Shape]]:
    """(class, shape) in draw order. size: (height, width) of the image. source: what names the classes.

    Raises DataError, and BoxLines.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name!r} cannot be read as text: {error}.") from None
    found: list[tuple[float, str, Shape]] = []
    boxes: list[int] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) == 5:
            boxes.append(number)
        elif words:
            where = f"{path.name!r}, line {number},"
            index, ring = _read_line(words, size, where)
            if index not in names:
                raise DataError(f"{where} has class {index}, which {source} does not name.")
            found.append((_measure(ring), names[index], Polygon((ring,))))
    if boxes:
        raise BoxLines(path, boxes[0], len(boxes))
    return [(name, shape) for _, name, shape in sorted(found, key=lambda each: -each[0])]


def _read_line(words: list[str], size: Size, where: str) -> tuple[int, np.ndarray]:
    """(number of the class, ring in pixels)."""
    try:
        index, ring = int(float(words[0])), read_ring([float(word) for word in words[1:]])
    except (ValueError, OverflowError):
        raise DataError(f"{where} should read: class x1 y1 x2 y2 x3 y3 and so on.") from None
    if np.abs(ring).max(initial=0.0) > FURTHEST:
        raise DataError(
            f"{where} has the coordinate {np.abs(ring).max():g}: fractions of width and height are expected."
        )
    return index, ring * size[::-1]


def _measure(ring: np.ndarray) -> float:
    """The area inside, by the shoelace formula."""
    x, y = ring.T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
