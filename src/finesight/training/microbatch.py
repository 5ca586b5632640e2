"""Micro-batches: a batch is split where optim.accumulate says so, or where memory is too small."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from finesight import distributed
from finesight.backend.memory import KeptBuffers, free_memory, is_out_of_memory
from finesight.errors import FinesightError
from finesight.progress import say
from finesight.training.position import Position

SMALLEST_SHARD = 2  # images that a rank computes at a time: statistics of one mean nothing


class MicroBatches:
    """Computes gradients again in twice as many micro-batches, from then on, whenever memory is too small.

    accumulate: how many micro-batches a batch has in any case. Several ranks wait for each other in every step, so
    their number is found before the first one, by `probe`; a rank whose memory is too small later ends the training.
    """

    def __init__(self, network: nn.Module, device: torch.device, accumulate: int) -> None:
        self.network = network
        self.device = device
        self.accumulate = accumulate
        self._buffers = KeptBuffers(network)

    def count(self, at: Position, fewest: int) -> int:
        """Number of micro-batches, the same on all ranks. fewest: images that any rank has of the batch."""
        return min(self.accumulate * at.micro_batch_multiplier, fewest)

    def run(self, at: Position, fewest: int, compute: Callable[[int], Tensor]) -> Tensor:
        """What `compute` returns, which is given a number of micro-batches. Moves at.micro_batch_multiplier.

        On several ranks it does not: raises FinesightError where memory is too small.
        """
        if distributed.world_size() == 1:
            return self._repeat(at, fewest, compute)
        try:
            return compute(self.count(at, fewest))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        raise FinesightError(
            f"Out of memory in epoch {at.epoch}, step {at.step + 1}, although a batch of the largest size fitted at "
            "the start: other programs may have taken it. The last checkpoint is intact: add --resume to continue, or "
            "train again with a smaller batch_size or image.size."
        )

    def probe(self, at: Position, fewest: int, compute: Callable[[int], Tensor]) -> None:
        """Moves at.micro_batch_multiplier to where the memory of every rank is enough, each for itself.

        Leaves the gradients and running statistics of a pass, see `undo`.
        """
        self._repeat(at, fewest, compute)

    def undo(self) -> None:
        """Drops the gradients of a pass, and restores the running statistics of before."""
        self.network.zero_grad(set_to_none=True)
        self._buffers.restore()

    def _repeat(self, at: Position, fewest: int, compute: Callable[[int], Tensor]) -> Tensor:
        """Raises MemoryError, on all ranks, where even micro-batches of one image are too large for one of them."""
        before, reason = at.micro_batch_multiplier, ""
        self._buffers.keep()
        while True:
            result, count = None, self.count(at, fewest)
            try:
                with distributed.alone():
                    result = compute(count)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            is_enough = not distributed.all_reduce_max(result is None)
            if result is not None and is_enough:
                break
            if count >= fewest:
                raise MemoryError(reason)
            self.undo()
            free_memory(self.device)
            at.micro_batch_multiplier *= 2
        if at.micro_batch_multiplier > before:
            each = " by each rank" if distributed.world_size() > 1 else ""
            say(
                f"Note: memory is too small for a whole batch. From epoch {at.epoch}, step {at.step + 1} on a batch is "
                f"computed in {self.count(at, fewest)} micro-batches{each}; batch size and learning rate stay the same."
            )
        return result


def split_evenly(lengths: Sequence[int], count: int) -> list[float]:
    """Fraction of a batch's images in each of `count` micro-batches. lengths: of the ranks' shards.

    As `Tensor.tensor_split` splits each shard.
    """
    sizes = [sum(length // count + (number < length % count) for length in lengths) for number in range(count)]
    return [size / sum(sizes) for size in sizes]
