"""Whole batches get what torchvision gives each image alone, bit for bit."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from finesight.data.randaugment import CHANGES, MOVES, OPERATIONS, draw_operations, erase, randaugment


def photos(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth ones with noise, a flat one and a nearly flat one, channels last as they are stored."""
    random = np.random.default_rng(seed)
    waves = np.sin(np.linspace(0, 7, width))[None, :, None] * np.cos(np.linspace(0, 5, height))[:, None, None]
    images = (
        128 + 90 * waves * random.uniform(-1, 1, (count, 1, 1, 3)) + random.normal(0, 12, (count, height, width, 3))
    )
    images[0], images[1] = 77, 77
    images[1, 0, 0] = 78
    return torch.from_numpy(images.clip(0, 255).astype(np.uint8)).permute(0, 3, 1, 2)


def change_each(images: Tensor, transform: v2.Transform, seeds: range) -> Tensor:
    changed = []
    for image, seed in zip(images, seeds, strict=True):
        torch.manual_seed(seed)
        changed.append(transform(image))
    return torch.stack(changed)


@pytest.mark.parametrize("magnitude", [0, 9, 30])
@pytest.mark.parametrize(("count", "size"), [(150, (24, 24)), (60, (33, 20)), (24, (144, 160)), (5, (300, 280))])
def test_randaugment_is_torchvisions_of_each_image(magnitude: int, count: int, size: tuple[int, int]) -> None:
    images, seeds = photos(count, *size), range(magnitude, magnitude + count)
    expected = change_each(images, v2.RandAugment(num_ops=2, magnitude=magnitude), seeds)
    after = torch.get_rng_state()
    changed = randaugment(images, magnitude, seeds)
    assert torch.equal(changed, expected)
    assert changed.is_contiguous()
    assert torch.equal(torch.get_rng_state(), after)


def test_every_operation_occurs_and_is_known() -> None:
    drawn = {name for seed in range(200) for name, _ in draw_operations(9, (24, 24), seed)}
    assert drawn == set(OPERATIONS) == MOVES.keys() | CHANGES.keys()
    assert list(OPERATIONS) == list(v2.RandAugment._AUGMENTATION_SPACE)


@pytest.mark.parametrize("probability", [0.3, 1.0])
@pytest.mark.parametrize("size", [(24, 24), (5, 40), (1, 1)])
def test_erasing_is_torchvisions_of_each_image(probability: float, size: tuple[int, int]) -> None:
    images, seeds = photos(40, *size).float(), range(40)
    expected = change_each(images, v2.RandomErasing(probability, value=[127.5]), seeds)
    after = torch.get_rng_state()
    assert torch.equal(erase(images, probability, seeds), expected)
    assert torch.equal(torch.get_rng_state(), after)
