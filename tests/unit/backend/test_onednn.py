"""Ways around what oneDNN does slowly change nothing that is computed."""

import copy

import pytest
import torch
from gradients import gradients
from torch import nn
from torch.backends import cpu

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
