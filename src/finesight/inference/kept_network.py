"""A run's network as a graph that an earlier prediction kept. It needs no torch, which takes seconds to import."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open

from finesight import distributed
from finesight.backend.engines import why_not
from finesight.backend.engines.openvino_graph import (
    CompiledGraph,
    GraphKey,
    LinearHead,
    find_kept_graph,
    is_narrowable,
    narrow_features,
    read_kept_graph,
)
from finesight.backend.freed_memory import keep_freed_memory
from finesight.config import MachineSettings, Preprocessing
from finesight.data.batches import evaluation_batch
from finesight.inference.network import ImageGroup, PendingMask
from finesight.metrics.mask_decision import decide_mask
from finesight.run import schema
from finesight.run.computed_by import read_engine
from finesight.run.folder import RunFolder

T = TypeVar("T")
ENGINE = "openvino"


@dataclass(eq=False)
class KeptNetwork:
    """The weights, the engine and the arithmetic of the predictor that kept it: its logits are the same to the bit."""

    preprocessing: Preprocessing
    batch_size: int
    opening: Future[tuple[CompiledGraph, LinearHead | None]]  # no head where the graph has the logits
    engine_name: str = ENGINE
    uses_tta: bool = False

    def compute_logits(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """As of `Network`."""
        batches = _await_first(batches)
        graph, head = self.opening.result()
        counts = deque[int]()  # the parts of each batch taken

        def split() -> Iterator[np.ndarray]:
            for batch in batches:
                parts = graph.split(batch)
                counts.append(len(parts))
                yield from parts

        outputs = (found[-1].copy() if head else found[0].copy() for found in graph.compute_parts(split()))
        for first in outputs:
            batch = np.concatenate([first, *islice(outputs, counts.popleft() - 1)])
            yield head.logits(batch) if head else batch

    def start_masks(self, groups: Iterable[ImageGroup]) -> Iterator[PendingMask]:
        """As of `Network`. Those of a part of the images are decided while the next part is computed."""
        groups = _await_first(groups)
        graph, _ = self.opening.result()
        sizes = deque[tuple[int, int]]()  # of the images of each part taken

        def split() -> Iterator[np.ndarray]:
            for images, size in groups:
                for part in graph.split(np.stack(images)):
                    sizes.append(size)
                    yield part

        for logits, *_ in graph.compute_parts(split()):
            size = sizes.popleft()
            yield from [partial(decide_mask, each, size) for each in logits.copy()]


def _await_first(values: Iterable[T]) -> Iterator[T]:
    """The same, once those who read images ahead have begun to: that takes no longer than a graph's compilation."""
    rest = iter(values)
    return chain(list(islice(rest, 1)), rest)


def open_kept_network(run: RunFolder, engine: str = "auto") -> KeptNetwork | None:
    """None where none is kept, and where torch computes or has to fit images to the network.

    OpenVINO is imported, and the graph compiled, while images are listed and read.

    That the weights are those of training was shown by the run's self-test before the graph was kept, under a name
    that holds the weights and the versions of all packages that compute. Raises RunError where the run is damaged.
    """
    settings, card = run.read_settings(), run.read_model()
    if settings.machine.device != "cpu" or {engine, read_engine(run)} - {"auto", ENGINE} or why_not(ENGINE, "cpu"):
        return None
    preprocessing = card.preprocessing
    if preprocessing.fit == "native" or preprocessing.decoded_size() != preprocessing.size:
        return None
    if card.num_classes != len(run.read_classes()) or not (weights := _read_weights(run)):
        return None  # whoever restores the model for torch says what is damaged
    precisions = ("bf16", "fp32") if settings.machine.precision == "auto" else (settings.machine.precision,)
    for precision in precisions:
        key = GraphKey(card.name, card.head, preprocessing, weights, preprocessing.size, precision)
        if find_kept_graph(key.path):
            keep_freed_memory()
            with_openvino = ThreadPoolExecutor(1, ENGINE)
            opening = with_openvino.submit(_open_graph, key, _count_threads(settings.machine))
            with_openvino.shutdown(wait=False)
            return KeptNetwork(preprocessing, evaluation_batch(settings), opening)
    return None


def _open_graph(key: GraphKey, threads: int) -> tuple[CompiledGraph, LinearHead | None]:
    kept = read_kept_graph(key.path)
    head = _open_head(key.weights, key.head) if len(kept.outputs) == 1 else None
    kept = narrow_features(kept) if is_narrowable(kept) else kept
    return CompiledGraph(kept, key.size, True, key.preprocessing, key.precision, threads), head


def _read_weights(run: RunFolder) -> dict[str, np.ndarray]:
    """Of the run's best checkpoint, by name; nothing where only torch can read or name them."""
    try:
        with safe_open(run.checkpoint(run.best_checkpoint()) / schema.WEIGHTS, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, TypeError):  # torch's reader says what is wrong
        return {}


def _open_head(weights: Mapping[str, np.ndarray], name: str) -> LinearHead:
    weight = weights[f"{name}.weight"]
    return LinearHead(weight, weights.get(f"{name}.bias", np.zeros(len(weight), np.float32)))


def _count_threads(machine: MachineSettings) -> int:
    """As torch counts them."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    most = int(wanted) if wanted.isdigit() and int(wanted) else distributed.num_cores()
    return machine.threads or min(most, distributed.num_cores())
