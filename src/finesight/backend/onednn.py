"""What oneDNN, which computes torch's convolutions on a processor, does slowly or wrongly, and ways around it.

These change how the layers of a network compute, in place, and never what.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.backend.depthwise import WIDEST, has_steps, is_depthwise, is_too_small

Where = Callable[[nn.Conv2d, Sequence[int]], bool]
LARGE_MAP = 56 * 56  # pixels from which on the way around `avoid_fp32_traps` pays


def avoid_fp32_traps(network: nn.Module) -> None:
    """The weights' gradient of dense 3x3 convolutions on large maps is taken from planes (NCHW).

    From pixels that lie channels last it takes up to three times as long: VGG16-FCN8s at 512 px learned slower in that
    layout than in torch's default (benchmarks/log). All else is faster channels last.
    """
    for module in network.modules():
        if not isinstance(module, nn.Conv2d) or module.padding_mode != "zeros" or isinstance(module.padding, str):
            continue
        if module.groups == 1 and min(module.kernel_size) > 1 and max(module.stride) == 1:
            module.forward = _GradientFromPlanes(module)  # type: ignore[method-assign, assignment]


class _GradientFromPlanes:
    """A convolution's forward. A class, not a closure, so that networks can still be copied."""

    def __init__(self, module: nn.Conv2d) -> None:
        self.module = module

    def __call__(self, images: Tensor) -> Tensor:
        module = self.module
        learns = torch.is_grad_enabled() and module.weight.requires_grad
        if not learns or images.ndim != 4 or images.shape[-2] * images.shape[-1] < LARGE_MAP:
            return nn.Conv2d.forward(module, images)
        answer: Tensor = _Convolution.apply(images, module.weight, module.bias, module.padding, module.dilation)
        return answer


class _Convolution(torch.autograd.Function):
    """Of stride 1, dense; the gradient of the images is taken as they lie, that of the weights from planes."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.geometry = (1, 1), padding, dilation
        return F.conv2d(images, weight, bias, 1, padding, dilation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        (gradient,), (images, weight) = gradients, ctx.saved_tensors
        of_images, of_weight, of_bias, *_ = ctx.needs_input_grad

        def find(operands: list[Tensor], wanted: list[bool]) -> list[Tensor | None]:
            found: list[Tensor | None] = torch.ops.aten.convolution_backward(
                *operands, [len(weight)], *ctx.geometry, False, [0, 0], 1, wanted
            )
            return found

        operands = [gradient, images, weight]
        to_images = find(operands, [True, False, False])[0] if of_images else None
        _, to_weight, to_bias = find([each.contiguous() for each in operands], [False, of_weight, of_bias])
        return to_images, to_weight, to_bias, None, None


def avoid_bf16_traps(network: nn.Module) -> None:
    """Keeps in float32 what oneDNN computes slowly or wrongly in bf16 (docs/upstream.md)."""
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d) or is_trap(module):
            module.forward = _Float32Forward(module)  # type: ignore[method-assign, assignment]
        elif isinstance(module, nn.Conv2d) and not is_depthwise(module) and has_steps(module):
            module.forward = _Float32Forward(module, is_too_small)  # type: ignore[method-assign, assignment]


def is_trap(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a convolution is slow or wrong in bf16 whatever the map's size.

    Depthwise ones that depthwise.py leaves alone, with a dilation or several kernels a channel, have a backward far
    slower than float32's. On AMX the gradient of a layer from more than 2,048 channels to fewer than 16, as FCN32s has
    it to score its classes, is written past its end, which crashes sooner or later (torch 2.14); and dense patches of
    4 px and more, of 4 to 31 channels, have wrong values.
    """
    if not isinstance(module, nn.Conv2d) or is_depthwise(module):
        return False
    has_own_kernels = module.groups == module.in_channels > 1
    is_slow = has_own_kernels and (max(module.stride) > 1 or max(module.kernel_size) > WIDEST)
    is_narrow = module.out_channels < 16 and module.in_channels > 1024
    is_patches = module.groups == 1 and 3 < module.in_channels < 32 and max(module.stride) >= 4
    return is_slow or is_narrow or is_patches


class _Float32Forward:
    """A convolution's forward outside autocast. A class, not a closure, so that networks can still be copied.

    where: of the layer and a map's size, for which of them; None: for all.
    """

    def __init__(self, module: nn.Conv2d | nn.ConvTranspose2d, where: Where | None = None) -> None:
        self.module = module
        self.where = where

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        convolve: Callable[..., torch.Tensor] = type(self.module).forward
        if isinstance(self.module, nn.Conv2d) and self.where and not self.where(self.module, images.shape[-2:]):
            return convolve(self.module, images)
        with torch.autocast("cpu", enabled=False):
            return convolve(self.module, images.float())
