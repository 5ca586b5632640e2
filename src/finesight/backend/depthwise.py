"""Depthwise convolutions on a processor: gradients that oneDNN computes slowly, computed in faster ways."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

WIDEST = 3  # columns of a depthwise kernel up to which oneDNN's gradient is fast, whatever its height


def is_slow(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """With a stride or a wide kernel.

    The weights' gradient of a 5×5 kernel takes two to three times as long as in pieces of three columns, in bf16 nine
    to twelve times. With a stride, the images' gradient in bf16 takes nine times as long as in float32
    (benchmarks/log).
    """
    return is_depthwise(module) and (module.kernel_size[1] > WIDEST or max(module.stride) > 1)


def is_depthwise(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """One kernel per channel, of a kind that `_Depthwise` can compute."""
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == module.in_channels == module.out_channels > 1
        and max(module.dilation) == 1
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def has_steps(module: nn.Conv2d) -> bool:
    """Whether a convolution has a stride, and a kernel of more than one pixel."""
    return max(module.stride) > 1 and max(module.kernel_size) > 1


def is_too_small(module: nn.Conv2d, size: Sequence[int]) -> bool:
    """Whether bf16 may be wrong for a convolution with a stride on a map of `size` (height, width).

    If a column of the kernel meets only padding, as in a ResNet on 16 px images, its weights' gradient is never
    written: it is whatever lay in memory (docs/upstream.md). A map of at least kernel + stride - 1 pixels cannot have
    such a column, whatever the padding. Smaller ones cost little in float32.
    """
    sides = zip(size, module.kernel_size, module.stride, module.dilation, strict=True)
    return has_steps(module) and any(side < across * (kernel - 1) + step for side, kernel, step, across in sides)


class DepthwiseForward:
    """A convolution's forward. A class, not a closure, so that networks can still be copied."""

    def __init__(self, module: nn.Conv2d) -> None:
        self.module = module

    def __call__(self, images: Tensor) -> Tensor:
        module = self.module
        convolve: Callable[..., Tensor] = type(module).forward  # timm's subclass pads first
        if images.shape[-1] <= module.stride[1] or is_too_small(module, images.shape[-2:]):
            with torch.autocast("cpu", enabled=False):
                return convolve(module, images.float())
        pays = module.kernel_size[1] > WIDEST or torch.is_autocast_enabled("cpu")
        is_batch = images.ndim == 4  # a single image without a batch gets torch's own gradient
        with _OwnGradient() if pays and is_batch and torch.is_grad_enabled() else nullcontext():
            return convolve(module, images)


class _OwnGradient(TorchFunctionMode):
    """Replaces `torch.conv2d` by `_Depthwise` within the block."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not torch.conv2d or kwargs:
            return func(*args, **(kwargs or {}))
        images, weight, bias, stride, padding, *_ = args
        operands = [images, weight, bias]
        if torch.is_autocast_enabled("cpu"):
            operands = [each if each is None else each.to(torch.get_autocast_dtype("cpu")) for each in operands]
        return _Depthwise.apply(*operands, stride, padding)


class _Depthwise(torch.autograd.Function):
    """A convolution of one kernel per channel, without dilation."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(images, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        (gradient,), (images, weight) = gradients, ctx.saved_tensors
        (down, across), width = ctx.padding, weight.shape[3]
        of_images, of_weight, of_bias, *_ = ctx.needs_input_grad
        to_images, to_weight, to_bias = None, None, None

        def differentiate(
            which: int, gradient: Tensor, images: Tensor, weight: Tensor, padding: tuple[int, int]
        ) -> Tensor:
            """The gradient of the images (0) or of the weights (1)."""
            wanted = [which == 0, which == 1, False]
            geometry = ctx.stride, padding, (1, 1), False, (0, 0), len(weight)
            found: list[Tensor] = torch.ops.aten.convolution_backward(gradient, images, weight, None, *geometry, wanted)
            return found[which]

        if of_images and max(ctx.stride) > 1:
            only_shape = torch.empty_like(images, dtype=torch.float32)
            to_images = differentiate(0, gradient.float(), only_shape, weight.float(), ctx.padding).to(images.dtype)
        elif of_images:
            to_images = differentiate(0, gradient, images, weight, ctx.padding)
        most_cut_off = width - 1 - across  # columns of the image outside a piece's reach
        if of_weight and (width <= WIDEST or images.shape[3] <= most_cut_off):
            to_weight = differentiate(1, gradient, images, weight, ctx.padding)
        elif of_weight:
            # oneDNN pads the rows, except of images lower than the kernel, where it is slow
            rows = down if images.shape[2] < weight.shape[2] else 0
            pieces = []
            for first in range(0, width, WIDEST):
                piece = weight[..., first : first + WIDEST]
                beyond = width - first - piece.shape[3]
                seen = F.pad(images, (across - first, across - beyond, rows, rows))  # negative padding crops
                pieces.append(differentiate(1, gradient, seen, piece, (down - rows, 0)))
            to_weight = torch.cat(pieces, 3)
        if of_bias:
            to_bias = gradient.sum((0, 2, 3))
        return to_images, to_weight, to_bias, None, None
