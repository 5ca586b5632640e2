"""Strict loading: every tensor is used or reported, whatever names a training script or older version gave it."""

import contextlib
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from finesight.config import Preprocessing
from finesight.errors import WeightsError
from finesight.models.checkpoint_files import read_weights
from finesight.models.contract import WeightsOrigin
from finesight.models.layers import copy_without_data, is_inside
from finesight.progress import say

LISTED = 5  # names an error prints of each kind
AVERAGED = ("ema", "swa", "averag")  # in prefixes of averaged weights: the network's own are preferred

State = Mapping[str, Tensor]
Fit = Callable[[nn.Module, State], State]


@dataclass(frozen=True)
class Weights:
    """Tensors by the network's names, and what travels with them.

    new: prefixes of layers without weights, beside the head.
    """

    state: State
    origin: WeightsOrigin
    preprocessing: Preprocessing
    new: tuple[str, ...] = ()


def read_file(path: Path) -> tuple[dict[str, Tensor], WeightsOrigin]:
    """Tensors of a user's file, and their origin. Raises WeightsError."""
    return read_weights(path), WeightsOrigin(source=f"file {path.name}", sha256=file_sha256(path))


def find_prefix(state: State, own: Collection[str]) -> tuple[str, list[str]]:
    """The prefix of a network's names in a file, mostly empty; and other prefixes that fit as well.

    Wrappers and training scripts add prefixes: `module.`, `model.`, `state_dict.`, `model_ema.module.`.
    own: the network's names.
    """
    known = set(own)
    votes = Counter(name[: len(name) - len(end)] for name in state for end in _ends(name) if end in known)
    order = {prefix: index for index, prefix in enumerate(votes)}
    ranked = sorted(
        (prefix for prefix in votes if 2 * sum(name.startswith(prefix) for name in state) >= len(known)),
        key=lambda prefix: (-votes[prefix], prefix != "", _is_averaged(prefix), order[prefix]),
    )
    best, *others = ranked or [""]
    return best, [prefix for prefix in others if votes[prefix] == votes[best]]


def _ends(name: str) -> Iterator[str]:
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield name


def _is_averaged(prefix: str) -> bool:
    return any(word in prefix.lower() for word in AVERAGED)


def take_network(state: State, own: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a file that belong to a network with the names `own`, under these names. Notes the others."""
    prefix, others = find_prefix(state, own)
    taken = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    beside = [name for name in state if not name.startswith((prefix, *others))]
    if others:
        names = ", ".join(ascii(other) for other in others[:LISTED])
        say(f"Note: the weights file contains this model more than once; {prefix!a} was used, not {names}.")
    if beside:
        say(f"Note: ignored in the weights file, as not part of this model: {_list('tensors', beside)}.")
    return taken


def load_strictly(network: nn.Module, state: State, new: tuple[str, ...] = (), fit: Fit | None = None) -> None:
    """Copies `state` into `network`. Only layers under the prefixes `new` keep their values.

    The network's names may have a prefix in `state`, and the network may rename those of older files. If that is not
    enough, `fit` is tried: (network, state) → state, as the library adapts the files it publishes.
    Raises WeightsError, before anything is changed, listing what is missing, left over or of another shape.
    """
    given = take_network(state, network.state_dict())
    trial = _try_all(network, given, new)
    if fit and not trial.is_complete:
        fitted = fit(network, given)
        trial = _try_all(network, fitted, new)
        if trial.is_complete:
            say_resized(given, {name: tensor for name, tensor in fitted.items() if name in trial.loaded})
    if not trial.is_complete:
        raise WeightsError(trial.describe())
    own = network.state_dict()
    with torch.no_grad():
        for name, tensor in trial.loaded.items():
            own[name].copy_(tensor)


def say_resized(before: State, after: State) -> None:
    """Notes which tensors a library's adaptation changed in shape."""
    resized = [name for name in after if name in before and before[name].shape != after[name].shape]
    if resized:
        say(f"Note: interpolated from the weights' image size to this one: {_list('tensors', resized)}.")


def find_class_layers(network: nn.Module, state: State, head: str) -> tuple[str, ...]:
    """Layers whose shapes in `state` differ only in the number of classes, which is that of the layer `head`."""
    own = network.state_dict()
    if head not in {name.rpartition(".")[0] for name in state}:
        return ()
    classes = (len(state[f"{head}.weight"]), len(own[f"{head}.weight"]))

    def differs(name: str) -> bool:
        pairs = list(zip(state[name].shape, own[name].shape, strict=False))
        is_of_classes = state[name].ndim == own[name].ndim and all(a == b or (a, b) == classes for a, b in pairs)
        return is_of_classes and state[name].shape != own[name].shape

    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in own if name in state and differs(name)))


@dataclass
class _Trial:
    """Outcome of loading a state, by the network's names."""

    loaded: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return not (self.missing or self.left_over or self.misshapen)

    def describe(self) -> str:
        found = {"missing": self.missing, "left over": self.left_over, "of another shape": self.misshapen}
        lists = "; ".join(_list(label, names) for label, names in found.items())
        return f"These weights are of another architecture: {lists}."


def _try_all(network: nn.Module, state: State, new: tuple[str, ...]) -> _Trial:
    """Reads a state without versions as today's, else as the oldest."""
    given = {name: tensor for name, tensor in state.items() if not is_inside(name, *new)}
    trial = _try_on(network, given, new, is_current=True)
    if not trial.is_complete:
        older = _try_on(network, given, new, is_current=False)
        trial = older if older.is_complete else trial
    return trial


def _try_on(network: nn.Module, given: State, new: tuple[str, ...], is_current: bool) -> _Trial:
    """Loads into a copy without data, by the network's own hooks, which rename what older versions wrote."""
    twin = copy_without_data(network)
    before = twin.state_dict(keep_vars=True)
    state = OrderedDict(given)
    if is_current:
        state._metadata = before._metadata  # type: ignore[attr-defined]
    trial = _Trial()

    def keep(_module: nn.Module, keys: tuple[list[str], list[str]]) -> None:
        # files older than torch 0.4.1 lack this counter, which only layers without momentum read
        unread = (*new, *(name for name in keys[0] if name.endswith("num_batches_tracked")))
        trial.missing = [name for name in keys[0] if not is_inside(name, *unread)]
        trial.left_over = list(keys[1])

    twin.register_load_state_dict_post_hook(keep)  # type: ignore[no-untyped-call]
    with contextlib.suppress(RuntimeError, ValueError):  # another shape (the rest is loaded), or an unknown version
        twin.load_state_dict(state, strict=False, assign=True)
    after = twin.state_dict(keep_vars=True)
    trial.loaded = {name: tensor.detach() for name, tensor in after.items() if tensor is not before.get(name)}
    absent = {name for name in before if name.endswith("num_batches_tracked")} | set(trial.missing)
    trial.misshapen = [
        f"{name} {list(given[name].shape) if name in given else ''} for {list(tensor.shape)}"
        for name, tensor in before.items()
        if name not in trial.loaded and name not in absent and not is_inside(name, *new)
    ]
    return trial


def _list(label: str, names: list[str]) -> str:
    shown = ", ".join(ascii(name)[1:-1] for name in names[:LISTED])  # names in a file may hold terminal escapes
    return f"{len(names)} {label}" + (f" ({shown}{', …' if len(names) > LISTED else ''})" if names else "")


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
