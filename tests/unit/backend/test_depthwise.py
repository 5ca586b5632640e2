"""Depthwise convolutions have the gradients torch gives them, however they are computed."""

import copy

import pytest
import torch
from gradients import gradients
from timm.layers import Conv2dSame
from torch import nn

from finesight.backend.depthwise import DepthwiseForward
from finesight.backend.workarounds import apply_workarounds

DEPTHWISE = {  # of 16 channels, with the image it is given
    "5x5": (nn.Conv2d(16, 16, 5, padding=2, groups=16, bias=False), (9, 11)),
    "7x7 with a bias": (nn.Conv2d(16, 16, 7, padding=3, groups=16), (12, 10)),
    "kernel larger than the image": (nn.Conv2d(16, 16, 5, padding=2, groups=16), (3, 2)),
    "wide and low": (nn.Conv2d(16, 16, (1, 8), padding=(0, 4), groups=16), (6, 9)),
    "no padding": (nn.Conv2d(16, 16, 5, groups=16), (9, 11)),
    "stride": (nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16), (9, 12)),
    "another stride each way": (nn.Conv2d(16, 16, 5, stride=(1, 2), padding=2, groups=16), (9, 12)),
    "timm's, padded by the image's size": (Conv2dSame(16, 16, 5, stride=2, groups=16), (9, 12)),
    "hardly an image": (nn.Conv2d(16, 16, 7, padding=3, groups=16), (2, 1)),
    "one column, as wide as the stride": (nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16), (8, 1)),
}


@pytest.mark.parametrize("name", DEPTHWISE)
def test_same_gradients_of_depthwise_layers(name: str) -> None:
    plain, size = DEPTHWISE[name]
    plain = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    other = copy.deepcopy(plain)
    apply_workarounds(other, ["depthwise_gradient"])
    assert isinstance(other.forward, DepthwiseForward)
    images = torch.randn(2, 16, *size, generator=torch.Generator().manual_seed(0))
    for ours, right in zip(gradients(other, images), gradients(plain, images), strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(other, images)
    for ours, right in zip(found, gradients(plain, images), strict=True):
        torch.testing.assert_close(ours.float(), right, rtol=0.05, atol=0.05 * float(right.abs().max()))


def test_depthwise_layers_that_are_fast_or_of_another_kind_stay() -> None:
    layers = nn.Sequential(
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, (5, 3), groups=8),
        nn.Conv2d(8, 16, 5, groups=8),
        nn.Conv2d(8, 8, 5, groups=8, dilation=2),
        nn.Conv2d(8, 8, 5, groups=4),
        nn.Conv2d(8, 8, 5, groups=8, padding="same"),
    )
    before = [layer.forward for layer in layers]
    apply_workarounds(layers, ["depthwise_gradient"])
    assert [layer.forward for layer in layers] == before


def test_frozen_weights_get_no_gradient_and_pass_it_on() -> None:
    layers = nn.Sequential(nn.Conv2d(8, 8, 5, groups=8), nn.Conv2d(8, 8, 3, stride=2, groups=8)).requires_grad_(False)
    apply_workarounds(layers, ["depthwise_gradient"])
    images = torch.randn(1, 8, 12, 12, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        layers(images).sum().backward()
    assert images.grad is not None
    assert all(parameter.grad is None for parameter in layers.parameters())


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_one_image_without_a_batch_is_torchs(stride: int, autocast: bool) -> None:
    plain = nn.Conv2d(8, 8, 5, stride=stride, padding=2, groups=8)
    other = copy.deepcopy(plain)
    apply_workarounds(other, ["depthwise_gradient"])
    image = torch.randn(8, 12, 12, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = other(image)
        assert torch.equal(found, plain(image))
    found.float().sum().backward()
    assert image.grad is not None
    assert other.weight.grad is not None
