"""torchvision's classifiers: how they are made, and their weights fetched and adapted."""

import contextlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.vision_transformer import interpolate_embeddings

from finesight.config import Preprocessing
from finesight.errors import ModelError, WeightsError
from finesight.models.contract import WeightsOrigin
from finesight.models.layers import find_leaf_before
from finesight.models.weights import Weights, file_sha256

AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")  # side outputs of inception and googlenet, for training from scratch


def list_architectures() -> list[str]:
    names: list[str] = models.list_models(module=models)
    return names


def count_parameters(architecture: str) -> int:
    """With ImageNet's 1000 classes, as torchvision documents them."""
    return int(_default_weights(architecture).meta["num_params"])


def read_preprocessing(architecture: str) -> Preprocessing:
    """As the default weights were evaluated."""
    transforms = _default_weights(architecture).transforms()
    return Preprocessing(
        size=(transforms.crop_size[0], transforms.crop_size[0]),
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        interpolation="bicubic" if transforms.interpolation.value == "bicubic" else "bilinear",
    )


def imagenet_classes() -> tuple[str, ...]:
    return tuple(_default_weights("resnet18").meta["categories"])


def make_network(
    architecture: str, num_classes: int, size: tuple[int, int], dropout: float | None
) -> tuple[nn.Module, str]:
    """(network with a new head, name of the head). `size` matters to transformers with fixed positions."""
    options: dict[str, Any] = {"num_classes": num_classes}
    if architecture in ("googlenet", "inception_v3"):
        # weights from TensorFlow, with another normalisation, which these networks then do themselves
        options |= {"aux_logits": False, "init_weights": False, "transform_input": True}
    if architecture.startswith("vit_"):
        if size[0] != size[1]:
            raise ModelError(f"{architecture} takes only square images, not {size[0]}×{size[1]}: set image.size.")
        options["image_size"] = size[0]
    if architecture.startswith("maxvit"):
        options["input_size"] = size
    try:
        network = models.get_model(architecture, weights=None, **options)
    except (ValueError, AssertionError) as error:
        raise ModelError(f"{architecture} cannot take images of {size[0]}×{size[1]}: {error}") from None
    head = [name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    if dropout is not None:
        _set_dropout(network, head, size, dropout)
    return network, head


def fetch_weights(architecture: str, preprocessing: Preprocessing) -> Weights:
    """The newest ImageNet weights, from torch's cache or by download with its hash checked. Raises WeightsError."""
    choice = _default_weights(architecture)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch prints downloads on stdout, which is for results
            state = choice.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True
            )
    except Exception as error:  # the network, the disk, a wrong hash, a damaged file in the cache
        raise WeightsError(f"torchvision could not load {choice.url}: {str(error).rstrip('.')}.") from error
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(choice.url).path).name
    return Weights(
        state=state,
        origin=WeightsOrigin(
            source=f"torchvision {choice}",
            licence=choice.meta.get("license", "BSD-3-Clause"),
            sha256=file_sha256(file),
            classes=tuple(choice.meta["categories"]),
        ),
        preprocessing=preprocessing,
    )


def fit_state(network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A state dict as torchvision publishes it, adapted to `network`: names, side outputs, position embeddings."""
    if isinstance(network, models.DenseNet):  # files from before torch 0.4 say norm.1 for norm1
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name): state[name] for name in state}
    if isinstance(network, models.GoogLeNet | models.Inception3):
        return {name: tensor for name, tensor in state.items() if not name.startswith(AUXILIARY)}
    if isinstance(network, models.VisionTransformer) and "encoder.pos_embedding" in state:
        with contextlib.suppress(ValueError):  # not a square of positions: strict loading reports it
            state = interpolate_embeddings(network.image_size, network.patch_size, dict(state))
    return state


def _default_weights(architecture: str) -> Any:
    return models.get_model_weights(architecture).DEFAULT


def _set_dropout(network: nn.Module, head: str, size: tuple[int, int], dropout: float) -> None:
    """Sets the dropout before the head, or adds one without changing a layer's name."""
    before = network.get_submodule(find_leaf_before(network, size, head))
    if isinstance(before, nn.Dropout):
        before.p = dropout
        return

    def drop(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return nn.functional.dropout(inputs[0], dropout, module.training)

    network.get_submodule(head).register_forward_pre_hook(drop)
