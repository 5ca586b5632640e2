"""Saliency maps: Grad-CAM (Selvaraju 2017, arXiv:1610.02391), for masks Seg-Grad-CAM (Vinogradova 2020,
arXiv:2002.11434).

A map is the mean of the last channels that have height and width, each weighted by how much the class's score grows
with it. The channels are detached before the gradient is taken: frozen weights make no difference, and only the last
layers run backwards.
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
class SaliencyMaps:
    """maps: float32 (n, h, w), 0-1, all 0 where no channel supports the class. logits: (n, C, …).

    classes: indices (n,). layer: dotted name of the layer whose output, or for the head whose input, was used.
    """

    maps: Tensor
    logits: Tensor
    classes: Tensor
    layer: str


def compute_saliency(model: Model, images: Tensor, classes: Sequence[int] | None = None) -> SaliencyMaps:
    """Grad-CAM of normalised images (n, 3, h, w) for these classes; None: for those that are predicted.

    For masks the score of a class is the sum of its logits over the pixels that are predicted as it, or over all where
    there are none; without `classes` it is the class with most pixels. Raises ModelError for a model whose last
    layers have no height and width.
    """
    layer = choose_layer(model, images[:1])
    with _detach_at(model, layer) as seen, torch.enable_grad():
        logits = model(images).float()
        chosen = torch.as_tensor(classes if classes is not None else choose_classes(logits), device=logits.device)
        (gradient,) = torch.autograd.grad(_score(logits, chosen), seen[-1])
    across, channels = ((1, 2), 3) if layer.channels_last else ((2, 3), 1)
    weights = gradient.float().mean(across, keepdim=True)
    maps = F.relu((weights * seen[-1].detach().float()).sum(channels))
    return SaliencyMaps(maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-12), logits.detach(), chosen, layer.name)


def choose_classes(logits: Tensor) -> Tensor:
    """(n,) the predicted class; for masks, logits (n, C, h, w), the one with most pixels."""
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
class TargetLayer:
    """Where the gradient is taken: what layer `name` is given (is_input), or what it makes.

    channels_last: (n, h, w, channels), as in Swin transformers.
    """

    name: str
    is_input: bool
    channels_last: bool


def choose_layer(model: Model, image: Tensor) -> TargetLayer:
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
        return TargetLayer(model.head, is_input=True, channels_last=False)
    for name, shape in reversed(finished):
        if len(shape) == 3:  # tokens
            break
        channels_last = len(shape) == 4 and shape[3] == given[0][-1] != shape[1]
        if len(shape) == 4 and (shape[1] if channels_last else shape[3]) * shape[2] > 1:
            return TargetLayer(name, is_input=False, channels_last=channels_last)
    raise ModelError(
        f"{model.name} keeps no height and width in its last layers, as many transformers do not. Saliency maps need "
        "a convolutional network."
    )


@contextmanager
def _detach_at(model: Model, layer: TargetLayer) -> Iterator[list[Tensor]]:
    """Within the block what passes the layer is detached from what made it; these new leaves are collected."""
    leaves: list[Tensor] = []

    def detach(seen: Tensor) -> Tensor:
        leaves.append(seen.detach().requires_grad_())
        return leaves[-1].clone()  # a layer that works in place may change the copy

    module = model.network.get_submodule(layer.name)
    if layer.is_input:
        handle = module.register_forward_pre_hook(lambda _module, inputs: (detach(inputs[0]), *inputs[1:]))
    else:
        handle = module.register_forward_hook(lambda _module, _inputs, output: detach(output))
    try:
        yield leaves
    finally:
        handle.remove()


def locate_saliency(saliency: Floats) -> tuple[float | None, str]:
    """(fraction of the area that holds half of the saliency, where its centre is) of a map (h, w); None where it is 0.

    The centre is one of nine fields: `upper left`, `centre`, `middle right`.
    """
    total = float(saliency.sum())
    if total <= 0:
        return None, ""
    ordered = np.sort(saliency.ravel())[::-1].cumsum()
    area = float((np.searchsorted(ordered, total / 2) + 1) / saliency.size)
    height, width = saliency.shape
    row = int(3 * float((saliency.sum(1) * (np.arange(height) + 0.5)).sum()) / total / height)
    column = int(3 * float((saliency.sum(0) * (np.arange(width) + 0.5)).sum()) / total / width)
    if (row, column) == (1, 1):
        return area, "centre"
    return area, f"{ROWS[min(row, 2)]} {COLUMNS[min(column, 2)]}"
