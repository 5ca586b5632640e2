"""What a training loop is given."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from finesight.backend.device import Machine
from finesight.classes import ClassList
from finesight.config import Settings
from finesight.data.loader import ImageDataset
from finesight.data.targets import Rule
from finesight.models.contract import Model
from finesight.run.folder import RunFolder
from finesight.task import Callback, Loss, Task


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
    callbacks: list[Callback] = field(default_factory=list)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)  # JSON files of the run: how settings were decided
