"""Approximate neighbours: what they find, that they know how much, and what is never a neighbour."""

import numpy as np
import pytest
import torch

from finesight.analysis import distance, neighbour_search
from finesight.analysis.distance import find_nearest, measure_nearest, measure_nearest_of_new

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 12, 3000)
POINTS = (RANDOM.normal(size=(12, 24))[LABELS] * 2 + RANDOM.normal(size=(3000, 24))).astype(np.float32)


def count_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,001 points and more."""
    monkeypatch.setattr(distance, "EXACT", 1000)
    monkeypatch.setattr(neighbour_search, "CELL", 100)
    monkeypatch.setattr(neighbour_search, "LARGEST_CELL", 400)


@pytest.fixture
def approximate(monkeypatch: pytest.MonkeyPatch) -> None:
    count_as_many(monkeypatch)


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    return float((found[:, :, None] == true[:, None, :]).any(2).mean())


def test_few_points_are_searched_exactly() -> None:
    found = measure_nearest(POINTS, 10)
    assert found.recall is None
    assert found.how == "exact"


def test_the_recall_that_is_said_is_the_recall(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    true = find_nearest(POINTS, 10)
    count_as_many(monkeypatch)
    found = measure_nearest(POINTS, 10)
    assert found.recall is not None
    assert found.recall >= neighbour_search.RECALL
    assert overlap(found.indices, true) == pytest.approx(found.recall, abs=0.01)
    assert f"approximate (recall {found.recall:.3f} measured on a sample of 1,000)" in capsys.readouterr().err
    assert np.array_equal(measure_nearest(POINTS, 10).indices, found.indices), "another search, other neighbours"


@pytest.mark.usefixtures("approximate")
def test_a_point_is_not_its_own_neighbour_nor_are_those_of_its_group() -> None:
    assert (find_nearest(POINTS, 5) != np.arange(3000)[:, None]).all()
    found = measure_nearest(POINTS, 5, groups=LABELS)  # the nearest points are all in the group
    assert (LABELS[found.indices] != LABELS[:, None]).all()
    assert np.isfinite(found.distances).all()


@pytest.mark.usefixtures("approximate")
def test_new_points_find_those_nearest_to_them() -> None:
    found = measure_nearest_of_new(POINTS, POINTS[:1500] + np.float32(1e-3), 1)
    assert (found.indices[:, 0] == np.arange(1500)).mean() > 0.98


@pytest.mark.usefixtures("approximate")
def test_equal_points_do_not_fill_one_cell() -> None:
    cells = neighbour_search.make_cells(torch.ones(2000, 3), seed=0)
    assert max(map(len, cells.members)) <= 400
    assert (measure_nearest(np.ones((2000, 3), np.float32), 4).distances == 0).all()
