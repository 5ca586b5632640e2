"""Folding normalisations leaves what a network computes, or leaves the network."""

import copy

import pytest
import torch
from torch import nn

from finesight.backend.folding import fold_norms
from finesight.models import build_model


def stir(network: nn.Module) -> None:
    """Statistics and scales as after training."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=random)
            module.running_var.uniform_(0.3, 2, generator=random)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5, generator=random)
                nn.init.normal_(module.bias, 0, 0.2, generator=random)


@pytest.mark.parametrize(
    "name", ["resnet18", "efficientnet_lite0", "mobilenet_v3_small", "timm/test_resnet", "vgg11_bn"]
)
@torch.inference_mode()
def test_every_normalisation_behind_a_convolution_is_folded(name: str) -> None:
    model = build_model(name, 5, weights="none", size=(64, 64)).eval()
    stir(model.network)
    images = torch.randn(2, 3, 64, 64)
    before = model(images)
    count = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert fold_norms(model.network, lambda: model(images[:1])) == count > 0
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    torch.testing.assert_close(model(images), before, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_what_another_layer_needs_too_is_left_as_it_was() -> None:
    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found = self.conv(images)
            return self.norm(found) + found  # type: ignore[no-any-return]

    network = Branched().eval()
    stir(network)
    kept, images = copy.deepcopy(network.state_dict()), torch.randn(1, 3, 8, 8)
    before = network(images)
    assert fold_norms(network, lambda: network(images)) == 0
    assert torch.equal(network(images), before)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in network.state_dict().items())


@torch.inference_mode()
def test_shared_layers_are_left() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    network = nn.Sequential(conv, nn.BatchNorm2d(3), conv, nn.BatchNorm2d(3)).eval()
    stir(network)
    images = torch.randn(1, 3, 8, 8)
    before = network(images)
    assert fold_norms(network, lambda: network(images)) == 0
    assert torch.equal(network(images), before)
