"""NaN guard: training ends with an error, and keeps nothing, once a loss or a weight is NaN or infinite."""

from collections.abc import Sequence

import torch
from torch import nn

from finesight.backend.device import most_precise
from finesight.distributed import LateSum
from finesight.errors import FinesightError, list_problems


class NanGuard:
    """The sum of an epoch's losses, its first step whose loss is not finite, and a look at the weights.

    What is added stays on the device until it is read: reading makes an accelerator wait. keys: of the training images.
    """

    def __init__(self, network: nn.Module, device: torch.device, keys: Sequence[str]) -> None:
        self.network = network
        self.keys = keys
        self.epoch = 0
        self.batches: Sequence[Sequence[int]] = ()
        self._sum = torch.zeros((), dtype=most_precise(device), device=device)
        self._broken = torch.full_like(self._sum, -1)
        self._latest: tuple[LateSum, int, int] | None = None

    def begin(self, epoch: int, batches: Sequence[Sequence[int]], loss_sum: float) -> None:
        """batches: indices of the epoch's images. loss_sum: of the steps that a resumed epoch has done."""
        self.epoch, self.batches = epoch, batches
        self._sum.fill_(loss_sum)
        self._broken.fill_(-1)

    def add(self, loss: LateSum, num_images: int, step: int) -> None:
        """loss: a scalar, the mean over num_images, heard when the next is added. step: of the epoch, from 0."""
        self._hear()
        self._latest = loss, num_images, step

    def _hear(self) -> None:
        if self._latest is None:
            return
        loss, num_images, step = self._latest[0].wait().to(self._sum.dtype), *self._latest[1:]
        self._latest = None
        self._sum += loss * num_images
        self._broken = self._broken.where(loss.isfinite() | (self._broken >= 0), step)

    def read_loss(self) -> float:
        """The sum over images. Raises FinesightError that names the images of the first step that was not finite."""
        self._hear()
        loss_sum, broken = torch.stack([self._sum, self._broken]).tolist()
        if broken >= 0:
            raise self._error("The loss is", int(broken))
        return float(loss_sum)

    def check_weights(self, step: int) -> None:
        """Raises FinesightError unless all weights are finite. step: the last that is done."""
        weights = self.network.state_dict().values()
        are_finite = [tensor.isfinite().all() for tensor in weights if tensor.is_floating_point()]
        if are_finite and not torch.stack(are_finite).all():
            raise self._error("The weights are", step)

    def _error(self, what: str, step: int) -> FinesightError:
        sentence = (
            f"{what} NaN or infinite in epoch {self.epoch}, step {step + 1}. The last checkpoint is intact: train "
            "again with a lower optim.lr or with optim.clip_norm = 1. Check the images of that step:"
        )
        return FinesightError(list_problems(sentence, [repr(self.keys[index]) for index in self.batches[step]]))
