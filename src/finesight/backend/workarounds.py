"""Ways around what torch, and oneDNN for its convolutions, does slowly or wrongly on a processor.

They replace the forward of single layers or blocks, in place. What one computes stays the same, to rounding.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.backends import cpu

from finesight.backend import depthwise, fused_norm, onednn

Precision = Literal["bf16", "fp32"]


@dataclass(frozen=True)
class Workaround:
    """One fault, the layers that have it, and another forward for them.

    link: the report, with a script that shows the fault.
    seen: oldest and newest torch with which the fault was seen. mended: first torch without it; empty: none known.
    processor: the torch.backends.cpu capability that has the fault; empty: any.
    training_only: predictions keep torch's own operations.
    is_possible: asked last.
    """

    fault: str
    link: str
    fits: Callable[[nn.Module], bool]
    forward: Callable[[Any], Callable[[Tensor], Tensor]]
    precisions: tuple[Precision, ...] = ("bf16",)
    processor: str = ""
    seen: tuple[str, str] = ("2.14", "2.14")
    mended: str = ""
    training_only: bool = False
    is_possible: Callable[[], bool] = lambda: True

    def is_needed(self, precision: Precision, training: bool = False) -> bool:
        """Whether this torch has the fault, on this processor and in this precision, and whether it can be avoided."""
        is_here = precision in self.precisions and self.processor in ("", cpu.get_cpu_capability())
        is_here = is_here and (not self.mended or torch.__version__ < self.mended)
        return is_here and (training or not self.training_only) and self.is_possible()


WORKAROUNDS = {
    "depthwise_gradient": Workaround(
        "Gradients of depthwise convolutions with a stride or a wide kernel take 2 to 12 times as long as they need.",
        "docs/upstream.md#5-slow-but-right",
        depthwise.is_slow,
        depthwise.DepthwiseForward,
        precisions=("bf16", "fp32"),
    ),
    "slow_depthwise": Workaround(
        "Depthwise convolutions with a dilation or several kernels per channel have a slow backward pass in bf16.",
        "docs/upstream.md#5-slow-but-right",
        onednn.is_slow_depthwise,
        onednn.Float32Forward,
    ),
    "transposed": Workaround(
        "Transposed convolutions in bf16 take up to 60 times as long as in float32.",
        "docs/upstream.md#5-slow-but-right",
        onednn.is_transposed,
        onednn.Float32Forward,
    ),
    "narrow_head": Workaround(
        "The weights' gradient from many channels to fewer than 16 is written past its end in bf16, which crashes.",
        "docs/upstream.md#4-gradient-written-past-its-end",
        onednn.is_narrow,
        onednn.Float32Forward,
    ),
    "patches": Workaround(
        "Dense patches of 4 px and more, of 4 to 31 channels, have wrong values in bf16.",
        "docs/upstream.md#3-wrong-values-of-patches",
        onednn.is_patches,
        onednn.Float32Forward,
    ),
    "small_map": Workaround(
        "On maps smaller than kernel and stride, values and the weights' gradient are not written in bf16.",
        "docs/upstream.md#1-gradient-of-weights-that-is-not-written",
        onednn.has_small_maps,
        onednn.SmallMapForward,
        seen=("2.14", "2.15"),
    ),
    "dense_gradient": Workaround(
        "The weights' gradient of dense 3×3 convolutions on large maps takes up to 3 times as long channels last.",
        "docs/upstream.md#5-slow-but-right",
        onednn.is_dense,
        onednn.GradientFromPlanes,
        precisions=("fp32",),
        processor="AVX2",
    ),
    "pointwise": Workaround(
        "Convolutions of one pixel take longer than the same product of matrices, with a stride up to five times.",
        "docs/upstream.md#5-slow-but-right",
        onednn.is_pointwise,
        onednn.ProductForward,
        training_only=True,
    ),
    "fused_norm": Workaround(
        "Batch normalisation, the sum with a residual and the activation each read and write whole maps.",
        "docs/upstream.md#5-slow-but-right",
        fused_norm.fits,
        fused_norm.FusedForward,
        precisions=("bf16", "fp32"),
        training_only=True,
        is_possible=fused_norm.can_compile,
    ),
}
TRAINING_ONLY = tuple(name for name, each in WORKAROUNDS.items() if each.training_only)


def list_needed(precision: Precision, training: bool = False) -> tuple[str, ...]:
    """Names of the workarounds that this processor and this torch need. training: with those for training only."""
    return tuple(name for name, workaround in WORKAROUNDS.items() if workaround.is_needed(precision, training))


def apply_workarounds(network: nn.Module, names: Iterable[str]) -> None:
    """Gives each layer the first of the named workarounds that fits it."""
    chosen = [WORKAROUNDS[name] for name in names]
    for module in network.modules():
        found = next((workaround for workaround in chosen if workaround.fits(module)), None)
        if found:
            module.forward = found.forward(module)


def remove_workarounds(network: nn.Module) -> None:
    """Gives each layer the forward of its class again."""
    for module in network.modules():
        module.__dict__.pop("forward", None)
