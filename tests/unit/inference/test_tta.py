"""Test-time augmentation: which ones, and that they come back to their place."""

import numpy as np
import pytest
import torch

from finesight.config import AugmentSettings
from finesight.inference.tta import NO_TTA, Augmentation, average_augmentations, trained_augmentations

ALL = tuple((turns, flipped) for turns in range(4) for flipped in (False, True))


def by_pixel(images: torch.Tensor) -> torch.Tensor:
    """Probabilities that depend on nothing but a pixel's own colour, as of a 1x1 convolution."""
    return torch.softmax(images.float() / 40, dim=1)


def draw(height: int, width: int) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, height, width), dtype=np.uint8)
    return torch.from_numpy(pixels)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"flip": 0.0}, NO_TTA),
        ({"flip": 0.5}, ((0, False), (0, True))),
        ({"flip": 0.0, "vertical_flip": 0.5}, ((0, False), (2, True))),
        ({"flip": 0.5, "vertical_flip": 0.5}, ((0, False), (0, True), (2, False), (2, True))),
        ({"flip": 0.0, "quarter_turns": True}, tuple((turns, False) for turns in range(4))),
        ({"flip": 0.5, "quarter_turns": True}, ALL),
        ({"flip": 0.0, "vertical_flip": 0.1, "quarter_turns": True}, ALL),
    ],
)
def test_augmentations_are_those_of_training(settings: dict[str, float], expected: tuple[Augmentation, ...]) -> None:
    assert trained_augmentations(AugmentSettings(**settings)) == expected  # type: ignore[arg-type]


def test_averaged_augmentations_come_back_to_their_place() -> None:
    image = draw(6, 9)
    torch.testing.assert_close(average_augmentations(by_pixel, ALL)(image), by_pixel(image))

    def looks_right(images: torch.Tensor) -> torch.Tensor:
        return by_pixel(images.roll(1, dims=3))

    averaged = average_augmentations(looks_right, ALL)(image)
    assert not torch.allclose(averaged, looks_right(image), atol=1e-3)
    torch.testing.assert_close(average_augmentations(looks_right, ALL)(image.flip(3)), averaged.flip(3))


def test_the_mean_of_one_class_an_image() -> None:
    image = draw(4, 4)
    image[..., :2] = 0

    def left_half(images: torch.Tensor) -> torch.Tensor:
        return by_pixel(images)[..., :2].mean((2, 3))

    expected = (left_half(image) + left_half(image.flip(3))) / 2
    torch.testing.assert_close(average_augmentations(left_half, ((0, False), (0, True)))(image), expected)
