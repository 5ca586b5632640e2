"""Checkpoints within an epoch on several ranks: each has running statistics of its own, and all are kept.

A run's weights get their mean, which commutes with later steps except for rounding. A resumed run restores each rank's
own, and so ends with the same bits.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from finesight import distributed
from finesight.backend.synced_norm import list_moving


def gather_statistics(network: nn.Module, weights: dict[str, Tensor], averaged: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every rank's, as `rank/RANK/KIND/NAME`, kind being network or average. {} in a single process.

    weights, averaged: state of the network and its moving average ({}: none), in which the means take their place.
    """
    if distributed.world_size() == 1:
        return {}
    states = {"network": weights, "average": averaged} if averaged else {"network": weights}
    names = list_moving(network)
    own = {f"{kind}/{name}": state[name].cpu() for kind, state in states.items() for name in names}
    ranks = distributed.all_gather_object(own)
    for kind, state in states.items():
        for name in names:
            state[name] = torch.stack([each[f"{kind}/{name}"] for each in ranks]).mean(0)
    return {f"rank/{rank}/{name}": tensor for rank, each in enumerate(ranks) for name, tensor in each.items()}


def own_statistics(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """This rank's, from a checkpoint; {} unless it was made within an epoch by as many ranks."""
    ranks = {name.split("/")[1] for name in tensors if name.startswith("rank/")}
    prefix = f"rank/{distributed.rank()}/{kind}/"
    if len(ranks) != distributed.world_size():
        return {}
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
