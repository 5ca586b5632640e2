"""The loss of an epoch, and whether it and the weights are still numbers."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

NUM_LISTED = 20  # images an error names


class LossWatch:
    """Sum of an epoch's losses, and its first step whose loss is no number.

    Both stay on the device until they are read: reading makes an accelerator wait.
    """

    def __init__(self, device: torch.device, loss_sum: float) -> None:
        precise = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self._sum = torch.tensor(loss_sum, dtype=precise, device=device)
        self._broken = torch.full_like(self._sum, -1)

    def add(self, loss: Tensor, num_images: int, step: int) -> None:
        """loss: a scalar, the mean over num_images."""
        loss = loss.to(self._sum.dtype)
        self._sum += loss * num_images
        self._broken = self._broken.where(loss.isfinite() | (self._broken >= 0), step)

    def read(self) -> tuple[float, int | None]:
        """(sum, the first step whose loss is no number)."""
        loss_sum, broken = torch.stack([self._sum, self._broken]).tolist()
        return loss_sum, None if broken < 0 else int(broken)


def are_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all elements of all tensors are numbers."""
    floats = [tensor.isfinite().all() for tensor in tensors if tensor.is_floating_point()]
    return not floats or bool(torch.stack(floats).all())


def describe_no_number(what: str, epoch: int, step: int, keys: Sequence[str]) -> str:
    """what: with its verb, `The loss is`. step: of the epoch, from 0. keys: of that step's images."""
    more = [f"  and {len(keys) - NUM_LISTED} more"] if len(keys) > NUM_LISTED else []
    sentence = (
        f"{what} no longer a number in epoch {epoch}, step {step + 1}. The last checkpoint is unharmed; train "
        "again with a lower optim.lr or with optim.clip_norm = 1. That step's images, worth a look:"
    )
    return "\n".join([sentence, *(f"  {key!r}" for key in keys[:NUM_LISTED]), *more])
