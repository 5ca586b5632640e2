"""What every network promises: logits, the embedding its last layer sees, and layers with names in forward order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from finesight.config import Preprocessing
from finesight.models.layers import Layer, find_modules_before, trace_layers


@dataclass(frozen=True)
class WeightsOrigin:
    """Where weights come from.

    source: in words a person can follow. sha256: of the file they were read from; empty where no file is known.
    classes: names of the classes they were trained for, in order of their logits; empty where unknown.
    """

    source: str
    licence: str = ""
    sha256: str = ""
    classes: tuple[str, ...] = ()


class Model(nn.Module):
    """A plain torch network and what is needed to feed, freeze and read it.

    head: dotted name, inside `network`, of the last layer. Weights are those of `network`, under its own names.
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
        self.new_layers = new_layers or (head,)  # what the weights held nothing for: learns at the full rate
        self.num_classes = num_classes
        self.preprocessing = preprocessing
        self.origin = origin
        self.task = task

    def forward(self, images: Tensor) -> Tensor:
        """Logits of normalised float images n×3×h×w: n×C, for segmentation n×C×h×w."""
        logits: Tensor = self.network(images)
        return logits

    def embed(self, images: Tensor) -> Tensor:
        """What the last layer sees, n×d; its spatial mean where it has height and width."""
        return pool(self.forward_and_see(images)[1])

    def forward_and_see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, what the last layer sees, n×d or n×d×h×w) of one pass.

        Where scores of several depths are summed, as in FCN8s and LR-ASPP, the last layer is that of the deepest.
        """
        seen: list[Tensor] = []

        def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen.append(inputs[0])

        handle = self.network.get_submodule(self.head).register_forward_pre_hook(keep)
        try:
            logits = self(images)
        finally:
            handle.remove()
        return logits, seen[0]

    def layers(self) -> tuple[Layer, ...]:
        """Every module of the network in forward order, with output shapes at the size of `preprocessing`."""
        return trace_layers(self.network, self.preprocessing.size)

    def modules_before(self, layer: str) -> tuple[str, ...]:
        """Names of the modules that own weights or buffers and run before `layer` starts; "head" is the last layer.

        "" is the network itself: its own parameters (a class token). Raises ModelError for an unknown layer.
        """
        rename_old = getattr(self.network, "rename_old_layer", str)  # a run of before may name a layer as it was then
        name = self.head if layer == "head" else rename_old(layer)
        return find_modules_before(self.network, self.preprocessing.size, name)


def pool(seen: Tensor) -> Tensor:
    """n×d of what a last layer sees, n×d or n×d×h×w: the spatial mean."""
    return seen.mean((2, 3)) if seen.ndim == 4 else seen


@dataclass(frozen=True)
class Entry:
    """A row of the model table.

    build: (num_classes, weights, dropout, size) → Model. parameters: with the classes of its pretrained weights; None
    where only building tells. sources: the values of model.weights that fetch something; the first is "default".
    """

    task: str
    build: Callable[[int, str, float | None, tuple[int, int] | None], Model]
    parameters: int | None
    sources: tuple[str, ...]
