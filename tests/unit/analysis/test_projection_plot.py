"""The static plot: classes look different, odd names are drawn, nothing leaks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.analysis import projection_plot as scatter
from finesight.analysis.projection import Projection
from finesight.analysis.projection_plot import draw_projection
from finesight.classes import ClassList

RANDOM = np.random.default_rng(0)


AB = ClassList.from_labels("ab")


def made_of(points: np.ndarray) -> Projection:
    return Projection(points, "tsne", "opentsne", {"seed": 0})


def draw(path: Path, num_classes: int, names: list[str] | None = None) -> np.ndarray:
    targets = np.repeat(np.arange(num_classes), 5)
    points = (RANDOM.normal(size=(len(targets), 2)) + 6 * RANDOM.normal(size=(num_classes, 2))[targets]).astype("f4")
    ids = tuple(str(c) for c in range(num_classes))
    classes = ClassList(ids, tuple(names or [f"class {c}" for c in ids]))
    draw_projection(made_of(points), targets, classes, path, "A projection")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_hundred_classes_look_different() -> None:
    looks = {(scatter.COLOURS[c % len(scatter.COLOURS)], scatter.MARKERS[c % len(scatter.MARKERS)]) for c in range(100)}
    assert len(looks) == 100


def test_the_image_shows_each_class_in_its_colour(tmp_path: Path) -> None:
    pixels = draw(tmp_path / "new" / "map.png", 6)
    assert pixels.shape[0] > 1000
    for colour in scatter.COLOURS[:6]:
        rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
        assert (np.abs(pixels.astype(int) - rgb).max(2) <= 2).sum() > 20, colour


def test_odd_names_are_drawn_without_remarks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = ["$x_1$ $", "<script>", "类别 猫", "_hidden", "bad\x1b[31m\n", "long " * 30, "", "\\frac{", "100 %", "ก็"]
    draw(tmp_path / "map.png", len(names), names)
    assert capfd.readouterr() == ("", "")


def test_one_image_is_a_plot(tmp_path: Path) -> None:
    draw_projection(made_of(np.zeros((1, 2), np.float32)), np.array([1]), AB, tmp_path / "map.png", "One")
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_the_same_projection_is_the_same_file(tmp_path: Path) -> None:
    points, targets = np.arange(8, dtype=np.float32).reshape(4, 2), np.array([0, 0, 1, 1])
    for name in ("first.png", "second.png"):
        draw_projection(made_of(points), targets, AB, tmp_path / name, "Same")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_names_are_moved_until_none_overlap() -> None:
    centres, half = np.zeros((8, 2)), np.tile([30.0, 7.0], (8, 1))
    moved = scatter._separate(centres, half)
    heights = np.sort(moved[:, 1])
    assert (np.diff(heights) >= 14).all()
    assert np.array_equal(moved[:, 0], centres[:, 0])


def test_a_class_in_two_parts_is_named_where_it_is() -> None:
    own = np.array([[0, 0], [0, 1], [0, 2], [10, 0], [10, 1], [10, 2]], dtype=np.float32)
    assert scatter._centre(own).tolist() in own.tolist()
