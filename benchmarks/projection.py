"""t-SNE of real features: scikit-learn's default against `finesight embed`'s.

    python benchmarks/projection.py IMAGES [MORE_IMAGES] [--few 2500] [--many 25000] [--rounds 3]

IMAGES: folders of images, classes in their file names (CLASS_ID.png). Features are real ones of 2,048 dimensions:
what EfficientNet-Lite0 with its ImageNet weights computes at 96 px in bfloat16, the spatial mean of the output of its
last six stages (24 + 40 + 80 + 112 + 192 + 320) and its head's input (1,280), side by side, unscaled. They are
made once and kept in the cache. Both sides get the same matrix, in float32, and all the cores that the process may use.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finesight.analysis.projection import measure_quality
from finesight.analysis.projection_methods import project
from finesight.cache import cache_folder
from finesight.data.formats import list_images
from finesight.data.image_stream import stream_images
from finesight.data.sample import Item
from finesight.data.transforms import prepare
from finesight.models import build_model

SIZE = (96, 96)
STAGES = range(1, 7)


@torch.inference_mode()
def compute_features(items: list[Item]) -> np.ndarray:
    """float32 (n, 2048)."""
    model = build_model("efficientnet_lite0", 1000, "default", None, SIZE).eval()
    model.network.to(memory_format=torch.channels_last)
    seen: list[torch.Tensor] = []
    for stage in STAGES:
        block = model.network.get_submodule(f"blocks.{stage}")
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(output.float().mean((2, 3))))
    features = []
    preprocessing = replace(model.preprocessing, interpolation="bilinear")
    for batch in stream_images(items, preprocessing, 128):
        seen.clear()
        images = prepare(torch.from_numpy(batch.pixels).permute(0, 3, 1, 2), preprocessing)
        with torch.autocast("cpu", torch.bfloat16):
            last = model.embed(images.contiguous(memory_format=torch.channels_last))
        features.append(torch.cat([*seen, last.float()], 1))
    return torch.cat(features).numpy()


def by_scikit_learn(features: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    points: np.ndarray = TSNE(random_state=0).fit_transform(features)
    return points


def by_finesight(features: np.ndarray) -> np.ndarray:
    return project(features).points


SIDES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"scikit-learn": by_scikit_learn, "finesight": by_finesight}


def compare(features: np.ndarray, labels: np.ndarray, size: int, rounds: int) -> dict[str, Any]:
    """Both sides in turn, each round of other images: seconds, their ratios, and how good each map is."""
    wall: dict[str, list[float]] = {side: [] for side in SIDES}
    work: dict[str, list[float]] = {side: [] for side in SIDES}
    quality: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for seed in range(rounds):
        chosen = np.random.default_rng(seed).permutation(len(features))[:size]
        for side, draw in SIDES.items():
            began, worked = time.perf_counter(), time.process_time()
            points = draw(features[chosen])
            wall[side].append(round(time.perf_counter() - began, 2))
            work[side].append(round(time.process_time() - worked, 2))
            found = measure_quality(features[chosen], points, labels[chosen])
            quality[side].append({name: round(value, 4) for name, value in found.items()})
    return {
        "ratio_of_wall_seconds": spread(wall),
        "ratio_of_processor_seconds": spread(work),
        "wall_seconds": wall,
        "processor_seconds": work,
        "quality": quality,
    }


def spread(seconds: dict[str, list[float]]) -> list[float]:
    """Least, median and most of how many times as long scikit-learn took."""
    ratios = sorted(theirs / ours for theirs, ours in zip(seconds["scikit-learn"], seconds["finesight"], strict=True))
    return [round(ratio, 2) for ratio in (ratios[0], statistics.median(ratios), ratios[-1])]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("images", nargs="+")
    parser.add_argument("--few", type=int, default=2500)
    parser.add_argument("--many", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    items = [item for folder in arguments.images for item in list_images(folder)]
    labels = np.unique([Path(item.key).name.rpartition("_")[0] for item in items], return_inverse=True)[1]
    kept = cache_folder() / f"benchmark-features-{len(items)}.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, compute_features(items))
    features = np.load(kept)
    by_scikit_learn(features[:200]), by_finesight(features[:200])  # what is loaded at first use is loaded now
    result: dict[str, Any] = {"date": date.today().isoformat(), "cores": len(os.sched_getaffinity(0))}
    for size, rounds in ((arguments.few, arguments.rounds), (arguments.many, 1)):
        if size:
            result[f"{size} x {features.shape[1]}"] = compare(features, labels, size, rounds)
            print(json.dumps(result, indent=1), flush=True)


if __name__ == "__main__":
    main()
