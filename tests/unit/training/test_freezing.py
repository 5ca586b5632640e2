"""Frozen means frozen, and the ledger notices when it is not."""

import pytest
import torch

from finesight.config import ModelSettings, OptimSettings
from finesight.errors import ConfigError, ModelError
from finesight.models import build_model
from finesight.training.freezing import FreezeLedger, FreezePlan, FrozenLayerMoved


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("timm/test_resnet", 3, "none", size=(32, 32))


def plan_for(model, layer, norm="fixed", unfreeze=()):
    return FreezePlan.from_settings(
        model, ModelSettings(freeze_before=layer, frozen_norm=norm), OptimSettings(unfreeze=unfreeze)
    )


def step(model, optimiser):
    loss = torch.nn.functional.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()


@pytest.mark.parametrize("norm", ["fixed", "tracking"])
def test_what_is_frozen_stands_still_and_the_rest_moves(model, norm):
    plan = plan_for(model, "layer2", norm)
    plan.apply(model, 1)
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    optimiser = torch.optim.SGD(model.network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        step(model, optimiser)
    frozen = set(plan.at(1).modules)
    assert frozen
    for name, tensor in model.network.state_dict().items():
        owner = name.rpartition(".")[0]
        is_statistic = "running" in name or "num_batches" in name
        moves = owner not in frozen or (norm == "tracking" and is_statistic)
        assert torch.equal(tensor, before[name]) != moves, name
    assert all(p.requires_grad for p in optimiser.state), "frozen parameters must have no optimiser state"


def test_fixed_norms_stay_fixed_after_every_return_to_training(model):
    plan = plan_for(model, "layer2")
    model.eval()
    plan.apply(model, 1)
    assert not model.network.bn1.training
    assert model.network.layer2[0].bn1.training


def test_nothing_runs_backward_through_frozen_layers(model):
    plan_for(model, "layer3").apply(model, 1)
    seen = []
    model.network.layer2.register_forward_hook(lambda module, inputs, output: seen.append(output.requires_grad))
    model.network.layer3.register_forward_hook(lambda module, inputs, output: seen.append(output.requires_grad))
    model(torch.randn(2, 3, 32, 32))
    assert seen == [False, True]


def test_ledger_raises_when_a_frozen_weight_or_statistic_moves(model):
    plan = plan_for(model, "layer2")
    plan.apply(model, 1)
    ledger = FreezeLedger(plan)
    ledger.watch(model, 1)
    entry = ledger.check(model, 1, {})
    states = {layer.name: layer.state for layer in entry.layers}
    assert states["conv1.0"] == "frozen"
    assert states["fc"] == "tuned"
    model.network.bn1.running_mean += 1e-3
    with pytest.raises(FrozenLayerMoved, match="bn1"):
        ledger.check(model, 1, {})


def test_unfreezing_is_a_function_of_the_epoch(model):
    plan = plan_for(model, "head", unfreeze=((3, "layer3"), (5, "layer2")))
    assert [plan.at(epoch).layer for epoch in range(1, 7)] == ["head", "head", "layer3", "layer3", "layer2", "layer2"]
    plan.apply(model, 4)
    assert not model.network.layer2[0].conv1.weight.requires_grad
    assert model.network.layer3[0].conv1.weight.requires_grad
    plan.apply(model, 5)
    assert model.network.layer2[0].conv1.weight.requires_grad
    assert not model.network.layer1[0].conv1.weight.requires_grad


def test_plans_that_make_no_sense_are_refused(model):
    with pytest.raises(ConfigError, match="would freeze everything"):
        plan_for(model, "layer2", unfreeze=((2, "layer3"),))
    with pytest.raises(ConfigError, match="epochs must rise"):
        plan_for(model, "layer3", unfreeze=((4, "layer2"), (4, "layer1")))
    with pytest.raises(ModelError, match="layer2"):
        plan_for(model, "layr2")
