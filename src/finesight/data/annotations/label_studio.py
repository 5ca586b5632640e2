"""Label Studio's exports JSON, JSON-MIN, CSV and TSV: the choices made for whole images, and the regions drawn on them.

Coordinates are percent of the image. https://labelstud.io/guide/export
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from finesight.data.annotations.brushes import Brush
from finesight.data.annotations.label_studio_tables import is_label_studio_table, read_label_studio_table
from finesight.data.annotations.shapes import Polygon, Shape, Size
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.errors import DataError

START_BYTES = 1 << 14
LABELS = ("polygonlabels", "brushlabels", "ellipselabels", "rectanglelabels", "keypointlabels", "labels")
FACTS = frozenset(  # keys of JSON-MIN that are neither data nor labels
    ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history")
)
UPLOADED = re.compile("[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the names of uploaded files
CORNERS = 72  # of the polygon that stands for an ellipse


@dataclass(frozen=True)
class Task:
    """One image. number: its id; image: its file or address. choices: by the control's name; None: nobody answered.

    regions: (class, shape) in the order in which they were drawn; None where nothing that was drawn has an inside.
    size: of the image, where a region says it. is_cancelled: it was skipped.
    """

    number: str
    image: str
    choices: Mapping[str, tuple[str, ...]] | None = None
    regions: tuple[tuple[str, Shape], ...] | None = None
    size: Size | None = None
    is_cancelled: bool = False

    @property
    def is_answered(self) -> bool:
        return self.choices is not None


@dataclass(frozen=True)
class Export:
    """tasks: with an image. undrawn: regions that have no inside or no label, by kind."""

    tasks: tuple[Task, ...] = ()
    undrawn: Counter[str] = field(default_factory=Counter)

    @property
    def has_regions(self) -> bool:
        return any(task.regions for task in self.tasks)

    @property
    def has_choices(self) -> bool:
        return any(task.choices for task in self.tasks)


def is_label_studio(path: Path) -> bool:
    """Whether a file is a list of tasks, whatever is wrong with them."""
    if is_label_studio_table(path):
        return True
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
        is_list = start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
        return is_list and bool(_load(path))
    except (OSError, DataError):
        return False


def read_export(path: Path) -> Export:
    """Raises DataError: not JSON or CSV, not Label Studio's, annotators who disagree, regions that cannot be drawn."""
    undrawn: Counter[str] = Counter()
    tasks: dict[str, Task] = {}
    try:
        for record in _load(path):
            full = _expand(record) if "annotation_id" in record else record
            for task in _read_task(full, undrawn):
                before = tasks.setdefault(task.number, task)
                if before is not task:
                    tasks[task.number] = _agree(before, task)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{str(path)!r} is not as Label Studio writes it ({error!r}): export it again.") from None
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}") from None
    return Export(tuple(tasks.values()), undrawn)


def _load(path: Path) -> list[dict[str, Any]]:
    """The records of an export; [] for other JSON. Raises DataError."""
    try:
        state = path.stat()
        return _load_once(path, state.st_mtime_ns, state.st_size)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} is not JSON: {error}.") from None


@lru_cache(maxsize=2)  # asked by several layouts
def _load_once(path: Path, _changed: int, _length: int) -> list[dict[str, Any]]:
    if is_label_studio_table(path):
        return read_label_studio_table(path)
    records = json.loads(path.read_text(encoding="utf-8-sig"))
    return records if isinstance(records, list) and all(map(_is_record, records)) else []


def _is_record(record: object) -> bool:
    """JSON holds annotations and data, JSON-MIN one annotation a record."""
    if not isinstance(record, dict):
        return False
    return (isinstance(record.get("annotations"), list) and isinstance(record.get("data"), dict)) or (
        "annotation_id" in record and "lead_time" in record
    )


def _expand(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of JSON-MIN or CSV as JSON would have it. A task that nobody answered has no annotation's id."""
    results: list[dict[str, Any]] = []
    data: dict[str, Any] = {}
    for name, value in record.items():
        if name in FACTS:
            continue
        if isinstance(value, str) and _looks_like_image(value):
            data[name] = value
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            for each in value:
                facts = {key: each[key] for key in ("original_width", "original_height") if key in each}
                kind = each.get("type") or next((label for label in LABELS if label in each), "")
                results.append({"from_name": name, "type": kind, "value": each, **facts})
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            results.append({"from_name": name, "type": "choices", "value": value})
        elif isinstance(value, str):
            results.append({"from_name": name, "type": "choices", "value": {"choices": [value]}})
    is_answered = record["annotation_id"] not in ("", None)
    return {"id": record.get("id"), "data": data, "annotations": [{"result": results}] if is_answered else []}


def _read_task(record: Mapping[str, Any], undrawn: Counter[str]) -> Iterator[Task]:
    """Without its image nothing; else one task, on which all annotators agree."""
    image = _find_image(record)
    if not image:
        return
    number = str(record.get("id", image))
    annotations = record["annotations"]
    skipped = bool(annotations) and all(each.get("was_cancelled") for each in annotations)
    task = Task(number, image, is_cancelled=skipped)
    for annotation in annotations:
        if annotation.get("was_cancelled"):
            continue
        found = _read_annotation(task, annotation["result"], undrawn)
        task = found if task.choices is None else _agree(task, found)
    yield task


def _agree(one: Task, other: Task) -> Task:
    """Raises DataError where two annotations of an image differ."""
    if one.regions and other.regions and _content(one) != _content(other):
        raise DataError(f"task {one.number} has two annotations with regions: keep one of them.")
    if one.choices and other.choices and one.choices != other.choices:
        said = " and ".join(
            ", ".join(map(repr, sum(each.choices.values(), ()))) for each in (one, other) if each.choices
        )
        raise DataError(f"task {one.number} has two annotations that disagree ({said}): keep one of them.")
    return other if other.regions or (other.choices and not one.regions) else one


def _content(task: Task) -> list[tuple[str, bytes]]:
    return [(name, shape.content) for name, shape in task.regions or ()]


def _read_annotation(task: Task, results: Sequence[Mapping[str, Any]], undrawn: Counter[str]) -> Task:
    choices: dict[str, tuple[str, ...]] = {}
    regions: list[tuple[str, Shape]] = []
    labelled = {each.get("id") for each in results if _labels_of(each)}
    size = None
    before = undrawn.total()
    for each in results:
        value = each.get("value", {})
        if "choices" in value:
            name = str(each.get("from_name"))
            choices[name] = (*choices.get(name, ()), *map(str, value["choices"]))
            continue
        if not (labels := _labels_of(each)):
            undrawn["region without a label"] += each.get("id") not in labelled and "type" in each
            continue
        if len(labels) > 1:
            raise DataError(f"a region of task {task.number} has {len(labels)} labels ({', '.join(labels)}): keep one.")
        if each.get("image_rotation"):
            raise DataError(
                f"task {task.number} was annotated on a turned image: turn the file, and annotate it upright."
            )
        shape = _read_shape(each, value)
        if isinstance(shape, str):
            undrawn[shape] += 1
            continue
        size = int(each["original_height"]), int(each["original_width"])
        regions.append((labels[0], shape))
    lost = not regions and bool(undrawn.total() - before)
    return Task(task.number, task.image, choices, None if lost else tuple(regions), size)


def _labels_of(result: Mapping[str, Any]) -> list[str]:
    value = result.get("value", {})
    found: list[Any] = next((value[name] for name in LABELS if isinstance(value.get(name), list)), [])
    return [str(each) for each in found]


def _read_shape(result: Mapping[str, Any], value: Mapping[str, Any]) -> Shape | str:
    """Or what it is, where it has no inside."""
    if not {"points", "rle", "radiusX"} & value.keys():
        return "rectangle" if {"x", "width"} <= value.keys() else "point"
    height, width = int(result["original_height"]), int(result["original_width"])
    if not (height > 0 and width > 0):
        raise DataError(f"a region says that its image is {height}x{width} pixels.")
    scale = np.array([width, height]) / 100
    if "points" in value:
        return Polygon((_as_ring(value["points"]) * scale,))
    if "rle" in value:
        return Brush(bytes(value["rle"]), (height, width))
    angle = np.deg2rad(float(value.get("rotation", 0)))
    turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    across, down = float(value["radiusX"]) * width / 100, float(value["radiusY"]) * height / 100
    x = across * np.cos(turns) * np.cos(angle) - down * np.sin(turns) * np.sin(angle)
    y = across * np.cos(turns) * np.sin(angle) + down * np.sin(turns) * np.cos(angle)
    centre = np.array([float(value["x"]), float(value["y"])]) * scale
    return Polygon((np.stack([x, y], axis=1) + centre,))


def _as_ring(points: Sequence[Sequence[float]]) -> np.ndarray:
    ring = np.array(points, np.float64)
    if ring.ndim != 2 or ring.shape[1] != 2 or not np.isfinite(ring).all():
        raise ValueError("a polygon should be a list of [x, y]")
    return ring


def _find_image(record: Mapping[str, Any]) -> str:
    """The file or address of a task's image: the only one, or the one called image."""
    data = record["data"]
    found = {name: value for name, value in data.items() if isinstance(value, str) and _looks_like_image(value)}
    if len(found) > 1 and "image" not in found:
        raise DataError(f"task {record.get('id')} has several images ({', '.join(found)}), where one is read.")
    if found:
        return name_image(found.get("image") or next(iter(found.values())))
    return str(record.get("file_upload") or "") if _looks_like_image(str(record.get("file_upload"))) else ""


def _looks_like_image(text: str) -> bool:
    return PurePosixPath(name_image(text)).suffix.lower() in IMAGE_SUFFIXES


def name_image(address: str) -> str:
    """The file of an upload, a local file's `?d=`, a URL or a cloud's object: `a/b.jpg`."""
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    for name in ("d", "filepath"):
        if name in query:
            return query[name][0].replace("\\", "/").lstrip("/")
    return unquote(parts.path).replace("\\", "/").lstrip("/")


def without_prefix(name: str) -> str:
    """The name that a file had before it was uploaded."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{UPLOADED.sub('', file, count=1)}"
