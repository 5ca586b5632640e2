"""Convolutions other than depthwise ones that oneDNN computes slowly or wrongly, and other ways to compute them.

`workarounds.py` says which fault each is for. The forwards are classes, not closures, so that networks can be copied.
"""

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.backend.depthwise import WIDEST, has_steps, is_depthwise, is_too_small

LARGE_MAP = 56 * 56  # pixels from which on the weights' gradient from planes is faster


def is_transposed(module: nn.Module) -> TypeGuard[nn.ConvTranspose2d]:
    return isinstance(module, nn.ConvTranspose2d)


def is_slow_depthwise(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Depthwise ones that depthwise.py does not handle, with a dilation or several kernels per channel."""
    return (
        isinstance(module, nn.Conv2d)
        and not is_depthwise(module)
        and module.groups == module.in_channels > 1
        and (max(module.stride) > 1 or max(module.kernel_size) > WIDEST)
    )


def is_narrow(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """From many channels to a few, such as the head of FCN32s. Wrong above 2,048; the limit leaves a margin."""
    return isinstance(module, nn.Conv2d) and module.out_channels < 16 and module.in_channels > 1024


def is_patches(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Dense, with a stride like that of a ViT's patches, of images with more bands than RGB."""
    return (
        isinstance(module, nn.Conv2d) and module.groups == 1 and 3 < module.in_channels < 32 and max(module.stride) >= 4
    )


def has_small_maps(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether `is_too_small` can hold."""
    return isinstance(module, nn.Conv2d) and not is_depthwise(module) and has_steps(module)


def is_dense(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Of stride 1, with a kernel of more than one pixel each way."""
    if not isinstance(module, nn.Conv2d) or module.padding_mode != "zeros" or isinstance(module.padding, str):
        return False
    return module.groups == 1 and min(module.kernel_size) > 1 and max(module.stride) == 1


def is_pointwise(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """A dense kernel of one pixel, without padding."""
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == (1, 1)
        and module.groups == 1
        and module.padding in ((0, 0), "valid")
    )


class Float32Forward:
    """A convolution's forward outside autocast."""

    def __init__(self, module: nn.Conv2d | nn.ConvTranspose2d) -> None:
        self.module = module

    def __call__(self, images: Tensor) -> Tensor:
        convolve: Callable[..., Tensor] = type(self.module).forward
        with torch.autocast("cpu", enabled=False):
            return convolve(self.module, images.float())


class SmallMapForward(Float32Forward):
    """The same on small maps only."""

    module: nn.Conv2d

    def __call__(self, images: Tensor) -> Tensor:
        if is_too_small(self.module, images.shape[-2:]):
            return super().__call__(images)
        convolve: Callable[..., Tensor] = type(self.module).forward
        return convolve(self.module, images)


class GradientFromPlanes:
    """A convolution's forward, with the weights' gradient from planes (NCHW) on large maps.

    VGG16-FCN8s at 512 px trains slower channels last than in torch's default layout; all else is faster channels last
    (benchmarks/log).
    """

    def __init__(self, module: nn.Conv2d) -> None:
        self.module = module

    def __call__(self, images: Tensor) -> Tensor:
        module = self.module
        is_trained = torch.is_grad_enabled() and module.weight.requires_grad
        if not is_trained or images.ndim != 4 or images.shape[-2] * images.shape[-1] < LARGE_MAP:
            return nn.Conv2d.forward(module, images)
        result: Tensor = _Convolution.apply(images, module.weight, module.bias, module.padding, module.dilation)
        return result


class _Convolution(torch.autograd.Function):
    """A dense convolution of stride 1. The images' gradient keeps their layout; the weights' is taken from planes."""

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

        def differentiate(operands: list[Tensor], wanted: list[bool]) -> list[Tensor | None]:
            found: list[Tensor | None] = torch.ops.aten.convolution_backward(
                *operands, [len(weight)], *ctx.geometry, False, [0, 0], 1, wanted
            )
            return found

        operands = [gradient, images, weight]
        to_images = differentiate(operands, [True, False, False])[0] if of_images else None
        _, to_weight, to_bias = differentiate([each.contiguous() for each in operands], [False, of_weight, of_bias])
        return to_images, to_weight, to_bias, None, None


class ProductForward:
    """A convolution of one pixel as a product of matrices, in training: pixels × channels in, times channels × out.

    A stride leaves pixels out before the product, so that its gradients have no more to do than it.
    """

    def __init__(self, module: nn.Conv2d) -> None:
        self.module = module

    def __call__(self, images: Tensor) -> Tensor:
        module = self.module
        is_nhwc = images.ndim == 4 and images.is_contiguous(memory_format=torch.channels_last)
        if not is_nhwc or not torch.is_grad_enabled():
            return nn.Conv2d.forward(module, images)
        down, across = module.stride
        pixels = images.permute(0, 2, 3, 1)  # before the stride, so that its gradient has the layout of the images
        pixels = pixels if max(module.stride) == 1 else pixels[:, ::down, ::across]
        weight = module.weight.permute(0, 2, 3, 1).flatten(1)  # likewise
        return F.linear(pixels, weight, module.bias).permute(0, 3, 1, 2)
