"""OpenVINO. Defaults: its tutorial's synchronous loop over float images. Best: its pipeline for many images, with
the images' size and normalisation within the graph, a queue of asynchronous requests and its hint for throughput; bf16
is its own choice.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pipeline import Batches, Compute, predict
from work import MEAN, STD, Asked

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # it reports its use

import openvino  # noqa: E402
from openvino.preprocess import PrePostProcessor  # noqa: E402


def export(network: object, shape: tuple[int, ...], path: Path) -> None:
    import torch

    with torch.inference_mode():
        graph = openvino.convert_model(network, example_input=torch.zeros(shape))
    openvino.save_model(graph, path, compress_to_fp16=False)


def start(asked: Asked, path: Path) -> Compute:
    core = openvino.Core()
    return (start_pipeline if asked.best else start_loop)(asked, core, core.read_model(path))


def start_loop(asked: Asked, core: openvino.Core, graph: openvino.Model) -> Compute:
    compiled = core.compile_model(graph, "CPU")
    mean, std = (np.float32(values).reshape(1, 1, 1, 3) for values in (MEAN, STD))

    def compute(batches: Batches) -> Iterable[tuple[list[Path], np.ndarray]]:
        for paths, images in batches:
            inputs = np.ascontiguousarray(((images / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))
            yield paths, compiled(inputs)[0].argmax(1)

    return compute


def start_pipeline(asked: Asked, core: openvino.Core, graph: openvino.Model) -> Compute:
    graph.reshape([-1, 3, asked.work.size, asked.work.size])
    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    scaled = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    scaled.mean([255 * value for value in MEAN]).scale([255 * value for value in STD])
    compiled = core.compile_model(steps.build(), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    queue = openvino.AsyncInferQueue(compiled)
    done: list[tuple[list[Path], np.ndarray]] = []
    queue.set_callback(lambda request, paths: done.append((paths, request.get_output_tensor(0).data.argmax(1))))

    def compute(batches: Batches) -> Iterable[tuple[list[Path], np.ndarray]]:
        for paths, images in batches:
            queue.start_async([images], paths)
            while done:
                yield done.pop(0)
        queue.wait_all()
        yield from done

    return compute


if __name__ == "__main__":
    predict("xml", export, start)
