"""Ways around what oneDNN does slowly change nothing that is computed."""

import copy
from typing import Any

import pytest
import torch
from gradients import gradients
from torch import nn
from torch.backends import cpu

from finesight.backend import onednn
from finesight.backend.device import Machine
from finesight.backend.onednn import LARGE_MAP, GradientFromPlanes
from finesight.backend.workarounds import apply_workarounds
from finesight.config import MachineSettings


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "padding", "dilation"), [(3, 1, 1), (3, 4, 4), ((5, 3), (0, 1), 1)])
def test_same_gradients_from_planes(kernel: int, padding: int, dilation: int, bias: bool) -> None:
    plain = nn.Conv2d(6, 10, kernel, padding=padding, dilation=dilation, bias=bias).to(
        memory_format=torch.channels_last
    )
    other = copy.deepcopy(plain)
    apply_workarounds(other, ["dense_gradient"])
    assert isinstance(other.forward, GradientFromPlanes)
    images = torch.randn(2, 6, 64, 72, generator=torch.Generator().manual_seed(0))
    assert images[0, 0].numel() >= LARGE_MAP
    for ours, right in zip(gradients(other, images), gradients(plain, images), strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-4, atol=1e-3)


def test_frozen_weights_get_no_gradient_and_pass_it_on() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
    apply_workarounds(layer, ["dense_gradient"])
    images = torch.randn(1, 3, 64, 64, requires_grad=True)
    layer(images).sum().backward()
    assert images.grad is not None
    assert layer.weight.grad is None


def test_one_image_without_a_batch() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    apply_workarounds(layer, ["dense_gradient"])
    layer(torch.randn(3, 64, 64)).sum().backward()
    assert layer.weight.grad is not None


def test_a_frozen_bias_beside_weights_that_learn() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    assert layer.bias is not None
    layer.bias.requires_grad_(False)
    apply_workarounds(layer, ["dense_gradient"])
    layer(torch.randn(1, 3, 64, 64)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.bias.grad is None


def test_networks_can_still_be_copied_and_learn_on_their_own() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    apply_workarounds(network, ["dense_gradient"])
    copied = copy.deepcopy(network)
    copied(torch.randn(1, 3, 64, 64)).sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in copied.parameters())


def test_only_dense_layers_of_stride_1_and_only_without_avx512() -> None:
    layers = nn.Sequential(
        nn.Conv2d(4, 8, 3),
        nn.Conv2d(8, 8, 1),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
    )
    Machine.resolve(MachineSettings(device="cpu", precision="fp32")).place(layers)
    changed = [isinstance(layer.forward, GradientFromPlanes) for layer in layers]
    assert changed == [cpu.get_cpu_capability() == "AVX2", *[False] * 5]


def test_slow_depthwise_layers_of_another_kind_compute_in_float32() -> None:
    layer = nn.Conv2d(8, 8, 5, groups=8, dilation=2)
    apply_workarounds(layer, ["slow_depthwise"])
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(1, 8, 12, 12)).dtype == torch.float32


POINTWISE = {
    "plain": ((16, 24, 1), {}),
    "bias of one channel": ((1, 8, 1), {"bias": True}),
    "stride": ((16, 40, 1), {"stride": 2}),
    "uneven stride": ((24, 8, 1), {"stride": (3, 1), "bias": True}),
}


@pytest.mark.parametrize(("sizes", "options"), POINTWISE.values(), ids=POINTWISE)
@pytest.mark.parametrize("bf16", [True, False])
def test_a_product_is_the_convolution(sizes: tuple[int, ...], options: dict[str, Any], bf16: bool) -> None:
    plain = nn.Conv2d(*sizes, **{"bias": False, **options}).to(memory_format=torch.channels_last)
    other = copy.deepcopy(plain)
    apply_workarounds(other, ["pointwise"])
    assert isinstance(other.forward, onednn.ProductForward)
    images = torch.randn(3, sizes[0], 9, 7).contiguous(memory_format=torch.channels_last)
    results, arriving = [], list[torch.Tensor]()
    for layer in (plain, other):
        mine = images.clone(memory_format=torch.preserve_format).requires_grad_()
        taken = mine * 1
        taken.register_hook(arriving.append)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            values = layer(taken)
        values.float().square().sum().backward()
        gradients = [parameter.grad for parameter in layer.parameters()]
        results.append([values.detach(), mine.grad, *gradients])
    assert values.is_contiguous(memory_format=torch.channels_last)
    assert arriving[-1].is_contiguous(memory_format=torch.channels_last)  # else adding to it takes six times as long
    assert other.weight.grad is not None
    assert other.weight.grad.stride() == other.weight.stride()  # else torch warns of it on several ranks
    for expected, found in zip(*results, strict=True):
        assert expected.dtype is found.dtype
        assert float((expected - found).norm()) <= (2e-2 if bf16 else 1e-5) * float(expected.norm())


def test_products_are_of_plain_convolutions_of_one_pixel() -> None:
    assert onednn.is_pointwise(nn.Conv2d(4, 8, 1, stride=2))
    for other in (nn.Conv2d(4, 8, 1, padding=1), nn.Conv2d(4, 8, 1, groups=2), nn.Conv2d(4, 8, (1, 3))):
        assert not onednn.is_pointwise(other)
    layer = nn.Conv2d(4, 8, 1)
    apply_workarounds(layer, ["pointwise"])
    image = torch.randn(4, 5, 5)  # without a batch
    assert torch.equal(layer(image), nn.Conv2d.forward(layer, image))
