"""Micro-batches of several ranks; those of one process are in test_trainer.py and tests/flows/test_little_memory.py."""

import pytest
import torch
from torch import Tensor, nn

from finesight import distributed
from finesight.errors import FinesightError
from finesight.training.microbatch import MicroBatches, split_evenly
from finesight.training.position import Position


@pytest.mark.parametrize("lengths", [[7], [4, 3], [5, 5, 5], [1, 2, 2]])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_fractions_are_those_of_tensor_split(lengths: list[int], count: int) -> None:
    sizes = [sum(map(len, parts)) for parts in zip(*(torch.zeros(n).tensor_split(count) for n in lengths), strict=True)]
    assert split_evenly(lengths, count) == [size / sum(lengths) for size in sizes]


def test_too_little_memory_in_a_step_of_one_rank_ends_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other ranks wait for this one's gradients: it cannot compute the step again."""
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    at, counts = Position(epoch=3, step=6), list[int]()

    def compute(count: int) -> Tensor:
        counts.append(count)
        raise MemoryError

    micro_batches = MicroBatches(nn.Linear(1, 1), torch.device("cpu"), 2)
    with pytest.raises(FinesightError, match=r"^Out of memory in epoch 3, step 7, .* add --resume to continue"):
        micro_batches.run(at, 8, compute)
    assert (counts, at.micro_batch_multiplier) == ([2], 1)
