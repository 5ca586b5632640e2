import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.metrics.intervals import wilson_interval
from finesight.reporting.charts import BOTTOM, HEIGHT, TOP, choose_ticks, draw_curves, draw_matrix


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_cover_the_range_and_are_few(low: float, span: float) -> None:
    ticks = choose_ticks(low, low + span)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= low + 1e-6 * max(1, abs(low), span)
    assert ticks[-1] >= low + span - 1e-6 * max(1, abs(low), span)


def test_ticks_are_round() -> None:
    assert choose_ticks(0.12, 0.88) == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def test_curves_mark_the_best_epoch_and_stay_inside() -> None:
    chart = draw_curves("Loss", "loss", {"training": [(1, 2.0), (2, 1.0), (3, 0.5)]}, best_epoch=2)
    assert chart
    dots = chart.lines[0].dots
    assert chart.best_x == dots[1].x
    assert all(TOP <= dot.y <= HEIGHT - BOTTOM for dot in dots)
    assert dots[0].y < dots[1].y < dots[2].y  # up is more
    assert "2 to 0.5" in chart.summary


def test_one_epoch_and_values_that_are_no_numbers() -> None:
    chart = draw_curves("Loss", "loss", {"training": [(1, 2.0)], "validation": [(1, math.nan)]}, best_epoch=1)
    assert chart
    assert [line.name for line in chart.lines] == ["training"]
    assert draw_curves("Loss", "loss", {"training": [(1, math.inf)]}, best_epoch=None) is None


def test_matrix_follows_the_order_and_leaves_out_empty_cells() -> None:
    matrix = draw_matrix([[8, 2, 0], [0, 5, 0], [0, 0, 0]], ["a", "b", "never seen"], order=[2, 0, 1])
    drawn = {(cell.truth, cell.prediction): (cell.row, cell.column, cell.count, cell.fraction) for cell in matrix.cells}
    assert drawn == {(0, 0): (1, 1, 8, 0.8), (0, 1): (1, 2, 2, 0.2), (1, 1): (2, 2, 5, 1.0)}


# Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
@pytest.mark.parametrize(
    ("hits", "total", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]
)
def test_wilson_interval_as_published(hits: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(hits / total, total) == pytest.approx((low, high), abs=5e-5)
