from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from finesight.errors import ModelError
from finesight.models import build_model, layers
from finesight.models.layers import find_leaf_before, find_modules_before, trace_layers

SIZE = (8, 8)


class Shuffled(nn.Module):
    """Registered in another order than run; one layer twice, one only by its weights, one never, one list."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.unused = nn.Linear(1, 1)
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)])
        self.twice = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(3, 4, 2, stride=2)
        self.by_weight = Projected()
        self.token = nn.Parameter(torch.zeros(4))

    def forward(self, images: Tensor) -> Tensor:
        x = self.twice(self.first(images)) + self.token[:, None, None]
        for block in self.blocks:
            x = self.twice(block(x))
        return self.last(self.by_weight(x.mean((2, 3))))


class Projected(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.projection.weight


def test_order_is_that_of_the_first_start() -> None:
    layers = trace_layers(Shuffled(), SIZE)
    names = [layer.name for layer in layers]
    assert names == [
        "first",
        "twice",
        "blocks",
        "blocks.0",
        "blocks.1",
        "by_weight",
        "by_weight.projection",
        "last",
        "unused",
    ]
    by_name = {layer.name: layer for layer in layers}
    assert by_name["first"].output_shape == (1, 4, 4, 4)
    assert by_name["by_weight.projection"].output_shape == ()
    assert (by_name["blocks"].parameters, by_name["blocks"].own_parameters, by_name["blocks"].depth) == (40, 0, 1)
    assert (by_name["blocks.1"].type, by_name["blocks.1"].depth) == ("Conv2d", 2)


def test_modules_before() -> None:
    network = Shuffled()
    assert find_modules_before(network, SIZE, "blocks") == ("", "first", "twice")
    assert find_modules_before(network, SIZE, "last") == (
        "",
        "first",
        "twice",
        "blocks.0",
        "blocks.1",
        "by_weight.projection",
    )
    assert find_modules_before(network, SIZE, "first") == (), "only the enclosing network would be left"


def test_tracing_changes_nothing() -> None:
    network = Shuffled().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trace_layers(network, SIZE)
    assert network.training
    assert not network.first._forward_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_networks_that_look_at_values_are_run_for_real() -> None:
    class Curious(Shuffled):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) if images.sum().item() < 1 else images

    assert len(trace_layers(Curious(), SIZE)) == 9


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenet_v3_small"])
def test_large_networks_are_traced_without_data_to_the_same_layers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(name, 5, weights="none", size=(64, 48))
    light = trace_layers(model.network, (64, 48))
    monkeypatch.setattr(layers, "LIGHT", 0)
    assert trace_layers(model.network, (64, 48)) == light


def test_a_model_is_traced_again_where_it_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model("mobilenet_v3_small", 5, weights="none", size=(64, 48))
    first = model.layers()
    assert model.layers() is first
    model.network.classifier[3] = nn.Linear(1024, 7)
    assert model.layers()[-1].output_shape == (1, 7)
    model.preprocessing = replace(model.preprocessing, size=(32, 32))
    assert model.layers()[0].output_shape[2:] == (1, 1)


def test_unknown_layer_and_unfit_size() -> None:
    with pytest.raises(ModelError, match=r"`finesight models NAME` lists its layers\. Did you mean 'blocks\.1'"):
        find_modules_before(Shuffled(), SIZE, "blocks[1]")
    with pytest.raises(ModelError, match="No layer ''"):
        find_modules_before(Shuffled(), SIZE, "")
    with pytest.raises(ModelError, match="cannot take images of 1×1 pixels"):
        trace_layers(Shuffled(), (1, 1))


def test_leaf_before() -> None:
    assert find_leaf_before(Shuffled(), SIZE, "last") == "by_weight.projection"


def count(name: str, layer: str) -> tuple[tuple[str, ...], int]:
    with torch.device("meta"):
        model = build_model(name, 50, weights="none")
    before = model.modules_before(layer)
    modules = dict(model.network.named_modules())
    return before, sum(p.numel() for module in before for p in modules[module].parameters(recurse=False))


def test_the_reference_freezes_resnet50_before_layer1_1() -> None:
    before, parameters = count("resnet50", "layer1.1")
    block = [f"layer1.0.{name}" for name in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3")]
    assert before == ("conv1", "bn1", *block, "layer1.0.downsample.0", "layer1.0.downsample.1")
    assert parameters == 84_544


@pytest.mark.parametrize(
    ("name", "layer", "parameters"),
    [
        # patch embedding, class token, positions; then a whole block with its attention's uncalled projection
        ("vit_b_16", "encoder.layers.encoder_layer_0", 590_592 + 768 + 197 * 768),
        ("vit_b_16", "encoder.layers.encoder_layer_1", 590_592 + 768 + 197 * 768 + 7_087_872),
        ("vit_b_16", "conv_proj", 0),
        ("timm/vit_tiny_patch16_224", "blocks.0", 147_648 + 192 + 197 * 192),
        ("convnext_tiny", "features.1", 4_896),
        ("swin_t", "features.1", 4_896),
        ("swin_t", "features.1.1", 4_896 + 112_347),  # with projections that are used without a call
        ("vgg16", "features.17", 1_735_488),
    ],
)
def test_modules_before_in_transformers_and_others(name: str, layer: str, parameters: int) -> None:
    assert count(name, layer)[1] == parameters
