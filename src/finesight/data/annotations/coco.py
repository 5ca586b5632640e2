"""COCO JSON (Lin et al. 2014, arXiv:1405.0312; cocodataset.org/#format-data): shapes of each image, in draw order.

Shapes are drawn in the order of the file. Crowds (`iscrowd`) come before them: they are regions of the class in which
nobody outlined single objects. Parts of one object are drawn one by one, so that they never cut holes into each other.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finesight.classes import compose
from finesight.data.annotations.json_files import load_json
from finesight.data.annotations.shapes import Polygon, Runs, Shape, Size, read_ring
from finesight.data.leftovers import quote_some
from finesight.errors import DataError

Shapes = tuple[tuple[str, Shape], ...]
Id = int | str | None


@dataclass(frozen=True)
class CocoImage:
    """file_name: as it stands in the file. size: (height, width); None where it is not given."""

    file_name: str
    size: Size | None
    shapes: Shapes


@dataclass(frozen=True)
class CocoFile:
    """names: of the classes, in the order of their ids. notes: what was passed over."""

    images: tuple[CocoImage, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_coco(path: Path) -> CocoFile:
    """Raises DataError for a file that is not COCO's, for boxes without outlines, and for ids that do not exist."""
    document = load_json(path)
    images, annotations, categories = (_take(document, name, path) for name in ("images", "annotations", "categories"))
    if not images:
        raise DataError(f"{str(path)!r} lists no images.")
    names, notes = _read_categories(categories, {_id(each, "category_id") for each in annotations}, path)
    shapes = _read_shapes(annotations, names, {_id(image) for image in images}, path)
    found = tuple(
        CocoImage(_read_file_name(image, path), _read_size(image), tuple(shapes.get(_id(image), ())))
        for image in images
    )
    return CocoFile(found, tuple(dict.fromkeys(names.values())), notes)


def _take(document: Mapping[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise DataError(f"{str(path)!r} has no list of {name}, as COCO files have: it is not one for segmentation.")
    return found


def _id(record: Mapping[str, Any], name: str = "id") -> Id:
    found = record.get(name)
    return found if isinstance(found, int | str) else None


def _read_file_name(image: Mapping[str, Any], path: Path) -> str:
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError(f"Image {_id(image)!r} in {str(path)!r} has no file_name.")
    return name


def _read_size(image: Mapping[str, Any]) -> Size | None:
    height, width = image.get("height"), image.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) and height and width else None


def _read_categories(
    categories: Sequence[Mapping[str, Any]], used: set[Id], path: Path
) -> tuple[dict[Id, str], tuple[str, ...]]:
    """Names by id, in the order of ids, and notes. Roboflow's first category names the project and is never used."""
    for each in categories:
        if not isinstance(each.get("name"), str) or not each["name"].strip() or not isinstance(each.get("id"), int):
            raise DataError(f"A category in {str(path)!r} has no name or no id that is a whole number: {dict(each)!r}.")
    if doubles := [number for number, count in Counter(map(_id, categories)).items() if count > 1]:
        raise DataError(f"Two categories in {str(path)!r} have the id {doubles[0]}: give each its own.")
    groups = {each.get("supercategory") for each in categories if isinstance(each.get("supercategory"), str)}
    names = {each["id"]: compose(each["name"].strip()) for each in sorted(categories, key=lambda each: each["id"])}
    projects = {
        number: names.pop(number)
        for number in [each["id"] for each in categories if each.get("supercategory") in ("none", "", None)]
        if number not in used and names[number] in groups
    }
    notes = []
    if projects:
        shown = quote_some([*projects.values()])
        notes.append(f"Not a class, as it only groups others in {path.name!r}: {shown}.")
    if same := [name for name, count in Counter(names.values()).items() if count > 1]:
        notes.append(f"Several categories of {path.name!r} are called {quote_some(same)}: read as one class.")
    return names, tuple(notes)


def _read_shapes(
    annotations: Sequence[Mapping[str, Any]], names: Mapping[Id, str], images: set[Id], path: Path
) -> dict[Id, list[tuple[str, Shape]]]:
    """By image id, crowds first."""
    crowds: dict[Id, list[tuple[str, Shape]]] = defaultdict(list)
    others: dict[Id, list[tuple[str, Shape]]] = defaultdict(list)
    boxes = 0
    for each in annotations:
        image, category = _id(each, "image_id"), _id(each, "category_id")
        for what, number, known in (("category_id", category, names), ("image_id", image, images)):
            if number not in known:
                raise DataError(
                    f"Annotation {_id(each)!r} in {str(path)!r} has {what} {number!r}, which is not listed."
                )
        boxes += not each.get("segmentation")
        found = crowds if each.get("iscrowd") else others
        found[image] += [(names[category], shape) for shape in _read_segmentation(each, path)]
    if boxes:
        what = "boxes only" if boxes == len(annotations) else f"{boxes:,} boxes among {len(annotations):,} annotations"
        raise DataError(
            f"{str(path)!r} holds {what}, and segmentation needs outlines (polygons or run lengths): draw them, or "
            "remove the boxes."
        )
    return {image: [*crowds.get(image, ()), *others.get(image, ())] for image in {**crowds, **others}}


def _read_segmentation(annotation: Mapping[str, Any], path: Path) -> list[Shape]:
    value = annotation.get("segmentation") or []
    try:
        if isinstance(value, dict):
            height, width = map(int, value["size"])
            counts = value["counts"] if isinstance(value["counts"], str) else tuple(map(int, value["counts"]))
            if not isinstance(counts, str) and max(counts, default=0) > height * width:
                raise ValueError("a run is longer than the image")
            return [Runs(counts, (height, width))]
        return [Polygon((read_ring(ring),)) for ring in value]
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        where = f"Annotation {_id(annotation)!r} in {str(path)!r}"
        raise DataError(f"{where} has a segmentation that cannot be read: {error}.") from None
