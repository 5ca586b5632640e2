"""How good a classifier's logits are on a split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from finesight.classes import ClassList
from finesight.metrics.calibration import Calibration, calibrate
from finesight.metrics.classification import classification_metrics
from finesight.metrics.confusion import count_confusion, definitions
from finesight.metrics.evaluation import Metrics, write_confusion, write_metrics
from finesight.run import schema
from finesight.run.files import write_atomically, write_csv


class ClassificationScore:
    def __init__(self, classes: ClassList) -> None:
        self.classes = classes
        self._logits: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, logits: Tensor, targets: Tensor) -> None:
        self._logits.append(logits.detach().float().cpu())
        self._targets.append(targets.cpu())

    def extend(self, other: "ClassificationScore") -> None:
        self._logits += other._logits
        self._targets += other._targets

    def arrange(self, indices: Sequence[int]) -> None:
        order = torch.tensor(indices).argsort()
        self._logits, self._targets = [self.logits[order]], [self.targets[order]]

    def metrics(self) -> Metrics:
        values = classification_metrics(self.logits, self.targets, self.classes.names)
        return Metrics(len(self.targets), values, definitions(values))

    def calibrate(self, split: str) -> Calibration | None:
        return calibrate(self.logits, self.targets, torch.arange(len(self.targets)), "image", split)

    def judge_images(self) -> tuple[np.ndarray, np.ndarray]:
        return self.targets.numpy(), self.logits.argmax(1).numpy()

    def judge_regions(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Of an image of one class, that of the image."""
        predictions: np.ndarray = self.judge_images()[1][images]
        return predictions

    def save(self, folder: Path, keys: Sequence[str]) -> None:
        logits, targets = self.logits, self.targets
        confidence, predictions = logits.softmax(1).max(1)
        ids = self.classes.ids
        rows = (
            (key, ids[target], ids[prediction], f"{probability:.6f}")
            for key, target, prediction, probability in zip(
                keys, targets.tolist(), predictions.tolist(), confidence.tolist(), strict=True
            )
        )
        write_csv(folder / schema.PREDICTIONS, ("key", "target", "prediction", "confidence"), rows)
        counts = count_confusion(targets, predictions, len(ids), ignore_index=None)
        write_confusion(folder, counts.tolist(), self.classes)
        write_atomically(folder / schema.LOGITS, save({"logits": logits}))
        write_metrics(folder, self.metrics())

    @property
    def logits(self) -> Tensor:
        return torch.cat(self._logits)

    @property
    def targets(self) -> Tensor:
        return torch.cat(self._targets)
