"""Boundary IoU, against the paper's erosion written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from finesight.classes import IGNORE_INDEX
from finesight.metrics.boundary import border_width, boundary_iou, count_boundary, near_border


def erode(mask: np.ndarray, distance: int) -> np.ndarray:
    """As the paper's code: a frame of zeros, then `distance` steps of a 3 x 3 erosion."""
    framed = np.pad(mask, 1)
    inner = binary_erosion(framed, np.ones((3, 3)), iterations=distance, border_value=1)
    return np.asarray(inner[1:-1, 1:-1])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(1, 30), st.integers(1, 6), st.integers(0, 10**6))
def test_near_border_is_what_erosion_takes_away(height: int, width: int, distance: int, seed: int):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 3, (height // 6 + 1, width // 6 + 1), dtype=np.uint8)
    mask = np.kron(coarse, np.ones((6, 6), np.uint8))[:height, :width]
    near = near_border(torch.from_numpy(mask), distance).numpy()
    for value in range(3):
        assert np.array_equal((mask == value) & near, (mask == value) & ~erode(mask == value, distance))


def test_width_is_two_per_cent_of_the_diagonal():
    assert [border_width(512, 512), border_width(10, 10), border_width(1000, 2000)] == [14, 1, 45]


def test_a_shifted_square_by_hand():
    """50 x 50 px: the border is 1 px wide. Squares of 10 x 10, one column apart: 36 border pixels each, two sides
    of 9 pixels meet."""
    truth = torch.zeros(50, 50, dtype=torch.uint8)
    truth[10:20, 10:20] = 1
    guess = truth.roll(1, dims=1)
    counts = count_boundary(truth, guess.long(), 2)
    assert counts[:, 1].tolist() == [2 * 9, 36, 36]
    assert boundary_iou(counts, [1]) == (pytest.approx(18 / 54),)


def test_perfect_masks_score_one_and_absent_classes_nothing():
    truth = torch.zeros(30, 30, dtype=torch.uint8)
    truth[:, 15:] = 1
    counts = count_boundary(truth, truth.long(), 3)
    assert boundary_iou(counts, [0, 1, 2]) == (1.0, 1.0, None)


def test_unknown_truth_is_left_out():
    truth = torch.full((20, 20), IGNORE_INDEX, dtype=torch.uint8)
    guess = torch.zeros(20, 20, dtype=torch.int64)
    assert not count_boundary(truth, guess, 2).any()
