"""Test-time averaging: one answer from all the flips and turns that training showed as the same image."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from finesight.config import AugmentSettings

View = tuple[int, bool]  # quarter turns, and then whether it is flipped left to right
Answer = Callable[[Tensor], Tensor]  # images (n, 3, h, w) → class probabilities (n, C) or (n, C, h, w)
AS_IT_IS: tuple[View, ...] = ((0, False),)


def trained_views(augment: AugmentSettings) -> tuple[View, ...]:
    """One to eight: whatever the flips and turns of training make, one after another."""
    made = [(0, True)] if augment.flip else []
    made += [(2, True)] if augment.vertical_flip else []
    made += [(1, False)] if augment.quarter_turns else []
    views = set(AS_IT_IS)
    for _ in range(4):  # the farthest is three quarter turns and a flip away
        views |= {_after(view, way) for view in views for way in made}
    return tuple(sorted(views))


def average_views(answer: Answer, views: Sequence[View]) -> Answer:
    """Mean probabilities over the views, masks turned back."""

    def ask(images: Tensor) -> Tensor:
        total: Tensor | None = None
        for turns, flipped in views:
            seen = torch.rot90(images, turns, (2, 3))
            chances = answer(seen.flip(3) if flipped else seen)
            if chances.ndim == 4:
                chances = torch.rot90(chances.flip(3) if flipped else chances, -turns, (2, 3))
            total = chances if total is None else total + chances
        assert total is not None
        return total / len(views)

    return ask


def _after(view: View, way: View) -> View:
    """Turning a flipped image to the left is flipping one turned to the right."""
    (turns, flipped), (more, flips) = view, way
    return (turns - more if flipped else turns + more) % 4, flipped != flips
