"""How a task's logits become probabilities, and probabilities logits again, after a mean over them was taken."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 1e-15  # of a label's probability, and of that of its absence: a logit of 34.5
SMALLEST = float(torch.finfo(torch.float32).tiny)


@dataclass(frozen=True)
class Link:
    """Of float32 tensors (n, C, …). to_logits: such that to_probabilities gives the probabilities back."""

    to_probabilities: Callable[[Tensor], Tensor]
    to_logits: Callable[[Tensor], Tensor]


SOFTMAX = Link(  # one class of all
    lambda logits: logits.softmax(1), lambda probabilities: probabilities.clamp(min=SMALLEST).log()
)
SIGMOID = Link(  # each class for itself
    torch.sigmoid,
    lambda probabilities: probabilities.clamp(min=LEAST).log() - (1 - probabilities).clamp(min=LEAST).log(),
)
