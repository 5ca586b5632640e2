"""From the host to a device without making the host wait for it.

A tensor made of a list on a GPU, and a copy from ordinary memory, wait for all that the GPU has still to do. A training
step that waits cannot launch its next kernels meanwhile.
"""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers as a tensor (n,) on a device, made once. Nobody may write into it."""
    with torch.inference_mode(False):  # the first to ask may be a prediction, the next a training
        return torch.tensor(values, dtype=dtype).to(device, non_blocking=True)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A small tensor of the host on a device; on CUDA through pinned memory, which torch keeps and uses again."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
