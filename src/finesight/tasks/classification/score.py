"""How good a classifier's logits are on a split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from finesight.metrics.calibration import calibrate
from finesight.metrics.classification import classification_metrics
from finesight.metrics.confidence import predict_classes
from finesight.metrics.confusion import count_confusion, definitions
from finesight.metrics.evaluation import Metrics, write_confusion, write_metrics
from finesight.run.calibration import Calibration
from finesight.tasks.image_scores import ImageScore


class ClassificationScore(ImageScore):
    def metrics(self) -> Metrics:
        values = classification_metrics(self.logits, self.targets, self.classes.names)
        return Metrics(len(self.targets), values, definitions(values))

    def calibrate(self, split: str) -> Calibration | None:
        return calibrate(self.logits, self.targets, torch.arange(len(self.targets)), "image", split)

    def judge_images(self) -> tuple[np.ndarray, np.ndarray]:
        return self.targets.numpy(), self.logits.argmax(1).numpy()

    def name_labels(self) -> tuple[list[str], list[str], np.ndarray]:
        predictions, confidence = predict_classes(self.logits.numpy())
        truth, predicted = ([self.classes.ids[c] for c in side.tolist()] for side in (self.targets, predictions))
        return truth, predicted, confidence

    def save(self, folder: Path, keys: Sequence[str]) -> None:
        self.save_predictions(folder, keys)
        predictions = self.logits.argmax(1)
        counts = count_confusion(self.targets, predictions, len(self.classes), ignore_index=None)
        write_confusion(folder, counts.tolist(), self.classes)
        write_metrics(folder, self.metrics())
