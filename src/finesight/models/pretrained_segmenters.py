"""Segmenters as finesight models, with a classifier's pretrained weights or their own."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from torch import nn

from finesight.config import Preprocessing
from finesight.errors import WeightsError
from finesight.models.classifiers import Classifier
from finesight.models.contract import Model, WeightsOrigin
from finesight.models.fcn import is_finer, start_from_coarser
from finesight.models.segmenters import Segmenter, build_segmenter
from finesight.models.weights import (
    State,
    Weights,
    find_class_layers,
    find_prefix,
    load_strictly,
    read_file,
    take_network,
)
from finesight.progress import say

AUXILIARY = "aux_classifier."  # a second output, for training only, in torchvision's files


def build_pretrained_segmenter(
    name: str,
    find_classifier: Callable[[str], Classifier],
    num_classes: int,
    weights: str,
    dropout: float | None,
    size: tuple[int, int] | None,
) -> Model:
    """A segmenter with a classifier's weights in its backbone, or a segmenter file's weights in all layers.

    Raises ModelError and WeightsError.
    """
    segmenter = build_segmenter(name, num_classes)
    classifier = find_classifier(segmenter.starts_from) if segmenter.starts_from else None
    preprocessing = classifier.read_preprocessing() if classifier else Preprocessing()
    origin, new_layers = WeightsOrigin(source="random weights"), tuple[str, ...]()
    if weights != "none":
        found = _find_weights(name, weights, classifier, preprocessing)
        new_layers = _fill(segmenter, found.state, classifier, num_classes)
        preprocessing, origin = found.preprocessing, found.origin
    if dropout is not None:
        _set_dropout(segmenter.network, dropout)
    return Model(
        segmenter.network,
        name=name,
        head=segmenter.head,
        num_classes=num_classes,
        preprocessing=dataclasses.replace(preprocessing, size=size or preprocessing.size),
        origin=origin,
        task="segmentation",
        new_layers=new_layers,
    )


def _find_weights(name: str, weights: str, classifier: Classifier | None, preprocessing: Preprocessing) -> Weights:
    if Path(weights).is_file():
        return Weights(*read_file(Path(weights)), preprocessing)
    if classifier is None:
        raise WeightsError(f"{name} has no pretrained weights: use `--weights none`, or `--weights FILE`.")
    return classifier.find_weights(weights, preprocessing)


def _fill(segmenter: Segmenter, state: State, classifier: Classifier | None, num_classes: int) -> tuple[str, ...]:
    """Loads a segmenter's own weights, else its classifier's; returns the new layers."""
    network = segmenter.network
    if _holds_segmenter(state, segmenter):
        own = take_network(state, network.state_dict())
        if is_finer(network, own):
            return _layers(sorted(start_from_coarser(network, own)))
        new = find_class_layers(network, own, segmenter.head)
        if new:
            classes = len(own[f"{segmenter.head}.weight"])
            say(f"Note: the weights have {classes} classes, not {num_classes}; new and untrained: {', '.join(new)}.")
        load_strictly(network, own, new, fit=_drop_auxiliary)
        return new
    if classifier is None or segmenter.carry_over is None:
        raise WeightsError(f"These weights are of another architecture: layer {segmenter.head!r} is missing.")
    return _layers(segmenter.carry_over(network, classifier.fit(state)))


def _holds_segmenter(state: State, segmenter: Segmenter) -> bool:
    """Whether these are this segmenter's own tensors, with its head, not a classifier's."""
    own = segmenter.network.state_dict()
    prefix, _ = find_prefix(state, own)
    found = sum(f"{prefix}{name}" in state for name in own)
    return f"{prefix}{segmenter.head}.weight" in state and 2 * found >= len(own)


def _drop_auxiliary(_network: nn.Module, state: State) -> State:
    """Removes the output that torchvision's published segmenters have for training only."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(AUXILIARY)}


def _layers(tensors: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The layers that own tensors of these names."""
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in tensors))


def _set_dropout(network: nn.Module, dropout: float) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d) and not name.startswith("backbone."):
            module.p = dropout
