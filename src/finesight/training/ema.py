"""Exponential moving average of the weights (Polyak & Juditsky 1992): smoother, and usually better, than the last."""

import torch
from torch import Tensor, nn


class AveragedWeights:
    """The average of a network's weights and running statistics over the steps.

    The decay starts small, min(decay, (1 + t) / (10 + t)), so that the random first weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.num_steps = 0
        self.weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        decay = min(self.decay, (1 + self.num_steps) / (10 + self.num_steps))
        self.num_steps += 1
        state = network.state_dict()
        averaged = [name for name, tensor in state.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.weights[n] for n in averaged], [state[n] for n in averaged], 1 - decay)
        for name in state.keys() - set(averaged):
            self.weights[name].copy_(state[name])

    def restore(self, weights: dict[str, Tensor], num_steps: int) -> None:
        self.num_steps = num_steps
        for name, tensor in self.weights.items():
            tensor.copy_(weights[name])


class swapped_weights:  # noqa: N801 - read as a verb: `with swapped_weights(network, average):`
    """Within the block the network carries the given weights; afterwards its own again. None changes nothing."""

    def __init__(self, network: nn.Module, weights: dict[str, Tensor] | None) -> None:
        self.network = network
        self.weights = weights

    def __enter__(self) -> None:
        if self.weights is not None:
            self.own = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
            self.network.load_state_dict(self.weights)

    def __exit__(self, *exception: object) -> None:
        if self.weights is not None:
            self.network.load_state_dict(self.own)
