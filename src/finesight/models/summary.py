"""A model in a table: its layers and their sizes, what is frozen, and where two models differ."""

import difflib
from collections.abc import Collection
from typing import Any

from finesight.models.contract import Model
from finesight.models.layers import is_inside, owns_tensors
from finesight.run.architecture import LayerChange, LayerSummary, NetworkDifference, NetworkSize, NetworkSummary

COMPARED = ("type", "output_shape", "parameters")


def describe_network(model: Model, frozen_modules: Collection[str] = ()) -> NetworkSummary:
    """frozen_modules: names of the modules whose own parameters are frozen, as `Model.modules_before` gives them."""
    modules = dict(model.network.named_modules())
    held = set(frozen_modules)
    owners = [name for name, module in modules.items() if owns_tensors(module)]
    total = sum(parameter.numel() for parameter in model.network.parameters())
    frozen = sum(parameter.numel() for name in held for parameter in modules[name].parameters(recurse=False))

    def is_frozen(layer: str) -> bool:
        inside = [name for name in owners if is_inside(name, layer)]
        return bool(inside) and held.issuperset(inside)

    layers = (
        LayerSummary(layer.name, layer.type, layer.output_shape, layer.parameters, is_frozen(layer.name))
        for layer in model.layers()
    )
    return NetworkSummary(model.name, total, total - frozen, frozen, tuple(layers))


def compare_networks(first: NetworkSummary, second: NetworkSummary) -> NetworkDifference:
    before, after = ({layer.name: layer for layer in network.layers} for network in (first, second))
    width = max(map(len, before | after))
    diff = difflib.unified_diff(
        format_layers(first, width), format_layers(second, width), first.name, second.name, lineterm="", n=1
    )
    changes = ((name, _list_changes(layer, after[name])) for name, layer in before.items() if name in after)
    return NetworkDifference(
        first=NetworkSize(first.name, first.parameters, first.trainable, first.frozen),
        second=NetworkSize(second.name, second.parameters, second.trainable, second.frozen),
        only_first=tuple(name for name in before if name not in after),
        only_second=tuple(name for name in after if name not in before),
        changed=tuple(LayerChange(name, **changed) for name, changed in changes if changed),
        diff=tuple(diff),
    )


def _list_changes(first: LayerSummary, second: LayerSummary) -> dict[str, Any]:
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in COMPARED}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def format_layers(network: NetworkSummary, width: int = 0) -> list[str]:
    """One line per layer: name (in at least `width` columns), type, output shape, parameters, and frozen or not."""
    width = max(width, *(len(layer.name) for layer in network.layers))
    return [
        f"{layer.name:{width}}  {layer.type:24} {'×'.join(map(str, layer.output_shape)) or '–':16} "
        f"{layer.parameters:>12,}{'  frozen' if layer.frozen else ''}"
        for layer in network.layers
    ]
