"""Layers in forward order, found by running the network once: with an image, or without data where that takes long."""

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from finesight.errors import ModelError, suggest

LIGHT = 1.5e12  # weights × pixels: of common networks about a tenth of a second
CANNOT_RUN = (RuntimeError, AssertionError, ValueError)


@dataclass(frozen=True)
class Layer:
    """One module. `parameters` counts all inside it, `own_parameters` those it holds itself.

    output_shape: for a batch of one image; empty for a module that is never called.
    depth: 1 for a direct child of the network.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    depth: int
    own_parameters: int


def trace_layers(network: nn.Module, size: tuple[int, int]) -> tuple[Layer, ...]:
    """All modules but the network itself, in forward order, for one image of `size` (height, width)."""
    shapes = _run_once(network, size)
    modules = dict(network.named_modules())
    return tuple(
        Layer(
            name=name,
            type=type(modules[name]).__name__,
            output_shape=shapes.get(name, ()),
            parameters=sum(parameter.numel() for parameter in modules[name].parameters()),
            depth=name.count(".") + 1,
            own_parameters=sum(parameter.numel() for parameter in modules[name].parameters(recurse=False)),
        )
        for name in _order(modules, list(shapes))
        if name
    )


def find_modules_before(network: nn.Module, size: tuple[int, int], layer: str) -> tuple[str, ...]:
    """Names of the modules that own parameters or buffers and start before `layer`, in forward order.

    Empty for the first layer, before which only modules that contain it start.
    Raises ModelError for a layer that does not exist.
    """
    modules = dict(network.named_modules())
    if not layer or layer not in modules:
        hint = suggest(layer.replace("[", ".").replace("]", ""), modules)
        raise ModelError(f"No layer {layer!r} in this model. `finesight models NAME` lists its layers. {hint}".rstrip())
    order = _order(modules, list(_run_once(network, size)))
    before = tuple(name for name in order[: order.index(layer)] if owns_tensors(modules[name]))
    return before if any(name and not is_inside(layer, name) for name in before) else ()


def find_leaf_before(network: nn.Module, size: tuple[int, int], layer: str) -> str:
    """Name of the last module without submodules that starts before `layer`."""
    modules = dict(network.named_modules())
    order = _order(modules, list(_run_once(network, size)))
    return [name for name in order[: order.index(layer)] if not any(modules[name].children())][-1]


def owns_tensors(module: nn.Module) -> bool:
    """Whether a module has parameters or buffers of its own, outside its submodules."""
    return any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False))


def is_inside(name: str, *layers: str) -> bool:
    """Whether a dotted name is one of the layers, or lies in one."""
    return any(name == layer or name.startswith(f"{layer}.") for layer in layers)


def _order(modules: dict[str, nn.Module], called: list[str]) -> list[str]:
    """Module names by first start.

    A list of layers is never called: it starts with its first layer. A layer whose weights are used without a call
    (an attention's projections) starts with its parent, or last if its parent is the network.
    """
    start = {name: index for index, name in enumerate(called)}
    for name in called:
        for outer in _ancestors(name):
            start.setdefault(outer, start[name])
    for name in modules:  # parents are listed before children
        parent = name.rpartition(".")[0]
        start.setdefault(name, start[parent] if parent else len(called))
    position = {name: index for index, name in enumerate(modules)}
    return sorted(modules, key=lambda name: (start[name], name.count("."), position[name]))


def _ancestors(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _run_once(network: nn.Module, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Output shape of each called module, in order of first start."""
    kinds = {tensor.device.type for tensor in (*network.parameters(), *network.buffers())}
    try:
        if "meta" in kinds:
            return _run_without_data(network, size)
        if kinds != {"cpu"} or not _is_light(network, size):
            with suppress(*CANNOT_RUN):  # it looks at values, or uses tensors that are not buffers
                return _run_without_data(network, size)
        return _run_copy(_copy(network, Tensor.cpu), torch.zeros(1, 3, *size))
    except CANNOT_RUN as error:
        height, width = size
        raise ModelError(f"This model cannot take images of {height}×{width} pixels: {error}") from error


def _is_light(network: nn.Module, size: tuple[int, int]) -> bool:
    """Whether an image is through the network sooner than torch has imported what tensors without data need."""
    tensors = (*network.parameters(), *network.buffers())
    return sum(tensor.numel() for tensor in tensors) * size[0] * size[1] <= LIGHT


def _run_without_data(network: nn.Module, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    return _run_copy(copy_without_data(network), torch.empty(1, 3, *size, device="meta"))


def copy_without_data(network: nn.Module) -> nn.Module:
    return _copy(network, partial(torch.empty_like, device="meta"))


def _copy(network: nn.Module, convert: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy with converted tensors; of parameters that come out as they were, none is copied."""
    memo: dict[int, Any] = {
        id(parameter): nn.Parameter(convert(parameter.detach()), requires_grad=False)
        for parameter in network.parameters()
    }
    memo.update({id(buffer): convert(buffer.clone()) for buffer in network.buffers()})
    return copy.deepcopy(network, memo)


@torch.no_grad()
def _run_copy(network: nn.Module, image: Tensor) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    names = {module: name for name, module in network.named_modules()}
    finished: set[str] = set()

    def start(module: nn.Module, _inputs: Any) -> None:
        shapes.setdefault(names[module], ())

    def finish(module: nn.Module, _inputs: Any, output: Any) -> None:
        if names[module] not in finished:  # the first of several calls counts
            finished.add(names[module])
            shapes[names[module]] = _shape(output)

    for module in names:
        module.register_forward_pre_hook(start)
        module.register_forward_hook(finish)
    network.eval()(image)
    return shapes


def _shape(output: Any) -> tuple[int, ...]:
    """Shape of a tensor, or of the first one in a tuple, list or dict."""
    if isinstance(output, Tensor):
        return tuple(output.shape)
    inner = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return next((_shape(value) for value in inner), ())
