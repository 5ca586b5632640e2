"""Learning rates: who gets which, and when."""

import itertools

import pytest
import torch

from finesight.config import OptimSettings
from finesight.models import build_model
from finesight.training.optim import (
    OPTIMISERS,
    learning_rate_factor,
    learning_rate_scales,
    list_stages,
    make_optimiser,
    set_learning_rate,
)


@pytest.fixture(scope="module")
def resnet():
    with torch.device("meta"):
        return build_model("resnet18", 3, "none")


def test_stages_of_a_resnet_are_in_forward_order(resnet):
    assert list_stages(resnet) == ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"]


def test_head_learns_faster_than_the_backbone_and_the_entrance_slowest(resnet):
    scales = learning_rate_scales(resnet, OptimSettings(backbone_scale=0.1, layer_decay=0.5))
    assert scales["fc"] == 1.0
    assert scales["layer4.1.conv2"] == pytest.approx(0.05)
    assert scales["layer1.0.conv1"] == pytest.approx(0.1 * 0.5**4)
    assert scales["conv1"] == pytest.approx(0.1 * 0.5**6)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_vectors_are_spared_weight_decay_and_all_parameters_are_there(name):
    model = build_model("timm/test_resnet", 3, "none")
    optimiser = make_optimiser(model, OptimSettings(name=name, weight_decay=0.3), fused=True)
    held = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in model.network.parameters()}
    for group in optimiser.param_groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] > 0}


SPARED = ("layer_scale", "gamma", "relative_position_bias_table", "class_token", "cls_token", "pos_embed")


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("vit_b_32", "class_token"),
        ("vit_b_32", "pos_embedding"),
        ("swin_t", "relative_position_bias_table"),
        ("convnext_tiny", "layer_scale"),
        ("maxvit_t", "relative_position_bias_table"),
        ("timm/vit_tiny_patch16_224", "cls_token"),
        ("timm/vit_tiny_patch16_224", "pos_embed"),
        ("timm/swin_tiny_patch4_window7_224", "relative_position_bias_table"),
        ("timm/convnext_atto", "gamma"),
        ("timm/fastvit_t8", "gamma"),
        ("timm/swinv2_tiny_window8_256", "cpb_mlp.0.weight"),  # only timm's own list knows it
        ("fcn/timm/swin_tiny_patch4_window7_224", "relative_position_bias_table"),
    ],
)
def test_only_matrices_and_kernels_decay(name, token):
    with torch.device("meta"):
        model = build_model(name, 3, "none")
        optimiser = make_optimiser(model, OptimSettings(weight_decay=0.3), fused=False)
    names = {id(parameter): path for path, parameter in model.network.named_parameters()}
    decaying = {names[id(p)] for group in optimiser.param_groups if group["weight_decay"] > 0 for p in group["params"]}
    assert any(path.endswith(token) for path in names.values())
    assert not [path for path in decaying if path.endswith(token) or any(word in path for word in SPARED)]
    assert decaying >= {
        f"{path}.weight" for path, m in model.network.named_modules()
        if isinstance(m, torch.nn.Linear | torch.nn.Conv2d) and "cpb_mlp" not in path
    }  # fmt: skip


def test_warm_up_then_cosine_to_nothing():
    settings = OptimSettings(schedule="cosine", warmup_epochs=1)
    factors = [learning_rate_factor(settings, step, 10, 5) for step in range(51)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[10] == pytest.approx(1.0)
    assert factors[30] == pytest.approx(0.5)
    assert factors[50] == pytest.approx(0.0, abs=1e-9)
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[10:]))


def test_steps_fall_by_the_factor():
    settings = OptimSettings(schedule="step", step_epochs=2, step_factor=0.1, warmup_epochs=0)
    assert [learning_rate_factor(settings, epoch * 5, 5, 6) for epoch in range(6)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


def test_scales_survive_the_schedule():
    model = build_model("timm/test_resnet", 3, "none")
    settings = OptimSettings(lr=0.2, backbone_scale=0.1)
    optimiser = make_optimiser(model, settings, fused=True)
    set_learning_rate(optimiser, settings, 0.5)
    rates = {name: group["lr"] for group in optimiser.param_groups for name in group["modules"]}
    assert rates[model.head] == pytest.approx(0.1)
    assert min(rates.values()) == pytest.approx(0.01)


def test_the_momentum_of_unfrozen_layers_starts_with_their_first_gradient():
    """As in torch's plain SGD; the fused one stops with an error where some weights of a group have momentum."""
    weights = []
    for unfreeze in ((), ((2, "conv1"),)):
        torch.manual_seed(0)
        model = build_model("timm/test_resnet", 3, "none")
        settings = OptimSettings(name="sgd", lr=0.1, nesterov=True, unfreeze=unfreeze)
        optimiser = make_optimiser(model, settings, fused=bool(unfreeze))
        for step in range(3):
            for number, parameter in enumerate(model.network.parameters()):
                parameter.grad = torch.full_like(parameter, number + step) if number > 4 or step else None
            optimiser.step()
        weights.append([parameter.detach().clone() for parameter in model.network.parameters()])
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other)
