"""Logits and masks to try losses on."""

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.classes import IGNORE_INDEX

CLASSES = 4


def scene(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits (2, 4, 5, 6) and masks in which some pixels are ignored and class 3 never occurs."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, CLASSES, 5, 6, generator=generator)
    targets = torch.randint(0, CLASSES - 1, (2, 5, 6), generator=generator)
    targets[:, :2, :3] = IGNORE_INDEX
    return logits, targets


def perfect(targets: Tensor) -> Tensor:
    return 50.0 * F.one_hot(targets.where(targets != IGNORE_INDEX, 0), CLASSES).movedim(-1, 1).float()
