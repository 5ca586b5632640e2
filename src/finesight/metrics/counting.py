"""How often each number occurs: torch's bincount, without making a GPU tell the host how large the largest is."""

import torch
from torch import Tensor


def count_numbers(numbers: Tensor, bins: int) -> Tensor:
    """int64 (n, bins) of integers (n, m) from 0 to bins - 1: how often each occurs in each row."""
    if numbers.device.type == "cpu":
        return torch.stack([torch.bincount(row, minlength=bins) for row in numbers])
    counts = torch.zeros(len(numbers), bins, dtype=torch.int64, device=numbers.device)
    return counts.scatter_add_(1, numbers.long(), counts.new_ones(()).expand(numbers.shape))
