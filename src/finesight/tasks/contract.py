"""What a task is: the shape of a target, the loss and metrics that apply, and what a prediction is.

Nothing outside this package asks which task it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from torch import Tensor

from finesight.classes import ClassList
from finesight.config import LossSettings
from finesight.data.sample import Item

TaskName = Literal["classification", "segmentation"]
Loss = Callable[[Tensor, Tensor], Tensor]  # (float32 logits, targets) → scalar


@dataclass(frozen=True)
class Metrics:
    """What was measured, and what each number means. values: metric path → number; definitions: likewise, prose."""

    num_samples: int
    values: dict[str, float]
    definitions: dict[str, str]

    def to_dict(self) -> dict[str, object]:
        return {"num_samples": self.num_samples, "metrics": self.values, "definitions": self.definitions}


class Score(Protocol):
    """Collects a network's answers over a split, then says how good they were."""

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """logits: (n, C, …) on any device; targets: as the task's, same device or CPU."""

    def metrics(self) -> Metrics: ...

    def save(self, folder: Path, keys: Sequence[str]) -> None:
        """Writes metrics.json, confusion.csv and the saved predictions of a run folder's evaluation."""


class Task(Protocol):
    name: TaskName
    best_metric: str  # decides which epoch is kept, higher is better
    default_model: str

    def read_targets(self, items: Sequence[Item], classes: ClassList) -> np.ndarray:
        """Targets of items in order."""

    def label(self, targets: np.ndarray, classes: ClassList) -> list[str]:
        """What splits.csv says of each sample."""

    def list_metrics(self, classes: ClassList) -> list[str]:
        """Names of all metrics a score of these classes can have."""

    def count_classes(self, targets: np.ndarray, num_classes: int) -> np.ndarray:
        """How often each class occurs, int64 (num_classes,)."""

    def make_loss(self, settings: LossSettings, class_counts: np.ndarray) -> Loss: ...

    def new_score(self, classes: ClassList) -> Score: ...
