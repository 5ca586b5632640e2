"""Convolutions in bf16 have the values and gradients of float32, to its rounding, in every shape that libraries hold.

On a processor without bf16 (AVX512_BF16, AMX) torch computes it another way, and only the guards' rules are tested.
"""

from collections.abc import Iterator

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models as torchvision_models

from finesight.backend.depthwise import is_too_small
from finesight.backend.onednn import Float32Forward, is_patches
from finesight.backend.workarounds import WORKAROUNDS, apply_workarounds

Shape = tuple[int, ...]  # channels in and out; kernel, stride, padding, dilation, two each; groups
BF16 = tuple(name for name, workaround in WORKAROUNDS.items() if "bf16" in workaround.precisions)
FEW = [  # a sample: AMX and AVX512_BF16 fail on all but the first two without a guard
    (16, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1),
    (16, 32, 1, 1, 2, 2, 0, 0, 1, 1, 1),
    (16, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1),
    (16, 16, 3, 3, 1, 2, 1, 1, 1, 1, 1),
    (16, 16, 1, 7, 1, 3, 0, 1, 1, 1, 1),
    (16, 16, 3, 3, 2, 2, 1, 1, 1, 1, 4),
    (16, 16, 5, 5, 2, 2, 2, 2, 1, 1, 16),
    (16, 32, 5, 5, 2, 2, 2, 2, 1, 1, 16),
    (4, 96, 4, 4, 4, 4, 0, 0, 1, 1, 1),
    (12, 96, 16, 16, 16, 16, 0, 0, 1, 1, 1),
    (2100, 7, 1, 1, 1, 1, 0, 0, 1, 1, 1),
]
WRONG = 0.2  # rounding comes to 0.07 where 512 products almost cancel out in a single value; a fault to 1 and more
SIZES = [(1, 1), (5, 2), (9, 14)]  # of feature maps; the small ones are where it fails


def make_layer(shape: Shape) -> nn.Conv2d:
    inputs, outputs, *geometry, groups = shape
    kernel, stride, padding, dilation = zip(geometry[::2], geometry[1::2], strict=True)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups)


def compute(layer: nn.Conv2d, images: torch.Tensor, bf16: bool) -> list[torch.Tensor]:
    """Values, and gradients of the images and the weights. What is not written shows: freed memory was filled."""
    layer.zero_grad()
    images = images.clone(memory_format=torch.channels_last).requires_grad_()
    spoil_memory()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        values = layer(images)
    spoil_memory()
    (values.float() * torch.linspace(0.5, 1.5, values.numel()).view_as(values)).sum().backward()
    found = [values.detach(), images.grad, *(parameter.grad for parameter in layer.parameters())]
    return [each.float() for each in found if each is not None]


def spoil_memory() -> None:
    kept = []
    for count in (16, 256, 4096, 65536):
        kept += [torch.full((count,), torch.nan, dtype=kind) for kind in (torch.float32, torch.bfloat16) * 3]


def find_difference(shape: Shape, size: tuple[int, int]) -> float:
    """The largest difference from float32, relative to the largest value."""
    layer = make_layer(shape)
    least = [across * (kernel - 1) + 1 - 2 * pad for kernel, pad, across in _sides(layer)]
    images = torch.randn(1, layer.in_channels, *(max(side, low) for side, low in zip(size, least, strict=True)))
    right = compute(layer.to(memory_format=torch.channels_last), images, bf16=False)
    apply_workarounds(layer, BF16)
    found = compute(layer, images, bf16=True)
    parts = [(a - b).abs().max() / b.abs().max().clamp(min=1e-6) for a, b in zip(found, right, strict=True)]
    return float(torch.stack(parts).nan_to_num(torch.inf).max())


def _sides(layer: nn.Conv2d) -> Iterator[tuple[int, int, int]]:
    assert not isinstance(layer.padding, str)
    return zip(layer.kernel_size, layer.padding, layer.dilation, strict=True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", FEW)
def test_a_sample_of_shapes(shape: Shape, size: tuple[int, int]) -> None:
    assert find_difference(shape, size) < 0.05


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")  # of the libraries, about networks made without weights
def test_every_shape_that_torchvision_and_timm_hold() -> None:
    shapes = list_shapes()
    assert len(shapes) > 5000
    differences = {(shape, size): find_difference(shape, size) for shape in shapes for size in SIZES}
    wrong = {place: found for place, found in differences.items() if found >= WRONG}
    assert not wrong


def list_shapes() -> list[Shape]:
    """Of all convolutions of all networks that can be made without data."""
    built_on = {
        name
        for module in (torchvision_models.detection, torchvision_models.segmentation)
        for name in torchvision_models.list_models(module)
    }
    makers = [
        lambda name=name: torchvision_models.get_model(name, **({"weights_backbone": None} if name in built_on else {}))
        for name in torchvision_models.list_models()
    ]
    makers += [lambda name=name: timm.create_model(name) for name in timm.list_models()]
    shapes: dict[Shape, None] = {}
    for make in makers:
        try:
            with torch.device("meta"):
                network = make()
        except (NotImplementedError, RuntimeError):  # it looks at values: RegNet, detectors with pretrained backbones
            continue
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d) and not isinstance(m.padding, str)]
        for layer in layers:
            sides = (*layer.kernel_size, *layer.stride, *layer.padding, *layer.dilation)
            shapes[(layer.in_channels, layer.out_channels, *sides, layer.groups)] = None
    return list(shapes)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((16, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1), (2, 2)),  # a ResNet on 16 px
        ((16, 16, 3, 3, 1, 2, 1, 1, 1, 1, 1), (1, 1)),
        ((16, 16, 1, 7, 1, 3, 0, 3, 1, 1, 1), (8, 5)),
        ((16, 16, 7, 1, 3, 1, 3, 0, 1, 1, 1), (5, 8)),
    ],
)
def test_small_maps_that_are_guarded(shape: Shape, size: tuple[int, int]) -> None:
    layer = make_layer(shape)
    assert is_too_small(layer, size)
    assert not is_too_small(layer, (56, 56))
    apply_workarounds(layer, BF16)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(1, 16, *size)).dtype == torch.float32
        assert layer(torch.randn(1, 16, 56, 56)).dtype == torch.bfloat16


def test_convolutions_without_a_stride_or_of_one_pixel_are_never_too_small() -> None:
    assert not is_too_small(nn.Conv2d(8, 8, 3, padding=1), (1, 1))
    assert not is_too_small(nn.Conv2d(8, 8, 1, stride=2), (1, 1))


geometry = st.tuples(st.integers(1, 7), st.integers(1, 5), st.integers(0, 6), st.integers(1, 3), st.integers(1, 40))


@given(geometry)
def test_wherever_a_column_meets_nothing_but_padding_is_guarded(drawn: tuple[int, int, int, int, int]) -> None:
    kernel, stride, padding, dilation, side = drawn
    positions = (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    meets = [
        any(0 <= position * stride - padding + column * dilation < side for position in range(positions))
        for column in range(kernel)
    ]
    layer = nn.Conv2d(1, 1, (1, kernel), (1, stride), (0, padding), (1, dilation))
    if stride > 1 and kernel > 1 and positions > 0 and not all(meets):
        assert is_too_small(layer, (1, side))


@pytest.mark.parametrize("channels", [3, 4, 12, 31, 32])
@pytest.mark.parametrize("patch", [2, 4, 8, 16])
def test_patches_of_a_few_channels_are_guarded(channels: int, patch: int) -> None:
    """Wrong on AMX: 4 to 31 channels, patches of 4 px and more."""
    layer = nn.Conv2d(channels, 96, patch, stride=patch)
    assert is_patches(layer) == (3 < channels < 32 and patch >= 4)


def test_transposed_and_narrow_layers_stay_in_float32() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(8, 8, 4, stride=2), nn.Conv2d(4096, 7, 1), nn.Conv2d(64, 64, 3))
    apply_workarounds(network, BF16)
    assert [isinstance(layer.forward, Float32Forward) for layer in network] == [True, True, False]
