"""What all sections use: trainers on made images or given pairs, and steps that nothing waits for."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from finesight.app.preparation import prepare_job
from finesight.app.training_data import list_data
from finesight.config import load_settings
from finesight.run.folder import RunFolder
from finesight.training.trainer import Trainer

CLASSES = ("ash", "beech", "cedar", "damson")
Result = dict[str, Any]


@dataclass
class Bench:
    """device: cuda or cpu. scratch: a folder that is deleted. ends: when the time is over, of time.monotonic()."""

    device: str
    tiny: bool
    scratch: Path
    images: Path
    pairs: Path
    weights: str
    ends: float

    def choose(self, full: Any, tiny: Any) -> Any:
        return tiny if self.tiny else full

    def settings(self, data: Path, **changes: Any) -> Result:
        """changes: with __ for dots."""
        plain = {
            "data.root": str(data),
            "model.weights": "none",
            "machine.device": self.device,
            "snapshots.features": False,
        }
        return plain | {name.replace("__", "."): value for name, value in changes.items()}

    def trainer(self, data: Path, **changes: Any) -> Trainer:
        settings = load_settings(overrides=self.settings(data, **changes))
        run = RunFolder(Path(tempfile.mkdtemp(dir=self.scratch)) / "run")
        return Trainer(prepare_job(settings, run, list_data(settings, run)))

    def classifier(self, **changes: Any) -> Trainer:
        size, batch = self.choose((224, 32), (32, 8))
        network = self.choose("resnet50", "timm/test_resnet")
        return self.trainer(
            self.images, **({"model__name": network, "image__size": [size, size], "batch_size": batch} | changes)
        )

    def segmenter(self, **changes: Any) -> Trainer:
        size, batch = self.choose((512, 16), (64, 4))
        plain = {"data__classes": "deepglobe", "model__name": "vgg16_fcn8s", "image__size": [size, size]}
        return self.trainer(
            self.pairs,
            **(plain | {"batch_size": batch, "snapshots__count": 0, "data__limit": self.choose(0, 12)} | changes),
        )


def take_steps(trainer: Trainer, count: int) -> list[Tensor]:
    """Losses of `count` steps, on the device; nothing here waits for it."""
    losses: list[Tensor] = []
    while len(losses) < count:
        trainer.at.step = 0
        for batch in trainer._fetch(trainer.job.train):
            losses.append(trainer._forward_backward(batch))
            trainer._step()
            trainer.at.step += 1
            if len(losses) == count:
                break
    return losses


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


@contextmanager
def no_waiting(device: str) -> Iterator[None]:
    """Within the block an operation that waits for the GPU is an error."""
    if device != "cuda":
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def write_photos(folder: Path, count: int, side: int) -> Path:
    """CLASS_NUMBER.jpg: smooth noise."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        noise = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        noise.resize((side, side)).save(folder / f"{CLASSES[number % len(CLASSES)]}_{number}.jpg", quality=85)
    return folder
