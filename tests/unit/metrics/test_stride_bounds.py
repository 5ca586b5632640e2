"""Stride ceiling, against geometry."""

import pytest
import torch

from finesight.classes import IGNORE_INDEX
from finesight.metrics.stride_bounds import STRIDES, bound_miou


def halves(height: int, width: int, border: int) -> torch.Tensor:
    mask = torch.zeros(height, width, dtype=torch.uint8)
    mask[:, border:] = 1
    return mask


def test_a_border_on_the_grid_costs_nothing():
    assert bound_miou([halves(64, 128, 64)], 2, [0, 1], 32) == 1.0


def test_dots_smaller_than_half_a_cell_vanish():
    mask = torch.zeros(64, 64, dtype=torch.uint8)
    mask[::16, ::16] = 1  # one pixel in 256: never the larger share
    seen_pixels, dots = 64 * 64, 16
    assert bound_miou([mask], 2, [0, 1], 16) == pytest.approx((1 - dots / seen_pixels) / 2)


def test_finer_strides_reach_more():
    columns, rows = torch.meshgrid(torch.arange(200), torch.arange(150), indexing="ij")
    disc = ((columns - 90) ** 2 + (rows - 70) ** 2 < 37**2).to(torch.uint8)
    reached = [bound_miou([disc], 2, [0, 1], stride) for stride in STRIDES]
    assert reached == sorted(reached)
    assert reached[0] < 0.97 < 0.99 < reached[-1] < 1


def test_ignored_pixels_and_masks_of_any_size_count_nowhere():
    mask = halves(70, 33, 20)
    whole = bound_miou([mask], 3, [0, 1, 2], 8)
    nothing = torch.full((5, 1), IGNORE_INDEX, dtype=torch.uint8)
    assert bound_miou([mask, nothing], 3, [0, 1, 2], 8) == whole
