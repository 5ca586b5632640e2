"""Segmenters that start from a classifier's weights, behind the contract of every model."""

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
from finesight.models.weights import file_sha256, load_strictly, read_weights


def build_pretrained_segmenter(
    name: str,
    find_classifier: Callable[[str], Classifier],
    num_classes: int,
    weights: str,
    dropout: float | None,
    size: tuple[int, int] | None,
) -> Model:
    """A segmenter whose backbone holds a classifier's weights, or whose every layer holds those of a segmenter's file.

    Raises ModelError and WeightsError.
    """
    segmenter = build_segmenter(name, num_classes)
    preprocessing, origin = Preprocessing(), WeightsOrigin(source="random weights")
    new_layers: tuple[str, ...] = ()
    classifier = find_classifier(segmenter.starts_from) if segmenter.starts_from else None
    if classifier:
        preprocessing = classifier.read_preprocessing()
    if weights != "none" and _holds_segmenter(weights, segmenter):
        path = Path(weights)
        state = read_weights(path)
        if is_finer(segmenter.network, state):
            new_layers = tuple(
                sorted({name.rpartition(".")[0] for name in start_from_coarser(segmenter.network, state)})
            )
        else:
            load_strictly(segmenter.network, state)
        origin = WeightsOrigin(source=f"file {path.name}", sha256=file_sha256(path))
    elif weights != "none":
        if classifier is None or segmenter.carry_over is None:
            raise WeightsError(
                f"{name} has no pretrained weights here: `--weights none`, or the path of a file for it."
            )
        found = classifier.find_weights(weights, preprocessing)
        left = segmenter.carry_over(segmenter.network, found.state)
        new_layers = tuple(dict.fromkeys(name.rpartition(".")[0] for name in left))
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


def _holds_segmenter(weights: str, segmenter: Segmenter) -> bool:
    """Whether `weights` is a file with this segmenter's own last layer, not a classifier's."""
    return Path(weights).is_file() and f"{segmenter.head}.weight" in read_weights(Path(weights))


def _set_dropout(network: nn.Module, dropout: float) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d) and not name.startswith("backbone."):
            module.p = dropout
