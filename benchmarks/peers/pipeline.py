"""The pipeline around a runtime that predicts: threads decode, the runtime computes, labels or masks are written.

What torch makes for it, a graph, is made once beforehand in a process of its own: that time is not counted.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from work import Asked, Clock, build_network, read_arguments, write_labels, write_mask

BATCH = {False: 16, True: 4}  # images at once; more are no faster
Batches = Iterator[tuple[list[Path], np.ndarray]]  # uint8 (n, h, w, 3)
Compute = Callable[[Batches], Iterable[tuple[list[Path], np.ndarray]]]  # → class ids (n,) or (n, h, w)


def predict(ending: str, export: Callable[[object, tuple[int, ...], Path], None], start: Callable) -> None:
    """export: writes the graph of a network for an input of a shape. start: (asked, graph) → Compute."""
    asked = read_arguments()
    graph = asked.out.parent / f"graph-{asked.work.network.replace('/', '-')}-{asked.work.size}.{ending}"
    if not graph.exists():
        export(build_network(asked).eval(), (BATCH[asked.work.masks], 3, asked.work.size, asked.work.size), graph)
        os.environ["STARTED"] = str(time.time())
        os.execv(sys.executable, [sys.executable, *sys.argv])
    clock, done = Clock(asked.work), 0
    paths_seen: list[Path] = []
    labels: list[int] = []
    with ThreadPoolExecutor(1) as writer:
        for paths, classes in start(asked, graph)(read_batches(asked)):
            if asked.work.masks:
                for path, mask in zip(paths, classes, strict=True):
                    writer.submit(write_mask, asked.out, path, mask)
            else:
                paths_seen += paths
                labels += classes.tolist()
            done += len(paths)
    if labels:
        write_labels(asked.out, paths_seen, labels)
    clock.finish(done)


def read_batches(asked: Asked) -> Batches:
    """Decoded by threads, two batches ahead."""
    size, count = asked.work.size, BATCH[asked.work.masks]

    def read(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))

    paths = sorted(asked.images.iterdir())
    parts = [paths[start : start + count] for start in range(0, len(paths), count)]
    with ThreadPoolExecutor(asked.workers) as pool:
        waiting = [[pool.submit(read, path) for path in part] for part in parts[:3]]
        for number, part in enumerate(parts):
            images = np.stack([future.result() for future in waiting.pop(0)])
            if number + 3 < len(parts):
                waiting.append([pool.submit(read, path) for path in parts[number + 3]])
            yield part, images
