"""Micro-batches: a batch is split where optim.accumulate says so, or where memory is too small."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from finesight import distributed
from finesight.backend.memory import KeptBuffers, free_memory, is_out_of_memory
from finesight.progress import say
from finesight.training.position import Position

SMALLEST_SHARD = 2  # images that a rank computes at a time: statistics of one mean nothing


class MicroBatches:
    """Computes gradients again in twice as many micro-batches, from then on, whenever memory is too small.

    accumulate: how many micro-batches a batch has in any case. One rank's memory decides for all, as they wait for each
    other in every micro-batch.
    """

    def __init__(self, network: nn.Module, device: torch.device, accumulate: int) -> None:
        self.network = network
        self.device = device
        self.accumulate = accumulate
        self._buffers = KeptBuffers(network)

    def run(self, at: Position, num_images: int, compute: Callable[[int], Tensor], can_retry: bool = True) -> Tensor:
        """What `compute` returns, which is given a number of micro-batches. num_images: of this rank's shard.

        Moves at.micro_batch_multiplier, and says so. can_retry: False where ranks talk within a forward pass: a rank
        that failed could not tell the others.
        """
        before = at.micro_batch_multiplier
        fewest = -distributed.all_reduce_max(-num_images)
        self._buffers.keep()
        while True:
            try:
                with distributed.together():
                    result = compute(min(self._count(at), fewest))
                break
            except distributed.GivenUp:
                pass
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._count(at) >= fewest or not can_retry:
                    raise
                distributed.give_up()
            self.network.zero_grad(set_to_none=True)
            self._buffers.restore()
            free_memory(self.device)
            at.micro_batch_multiplier *= 2
        if at.micro_batch_multiplier > before:
            each = " by each rank" if distributed.world_size() > 1 else ""
            say(
                f"Note: memory is too small for a whole batch. From epoch {at.epoch}, step {at.step + 1} on a batch is "
                f"computed in {self._count(at)} micro-batches{each}; batch size and learning rate stay the same."
            )
        return result

    def _count(self, at: Position) -> int:
        return self.accumulate * at.micro_batch_multiplier
