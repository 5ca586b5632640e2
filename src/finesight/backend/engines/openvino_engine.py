"""OpenVINO computes the network on a processor, two to four times as fast as torch does with bf16 instructions.

A linear head stays with torch: so features that were cached give the same logits as the whole network, to the bit.
"""

import copy
import hashlib
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finesight.backend.device import Machine, one_thread
from finesight.backend.workarounds import remove_workarounds
from finesight.cache import cache_folder
from finesight.config import Preprocessing
from finesight.data.transforms import normalise
from finesight.errors import FinesightError
from finesight.models.contract import Model

# Largest distance from torch's float32, relative to its length: bf16 leaves 0.004 to 0.03 in well-known networks
TOLERANCE = {"bf16": 0.08, "fp32": 1e-3}
AT_ONCE = 16 * 128 * 128  # pixels: what lies between two layers of more leaves the processor's cache
GRAPHS, MOST_GRAPHS = "openvino", 12  # folder in the cache; files of as many bytes as the weights
PRECISION_HINTS = {"bf16": "bf16", "fp32": "f32"}


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
        self._requests: dict[tuple[object, ...], list[Any]] = {}  # one a core, by height, width and type of images

    def logits(self, images: Tensor) -> Tensor:
        return self.logits_and_features(images)[0]

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        kind = (*images.shape[-2:], images.dtype)
        if kind not in self._requests:
            self._requests[kind] = self._choose_requests(images)
        return self._compute(self._requests[kind], images)

    def describe(self) -> dict[str, object]:
        return {"pixels_at_once": AT_ONCE}

    def _compute(self, requests: Sequence[Any], images: Tensor) -> tuple[Tensor, Tensor]:
        """In parts, each by one core: so that cores need not wait for each other, nor rounding depends on them."""
        inputs = images if images.is_floating_point() else images.permute(0, 2, 3, 1)
        size = max(1, AT_ONCE // (images.shape[-2] * images.shape[-1]))
        parts = [inputs[start : start + size].contiguous().numpy() for start in range(0, len(inputs), size)]
        found: list[list[np.ndarray]] = []
        for number, part in enumerate(parts):
            if number >= len(requests):
                found.append(_wait_for(requests[number % len(requests)]))
            requests[number % len(requests)].start_async([part], share_inputs=True)
        found += [_wait_for(requests[number % len(requests)]) for number in range(len(found), len(parts))]
        *logits, features = (torch.from_numpy(np.concatenate(each)) for each in zip(*found, strict=True))
        if logits:
            return logits[0], features
        with self._machine.autocast(), one_thread():
            return self._head(features), features

    @cached_property
    def _body(self) -> "_Body":
        return _Body(_plain_copy(self._model))

    @property
    def _head(self) -> nn.Module:
        return self._model.network.get_submodule(self._model.head)

    def _choose_requests(self, images: Tensor) -> list[Any]:
        """Those that serve images of another size, or else new ones: some graphs are made for one size only."""
        openvino = _import_openvino()
        error = torch.inf
        for requests in [requests for kind, requests in self._requests.items() if kind[-1] == images.dtype][-1:]:
            error = self._measure_error(requests, images[:1])
            if error < self._tolerance:
                return requests
        path = self._find_kept(openvino, images) if self._is_final else None
        if path and (graph := _read_kept(openvino, path)):  # it was compared before it was kept
            return self._compile(openvino, graph, images)
        graph = self._convert(openvino, self._normalise(images[:2]))
        requests = self._compile(openvino, graph.clone(), images)
        error = self._measure_error(requests, images[:1])
        if error < self._tolerance:
            if path:
                with suppress(OSError, RuntimeError):  # a full disk: the next process converts again
                    _keep(openvino, graph, path)
            return requests
        raise FinesightError(
            f"OpenVINO computes something else than torch for this network: they differ by {error:.2g} of the values, "
            f"and {self._tolerance:.2g} is rounding. Choose --engine torch."
        )

    @property
    def _tolerance(self) -> float:
        return TOLERANCE[self._machine.precision]

    def _measure_error(self, requests: Sequence[Any], images: Tensor) -> float:
        """Distance of the features, and of logits that OpenVINO computes, from torch's in float32."""
        try:
            logits, features = self._compute(requests, images)
        except RuntimeError:  # a graph for another size
            return torch.inf
        with torch.inference_mode():
            found = self._body(self._normalise(images))
        pairs = [(features, found[-1])] + ([] if self._body.ends_before_head else [(logits, found[0])])
        if any(own.shape != reference.shape for own, reference in pairs):
            return torch.inf
        return max(float((own - true).norm() / true.norm().clamp(min=1e-12)) for own, true in pairs)

    def _normalise(self, images: Tensor) -> Tensor:
        return images if images.is_floating_point() else normalise(images.float(), self._model.preprocessing)

    def _compile(self, openvino: Any, graph: Any, images: Tensor) -> list[Any]:
        preprocessing = self._model.preprocessing
        if preprocessing.fit != "native":  # all images have one size: known beforehand, a fifth faster
            graph.reshape([-1, *images.shape[1:]])
        if not images.is_floating_point():
            graph = _let_normalise(openvino, graph, preprocessing)
        hints = {
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[self._machine.precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": torch.get_num_threads(),
        }
        compiled = openvino.Core().compile_model(graph, "CPU", hints)
        return [compiled.create_infer_request() for _ in range(torch.get_num_threads())]

    def _convert(self, openvino: Any, images: Tensor) -> Any:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # it traces, which torch calls deprecated
            try:
                return openvino.convert_model(self._body, example_input=images)
            except Exception as error:  # of many kinds, OpenVINO's and torch's
                reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
                raise FinesightError(
                    f"OpenVINO cannot convert this network: {reason}. Choose --engine torch."
                ) from None

    def _find_kept(self, openvino: Any, images: Tensor) -> Path:
        """Where the graph of these weights is kept, for images of this size."""
        digest = hashlib.blake2b(digest_size=16)
        packages = (version(name) for name in ("torch", "torchvision", "timm", "finesight"))
        for word in (self._model.name, str(tuple(images.shape[-2:])), openvino.__version__, *packages):
            digest.update(word.encode() + b"\0")
        for tensor in self._model.state_dict().values():
            digest.update(tensor.detach().contiguous().numpy().data)
        return cache_folder() / GRAPHS / f"{digest.hexdigest()}.xml"


def _wait_for(request: Any) -> list[np.ndarray]:
    """The outputs of a request that was started."""
    request.wait()
    return [tensor.data.copy() for tensor in request.output_tensors]


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


def _let_normalise(openvino: Any, graph: Any, preprocessing: Preprocessing) -> Any:
    """The graph for stored images, uint8 (n, h, w, 3), as Pillow gives them."""
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    floats = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    floats.mean([255 * value for value in preprocessing.mean]).scale([255 * value for value in preprocessing.std])
    return steps.build()


def _keep(openvino: Any, graph: Any, path: Path) -> None:
    """Writes a graph, whole or not at all, with the digest of its files, and removes the oldest of many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        fresh = Path(folder) / path.name
        openvino.save_model(graph, fresh, compress_to_fp16=False)
        fresh.with_suffix(".digest").write_text(_digest(fresh))
        for ending in (".digest", ".bin", ".xml"):  # the one that is looked for comes last
            fresh.with_suffix(ending).replace(path.with_suffix(ending))
    for old in sorted(path.parent.glob("*.xml"), key=lambda each: each.stat().st_mtime)[:-MOST_GRAPHS]:
        for ending in (".xml", ".bin", ".digest"):
            old.with_suffix(ending).unlink(missing_ok=True)


def _read_kept(openvino: Any, path: Path) -> Any:
    """The graph that `_keep` wrote; None where there is none, or its files are no longer what was written."""
    try:
        is_whole = path.with_suffix(".digest").read_text() == _digest(path)
    except (OSError, UnicodeDecodeError):
        return None
    return openvino.Core().read_model(path) if is_whole else None


def _digest(path: Path) -> str:
    """Of both files of a graph."""
    digest = hashlib.blake2b(digest_size=16)
    for ending in (".xml", ".bin"):
        digest.update(path.with_suffix(ending).read_bytes())
    return digest.hexdigest()


def _import_openvino() -> Any:
    """Without the package that reports its usage over the network: OpenVINO does without where it is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None: importing it fails
    import openvino

    return openvino
