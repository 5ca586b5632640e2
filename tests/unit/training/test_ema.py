"""The averaged weights are the average, and the network gets its own back."""

import pytest
import torch
from torch import Tensor, nn

from finesight.training.ema import AveragedWeights, swapped_weights


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def move(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    network(torch.randn(8, 2))  # moves the running statistics and their counter


def test_average_by_hand(network: nn.Module) -> None:
    """The decay is (1 + t) / (10 + t) at first, then the one that was asked for."""
    average, expected = AveragedWeights(network, 0.3), state(network)
    for decay in (1 / 10, 2 / 11, 3 / 12, 0.3, 0.3):
        move(network)
        average.update(network)
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * tensor
    for name in ("0.weight", "0.bias", "1.weight", "1.running_mean", "1.running_var"):
        torch.testing.assert_close(average.weights[name], expected[name])
    assert average.weights["1.num_batches_tracked"] == 5  # a count is not averaged
    assert not torch.equal(average.weights["0.weight"], network.state_dict()["0.weight"])


def test_average_is_not_the_network(network: nn.Module) -> None:
    average = AveragedWeights(network, 0.9)
    before = {name: tensor.clone() for name, tensor in average.weights.items()}
    move(network)
    assert all(torch.equal(before[name], tensor) for name, tensor in average.weights.items())


def test_restored_goes_on_alike(network: nn.Module) -> None:
    average = AveragedWeights(network, 0.9)
    move(network)
    average.update(network)
    other = AveragedWeights(network, 0.9)
    other.restore({name: tensor.clone() for name, tensor in average.weights.items()}, average.num_steps)
    move(network)
    average.update(network)
    other.update(network)
    assert all(torch.equal(average.weights[name], other.weights[name]) for name in average.weights)


def test_swapped_weights_are_given_back_even_after_an_error(network: nn.Module) -> None:
    own = state(network)
    other = {name: torch.zeros_like(tensor) for name, tensor in own.items()}

    def fail() -> None:
        assert not network.state_dict()["0.weight"].any()
        raise InterruptedError

    with pytest.raises(InterruptedError), swapped_weights(network, other):
        fail()
    assert all(torch.equal(own[name], tensor) for name, tensor in network.state_dict().items())
    with swapped_weights(network, None):
        assert all(torch.equal(own[name], tensor) for name, tensor in network.state_dict().items())
