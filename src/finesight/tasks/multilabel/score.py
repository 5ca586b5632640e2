"""What a model predicted for images with several labels, and how good that is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.classes import ClassList
from finesight.metrics.calibration import calibrate
from finesight.metrics.confidence import sigmoid
from finesight.metrics.evaluation import Metrics, write_metrics
from finesight.tasks.image_scores import ImageScore
from finesight.tasks.multilabel.decision_metrics import DEFINITIONS, fit_thresholds, multilabel_metrics, predict_labels
from finesight.tasks.multilabel.evaluation import find_main
from finesight.tasks.multilabel.label_sets import SEPARATOR
from finesight.tasks.multilabel.thresholds import FittedDecisions


class MultilabelScore(ImageScore):
    """thresholds: probabilities (C,) from which on a class is predicted; None: 0.5."""

    def __init__(self, classes: ClassList, thresholds: Tensor | None = None) -> None:
        super().__init__(classes)
        self.thresholds = thresholds

    @property
    def targets(self) -> Tensor:
        """bool (n, C)."""
        return super().targets.bool()

    @property
    def predictions(self) -> Tensor:
        """bool (n, C)."""
        return predict_labels(self.logits, self.thresholds)

    def metrics(self) -> Metrics:
        values = multilabel_metrics(self.logits, self.targets, self.classes.names, self.thresholds)
        return Metrics(len(self.targets), values, {name: DEFINITIONS[name.split("/", 1)[0]] for name in values})

    def calibrate(self, split: str) -> FittedDecisions:
        """Thresholds, which the score adopts unless its run has some, and the calibration of all binary decisions.

        A label of probability p is the second of two classes with the logits 0 and ln(p / (1 - p)).
        """
        if self.thresholds is None:
            self.thresholds = fit_thresholds(self.logits, self.targets).mul(1e6).round().div(1e6)  # as they are saved
        logits = self.logits.flatten()
        pairs = torch.stack([torch.zeros_like(logits), logits], dim=1)
        images = torch.arange(len(self.logits)).repeat_interleave(self.logits.shape[1])
        found = calibrate(pairs, self.targets.flatten().long(), images, "label", split)
        return FittedDecisions(split, self.classes, self.thresholds, found)

    def judge_images(self) -> tuple[np.ndarray, np.ndarray]:
        """The rarest true class of each image, and the most probable one."""
        return find_main(self.targets.numpy()), self.logits.argmax(1).numpy()

    def name_labels(self) -> tuple[list[str], list[str], np.ndarray]:
        truth, predicted = (
            [_join(flags, self.classes.ids) for flags in side.tolist()] for side in (self.targets, self.predictions)
        )
        return truth, predicted, sigmoid(self.logits.max(1).values.numpy())

    def save(self, folder: Path, keys: Sequence[str]) -> None:
        self.save_predictions(folder, keys)
        write_metrics(folder, self.metrics())


def _join(flags: Sequence[bool], ids: Sequence[str]) -> str:
    return SEPARATOR.join(name for name, is_set in zip(ids, flags, strict=True) if is_set)
