"""architecture.json: the layers of a network and their sizes, and how two networks differ."""

from dataclasses import dataclass

from finesight.run.plain import Result


@dataclass(frozen=True)
class ListedModel(Result):
    """An entry of the table of models. parameters: None where only building tells. weights: their sources."""

    name: str
    task: str
    parameters: int | None
    weights: tuple[str, ...]


@dataclass(frozen=True)
class NetworkSize(Result):
    """parameters: all of them; those of frozen layers are not trainable."""

    name: str = ""
    parameters: int = 0
    trainable: int = 0
    frozen: int = 0


@dataclass(frozen=True)
class LayerSummary(Result):
    """output_shape: for a batch of one image; empty for a module that is never called. parameters: all inside it.

    frozen: whether everything in it with weights or buffers is.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    frozen: bool


@dataclass(frozen=True)
class NetworkSummary(NetworkSize):
    """layers: in forward order."""

    layers: tuple[LayerSummary, ...] = ()


@dataclass(frozen=True)
class DescribedModel(Result):
    """text: the network as torch prints it."""

    network: NetworkSummary
    text: str


@dataclass(frozen=True)
class LayerChange(Result):
    """A layer of both networks: (first, second) of what differs, None of what does not."""

    name: str
    type: tuple[str, str] | None = None
    output_shape: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    parameters: tuple[int, int] | None = None


@dataclass(frozen=True)
class NetworkDifference(Result):
    """only_first, only_second: names of layers. changed: layers of both that differ. diff: unified, a line a layer."""

    first: NetworkSize
    second: NetworkSize
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    changed: tuple[LayerChange, ...]
    diff: tuple[str, ...]

    @property
    def is_in_size_only(self) -> bool:
        """Whether the layers are the same, and only their outputs differ in shape, as the images do in size."""
        same = not self.only_first and not self.only_second and self.first.frozen == self.second.frozen
        changes = [change.type is None and change.parameters is None for change in self.changed]
        return same and bool(changes) and all(changes)
