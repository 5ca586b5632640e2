"""Which pixels a shape covers: those whose centres lie inside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight.data.annotations.drawing import UNANNOTATED, draw
from finesight.data.annotations.shapes import Bitmap, Disc, Polygon, Runs, Shape, unpack_runs
from finesight.errors import DataError


def polygon(*rings: list[tuple[float, float]]) -> Polygon:
    return Polygon(tuple(np.array(ring, float) for ring in rings))


def paint(shape: Shape, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    image = np.zeros(size, bool)
    cover = shape.cover(size)
    cover.window(image)[:] = cover.pixels
    return image


def box(left: float, top: float, right: float, bottom: float) -> Polygon:
    return polygon([(left, top), (right, top), (right, bottom), (left, bottom)])


def test_a_polygon_covers_the_pixels_whose_centres_lie_inside() -> None:
    expected = np.zeros((6, 8), bool)
    expected[1:3, 2:5] = True
    for shape in (box(2, 1, 5, 3), box(2.4, 1.4, 4.6, 2.6), box(1.6, 0.6, 5.4, 3.4)):
        assert (paint(shape) == expected).all()


def test_a_polygon_that_covers_no_centre_covers_nothing() -> None:
    assert not paint(box(2.6, 1.6, 3.4, 2.4)).any()
    assert not paint(polygon([(1, 1), (5, 5)])).any()
    assert not paint(polygon()).any()
    assert not paint(box(20, 20, 30, 30)).any()
    assert not paint(box(-20, -20, -10, -10)).any()


def test_a_ring_within_a_ring_is_a_hole() -> None:
    hole = paint(polygon([(0, 0), (8, 0), (8, 6), (0, 6)], [(2, 2), (4, 2), (4, 4), (2, 4)]))
    assert hole.sum() == 48 - 4
    assert not hole[2:4, 2:4].any()


def test_what_reaches_out_of_the_image_is_cut_off() -> None:
    shape = box(-5, -5, 3, 2)
    assert paint(shape).sum() == 6
    assert shape.leaves((6, 8))
    assert not box(0, 0, 8.4, 6.4).leaves((6, 8))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 11), st.floats(-3, 9)), min_size=2, max_size=2))
def test_shapes_that_share_an_edge_neither_overlap_nor_leave_a_gap(edge: list[tuple[float, float]]) -> None:
    start, end = edge
    left, right = ([start, (x, -9.0), (x, 99.0), end] for x in (-99.0, 99.0))
    first, second = paint(polygon(left)), paint(polygon(right[::-1]))
    whole = paint(polygon(left, right))
    assert (first ^ second == whole).all()
    crossing = start[1] > end[1]  # then each surrounds a part of the other
    assert crossing or not (first & second).any()


def test_a_disc_holds_the_centres_within_its_radius() -> None:
    disc = paint(Disc(4.0, 3.0, 2.0))
    rows, columns = np.mgrid[:6, :8] + 0.5
    assert (disc == ((rows - 3) ** 2 + (columns - 4) ** 2 <= 4)).all()
    assert paint(Disc(0, 0, 3)).sum() == 9 - 1
    assert paint(Disc(-9e9, 0, 9e9)).sum() == 0
    assert paint(Disc(4, 3, 9e9)).all()


def test_a_bitmap_is_cut_off_at_every_border() -> None:
    pixels = np.ones((10, 12), bool)
    assert paint(Bitmap(-2, -2, pixels)).all()
    assert paint(Bitmap(-8, -9, pixels)).sum() == 2 * 3
    assert paint(Bitmap(5, 7, pixels)).sum() == 1
    assert paint(Bitmap(50, 70, pixels)).sum() == 0
    assert paint(Bitmap(1, 70, pixels)).sum() == 0
    assert paint(Bitmap(-50, -70, pixels)).sum() == 0


def test_runs_go_down_the_columns() -> None:
    expected = np.zeros((3, 4), bool)
    expected[1:, 0] = expected[0, 1] = True
    assert (paint(Runs((1, 3, 8), (3, 4)), (3, 4)) == expected).all()


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (Runs((1, 3), (3, 4)), "do not add up"),
        (Runs((-1, 13), (3, 4)), "do not add up"),
        (Runs((20,), (4, 5)), "of 4x5 pixels, the image 3x4"),
        (Runs("é", (3, 4)), "not COCO's text"),
        (Runs("P" * 40, (3, 4)), "not COCO's text"),
        (Runs("P", (3, 4)), "cut off"),
    ],
)
def test_runs_that_are_damaged_are_refused(shape: Runs, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        shape.cover((3, 4))


def test_unpacks_text_as_pycocotools_packed_it() -> None:
    # of the counts 6, 1, 40, 4, 5, 4, 5, 4, 21 (maskApi.c)
    assert unpack_runs("61X13mN000`0").tolist() == [6, 1, 40, 4, 5, 4, 5, 4, 21]


def test_later_shapes_cover_earlier_ones_and_what_is_lost_is_counted() -> None:
    shapes = [(1, box(0, 0, 4, 4)), (2, box(2, 2, 6, 6)), (2, box(3, 3, 9, 6)), (3, box(1, 1, 1.2, 1.2))]
    drawing = draw((6, 8), shapes)
    assert (drawing.clipped, drawing.empty, drawing.overlapped) == (1, 1, 4)
    assert drawing.mask[0, 0] == 1
    assert drawing.mask[3, 3] == 2
    assert drawing.mask[0, 7] == UNANNOTATED
