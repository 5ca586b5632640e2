"""What every peer is given alike: the work, the images, and the clock that ends its process when it has seen enough.

No peer imports another's code. This file needs numpy and Pillow; torch only where a network or a loader is asked for.
"""

import argparse
import csv
import json
import multiprocessing
import os
import resource
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COLOURS = np.array(
    [(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)], np.uint8
)
CLASS_OF_CODE = (6, 4, 3, 0, 6, 2, 1, 5)  # of the bits red, green, blue; DeepGlobe's classes
EPOCH_REPEATS = 8  # times a peer's epoch holds the images, so that no timed step is its first


@dataclass(frozen=True)
class Work:
    """network: finesight's name of it. Training times `steps` steps after `warmup` ones; prediction has none."""

    network: str
    size: int
    batch: int
    warmup: int
    steps: int
    masks: bool = False

    @property
    def predicts(self) -> bool:
        return not self.steps


WORKS = {
    "resnet50-224": Work("resnet50", 224, 16, 1, 3),
    "lite0-128": Work("efficientnet_lite0", 128, 32, 2, 5),
    "fcn8s-512": Work("vgg16_fcn8s", 512, 2, 1, 3, masks=True),
    "light-256": Work("fcn/efficientnet_lite0", 256, 8, 2, 4, masks=True),
    "labels-128": Work("efficientnet_lite0", 128, 64, 0, 0),
    "masks-256": Work("fcn/efficientnet_lite0", 256, 8, 0, 0, masks=True),
}


@dataclass(frozen=True)
class Asked:
    """best: the peer's best known flags instead of its documented defaults. out: a fresh folder.

    bf16: whether these have it: many times slower where the processor does not compute in it.
    """

    work: Work
    best: bool
    bf16: bool
    images: Path
    out: Path
    run: str
    workers: int

    @property
    def num_classes(self) -> int:
        return len(COLOURS) if self.work.masks else len({class_of(path) for path in self.images.iterdir()})


def read_arguments() -> Asked:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("flags", choices=("defaults", "best"))
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true", help="the best flags have it")
    parser.add_argument("--run", default="", help="finesight's run folder, for its predictions")
    parser.add_argument("--tiny", action="store_true", help="one step of a tiny batch: to see that it runs")
    chosen = parser.parse_args()
    work = WORKS[chosen.work]
    if chosen.tiny:
        work = replace(work, size=64, batch=4, warmup=min(work.warmup, 1), steps=min(work.steps, 1))
    workers = len(os.sched_getaffinity(0))
    best = chosen.flags == "best"
    return Asked(work, best, best and chosen.bf16, chosen.images, chosen.out, chosen.run, workers)


class Clock:
    """Counts steps from the start of the process, which the driver has put into STARTED."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.started = float(os.environ["STARTED"])
        self.ticks: list[float] = []

    def tick(self) -> None:
        """A training step is done. After the last one that is wanted this prints the figures and ends the process."""
        self.ticks.append(time.time())
        if len(self.ticks) == self.work.warmup + self.work.steps:
            seconds = self.ticks[-1] - self.ticks[self.work.warmup - 1]
            self._end(self.work.batch * self.work.steps / seconds, self.ticks[0] - self.started)

    def finish(self, num_images: int) -> None:
        """All answers are written: images a second of the whole process, its start included."""
        self._end(num_images / (time.time() - self.started))

    def _end(self, rate: float, first_step: float | None = None) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line = {"images_per_second": round(rate, 3), "peak_mib": round(peak)}
        if first_step is not None:
            line["first_step_s"] = round(first_step, 2)
        print("\n" + json.dumps(line), flush=True)
        for worker in multiprocessing.active_children():  # they would work into the next one's time
            worker.kill()
            worker.join()
        os._exit(0)


def named_batch(image: str, target: str) -> "Callable[[list[tuple[torch.Tensor, object]]], dict[str, torch.Tensor]]":
    """A collate function for libraries that want a batch's parts by name."""
    from torch.utils.data import default_collate

    return lambda samples: dict(zip((image, target), default_collate(samples), strict=True))


def class_of(path: Path) -> str:
    return path.name.rpartition("_")[0]


def build_network(asked: Asked) -> "nn.Module":
    """The same network for all, with random weights: torchvision's, timm's, and for masks finesight's, plain."""
    if asked.work.masks:
        from finesight.models import build_model

        return build_model(asked.work.network, asked.num_classes, "none").network.float()
    if asked.work.network == "resnet50":
        from torchvision.models import resnet50

        return resnet50(num_classes=asked.num_classes)
    import timm

    return timm.create_model("tf_efficientnet_lite0", num_classes=asked.num_classes)


class Images:
    """(change(image), class id) of a folder of CLASS_NUMBER.jpg."""

    def __init__(self, folder: Path, change: Callable[[Image.Image], object] | None = None, repeats: int = 1) -> None:
        self.paths = sorted(folder.iterdir()) * repeats
        names = sorted({class_of(path) for path in self.paths})
        self.ids = {name: number for number, name in enumerate(names)}
        self.transform = change  # timm sets it under this name

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[object, int]:
        image = Image.open(self.paths[index]).convert("RGB")
        return self.transform(image) if self.transform else image, self.ids[class_of(self.paths[index])]


class Pairs:
    """(normalised image, class ids) of a folder of NAME_sat.jpg and NAME_mask.png; -1s where there is no mask."""

    def __init__(self, folder: Path, size: int, repeats: int = 1) -> None:
        self.paths = sorted(folder.glob("*_sat.jpg")) * repeats
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> "tuple[torch.Tensor, torch.Tensor]":
        import torch
        from torchvision.transforms.v2 import functional as change

        path = self.paths[index]
        pixels = Image.open(path).convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        image = change.normalize(change.to_dtype(change.pil_to_tensor(pixels), scale=True), MEAN, STD)
        mask_path = path.with_name(path.name.replace("_sat.jpg", "_mask.png"))
        if not mask_path.exists():
            return image, torch.full((self.size, self.size), -1)
        mask = Image.open(mask_path).convert("RGB").resize((self.size, self.size), Image.Resampling.NEAREST)
        red, green, blue = (change.pil_to_tensor(mask) >= 128).long()
        return image, torch.tensor(CLASS_OF_CODE)[4 * red + 2 * green + blue]


def write_labels(out: Path, paths: Iterable[Path], labels: Iterable[int]) -> None:
    with (out / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows((path.name, label) for path, label in zip(paths, labels, strict=True))


def write_mask(out: Path, path: Path, mask: np.ndarray) -> None:
    """At the size of the image, as colours, compressed as finesight's. Each pixel has the class of the nearest one;
    finesight interpolates the logits, which makes smoother borders and takes longer.
    """
    with Image.open(path) as image:
        coloured = Image.fromarray(COLOURS[mask]).resize(image.size, Image.Resampling.NEAREST)
    coloured.save(out / f"{path.stem}.png", compress_type=zlib.Z_RLE)
