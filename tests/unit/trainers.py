"""Trainers of a tiny network on images of one grey each."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finesight.backend.device import Machine
from finesight.classes import ClassList
from finesight.config import Preprocessing, load_settings
from finesight.data.loader import ImageDataset
from finesight.models.contract import Model, WeightsOrigin
from finesight.run.folder import RunFolder
from finesight.tasks import TASKS
from finesight.training.job import Job
from finesight.training.trainer import Trainer

SIZE = (8, 8)
CLASSES = ClassList.from_labels("abc")
Make = Callable[..., Trainer]


class Pixels:
    """Images of one grey each, by class."""

    note = ""

    def __init__(self, targets: np.ndarray) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        noise = [np.random.default_rng(index).integers(0, 40, (*SIZE, 3)) for index in indices]
        images = np.stack(noise) + 80 * self.targets[np.asarray(indices), None, None, None]
        return np.asarray(images, np.uint8)


def make_dataset(count: int) -> ImageDataset:
    targets = np.arange(count) % 3
    return ImageDataset(Pixels(targets), targets, [f"{index}.png" for index in range(count)])


def make_model(norm: bool = False) -> Model:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, 2), *([nn.BatchNorm2d(4)] if norm else []), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3))
    return Model(
        network,
        name="small",
        head=str(len(network) - 1),
        num_classes=3,
        preprocessing=Preprocessing(size=SIZE),
        origin=WeightsOrigin("none"),
    )


def make_trainer(
    folder: Path, model: Model | None = None, name: str = "run", num_train: int = 12, **settings: object
) -> Trainer:
    """settings: with __ for dots, over plain ones: two epochs of four images a batch, float32, no augmentation."""
    plain = {
        **{"epochs": 2, "batch_size": 4, "data.workers": 0, "image.size": list(SIZE), "optim.lr": 0.05},
        **{"augment.flip": 0.0, "augment.scale": [1.0, 1.0], "augment.ratio": 1.0, "machine.precision": "fp32"},
        "machine.device": "cpu",
    }
    given = {key.replace("__", "."): value for key, value in settings.items()}
    chosen = load_settings(overrides=plain | given)
    task = TASKS["classification"]
    counts = np.array([4, 4, 4])
    loss = task.make_loss(chosen.loss, counts, CLASSES)
    machine = Machine.resolve(chosen.machine)
    run = RunFolder(folder / name)
    run.create()
    data = make_dataset(num_train), make_dataset(6)
    return Trainer(Job(run, chosen, task, CLASSES, model or make_model(), machine, loss, *data, counts))


def weights_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def watch(trainer: Trainer, name: str, into: list[Any], take: Callable[..., object]) -> None:
    method = getattr(trainer, name)

    def watched(*arguments: object) -> object:
        result = method(*arguments)
        into.append(take(*arguments, result))
        return result

    setattr(trainer, name, watched)
