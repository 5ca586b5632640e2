"""What OpenVINO computes, and the cache that keeps it for the next process. Nothing in here needs torch."""

import hashlib
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from finesight.backend.processor import name_processor
from finesight.backend.signal_stack import kept_signal_stack
from finesight.cache import cache_folder
from finesight.config import Preprocessing

AT_ONCE = 8 * 128 * 128  # pixels: what lies between two layers of more leaves the processor's cache
REQUESTS_A_THREAD = 2  # so that no thread waits until its last part is taken away
ROWS_AT_ONCE = 64  # of features under a linear head: always as many, so that rounding does not depend on their number
GRAPHS, MOST_GRAPHS = "openvino", 12  # folder in the cache; files of as many bytes as the weights
NARROWABLE = ["finesight", "narrowable"]  # of a graph's notes
PRECISION_HINTS = {"bf16": "bf16", "fp32": "f32"}
PACKAGES = ("torch", "torchvision", "timm", "openvino", "finesight")  # that decide what a network's graph computes

Started = tuple[Any, np.ndarray]  # a request, and its input: not copied, so that it has to stay until the end


class CompiledGraph:
    """A graph compiled for images of one size and type: stored ones, uint8 (n, h, w, 3), or normalised float32
    (n, 3, h, w). threads: cores, of which each computes a part of a batch.
    """

    def __init__(
        self,
        graph: Any,
        size: tuple[int, int],
        is_stored: bool,
        preprocessing: Preprocessing,
        precision: str,
        threads: int,
    ) -> None:
        if preprocessing.fit != "native":  # all images have one size: known beforehand, a fifth faster
            graph.reshape([-1, 3, *size])
        if is_stored:
            graph = _let_normalise(graph, preprocessing)
        compiled = _compile(graph, PRECISION_HINTS[precision], threads)
        self._requests = [compiled.create_infer_request() for _ in range(REQUESTS_A_THREAD * threads)]
        self._pixels = 0 if is_stored else 1  # first of the axes height and width, beside the batch's

    def compute(self, images: np.ndarray) -> list[np.ndarray]:
        """The graph's outputs (n, …)."""
        outputs, start = list[np.ndarray](), 0
        for part in self.compute_parts(self.split(images)):
            outputs = outputs or [np.empty((len(images), *each.shape[1:]), each.dtype) for each in part]
            for output, each in zip(outputs, part, strict=True):
                output[start : start + len(each)] = each
            start += len(part[0])
        return outputs

    def split(self, images: np.ndarray) -> list[np.ndarray]:
        """Parts for one core each: cores need not wait for each other, nor does rounding depend on them."""
        height, width = images.shape[1 + self._pixels : 3 + self._pixels]
        size = max(1, AT_ONCE // (height * width))
        return [np.ascontiguousarray(images[start : start + size]) for start in range(0, len(images), size)]

    def compute_parts(self, parts: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """The outputs of each part in order, valid until the next are asked for. Some parts are taken ahead."""
        waiting = deque[Started]()
        try:
            for request, part in zip(cycle(self._requests), parts):  # the requests never end
                if len(waiting) == len(self._requests):
                    yield _wait_for(waiting.popleft())
                waiting.append(_start(request, part))
            while waiting:
                yield _wait_for(waiting.popleft())
        finally:  # also where nobody asks for the rest: they read images that are about to be freed
            for started in waiting:
                _wait_for(started)


class LinearHead:
    """logits = features · weightᵀ + bias, in float32, on one core. weight: (C, d); bias: (C,)."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        openvino = import_openvino()
        from openvino import opset13 as operations

        features = operations.parameter([ROWS_AT_ONCE, weight.shape[1]], np.float32)
        product = operations.matmul(features, operations.constant(weight), False, True)
        graph = openvino.Model([operations.add(product, operations.constant(bias))], [features], "head")
        self._request = _compile(graph, "f32", threads=1).create_infer_request()

    def logits(self, features: np.ndarray) -> np.ndarray:
        """float32 (n, C) of float32 (n, d)."""
        found = []
        for start in range(0, len(features), ROWS_AT_ONCE):
            part = features[start : start + ROWS_AT_ONCE]
            rows = np.zeros((ROWS_AT_ONCE, features.shape[1]), np.float32)
            rows[: len(part)] = part
            found.append(_wait_for(_start(self._request, rows))[0][: len(part)].copy())
        return np.concatenate(found)


def _compile(graph: Any, precision_hint: str, threads: int) -> Any:
    hints = {"INFERENCE_PRECISION_HINT": precision_hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
    with kept_signal_stack():
        return import_openvino().Core().compile_model(graph, "CPU", hints)


def _start(request: Any, values: np.ndarray) -> Started:
    request.set_input_tensor(import_openvino().Tensor(values, shared_memory=True))  # half the time of start_async's own
    request.start_async()
    return request, values


def _wait_for(started: Started) -> list[np.ndarray]:
    """The request's outputs. They are valid until its next start."""
    request, _ = started
    request.wait()
    return [tensor.data for tensor in request.output_tensors]


def _let_normalise(graph: Any, preprocessing: Preprocessing) -> Any:
    """The graph for stored images, uint8 (n, h, w, 3), as Pillow gives them."""
    openvino = import_openvino()
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    floats = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    floats.mean([255 * value for value in preprocessing.mean]).scale([255 * value for value in preprocessing.std])
    return steps.build()


def narrow_features(graph: Any) -> Any:
    """A copy whose features are only the first channel: all of those of masks take a tenth of the time to hand out.

    Without any the logits would be rounded in another way: OpenVINO computes what leads to an output in float32.
    """
    from openvino import opset13 as operations

    narrow = graph.clone()
    whole = narrow.outputs[1].get_node()
    zero, one = (operations.constant(np.array([number], np.int64)) for number in (0, 1))
    channel = operations.slice(whole.input(0).get_source_output(), zero, one, one, one)  # from 0 to 1, axis 1
    narrow.remove_result(whole)
    narrow.add_results([operations.result(channel)])
    return narrow


def mark_as_narrowable(graph: Any) -> None:
    """Says in the graph that `narrow_features` leaves its logits as they are, to the bit."""
    graph.set_rt_info(True, NARROWABLE)


def is_narrowable(graph: Any) -> bool:
    return bool(graph.has_rt_info(NARROWABLE))


@dataclass(frozen=True)
class GraphKey:
    """What a kept graph is found by: a network with its weights, the size of images, this machine's arithmetic.

    weights: float arrays by name, as the network names them. precision: of PRECISION_HINTS, in which the graph was
    compared with torch.
    """

    name: str
    head: str
    preprocessing: Preprocessing
    weights: Mapping[str, np.ndarray]
    size: tuple[int, int]
    precision: str

    @property
    def path(self) -> Path:
        digest = hashlib.blake2b(digest_size=16)
        words = (self.name, self.head, str(self.preprocessing), str(self.size), self.precision, name_processor())
        for word in (*words, *map(version, PACKAGES)):
            digest.update(word.encode() + b"\0")
        for name, values in sorted(self.weights.items()):
            digest.update(f"{name} {values.dtype} {values.shape}\0".encode())
            digest.update(np.ascontiguousarray(values).data)
        return cache_folder() / GRAPHS / f"{digest.hexdigest()}.xml"


def keep_graph(graph: Any, path: Path) -> None:
    """Writes a graph, whole or not at all, with the digest of its files, and removes the oldest of many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        fresh = Path(folder) / path.name
        import_openvino().save_model(graph, fresh, compress_to_fp16=False)
        fresh.with_suffix(".digest").write_text(_digest(fresh))
        for ending in (".digest", ".bin", ".xml"):  # the one that is looked for comes last
            fresh.with_suffix(ending).replace(path.with_suffix(ending))
    for old in sorted(path.parent.glob("*.xml"), key=lambda each: each.stat().st_mtime)[:-MOST_GRAPHS]:
        for ending in (".xml", ".bin", ".digest"):
            old.with_suffix(ending).unlink(missing_ok=True)


def find_kept_graph(path: Path) -> bool:
    """Whether `keep_graph` wrote a graph there, and its files are still what was written."""
    try:
        return path.with_suffix(".digest").read_text() == _digest(path)
    except (OSError, UnicodeDecodeError):
        return False


def read_kept_graph(path: Path) -> Any:
    """The graph that `find_kept_graph` found."""
    return import_openvino().Core().read_model(path)


def _digest(path: Path) -> str:
    """Of both files of a graph."""
    digest = hashlib.blake2b(digest_size=16)
    for ending in (".xml", ".bin"):
        digest.update(path.with_suffix(ending).read_bytes())
    return digest.hexdigest()


def import_openvino() -> Any:
    """Without the package that reports its usage over the network: OpenVINO does without where it is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # None: importing it fails
    import openvino

    return openvino
