"""One class an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from finesight.classes import ClassList
from finesight.config import AugmentSettings, LossSettings, Preprocessing, Settings
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import Targets
from finesight.data.sample import Item
from finesight.data.transforms import augment
from finesight.metrics.calibration import Calibration, calibrate
from finesight.metrics.classification import classification_metrics
from finesight.metrics.confusion import count_confusion, definitions
from finesight.metrics.evaluation import Evaluation, Metrics, write_confusion, write_metrics
from finesight.metrics.image_statistics import ImageStatistics
from finesight.run import schema
from finesight.run.folder import RunFolder, write_atomically, write_csv
from finesight.task import Loss, Score, TaskName
from finesight.tasks.classification.evaluation import read_evaluation, read_statistics
from finesight.training.losses import check_takes_shares, class_weights, parse_loss


class Classification:
    name: TaskName = "classification"
    best_metric = "accuracy"
    default_model = "efficientnet_lite0"
    fits: tuple[Fit, ...] = ("crop", "stretch")
    has_masks = False
    unit = "image"

    def check(self, settings: Settings) -> None:
        if settings.augment.mixup or settings.augment.cutmix:
            check_takes_shares(settings.loss.name)

    def open_targets(
        self,
        items: Sequence[Item],
        listing: Listing,
        stored: tuple[int, int] | None,
        preprocessing: Preprocessing,
        settings: Settings,
    ) -> np.ndarray:
        """Class indices, int64 (n,)."""
        return np.array([listing.classes.index(str(item.target or "")) for item in items], dtype=np.int64)

    def label(self, targets: Any, classes: ClassList) -> list[str]:
        return [classes.ids[target] for target in targets]

    def list_metrics(self, classes: ClassList) -> list[str]:
        every_class = torch.arange(len(classes))
        return list(classification_metrics(torch.eye(len(classes)), every_class, classes.names))

    def count_classes(self, targets: Targets, classes: ClassList) -> np.ndarray:
        return np.bincount(targets[:], minlength=len(classes))

    def find_ceilings(self, targets: Targets, classes: ClassList) -> dict[str, float]:
        return {}

    def make_loss(self, settings: LossSettings, class_counts: np.ndarray, classes: ClassList) -> Loss:
        weights = class_weights(torch.from_numpy(class_counts), settings.class_weights)
        return parse_loss(settings.name, label_smoothing=settings.label_smoothing, weights=weights)

    def augment(
        self,
        images: Tensor,
        targets: Tensor,
        settings: AugmentSettings,
        preprocessing: Preprocessing,
        draws: Tensor,
        size: tuple[int, int],
        class_counts: np.ndarray,
    ) -> tuple[Tensor, Tensor]:
        return augment(images, settings, preprocessing, draws, size), targets

    def new_score(self, classes: ClassList, answers: bool = True) -> Score:
        return ClassificationScore(classes)

    def read_evaluation(self, run: RunFolder, split: str, classes: ClassList) -> Evaluation:
        return read_evaluation(run, split, classes)

    def read_statistics(self, run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
        return read_statistics(run, split, classes)

    def start_film(
        self, run: RunFolder, keys: Sequence[str], targets: Targets, classes: ClassList, settings: Settings
    ) -> None:
        """One class an image leaves nothing to watch."""


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
            (key, ids[target], ids[prediction], f"{share:.6f}")
            for key, target, prediction, share in zip(
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
