"""Several ranks train one network: torch's DistributedDataParallel, made so that its sums can be repeated."""

import gc
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from finesight import distributed
from finesight.backend.synced_norm import SyncedNorm, unsynced
from finesight.errors import ConfigError
from finesight.models.contract import Model
from finesight.training.microbatch import MicroBatches
from finesight.training.position import Position


class DataParallel:
    """What a step calls in the place of the model. In a single process it is the model.

    DistributedDataParallel only reduces the gradients of parameters that were trainable when it was made. It orders
    its messages by the first backward pass, and from the second one on; with more than two ranks another order rounds
    in another way. So each one starts with a pass that is discarded: a resumed run then has the order of one that was
    never stopped.
    """

    def __init__(self, model: Model, syncs_norm: bool = False) -> None:
        """syncs_norm: whether batch normalisation goes over all ranks' images by SyncedNorm, which is for CPUs."""
        self.model = model
        self.syncs_norm = syncs_norm
        self._wrapper: DistributedDataParallel | None = None
        self._trainable: list[str] = []  # that the wrapper knows

    def __call__(self, images: Tensor) -> Tensor:
        """Logits. Raises ConfigError for a single image whose map is one pixel where batch normalisation needs more."""
        try:
            logits: Tensor = self.model(images) if self._wrapper is None else self._wrapper(images)
        except ValueError as error:
            raise ConfigError(
                f"{self.model.name} cannot be trained on so few images at a time: {error}. "
                "Raise batch_size or lower optim.accumulate."
            ) from None
        return logits

    def syncing_norm(self, is_shard: bool) -> AbstractContextManager[object]:
        """Around a forward pass. is_shard: False where every rank has the whole batch."""
        return SyncedNorm() if self.syncs_norm and is_shard else nullcontext()

    def reducing(self, is_last: bool) -> AbstractContextManager[None]:
        """Around the passes of a micro-batch: gradients only add up on each rank until the last one reduces them."""
        return nullcontext() if self._wrapper is None or is_last else self._wrapper.no_sync()

    def prepare(
        self,
        micro_batches: MicroBatches,
        optimiser: torch.optim.Optimizer,
        at: Position,
        fewest: int,
        compute: Callable[[int], Tensor],
    ) -> None:
        """Makes a new wrapper if other parameters are trainable than before. Moves at.micro_batch_multiplier.

        compute: forward and backward pass of a batch of the largest shape, in a number of micro-batches, at most
        `fewest`. The first pass is each rank's own: it finds out whether memory is enough, and whether parameters are
        unused. The second one is discarded, too. Weights, running statistics and random numbers stay as they were.
        """
        trainable = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        if distributed.world_size() == 1 or list(trainable) == self._trainable:
            return
        self._wrapper, self._trainable = None, list(trainable)
        gc.collect()  # the old wrapper's hooks go with it
        new = [parameter for parameter in trainable.values() if parameter not in optimiser.state]
        _room = [
            torch.empty_like(parameter) for parameter in new for _ in range(2)
        ]  # Adam's moments, of the first step
        device = next(self.model.parameters()).device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            with unsynced(self.model):
                micro_batches.probe(at, fewest, compute)
            unused = any(parameter.grad is None for parameter in trainable.values())
            micro_batches.undo()
            self._wrapper = distributed.data_parallel(self.model, bool(distributed.all_reduce_max(unused)))
            compute(micro_batches.count(at, fewest))
            micro_batches.undo()
