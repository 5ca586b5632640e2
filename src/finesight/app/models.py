"""Models: what there is, what one is made of, how two differ. Nothing is downloaded."""

import torch

from finesight.models import MODELS, build_model
from finesight.models.contract import Model
from finesight.models.summary import compare_networks, describe_network
from finesight.run.architecture import DescribedModel, ListedModel, NetworkDifference


def list_models() -> list[ListedModel]:
    return [ListedModel(name, entry.task, entry.parameters, tuple(entry.sources)) for name, entry in MODELS.items()]


def describe_model(name: str, num_classes: int = 1000, freeze_before: str = "") -> DescribedModel:
    """freeze_before: layer before which every layer is frozen. Raises ModelError."""
    model = _build_empty(name, num_classes)
    frozen = model.modules_before(freeze_before) if freeze_before else ()
    return DescribedModel(describe_network(model, frozen), str(model.network))


def compare_models(first: str, second: str, num_classes: int = 1000, freeze_before: str = "") -> NetworkDifference:
    """Where two models differ, layer by layer. Raises ModelError."""
    networks = (describe_model(name, num_classes, freeze_before).network for name in (first, second))
    return compare_networks(*networks)


def _build_empty(name: str, num_classes: int) -> Model:
    """The network without weights, on the meta device where its making allows that: fast, and no memory."""
    try:
        with torch.device("meta"):
            return build_model(name, num_classes, weights="none")
    except (RuntimeError, NotImplementedError):  # its maker computes with tensors
        return build_model(name, num_classes, weights="none")
