"""Models: what there is, what one is made of, how two differ. Nothing is downloaded."""

from typing import Any

import torch

from finesight.models import MODELS, build_model
from finesight.models.contract import Model
from finesight.models.summary import compare_networks, describe_network


def list_models() -> list[dict[str, Any]]:
    """`name`, `task`, `parameters` (None where only building tells) and `weights` (sources) of every model."""
    return [
        {"name": name, "task": entry.task, "parameters": entry.parameters, "weights": list(entry.sources)}
        for name, entry in MODELS.items()
    ]


def describe_model(name: str, num_classes: int = 1000, freeze_before: str = "") -> dict[str, Any]:
    """`name`, `parameters`, `trainable`, `frozen`, `layers` in forward order, `text`: the network as torch prints it.

    freeze_before: layer before which every layer is frozen. Raises ModelError.
    """
    model = _build_empty(name, num_classes)
    frozen = model.modules_before(freeze_before) if freeze_before else ()
    return {**describe_network(model, frozen), "text": str(model.network)}


def compare_models(first: str, second: str, num_classes: int = 1000, freeze_before: str = "") -> dict[str, Any]:
    """Where two models differ, layer by layer. Raises ModelError."""
    described = (describe_model(name, num_classes, freeze_before) for name in (first, second))
    return compare_networks(*described)


def _build_empty(name: str, num_classes: int) -> Model:
    """The network without weights, on the meta device where its making allows that: fast, and no memory."""
    try:
        with torch.device("meta"):
            return build_model(name, num_classes, weights="none")
    except (RuntimeError, NotImplementedError):  # its maker computes with tensors
        return build_model(name, num_classes, weights="none")
