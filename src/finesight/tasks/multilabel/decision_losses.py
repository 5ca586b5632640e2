"""Losses of binary decisions, one per class. As in training.losses the ranks' mean is that of the whole batch."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight import distributed
from finesight.data.transfer import constant
from finesight.errors import ConfigError, suggest
from finesight.task import Loss
from finesight.training.losses import BatchLoss

GAMMA = 2.0  # of the focal loss, as in Lin 2017


def binary_cross_entropy(logits: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Of each decision, (n, C). weights: of the positive decisions of each class."""
    return F.binary_cross_entropy_with_logits(logits, truth, pos_weight=weights, reduction="none")


def focal(logits: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Cross-entropy weighted by (1 - p)^gamma, p of the right decision. Lin 2017, arXiv:1708.02002."""
    p = logits.sigmoid()
    right = p * truth + (1 - p) * (1 - truth)
    return binary_cross_entropy(logits, truth, weights) * (1 - right) ** GAMMA


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "cross_entropy": binary_cross_entropy,
    "focal": focal,
}


def parse_loss(name: str, label_smoothing: float = 0.0, weights: Tensor | None = None) -> Loss:
    """The loss of a name, from logits float32 (n, C) and targets uint8 (n, C) to a scalar. Raises ConfigError.

    label_smoothing: moves the truth from 0 and 1 towards 0.5, by half of it. weights: float32 (C,).
    """
    if name not in LOSSES:
        hint = suggest(name, LOSSES, f"Choose one of: {', '.join(LOSSES)}.")
        raise ConfigError(f"No loss {name!r} for several labels per image. {hint}")
    measure = LOSSES[name]
    values = None if weights is None else tuple(weights.tolist())

    def sum_decisions(logits: Tensor, targets: Tensor, total: Tensor) -> Tensor:
        truth = targets.float() * (1 - label_smoothing) + label_smoothing / 2
        each = measure(logits.float(), truth, None if values is None else constant(values, logits.device))
        return distributed.world_size() * each.sum() / total

    return BatchLoss(sum_decisions, count_decisions)


def count_decisions(targets: Tensor) -> Tensor:
    return torch.full((), targets.numel(), dtype=torch.float32, device=targets.device)
