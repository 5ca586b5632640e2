"""Parameter groups, optimisers and the learning rate as a function of the step."""

import math
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import nn

from finesight.config import OptimSettings
from finesight.errors import ConfigError
from finesight.models.contract import Model
from finesight.models.layers import is_inside


def make_optimiser(model: Model, settings: OptimSettings, fused: bool) -> torch.optim.Optimizer:
    """An optimiser over *all* parameters, frozen ones too: unfreezing later changes no group.

    A frozen parameter has no gradient, so it gets no optimiser state. Only matrices and kernels decay: see `decays`.
    Groups carry `scale` (learning rate relative to optim.lr) and `module` names for the ledger.
    """
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    scales, exempt = learning_rate_scales(model, settings), list_exempt(model.network)
    for module_name, module in model.network.named_modules():
        for name, parameter in module.named_parameters(module_name, recurse=False):
            scale, is_decayed = scales[module_name], decays(name, parameter, exempt)
            decay = settings.weight_decay if is_decayed else 0.0
            new = {"params": [], "modules": [], "scale": scale, "lr": settings.lr * scale, "weight_decay": decay}
            group = groups.setdefault((scale, is_decayed), new)
            group["params"].append(parameter)
            group["modules"].append(module_name)
    return OPTIMISERS[settings.name](list(groups.values()), settings, fused)


def decays(name: str, parameter: nn.Parameter, exempt: Sequence[str]) -> bool:
    """Whether weight decay pulls a parameter towards 0: of more than one dimension and called a weight.

    Norms and biases have one dimension. Layer scales, class tokens, position embeddings and tables of relative
    positions can have more, but no library calls them weights. exempt: patterns of `list_exempt`.
    """
    own = name.rpartition(".")[2]
    is_weight = parameter.ndim > 1 and (own.endswith("weight") or own.startswith("weight"))
    return is_weight and not any(fnmatchcase(name, pattern) for pattern in exempt)


def list_exempt(network: nn.Module) -> list[str]:
    """Patterns of the parameters that timm's networks, and modules inside of others, exempt from weight decay."""
    return [
        f"{prefix}.{name}".lstrip(".")
        for prefix, module in network.named_modules()
        for name in getattr(module, "no_weight_decay", tuple)()
    ]


def _make_sgd(groups: list[dict[str, object]], settings: OptimSettings, fused: bool) -> torch.optim.Optimizer:
    if settings.nesterov and not settings.momentum:
        raise ConfigError("optim.nesterov needs optim.momentum above 0.")
    optimiser = torch.optim.SGD(
        groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov, fused=fused or None
    )
    if settings.momentum and settings.unfreeze:
        optimiser.register_step_pre_hook(_start_momentum)
    return optimiser


def _start_momentum(optimiser: torch.optim.Optimizer, *_: object) -> None:
    """Zero for weights that were unfrozen: torch's fused SGD can only start the momentum of a whole group (2.14)."""
    for group in optimiser.param_groups:
        trained = [parameter for parameter in group["params"] if parameter.grad is not None]
        begun = [parameter for parameter in trained if "momentum_buffer" in optimiser.state.get(parameter, {})]
        if begun:
            for parameter in set(trained) - set(begun):
                optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def _make_adam(
    kind: type[torch.optim.Adam], groups: list[dict[str, object]], settings: OptimSettings, fused: bool
) -> torch.optim.Optimizer:
    return kind(groups, lr=settings.lr, betas=(settings.momentum, 0.999), fused=fused or None)


OPTIMISERS: dict[str, Callable[[list[dict[str, object]], OptimSettings, bool], torch.optim.Optimizer]] = {
    "sgd": _make_sgd,
    "adam": partial(_make_adam, torch.optim.Adam),
    "adamw": partial(_make_adam, torch.optim.AdamW),
}


def learning_rate_scales(model: Model, settings: OptimSettings) -> dict[str, float]:
    """Learning rate of every module relative to optim.lr: 1 for the head and other new layers.

    Pretrained layers get backbone_scale, and layer_decay once more for every stage between them and the head.
    """
    stages = list_stages(model)
    scales = {}
    for name, _ in model.network.named_modules():
        if is_inside(name, *model.new_layers):
            scales[name] = 1.0
            continue
        stage = max((i for i, stage in enumerate(stages) if is_inside(name, stage)), default=0)
        scales[name] = settings.backbone_scale * settings.layer_decay ** (len(stages) - 1 - stage)
    return scales


def list_stages(model: Model) -> list[str]:
    """Names of the network's stages in forward order: its children, and theirs where one child holds most weights."""
    order = {layer.name: position for position, layer in enumerate(model.layers())}
    total = sum(parameter.numel() for parameter in model.network.parameters())

    def split(module: nn.Module, prefix: str) -> list[str]:
        names = []
        for child_name, child in module.named_children():
            name = f"{prefix}{child_name}"
            fraction = sum(parameter.numel() for parameter in child.parameters()) / max(total, 1)
            is_container = isinstance(child, nn.Sequential | nn.ModuleList) or prefix == ""
            if fraction > 0.5 and is_container and len(list(child.children())) > 2:
                names += split(child, f"{name}.")
            elif fraction > 0:
                names.append(name)
        return names

    return sorted(split(model.network, ""), key=lambda name: order.get(name, -1))


def find_warmup(settings: OptimSettings, steps_per_epoch: int, epochs: int) -> float:
    """Length of the warm-up in epochs: at most half of training, and none where it would be shorter than a step."""
    warmup = min(settings.warmup_epochs, epochs / 2)
    return warmup if warmup * steps_per_epoch >= 1 else 0.0


def learning_rate_factor(settings: OptimSettings, step: float, steps_per_epoch: int, epochs: int) -> float:
    """What optim.lr is multiplied by at `step` (from 0 over the whole run): warm-up, then the schedule."""
    epoch = step / steps_per_epoch
    warmup = find_warmup(settings, steps_per_epoch, epochs)
    if epoch < warmup:
        return 0.01 + 0.99 * epoch / warmup
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))
    if settings.schedule == "step":
        return float(settings.step_factor ** (int(epoch) // settings.step_epochs))
    return 1.0


def set_learning_rate(optimiser: torch.optim.Optimizer, settings: OptimSettings, factor: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = settings.lr * group["scale"] * factor
