"""A run's network as a graph that an earlier prediction kept. It needs no torch, which takes seconds to import."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from safetensors import SafetensorError, safe_open

from finesight import distributed
from finesight.backend.engines import why_not
from finesight.backend.engines.openvino_graph import (
    CompiledGraph,
    GraphKey,
    LinearHead,
    is_narrowable,
    narrow_features,
    read_kept_graph,
)
from finesight.backend.freed_memory import keep_freed_memory
from finesight.config import MachineSettings, Preprocessing
from finesight.data.batches import evaluation_batch
from finesight.inference.network import PendingMask
from finesight.metrics.mask_decision import decide_mask
from finesight.run import schema
from finesight.run.computed_by import read_engine
from finesight.run.folder import RunFolder

ENGINE = "openvino"


@dataclass(eq=False)
class KeptNetwork:
    """The weights, the engine and the arithmetic of the predictor that kept it: its logits are the same to the bit."""

    preprocessing: Preprocessing
    batch_size: int
    open_graph: Callable[[], CompiledGraph]
    head: LinearHead | None  # None where the graph has the logits
    engine_name: str = ENGINE
    uses_tta: bool = False

    @cached_property
    def graph(self) -> CompiledGraph:
        """Compiled when the first images are there, while the next are read."""
        return self.open_graph()

    def compute_logits(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, C, …) of stored images, uint8 (n, h, w, 3)."""
        found = self.graph.compute(images)
        return self.head.logits(found[-1]) if self.head else found[0]

    def start_masks(self, images: Sequence[np.ndarray], size: tuple[int, int]) -> Iterator[PendingMask]:
        """As of `Network`. Those of a part of the images are decided while the next part is computed."""
        for logits, *_ in self.graph.compute_parts(np.stack(images)):
            yield from [partial(decide_mask, each, size) for each in logits.copy()]


def open_kept_network(run: RunFolder, engine: str = "auto") -> KeptNetwork | None:
    """None where none is kept, and where torch computes or has to fit images to the network.

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
        if kept := read_kept_graph(key.path):
            head = _open_head(weights, card.head) if len(kept.outputs) == 1 else None
            keep_freed_memory()
            threads = _count_threads(settings.machine)
            kept = narrow_features(kept) if is_narrowable(kept) else kept
            open_graph = partial(CompiledGraph, kept, preprocessing.size, True, preprocessing, precision, threads)
            return KeptNetwork(preprocessing, evaluation_batch(settings), open_graph, head)
    return None


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
