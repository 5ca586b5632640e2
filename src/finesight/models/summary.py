"""A model in a table: its layers and their sizes, what is frozen, and where two models differ."""

import difflib
from collections.abc import Collection
from typing import Any

from finesight.models.contract import Model
from finesight.models.layers import is_inside, owns_tensors


def describe_network(model: Model, frozen_modules: Collection[str] = ()) -> dict[str, Any]:
    """`name`, `parameters`, `trainable`, `frozen` (counts) and `layers` in forward order.

    frozen_modules: names of the modules whose own parameters are frozen, as `Model.modules_before` gives them.
    A layer is frozen if everything in it with weights or buffers is.
    """
    modules = dict(model.network.named_modules())
    held = set(frozen_modules)
    owners = [name for name, module in modules.items() if owns_tensors(module)]
    total = sum(parameter.numel() for parameter in model.network.parameters())
    frozen = sum(parameter.numel() for name in held for parameter in modules[name].parameters(recurse=False))

    def is_frozen(layer: str) -> bool:
        inside = [name for name in owners if is_inside(name, layer)]
        return bool(inside) and held.issuperset(inside)

    return {
        "name": model.name,
        "parameters": total,
        "trainable": total - frozen,
        "frozen": frozen,
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "output_shape": list(layer.output_shape),
                "parameters": layer.parameters,
                "frozen": is_frozen(layer.name),
            }
            for layer in model.layers()
        ],
    }


def compare_networks(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """How two results of `describe_network` differ.

    `only_first`, `only_second`: names of layers; `changed`: layers of both with another type, output shape or number
    of parameters; `diff`: unified, one line per layer.
    """
    layers = [{layer["name"]: layer for layer in network["layers"]} for network in (first, second)]
    compared = ("type", "output_shape", "parameters")
    width = max(len(name) for names in layers for name in names)
    before, after = format_layers(first, width), format_layers(second, width)
    return {
        "first": {key: first[key] for key in ("name", "parameters", "trainable", "frozen")},
        "second": {key: second[key] for key in ("name", "parameters", "trainable", "frozen")},
        "only_first": [name for name in layers[0] if name not in layers[1]],
        "only_second": [name for name in layers[1] if name not in layers[0]],
        "changed": [
            {"name": name} | {key: [layer[key], layers[1][name][key]] for key in compared if _differ(name, key, layers)}
            for name, layer in layers[0].items()
            if name in layers[1] and any(_differ(name, key, layers) for key in compared)
        ],
        "diff": list(difflib.unified_diff(before, after, first["name"], second["name"], lineterm="", n=1)),
    }


def _differ(name: str, key: str, layers: list[dict[str, dict[str, Any]]]) -> bool:
    return bool(layers[0][name][key] != layers[1][name][key])


def format_layers(network: dict[str, Any], width: int = 0) -> list[str]:
    """One line per layer: name (in at least `width` columns), type, output shape, parameters, and frozen or not."""
    width = max(width, *(len(layer["name"]) for layer in network["layers"]))
    return [
        f"{layer['name']:{width}}  {layer['type']:24} {'×'.join(map(str, layer['output_shape'])) or '–':16} "
        f"{layer['parameters']:>12,}{'  frozen' if layer['frozen'] else ''}"
        for layer in network["layers"]
    ]
