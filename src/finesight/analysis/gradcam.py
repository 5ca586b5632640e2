"""Where a network looks: Grad-CAM (Selvaraju 2017, arXiv:1610.02391), for masks Seg-Grad-CAM (Vinogradova 2020,
arXiv:2002.11434).

A map of the last channels that have height and width, each weighed by how much the class's score grows with it. They
are cut off from what made them before the gradient is taken: whether weights are frozen makes no difference, and only
the last layers are gone through backwards.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.analysis.distance import Floats
from finesight.errors import ModelError
from finesight.models.contract import Model

ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


@dataclass(frozen=True, eq=False)
class Attention:
    """maps: float32 (n, h, w), 0-1, 0 everywhere where nothing speaks for the class. logits: (n, C, …).

    classes: indices (n,). layer: dotted name of the layer whose output, or for the head whose input, was looked at.
    """

    maps: Tensor
    logits: Tensor
    classes: Tensor
    layer: str


def find_attention(model: Model, images: Tensor, classes: Sequence[int] | None = None) -> Attention:
    """Where the network looks in normalised images (n, 3, h, w) for these classes; None: for those it predicts.

    Of masks the score of a class is the sum of its logits over the pixels that are predicted as it, or over all where
    there are none; without `classes` it is the class with most pixels. Raises ModelError for a network whose last
    layers have no height and width.
    """
    place = find_place(model, images[:1])
    with _cut_off(model, place) as seen, torch.enable_grad():
        logits = model(images).float()
        chosen = torch.as_tensor(classes if classes is not None else choose_classes(logits), device=logits.device)
        (gradient,) = torch.autograd.grad(_score(logits, chosen), seen[-1])
    across, channels = ((1, 2), 3) if place.channels_last else ((2, 3), 1)
    weights = gradient.float().mean(across, keepdim=True)
    maps = F.relu((weights * seen[-1].detach().float()).sum(channels))
    return Attention(maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-12), logits.detach(), chosen, place.name)


def choose_classes(logits: Tensor) -> Tensor:
    """(n,) the predicted class; of masks (n, C, h, w) the one with most pixels."""
    predicted = logits.argmax(1)
    return predicted if predicted.ndim == 1 else predicted.flatten(1).mode(1).values


def _score(logits: Tensor, classes: Tensor) -> Tensor:
    rows = torch.arange(len(logits), device=logits.device)
    if logits.ndim == 2:
        return logits[rows, classes].sum()
    region = logits.argmax(1) == classes[:, None, None]
    region = region | ~region.any((1, 2))[:, None, None]
    return (logits[rows, classes] * region).sum()


@dataclass(frozen=True)
class Place:
    """Where the gradient is taken: what layer `name` is given (is_input), or what it makes.

    channels_last: (n, h, w, channels), as in Swin transformers.
    """

    name: str
    is_input: bool
    channels_last: bool


def find_place(model: Model, image: Tensor) -> Place:
    """What the head is given, where that has height and width; else the last output before that has. Raises ModelError.

    image: (1, 3, h, w), normalised.
    """
    model.eval()
    finished: list[tuple[str, tuple[int, ...]]] = []
    given: list[tuple[int, ...]] = []

    def note_head(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        given.append(tuple(inputs[0].shape))

    def note(name: str) -> Any:
        def finish(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not given:
                finished.append((name, tuple(output.shape)))

        return finish

    handles = [model.network.get_submodule(model.head).register_forward_pre_hook(note_head)]
    handles += [module.register_forward_hook(note(name)) for name, module in model.network.named_modules() if name]
    try:
        with torch.inference_mode():
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    if len(given[0]) == 4:
        return Place(model.head, is_input=True, channels_last=False)
    for name, shape in reversed(finished):
        if len(shape) == 3:  # tokens
            break
        channels_last = len(shape) == 4 and shape[3] == given[0][-1] != shape[1]
        if len(shape) == 4 and (shape[1] if channels_last else shape[3]) * shape[2] > 1:
            return Place(name, is_input=False, channels_last=channels_last)
    raise ModelError(
        f"{model.name} keeps no height and width in its last layers, as many transformers do not; where it looks can "
        "be shown of convolutional networks."
    )


@contextmanager
def _cut_off(model: Model, place: Place) -> Iterator[list[Tensor]]:
    """Within the block what passes the place is cut off from what made it; these new leaves are collected."""
    leaves: list[Tensor] = []

    def cut(seen: Tensor) -> Tensor:
        leaves.append(seen.detach().requires_grad_())
        return leaves[-1].clone()  # a layer that works in place may change the copy

    layer = model.network.get_submodule(place.name)
    if place.is_input:
        handle = layer.register_forward_pre_hook(lambda _module, inputs: (cut(inputs[0]), *inputs[1:]))
    else:
        handle = layer.register_forward_hook(lambda _module, _inputs, output: cut(output))
    try:
        yield leaves
    finally:
        handle.remove()


def find_focus(attention: Floats) -> tuple[float | None, str]:
    """(share of the area that holds half of the attention, where its centre is) of a map (h, w); None where it is 0.

    The centre is one of nine fields: `upper left`, `centre`, `middle right`.
    """
    total = float(attention.sum())
    if total <= 0:
        return None, ""
    ordered = np.sort(attention.ravel())[::-1].cumsum()
    area = float((np.searchsorted(ordered, total / 2) + 1) / attention.size)
    height, width = attention.shape
    row = int(3 * float((attention.sum(1) * (np.arange(height) + 0.5)).sum()) / total / height)
    column = int(3 * float((attention.sum(0) * (np.arange(width) + 0.5)).sum()) / total / width)
    if (row, column) == (1, 1):
        return area, "centre"
    return area, f"{ROWS[min(row, 2)]} {COLUMNS[min(column, 2)]}"
