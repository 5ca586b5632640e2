"""OpenVINO computes the network on a processor, two to four times as fast as torch does with bf16 instructions.

A linear head is a graph of its own: so features that were cached give the same logits as the whole network, to the bit.
"""

import copy
import warnings
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finesight.backend.device import Machine
from finesight.backend.engines.openvino_graph import (
    AT_ONCE,
    CompiledGraph,
    GraphKey,
    LinearHead,
    find_kept_graph,
    import_openvino,
    keep_graph,
    mark_as_narrowable,
    narrow_features,
    read_kept_graph,
)
from finesight.backend.engines.torch_engine import TorchEngine
from finesight.backend.workarounds import remove_workarounds
from finesight.data.transforms import normalise
from finesight.errors import FinesightError
from finesight.models.contract import Model

# Largest distance from torch's float32, relative to its length: bf16 leaves 0.004 to 0.03 in well-known networks
TOLERANCE = {"bf16": 0.08, "fp32": 1e-3}
TIMES_TORCH = 2  # or that of torch's own bf16, as often: in barely trained networks it leaves 0.1 to 0.3


class OpenVinoEngine:
    """The graph is made when the first image comes, and compared with torch once for each size of images.

    Raises FinesightError where a network cannot be converted, or computes something else.
    """

    normalises = True

    def __init__(self, model: Model, machine: Machine, is_final: bool = False) -> None:
        """is_final: whether the weights will not change, so that their graph is kept for the next process."""
        self._model = model
        self._is_final = is_final
        self._machine = machine
        self._graphs: dict[tuple[object, ...], CompiledGraph] = {}  # by height, width and type of images

    def logits(self, images: Tensor) -> Tensor:
        return self.logits_and_features(images)[0]

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images: also what a head alone sees, float32 (n, d)."""
        if not self._model.head:
            return torch.from_numpy(self._head.logits(images.numpy())), images
        kind = (*images.shape[-2:], images.dtype)
        if kind not in self._graphs:
            self._graphs[kind] = self._choose_graph(images)
        return self._compute(self._graphs[kind], images)

    def describe(self) -> dict[str, object]:
        return {"pixels_at_once": AT_ONCE, "linear_head": "float32"}

    def _compute(self, graph: CompiledGraph, images: Tensor) -> tuple[Tensor, Tensor]:
        *logits, features = self._compute_outputs(graph, images)
        found = logits[0] if logits else self._head.logits(features)
        return torch.from_numpy(found), torch.from_numpy(features)

    def _compute_outputs(self, graph: CompiledGraph, images: Tensor) -> list[np.ndarray]:
        return graph.compute((images if images.is_floating_point() else images.permute(0, 2, 3, 1)).numpy())

    @cached_property
    def _body(self) -> "_Body":
        return _Body(_plain_copy(self._model))

    @cached_property
    def _head(self) -> LinearHead:
        head = self._model.network.get_submodule(self._model.head)
        assert isinstance(head, nn.Linear)
        bias = torch.zeros(head.out_features) if head.bias is None else head.bias
        return LinearHead(*(values.detach().float().numpy().copy() for values in (head.weight, bias)))

    def _choose_graph(self, images: Tensor) -> CompiledGraph:
        """That which serves images of another size, or else a new one: some graphs are made for one size only."""
        error = torch.inf
        for graph in [graph for kind, graph in self._graphs.items() if kind[-1] == images.dtype][-1:]:
            error = self._measure_error(graph, images[:1])
            if error < self._find_limit(error, images):
                return graph
        path = self._find_kept(images) if self._is_final else None
        if path and find_kept_graph(path):  # it was compared before it was kept
            return self._compile(read_kept_graph(path), images)
        converted = self._convert(self._normalise(images[:2]))
        graph = self._compile(converted.clone(), images)
        error = self._measure_error(graph, images[:1])
        limit = self._find_limit(error, images)
        if error < limit:
            if path:
                self._keep(converted, graph, images, path)
            return graph
        raise FinesightError(
            f"OpenVINO computes something else than torch for this network: they differ by {error:.2g} of the values, "
            f"and {limit:.2g} is rounding. Choose --engine torch."
        )

    def _keep(self, converted: Any, graph: CompiledGraph, images: Tensor, path: Path) -> None:
        if not self._body.ends_before_head:
            narrow = self._compile(narrow_features(converted), images)
            found, expected = (self._compute_outputs(each, images)[0] for each in (narrow, graph))
            if np.array_equal(found, expected):
                mark_as_narrowable(converted)
        with suppress(OSError, RuntimeError):  # a full disk: the next process converts again
            keep_graph(converted, path)

    def _find_limit(self, error: float, images: Tensor) -> float:
        """What is rounding. torch is asked only where the error is too large for most networks."""
        limit = TOLERANCE[self._machine.precision]
        if self._machine.precision == "fp32" or error < limit or error == torch.inf:
            return limit
        with torch.inference_mode():
            rounded = TorchEngine(self._model, self._machine).logits_and_features(self._normalise(images[:1]))
        return max(limit, TIMES_TORCH * self._measure_distance(*rounded, images[:1]))

    def _measure_error(self, graph: CompiledGraph, images: Tensor) -> float:
        try:
            found = self._compute(graph, images)
        except RuntimeError:  # a graph for another size
            return torch.inf
        return self._measure_distance(*found, images)

    def _measure_distance(self, logits: Tensor, features: Tensor, images: Tensor) -> float:
        """Of the features, and of logits that OpenVINO computes, from torch's in float32."""
        with torch.inference_mode():
            found = self._body(self._normalise(images))
        pairs = [(features, found[-1])] + ([] if self._body.ends_before_head else [(logits, found[0])])
        if any(own.shape != reference.shape for own, reference in pairs):
            return torch.inf
        return max(float((own.float() - true).norm() / true.norm().clamp(min=1e-12)) for own, true in pairs)

    def _normalise(self, images: Tensor) -> Tensor:
        return images if images.is_floating_point() else normalise(images.float(), self._model.preprocessing)

    def _compile(self, graph: Any, images: Tensor) -> CompiledGraph:
        height, width = images.shape[-2:]
        is_stored, precision = not images.is_floating_point(), self._machine.precision
        try:
            return CompiledGraph(
                graph, (height, width), is_stored, self._model.preprocessing, precision, torch.get_num_threads()
            )
        except RuntimeError as error:
            raise FinesightError(
                f"OpenVINO cannot compute this network for images of {width} × {height}: {_shorten(error)}. "
                "Choose --engine torch."
            ) from None

    def _convert(self, images: Tensor) -> Any:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # it traces, which torch calls deprecated
            try:
                return import_openvino().convert_model(self._body, example_input=images)
            except Exception as error:  # of many kinds, OpenVINO's and torch's
                raise FinesightError(
                    f"OpenVINO cannot convert this network: {_shorten(error)}. Choose --engine torch."
                ) from None

    def _find_kept(self, images: Tensor) -> Path:
        """Where the graph of these weights is kept, for images of this size."""
        model, (height, width) = self._model, images.shape[-2:]
        weights = {name: values.detach().numpy() for name, values in model.network.state_dict().items()}
        return GraphKey(
            model.name, model.head, model.preprocessing, weights, (height, width), self._machine.precision
        ).path


def _shorten(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


class _Body(nn.Module):
    """What OpenVINO computes: (what the head sees,) before a linear head that comes last, else (logits, that)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.ends_before_head = self._ends_before_head()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        logits, features = self.model.forward_with_features(images)
        return (features,) if self.ends_before_head else (logits, features)

    @torch.inference_mode()
    def _ends_before_head(self) -> bool:
        head = self.model.network.get_submodule(self.model.head)
        if not isinstance(head, nn.Linear):
            return False
        logits, features = self.model.forward_with_features(torch.zeros(1, 3, *self.model.preprocessing.size))
        return features.ndim == 2 and torch.equal(head(features), logits)


def _plain_copy(model: Model) -> Model:
    """In float32, with the forward passes of its classes."""
    twin = copy.deepcopy(model).eval()
    remove_workarounds(twin.network)
    return twin.float()
