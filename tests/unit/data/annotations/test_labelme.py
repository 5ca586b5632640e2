"""labelme JSON: polygons, rectangles, circles and masks; lines and points have no inside."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotations import write_labelme
from finesight.data.annotations.labelme import is_labelme, read_labelme
from finesight.data.annotations.shapes import Shape
from finesight.errors import DataError

SIZE = (6, 8)


def bitmap(rows: list[list[int]]) -> str:
    content = io.BytesIO()
    Image.fromarray(np.array(rows, bool)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def shape(kind: str, points: list[list[float]], label: str = "lake", **more: object) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "flags": {}, "group_id": None, **more}


def count(drawn: Shape) -> int:
    return int(drawn.cover(SIZE).pixels.sum())


@pytest.mark.parametrize(
    ("drawn", "pixels"),
    [
        (shape("polygon", [[0, 0], [4, 0], [4, 6], [0, 6]]), 24),
        (shape("rectangle", [[4, 6], [0, 0]]), 24),
        (shape("rectangle", [[0, 0], [4, 0], [4, 6], [0, 6]]), 24),
        (shape("circle", [[4, 3], [4, 1]]), 12),
        (shape("mask", [[2, 1], [4, 2]], mask=bitmap([[1, 0, 1], [1, 1, 1]])), 5),
    ],
)
def test_every_shape_with_an_inside_is_drawn(drawn: dict[str, Any], pixels: int, tmp_path: Path) -> None:
    file = read_labelme(write_labelme(tmp_path / "a.json", "a.jpg", SIZE, [drawn]))
    assert (file.image, file.size) == ("a.jpg", SIZE)
    ((name, found),) = file.shapes
    assert name == "lake"
    assert count(found) == pixels


def test_shapes_without_an_inside_are_counted(tmp_path: Path) -> None:
    shapes = [shape(kind, [[0, 0], [4, 4]]) for kind in ("line", "point", "point", "linestrip")]
    file = read_labelme(write_labelme(tmp_path / "a.json", "a.jpg", SIZE, shapes))
    assert file.shapes == ()
    assert file.undrawn == {"line": 1, "point": 2, "linestrip": 1}


def test_labels_of_labelme_itself(tmp_path: Path) -> None:
    shapes = [shape("rectangle", [[0, 0], [4, 4]], label) for label in ("__ignore__", "_background_", "lake ")]
    file = read_labelme(write_labelme(tmp_path / "a.json", "a.jpg", SIZE, shapes))
    assert [name for name, _ in file.shapes] == [None, "background", "lake"]


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        (shape("polygon", [[0, 0], [4]]), "Shape 1 in .* a polygon should be a list of x, y"),
        (shape("polygon", [[0, 0], [4, 1]], ""), "has no label"),
        (shape("circle", [[0, 0]]), "Shape 1 in .* cannot be read"),
        (shape("spline", [[0, 0]]), "shapes of type 'spline' are not known"),
        (shape("mask", [[0, 0], [1, 1]], mask="????"), "its mask is damaged"),
        (shape("mask", [[0, 0], [1, 1]]), "'mask'"),
    ],
)
def test_shapes_that_cannot_be_read_are_refused(drawn: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        read_labelme(write_labelme(tmp_path / "a.json", "a.jpg", SIZE, [drawn]))


def test_other_json_is_not_labelmes(tmp_path: Path) -> None:
    assert is_labelme(write_labelme(tmp_path / "a.json", "a.jpg", SIZE))
    for text in ("{}", "[]", "{", '{"shapes": {}}'):
        (tmp_path / "b.json").write_text(text)
        assert not is_labelme(tmp_path / "b.json")
