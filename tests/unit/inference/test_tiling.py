"""Tiles: an image cut up and put together again is the image predicted at once."""

import itertools

import numpy as np
import pytest
import torch

from finesight.inference.tiling import blend_tiles, blend_weights, tile_starts
from finesight.inference.tta import Probabilities


def by_pixel(images: torch.Tensor) -> torch.Tensor:
    """Probabilities that depend on nothing but a pixel's own colour, as of a 1×1 convolution."""
    return torch.softmax(images.float() / 40, dim=1)


def draw(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blend(predict: Probabilities, image: np.ndarray, tile: tuple[int, int]) -> np.ndarray:
    """Class indices (h, w)."""
    bands = blend_tiles(predict, torch.from_numpy(image).permute(2, 0, 1), tile)
    return torch.cat(list(bands), dim=1).argmax(0).numpy()


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (40, 23), (5, 30), (1, 1), (16, 17)])
def test_tiles_are_the_image_at_once(size: tuple[int, int]) -> None:
    image = draw(*size)
    np.testing.assert_array_equal(blend(by_pixel, image, (8, 8)), image.argmax(2))


@pytest.mark.parametrize(("length", "tile"), [(8, 8), (9, 8), (100, 8), (23, 1), (512, 256)])
def test_tiles_cover_and_overlap(length: int, tile: int) -> None:
    starts = tile_starts(length, tile)
    assert (starts[0], starts[-1] + tile) == (0, length)
    assert all(0 < after - before <= max(1, round(0.75 * tile)) for before, after in itertools.pairwise(starts))
    assert blend_weights(tile).min() > 0


def test_a_seam_between_tiles_that_disagree_is_gradual() -> None:
    """Each tile answers by its mean: the border between two answers lies inside the overlap, not at a tile's edge."""

    def by_mean(images: torch.Tensor) -> torch.Tensor:
        chance = images.float().mean((1, 2, 3), keepdim=True)[:, 0] / 255
        return torch.stack([chance.expand(-1, *images.shape[2:]), 1 - chance.expand(-1, *images.shape[2:])], dim=1)

    image = np.zeros((16, 28, 3), np.uint8)
    image[:, 14:] = 255
    mask = blend(by_mean, image, (16, 16))
    assert (np.diff(mask.astype(int), axis=1) != 0).sum(1).tolist() == [1] * 16
    assert mask[0].argmin() == 14  # tiles lie at 0-16 and 12-28: the middle of what they share
