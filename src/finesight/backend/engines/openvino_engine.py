"""OpenVINO computes the network on a processor, two to four times as fast as torch does with bf16 instructions.

A linear head stays with torch: so features that were cached give the same logits as the whole network, to the bit.
"""

import copy
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from finesight.backend.device import Machine
from finesight.backend.workarounds import remove_workarounds
from finesight.errors import FinesightError
from finesight.models.contract import Model

# Largest distance from torch's float32, relative to its length: bf16 leaves 0.004 to 0.03 in well-known networks
TOLERANCE = {"bf16": 0.08, "fp32": 1e-3}
PRECISION_HINTS = {"bf16": "bf16", "fp32": "f32"}


class OpenVinoEngine:
    """The graph is made when the first image comes, and compared with torch once for each size of images.

    Raises FinesightError where a network cannot be converted, or computes something else.
    """

    def __init__(self, model: Model, machine: Machine) -> None:
        self._network = _Body(_plain_copy(model))
        self._head = model.network.get_submodule(model.head) if self._network.ends_before_head else None
        self._machine = machine
        self._requests: dict[tuple[int, ...], Any] = {}  # by height and width

    def logits(self, images: Tensor) -> Tensor:
        return self.logits_and_features(images)[0]

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        size = images.shape[-2:]
        if size not in self._requests:
            self._requests[size] = self._choose_request(images)
        return self._compute(self._requests[size], images)

    def _compute(self, request: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        found = request.infer([images.contiguous().numpy()], share_inputs=True)
        *logits, features = (torch.from_numpy(found[index].copy()) for index in range(len(found)))
        if self._head is None:
            return logits[0], features
        with self._machine.autocast():
            return self._head(features), features

    def _choose_request(self, images: Tensor) -> Any:
        """The one that serves images of another size, or else a new one: some graphs are made for one size only."""
        error = torch.inf
        for request in self._offer_requests(images):
            error = self._measure_error(request, images[:1])
            if error < self._tolerance:
                return request
        raise FinesightError(
            f"OpenVINO computes something else than torch for this network: they differ by {error:.2g} of the values, "
            f"and {self._tolerance:.2g} is rounding. Choose --engine torch."
        )

    def _offer_requests(self, images: Tensor) -> Iterator[Any]:
        yield from list(self._requests.values())[-1:]
        yield self._make_request(images)

    @property
    def _tolerance(self) -> float:
        return TOLERANCE[self._machine.precision]

    def _measure_error(self, request: Any, images: Tensor) -> float:
        """Distance of the features, and of logits that OpenVINO computes, from torch's in float32."""
        try:
            logits, features = self._compute(request, images)
        except RuntimeError:  # a graph for another size
            return torch.inf
        with torch.inference_mode():
            found = self._network(images)
        pairs = [(features, found[-1])] + ([(logits, found[0])] if self._head is None else [])
        if any(own.shape != reference.shape for own, reference in pairs):
            return torch.inf
        return max(float((own - true).norm() / true.norm().clamp(min=1e-12)) for own, true in pairs)

    def _make_request(self, images: Tensor) -> Any:
        openvino = _import_openvino()
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # it traces, which torch calls deprecated
            try:
                graph = openvino.convert_model(self._network, example_input=images[:2])
            except Exception as error:  # of many kinds, OpenVINO's and torch's
                reason = str(error).strip().splitlines()[0]
                raise FinesightError(
                    f"OpenVINO cannot convert this network: {reason}. Choose --engine torch."
                ) from None
        hints = {
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[self._machine.precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }
        return openvino.Core().compile_model(graph, "CPU", hints).create_infer_request()


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


def _import_openvino() -> Any:
    """Without the package that reports its usage over the network: OpenVINO does without where it is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None: importing it fails
    import openvino

    return openvino
