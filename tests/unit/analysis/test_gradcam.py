"""Saliency maps: where a decision comes from, whatever is frozen."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from finesight.analysis.gradcam import choose_layer, compute_saliency, locate_saliency
from finesight.config import Preprocessing
from finesight.errors import ModelError
from finesight.models import build_model
from finesight.models.contract import Model, WeightsOrigin


def make_model(network: nn.Module, head: str) -> Model:
    return Model(
        network,
        name="small",
        head=head,
        num_classes=2,
        preprocessing=Preprocessing(size=(16, 16)),
        origin=WeightsOrigin("none"),
    )


class CornerPool(nn.Module):
    """Of a map (n, c, h, w) only the lower right quarter counts."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps[:, :, maps.shape[2] // 2 :, maps.shape[3] // 2 :].mean((2, 3))


def looks_at_brightness(pool: nn.Module) -> Model:
    """Class 0: where it is dark; class 1: where it is bright, as far as `pool` looks."""
    network = nn.Sequential(nn.Conv2d(3, 2, 2, stride=2, bias=False), nn.ReLU(), pool, nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        network[0].weight[0] = -1 / 12
        network[0].weight[1] = 1 / 12
        network[4].weight.copy_(torch.eye(2))
        network[4].bias.zero_()
    return make_model(network, "4")


def bright(top: int, left: int) -> Tensor:
    image = torch.full((1, 3, 16, 16), -0.1)
    image[:, :, top : top + 4, left : left + 4] = 1.0
    return image


@pytest.mark.parametrize(
    ("top", "left", "where"), [(0, 0, "upper left"), (12, 0, "lower left"), (6, 12, "middle right")]
)
def test_it_looks_at_the_corner_that_decides(top: int, left: int, where: str) -> None:
    saliency = compute_saliency(looks_at_brightness(nn.AdaptiveAvgPool2d(1)), bright(top, left), classes=[1])
    (map_,) = saliency.maps
    assert map_.shape == (8, 8)
    assert map_[top // 2 : top // 2 + 2, left // 2 : left // 2 + 2].min() == 1
    assert map_.sum() == 4, "nothing else is looked at"
    area, place = locate_saliency(map_.numpy())
    assert area is not None
    assert area < 0.05
    assert place == where


def test_a_class_without_support_has_no_saliency() -> None:
    saliency = compute_saliency(looks_at_brightness(nn.AdaptiveAvgPool2d(1)), torch.full((1, 3, 16, 16), -1.0), [1])
    assert saliency.maps.max() == 0
    assert locate_saliency(saliency.maps[0].numpy()) == (None, "")


def test_without_a_class_the_predicted_one_is_looked_for() -> None:
    images = torch.cat([bright(0, 0), torch.full((1, 3, 16, 16), -1.0)])
    saliency = compute_saliency(looks_at_brightness(CornerPool()), images)
    assert saliency.classes.tolist() == saliency.logits.argmax(1).tolist()
    assert saliency.logits.shape == (2, 2)


def test_frozen_weights_make_no_difference() -> None:
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = build_model("timm/test_resnet", 3, "none", None, (32, 32))
    free = compute_saliency(model, images).maps
    model.requires_grad_(False)
    assert torch.equal(compute_saliency(model, images).maps, free)
    with torch.no_grad():
        assert torch.equal(compute_saliency(model, images).maps, free)
    assert free.amax((1, 2)).tolist() == pytest.approx([1, 1])


def test_images_of_a_batch_do_not_see_each_other() -> None:
    model = build_model("timm/test_resnet", 3, "none", None, (32, 32)).eval()
    images = torch.randn(3, 3, 32, 32)
    together = compute_saliency(model, images, [0, 1, 2]).maps
    alone = torch.cat([compute_saliency(model, images[i : i + 1], [i]).maps for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_the_network_is_left_as_it_was() -> None:
    model = looks_at_brightness(nn.AdaptiveAvgPool2d(1))
    compute_saliency(model, bright(0, 0))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


class Masks(nn.Module):
    """A mask: class 1 where it is bright, class 0 elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 2, 1, bias=False)
        self.head = nn.Conv2d(2, 2, 1, bias=False)
        with torch.no_grad():
            self.body.weight[0], self.body.weight[1] = -1 / 3, 1 / 3
            self.head.weight.copy_(torch.eye(2)[..., None, None])

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images).relu())
        return logits


def test_of_a_mask_it_looks_at_the_class_region() -> None:
    saliency = compute_saliency(make_model(Masks(), "head"), bright(8, 4), [1])
    (map_,) = saliency.maps
    region = saliency.logits.argmax(1)[0] == 1
    assert region.sum() == 16
    assert map_[region].min() == 1
    assert map_[~region].max() == 0
    assert saliency.layer == "head"


def test_of_a_mask_the_largest_class_is_looked_for_by_default() -> None:
    assert compute_saliency(make_model(Masks(), "head"), bright(8, 4)).classes.tolist() == [0]


@pytest.mark.parametrize(
    ("name", "place", "size"),
    [("timm/test_resnet", "layer3", 32), ("resnet18", "layer4", 64), ("efficientnet_lite0", "bn2", 64)],
)
def test_the_place_is_the_last_map_before_the_head(name: str, place: str, size: int) -> None:
    model = build_model(name, 3, "none", None, (size, size))
    assert choose_layer(model, torch.zeros(1, 3, size, size)).name == place


def test_of_tokens_it_says_that_it_cannot() -> None:
    model = build_model("timm/test_vit", 3, "none", None, (160, 160))
    with pytest.raises(ModelError, match="keeps no height and width"):
        choose_layer(model, torch.zeros(1, 3, 160, 160))


def test_focus() -> None:
    even = np.ones((6, 6), np.float32)
    area, where = locate_saliency(even)
    assert area == pytest.approx(0.5)
    assert where == "centre"
