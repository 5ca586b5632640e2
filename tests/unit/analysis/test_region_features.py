"""What the last layer saw of each class in a mask."""

import numpy as np
import pytest
import torch

from finesight.analysis.region_features import LEAST_FRACTION, Regions, average_regions
from finesight.classes import IGNORE_INDEX


def coordinates(size: tuple[int, int], stride: int) -> torch.Tensor:
    """Cells (1, 2, h, w) that see where they are: the (row, column) of their middle in an image."""
    rows, columns = (torch.arange(side // stride) * stride + (stride - 1) / 2 for side in size)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]


@pytest.mark.parametrize("stride", [1, 8, 32])
def test_a_region_is_the_mean_of_its_cells(stride: int) -> None:
    mask = torch.zeros(1, 64, 96, dtype=torch.uint8)
    mask[0, 32:, :32] = 2
    found = average_regions(coordinates((64, 96), stride), mask, np.array([7]), (64, 96))
    assert found.images.tolist() == [7, 7]
    assert found.classes.tolist() == [0, 2]
    rows, columns = np.nonzero(mask[0].numpy() == 2)
    assert found.features[1] == pytest.approx([rows.mean(), columns.mean()])
    rows, columns = np.nonzero(mask[0].numpy() == 0)
    assert found.features[0] == pytest.approx([rows.mean(), columns.mean()])


def test_a_cell_counts_by_its_share() -> None:
    """Half a cell of the class beside a whole one."""
    mask = torch.full((1, 32, 64), IGNORE_INDEX, dtype=torch.uint8)
    mask[0, :16, :32] = mask[0, :, 32:] = 1
    cells = torch.tensor([[[[0.0, 3.0]]]])
    assert average_regions(cells, mask, np.array([0]), (32, 64)).features.tolist() == [[2.0]]


@pytest.mark.parametrize("scale", [1, 2])
def test_what_the_image_was_grown_by_is_no_part_of_it(scale: int) -> None:
    """40×48 grown to 64×64, and masks of another size than the image."""
    mask = torch.zeros(1, 40 * scale, 48 * scale, dtype=torch.uint8)
    found = average_regions(coordinates((64, 64), 8), mask, np.array([0]), (40, 48))
    assert found.features == pytest.approx(np.array([[19.5, 23.5]]))


def test_little_and_unknown_is_left_out() -> None:
    mask = torch.zeros(2, 100, 100, dtype=torch.uint8)
    mask[0].view(-1)[: int(LEAST_FRACTION * 10_000) - 1] = 1
    mask[1] = IGNORE_INDEX
    found = average_regions(torch.ones(2, 3, 4, 4), mask, np.array([0, 1]), (100, 100))
    assert (found.images.tolist(), found.classes.tolist()) == ([0], [0])
    mask[0] = IGNORE_INDEX
    nothing = average_regions(torch.ones(2, 3, 4, 4), mask, np.array([0, 1]), (100, 100))
    assert nothing.features.shape == (0, 3)
    joined = Regions.join([nothing, found])
    assert joined.features.tolist() == [[1, 1, 1]]
    assert joined.classes.dtype == np.int64
