"""Exponential moving average of the weights (Polyak & Juditsky 1992): often better than the last weights."""

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def swapped_weights(network: nn.Module, weights: dict[str, Tensor] | None) -> Iterator[None]:
    """Within the block the network carries the given weights; afterwards its own again. None changes nothing."""
    if weights is None:
        yield
        return
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(weights)
    try:
        yield
    finally:
        network.load_state_dict(own)
