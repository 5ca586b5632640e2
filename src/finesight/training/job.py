"""What a training loop is given."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from finesight.backend.device import Machine
from finesight.classes import ClassList
from finesight.config import Settings
from finesight.data.loader import ImageDataset
from finesight.data.masks.looks import MaskRule
from finesight.models.contract import Model
from finesight.run.folder import RunFolder
from finesight.task import Film, Loss, Task


@dataclass
class Job:
    """All a training loop needs, made and checked before epoch 1."""

    run: RunFolder
    settings: Settings
    task: Task
    classes: ClassList
    model: Model
    machine: Machine
    loss: Loss
    train: ImageDataset
    val: ImageDataset
    class_counts: np.ndarray  # of the training targets
    masks: MaskRule | None = None  # how they are read, where images have masks
    film: Film | None = None
    feature_film: "FeatureFilm | None" = None


class FeatureFilm(Protocol):
    """Keeps what the last layer sees of the validation images after a few epochs."""

    def watch(self, model: Model) -> AbstractContextManager[None]:
        """Within the block the images of the validation part go through the model once, in order."""

    def keep(self, epoch: int, is_last: bool) -> None:
        """After the block: saves what was seen, if this is one of the epochs to keep."""
