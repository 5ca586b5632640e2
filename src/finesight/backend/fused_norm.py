"""Batch normalisation, the sum with a residual, and the activation as one operation, for training on a processor.

torch writes and reads the maps between them, which takes longer than the arithmetic. The operation is C++
(fused_norm.cpp); where it cannot be compiled, everything works without. Predictions keep torch's operations.
"""

import ctypes
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.backend.compilation import FUSED_NORM, load_library

# By name: importing timm and torchvision for their classes alone would make every command start seconds later
BLOCKS = [f"{where}.models.resnet.{name}" for where in ("torchvision", "timm") for name in ("BasicBlock", "Bottleneck")]
NORM_WITH_ACTIVATION = "timm.layers.norm_act.BatchNormAct2d"
NAMES = {torch.bfloat16: "bf16", torch.float32: "fp32"}  # of the functions in the source
_TENSOR, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_long, ctypes.c_float
ARGUMENTS = {
    "forward": [*[_TENSOR] * 3, *[_INT] * 2, *[_TENSOR] * 5, *[_FLOAT] * 3],
    "backward": [*[_TENSOR] * 5, *[_INT] * 2, *[_TENSOR] * 6, _INT, *[_FLOAT] * 2],
}
Limits = tuple[float, float]  # an activation that clamps to them
NO_LIMITS = (-math.inf, math.inf)


def can_compile() -> bool:
    return sys.platform == "linux" and load_library(FUSED_NORM) is not None


def fits(module: nn.Module) -> bool:
    """Whether `FusedForward` knows what a module computes."""
    name = f"{type(module).__module__}.{type(module).__qualname__}"
    if name in BLOCKS:
        parts = [getattr(module, name, None) for name in ("se", "drop_path", "drop_block", "aa")]
        acts = [child for name, child in module.named_children() if name.startswith(("act", "relu"))]
        plain = all(part is None or type(part) is nn.Identity for part in parts)
        return plain and all(find_limits(act) == (0, math.inf) for act in acts)
    if name == NORM_WITH_ACTIVATION:
        return type(module.drop) is nn.Identity and find_limits(module.act) is not None  # type: ignore[arg-type]
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return any(limits != NO_LIMITS for _, limits in _pair_up(module))
    return type(module) is nn.BatchNorm2d


def find_limits(activation: nn.Module) -> Limits | None:
    """None for an activation that does more than clamp."""
    if type(activation) is nn.ReLU:
        return 0, math.inf
    if type(activation) is nn.ReLU6:
        return 0, 6
    return NO_LIMITS if type(activation) is nn.Identity else None


def _pair_up(layers: nn.Sequential) -> Iterator[tuple[nn.Module, Limits]]:
    """Each layer with the limits of the activation that follows it, which is left out, if it is a normalisation."""
    children = list(layers)
    while children:
        layer = children.pop(0)
        limits = find_limits(children[0]) if children and type(layer) is nn.BatchNorm2d else None
        if limits is None or limits == NO_LIMITS:
            yield layer, NO_LIMITS
        else:
            children.pop(0)
            yield layer, limits


class FusedForward:
    """The forward of a normalisation, of a residual block, or of layers in a row.

    Without gradients, as in validation, and of what hooks look into, it is the module's own.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, images: Tensor) -> Tensor:
        module = self.module
        if not torch.is_grad_enabled():
            own: Callable[..., Tensor] = type(module).forward
            return own(module, images)
        if isinstance(module, nn.BatchNorm2d):
            act = getattr(module, "act", None)
            limits = find_limits(act) if isinstance(act, nn.Module) else None
            return normalise(module, images, limits or NO_LIMITS)
        if isinstance(module, nn.Sequential):
            for layer, limits in _pair_up(module):
                images = layer(images) if limits == NO_LIMITS else normalise(layer, images, limits)
            return images
        return self._run_block(images)

    def _run_block(self, images: Tensor) -> Tensor:
        """He et al. 2015, arXiv:1512.03385, figure 5."""
        block: Any = self.module
        count = 3 if hasattr(block, "conv3") else 2
        shortcut = images if block.downsample is None else block.downsample(images)
        for number in range(1, count + 1):
            images = getattr(block, f"conv{number}")(images)
            residual = shortcut if number == count else None
            images = normalise(getattr(block, f"bn{number}"), images, (0, math.inf), residual)
        return images


def normalise(norm: Any, images: Tensor, limits: Limits, residual: Tensor | None = None) -> Tensor:
    """clamp(norm(images) + residual). norm: an nn.BatchNorm2d. images, residual: (n, C, h, w)."""
    if not _can_fuse(norm, images, residual):
        values = nn.BatchNorm2d.forward(norm, images)
        values = values if residual is None else values + residual
        return values if limits == NO_LIMITS else F.hardtanh(values, *limits)
    if not norm.training:
        inverse = (norm.running_var + norm.eps).rsqrt()
        result: Tensor = _Fused.apply(
            images, residual, norm.weight, norm.bias, norm.running_mean, inverse, 0.0, limits
        )[0]
        return result
    result, mean, variance = _Fused.apply(images, residual, norm.weight, norm.bias, None, None, norm.eps, limits)
    count = images.numel() / images.shape[1]
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
    return result


def _can_fuse(norm: nn.BatchNorm2d, images: Tensor, residual: Tensor | None) -> bool:
    """Whether these tensors are of a kind that the source computes."""
    values = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    maps = [images] if residual is None else [images, residual]
    return (
        all(each is not None and each.dtype is torch.float32 for each in values)
        and norm.momentum is not None
        and images.dtype in NAMES
        and images.numel() > images.shape[1]  # of one value a channel torch says what is wrong
        and all(each.dtype is images.dtype and each.shape == images.shape and is_nhwc(each) for each in maps)
    )


def is_nhwc(images: Tensor) -> bool:
    return images.ndim == 4 and images.is_contiguous(memory_format=torch.channels_last)


class _Fused(torch.autograd.Function):
    """Returns (clamped values, mean, biased variance). mean, inverse: of running statistics; None: of the images."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor | None,
        inverse: Tensor | None,
        eps: float,
        limits: Limits,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        is_training = mean is None
        values, variance = torch.empty_like(images), torch.empty_like(weight) if is_training else None
        mean = torch.empty_like(weight) if mean is None else mean
        inverse = torch.empty_like(weight) if inverse is None else inverse
        _call("forward", images.dtype, images, residual, values, *_shape(images), weight, bias, mean, inverse, variance,
              eps, *limits)  # fmt: skip
        ctx.save_for_backward(images, None if residual is None else values, weight, bias, mean, inverse)
        ctx.is_training, ctx.limits = is_training, limits
        ctx.mark_non_differentiable(*([mean, variance] if variance is not None else [mean]))
        return values, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, values, weight, bias, mean, inverse = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        gradient = gradients[0].to(images.dtype).contiguous(memory_format=torch.channels_last)
        to_images = torch.empty_like(images) if wanted[0] else None
        to_residual = None if values is None else torch.empty_like(images)
        to_weight, to_bias = (torch.empty_like(weight) if each else None for each in wanted[2:4])
        _call("backward", images.dtype, gradient, images, values, to_images, to_residual, *_shape(images), weight, bias,
              mean, inverse, to_weight, to_bias, ctx.is_training, *ctx.limits)  # fmt: skip
        return to_images, to_residual, to_weight, to_bias, None, None, None, None


def _shape(images: Tensor) -> tuple[int, int]:
    """(pixels, channels)."""
    channels = images.shape[1]
    return images.numel() // channels, channels


def _call(name: str, dtype: torch.dtype, *values: Tensor | float | None) -> None:
    """A function of the source: tensors by their address, whose layout it trusts."""
    function = getattr(load_library(FUSED_NORM), f"{name}_{NAMES[dtype]}")
    function.argtypes = ARGUMENTS[name]
    function(*(each.data_ptr() if isinstance(each, Tensor) else each for each in values))
