"""What a training loop is given."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from finesight.backend.device import Machine
from finesight.classes import ClassList
from finesight.config import Settings
from finesight.data.loader import ImageDataset
from finesight.data.targets import Rule
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
    rule: Rule = None  # how targets are read
    film: Film | None = None
    feature_history: "FeatureHistory | None" = None


class FeatureHistory(Protocol):
    """Keeps what the head sees of the validation images after a few epochs."""

    def add(self, logits: Tensor, seen: Tensor) -> None:
        """A validation batch, in order."""

    def keep(self, epoch: int, is_last: bool) -> None:
        """Ends an epoch: saves what was added, if this is one of the epochs to keep."""
