"""What every model offers: logits, the embedding before its head, and named layers in forward order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from finesight.config import Preprocessing
from finesight.models.layers import Layer, find_modules_before, trace_layers


@dataclass(frozen=True)
class WeightsOrigin:
    """Where weights come from.

    source: a description. sha256: of the file they were read from; empty if unknown.
    classes: names of the classes they were trained for, in order of the logits; empty if unknown.
    """

    source: str
    licence: str = ""
    sha256: str = ""
    classes: tuple[str, ...] = ()


class Model(nn.Module):
    """A plain torch network with what is needed to feed it, freeze it and read its layers.

    head: dotted name of the head in `network`. new_layers: those without pretrained weights, which train at the
    full learning rate. Weights are those of `network`, under its own names.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        head: str,
        num_classes: int,
        preprocessing: Preprocessing,
        origin: WeightsOrigin,
        task: str = "classification",
        new_layers: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.head = head
        self.new_layers = new_layers or (head,)
        self.num_classes = num_classes
        self.preprocessing = preprocessing
        self.origin = origin
        self.task = task
        self._traced: tuple[object, tuple[Layer, ...]] = (None, ())  # of what, and its layers

    def forward(self, images: Tensor) -> Tensor:
        """Logits of normalised float images n×3×h×w: n×C, for segmentation n×C×h×w."""
        logits: Tensor = self.network(images)
        return logits

    def embed(self, images: Tensor) -> Tensor:
        """The embedding, n×d: the head's input, averaged over height and width if it has these."""
        return pool(self.forward_with_features(images)[1])

    def forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, the head's input, n×d or n×d×h×w) of one forward pass.

        Where logits of several depths are summed, as in FCN8s and LR-ASPP, the head is that of the deepest.
        """
        features: list[Tensor] = []

        def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            features.append(inputs[0])

        handle = self.network.get_submodule(self.head).register_forward_pre_hook(keep)
        try:
            logits = self(images)
        finally:
            handle.remove()
        return logits, features[0]

    def layers(self) -> tuple[Layer, ...]:
        """Every module of the network in forward order, with output shapes at the size of `preprocessing`.

        Traced again only where a module or the size is another.
        """
        seen = (dict(self.network.named_modules()), self.preprocessing.size)
        if self._traced[0] != seen:
            self._traced = seen, trace_layers(self.network, self.preprocessing.size)
        return self._traced[1]

    def modules_before(self, layer: str) -> tuple[str, ...]:
        """Names of the modules that own weights or buffers and run before `layer` starts; "head" is the head.

        "" stands for the network's own parameters, such as a class token. Raises ModelError for an unknown layer.
        """
        rename_old = getattr(self.network, "rename_old_layer", str)  # for layer names in older runs
        name = self.head if layer == "head" else rename_old(layer)
        return find_modules_before(self.network, self.preprocessing.size, name)


def pool(features: Tensor) -> Tensor:
    """Embedding n×d of a head's input, n×d or n×d×h×w: the spatial mean."""
    return features.mean((2, 3)) if features.ndim == 4 else features


@dataclass(frozen=True)
class Entry:
    """A row of the model table.

    build: (num_classes, weights, dropout, size) → Model. parameters: with the classes of its pretrained weights; None
    if only building it shows. sources: values of model.weights that fetch weights; the first is "default".
    """

    task: str
    build: Callable[[int, str, float | None, tuple[int, int] | None], Model]
    parameters: int | None
    sources: tuple[str, ...]
