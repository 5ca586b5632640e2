"""onnxruntime on a processor, in float32, as it has no bf16 there. Best flags: a thread a core, all optimisations."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnxruntime
from pipeline import Batches, Compute, predict
from work import MEAN, STD, Asked


def export(network: object, shape: tuple[int, ...], path: Path) -> None:
    import torch

    batch = torch.export.Dim("batch", min=1, max=1024)
    torch.onnx.export(network, (torch.zeros(shape),), path, dynamic_shapes=({0: batch},), external_data=False)


def start(asked: Asked, path: Path) -> Compute:
    options = onnxruntime.SessionOptions()
    if asked.best:
        options.intra_op_num_threads = asked.workers
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    scale = np.float32(1 / (255 * np.array(STD))).reshape(1, 1, 1, 3)
    shift = np.float32(np.array(MEAN) / np.array(STD)).reshape(1, 1, 1, 3)

    def compute(batches: Batches) -> Iterable[tuple[list[Path], np.ndarray]]:
        for paths, images in batches:
            inputs = np.ascontiguousarray((images * scale - shift).transpose(0, 3, 1, 2))
            yield paths, session.run(None, {name: inputs})[0].argmax(1)

    return compute


if __name__ == "__main__":
    predict("onnx", export, start)
