"""Test-time augmentation (TTA): the mean prediction over all flips and rotations used in training."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from finesight.config import AugmentSettings

Augmentation = tuple[int, bool]  # rotations by 90°, and then whether it is flipped left to right
Probabilities = Callable[[Tensor], Tensor]  # images (n, 3, h, w) → class probabilities (n, C) or (n, C, h, w)
NO_TTA: tuple[Augmentation, ...] = ((0, False),)


def trained_augmentations(augment: AugmentSettings) -> tuple[Augmentation, ...]:
    """One to eight: all combinations of the flips and rotations of training."""
    steps = [(0, True)] if augment.flip else []
    steps += [(2, True)] if augment.vertical_flip else []
    steps += [(1, False)] if augment.quarter_turns else []
    found = set(NO_TTA)
    for _ in range(4):  # the farthest is three quarter turns and a flip away
        found |= {_combine(one, step) for one in found for step in steps}
    return tuple(sorted(found))


def average_augmentations(predict: Probabilities, augmentations: Sequence[Augmentation]) -> Probabilities:
    """Mean probabilities over the augmentations, masks turned back."""

    def average(images: Tensor) -> Tensor:
        total: Tensor | None = None
        for turns, flipped in augmentations:
            turned = torch.rot90(images, turns, (2, 3))
            probabilities = predict(turned.flip(3) if flipped else turned)
            if probabilities.ndim == 4:
                probabilities = torch.rot90(probabilities.flip(3) if flipped else probabilities, -turns, (2, 3))
            total = probabilities if total is None else total + probabilities
        assert total is not None
        return total / len(augmentations)

    return average


def _combine(one: Augmentation, then: Augmentation) -> Augmentation:
    """A flipped image turned to the left is one turned to the right, flipped."""
    (turns, flipped), (more, flips) = one, then
    return (turns - more if flipped else turns + more) % 4, flipped != flips
