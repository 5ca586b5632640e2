"""labelme JSON (github.com/wkentaro/labelme): one file an image, its shapes in draw order."""

import base64
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finesight.classes import compose
from finesight.data.annotations.drawn_masks import GROUND, is_ground
from finesight.data.annotations.json_files import load_json
from finesight.data.annotations.shapes import Bitmap, Disc, Polygon, Shape, Size, read_ring
from finesight.data.images.image_files import open_image
from finesight.errors import DataError

IGNORED = "__ignore__"  # the label of what labelme's own converters leave out
UNDRAWN = ("line", "linestrip", "point", "points")  # shapes without an inside
MOST_BYTES = 200_000_000  # of a file that may be labelme's: it may hold the image


@dataclass(frozen=True)
class LabelmeFile:
    """image: imagePath as it stands in the file, `/`-separated. size: (height, width). shapes: (class, shape); of class
    None what is to be left out. undrawn: how many shapes of each type have no inside."""

    image: str
    size: Size | None
    shapes: tuple[tuple[str | None, Shape], ...]
    undrawn: Counter[str]


def is_labelme(path: Path) -> bool:
    try:
        found = load_json(path) if path.stat().st_size <= MOST_BYTES else {}
    except (DataError, OSError):
        return False
    return isinstance(found.get("shapes"), list) and isinstance(found.get("imagePath"), str)


def read_labelme(path: Path) -> LabelmeFile:
    """Raises DataError."""
    document = load_json(path)
    shapes = document.get("shapes")
    if not isinstance(shapes, list) or not all(isinstance(each, dict) for each in shapes):
        raise DataError(f"{str(path)!r} has no list of shapes, as labelme files have.")
    found: list[tuple[str | None, Shape]] = []
    undrawn: Counter[str] = Counter()
    for number, each in enumerate(shapes, start=1):
        kind = str(each.get("shape_type") or "polygon")
        if kind in UNDRAWN:
            undrawn[kind] += 1
            continue
        try:
            found.append((_read_label(each), _read_shape(each, kind)))
        except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
            raise DataError(f"Shape {number} in {str(path)!r} cannot be read: {error}.") from None
    height, width = document.get("imageHeight"), document.get("imageWidth")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    image = document.get("imagePath")
    return LabelmeFile(image.replace("\\", "/") if isinstance(image, str) else "", size, tuple(found), undrawn)


def _read_label(shape: Mapping[str, Any]) -> str | None:
    label = shape.get("label")
    if not isinstance(label, str) or not label.strip():
        raise ValueError("it has no label")
    name = compose(label.strip())
    return None if name == IGNORED else GROUND if is_ground(name) else name


def _read_shape(shape: Mapping[str, Any], kind: str) -> Shape:
    points = read_ring([number for point in shape["points"] for number in point])
    if kind == "polygon":
        return Polygon((points,))
    if kind == "rectangle":
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return Polygon((np.array([(left, top), (right, top), (right, bottom), (left, bottom)]),))
    if kind == "circle":
        (x, y), edge = points[0], points[1]
        return Disc(float(x), float(y), float(np.hypot(edge[0] - x, edge[1] - y)))
    if kind == "mask":
        left, top = np.floor(points.min(axis=0)).astype(int)
        return Bitmap(int(top), int(left), _decode_bitmap(shape["mask"]))
    raise ValueError(f"shapes of type {kind!r} are not known")


def _decode_bitmap(text: str) -> np.ndarray:
    try:
        with open_image(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            image.load()
            return np.asarray(image.convert("L")) > 0
    except Exception as error:  # a broken file can raise anything
        raise ValueError(f"its mask is damaged ({error})") from None
