"""Batch normalisation over ranks: synchronised statistics on request, and running ones averaged over the ranks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode

from finesight import distributed


class SyncedNorm(TorchFunctionMode):
    """Within the block every batch normalisation that is in training takes its statistics over the batch of all ranks.

    For CPUs only, on which torch's SyncBatchNorm does not run: see `use_sync_batch_norm`.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return (batch_norm if func is F.batch_norm else func)(*args, **(kwargs or {}))


def batch_norm(
    images: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As torch's function of this name; in training over the images of all ranks."""
    if not training:
        return F.batch_norm(images, running_mean, running_var, weight, bias, training, momentum, eps)
    scale = images.new_ones(images.shape[1], dtype=torch.float32) if weight is None else weight.float()
    normed, mean, var, count = _Normalise.apply(images.float(), scale, eps)
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        running_var.lerp_((var * (count / (count - 1).clamp(min=1))).to(running_var.dtype), momentum)
    if bias is not None:
        normed = normed + _as_channels(bias, normed)
    return normed.to(images.dtype)  # type: ignore[no-any-return]


class _Normalise(torch.autograd.Function):
    """scale · (x - mean) / deviation over all but the channels. Ioffe & Szegedy 2015, arXiv:1502.03167.

    The mean first, then the variance around it: the difference of two large sums would lose its digits.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        over = [axis for axis in range(images.ndim) if axis != 1]
        count = images.new_tensor([images.numel() / images.shape[1]])
        mean = images.sum(over)
        distributed.all_reduce([mean, count])
        mean /= count
        centred = images - _as_channels(mean, images)
        var = centred.square().sum(over)
        distributed.all_reduce([var])
        var /= count
        inverse = (var + eps).rsqrt()
        normed = centred * _as_channels(inverse, images)
        ctx.save_for_backward(normed, scale, inverse, count)
        ctx.mark_non_differentiable(mean, var, count)
        return normed * _as_channels(scale, images), mean, var, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (normed, scale, inverse, count), gradient = ctx.saved_tensors, gradients[0]
        over = [axis for axis in range(normed.ndim) if axis != 1]
        along, own = gradient.sum(over), (gradient * normed).sum(over)
        across = own.clone()
        distributed.all_reduce([along, across])
        pull = _as_channels(along / count, normed) + normed * _as_channels(across / count, normed)
        return (gradient - pull) * _as_channels(scale * inverse, normed), own, None


def _as_channels(values: Tensor, images: Tensor) -> Tensor:
    return values.view(1, -1, *[1] * (images.ndim - 2))


def use_sync_batch_norm(network: nn.Module) -> nn.Module:
    """torch's SyncBatchNorm in the place of every batch normalisation, with its weights. For CUDA only.

    timm's converter is torch's, and also keeps the activation that some of timm's normalisations hold.
    """
    from timm.layers.norm_act import convert_sync_batchnorm

    converted: nn.Module = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return converted


@contextmanager
def unsynced(network: nn.Module) -> Iterator[None]:
    """Within the block SyncBatchNorm normalises as in evaluation, so that it does not wait for other ranks."""
    norms = [module for module in network.modules() if isinstance(module, nn.SyncBatchNorm) and module.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


def average_statistics(network: nn.Module, averaged: Mapping[str, Tensor]) -> None:
    """Running statistics become their mean over the ranks, each of which saw its own images. In place.

    averaged: the moving average of the network's weights, whose statistics are treated alike; {} without one.
    """
    if distributed.world_size() == 1:
        return
    states = [network.state_dict(), *([averaged] if averaged else [])]
    statistics = [state[name] for state in states for name in list_moving(network)]
    for tensor in statistics:
        tensor /= distributed.world_size()
    distributed.all_reduce(statistics)


def list_moving(network: nn.Module) -> list[str]:
    """Names of the running statistics that training moves."""
    return [
        f"{prefix}.{name}".lstrip(".")
        for prefix, module in network.named_modules()
        if isinstance(module, _NormBase) and module.training
        for name, buffer in module.named_buffers(recurse=False)
        if buffer.is_floating_point()
    ]
