"""What a model predicted for images with several labels, and how good that is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from finesight.classes import ClassList
from finesight.metrics.calibration import calibrate
from finesight.metrics.evaluation import Metrics, write_metrics
from finesight.run import schema
from finesight.run.files import write_atomically, write_csv
from finesight.tasks.multilabel.decision_metrics import DEFINITIONS, fit_thresholds, multilabel_metrics, predict_labels
from finesight.tasks.multilabel.evaluation import COLUMNS, find_main
from finesight.tasks.multilabel.label_sets import SEPARATOR
from finesight.tasks.multilabel.thresholds import FittedDecisions


class MultilabelScore:
    """thresholds: probabilities (C,) from which on a class is predicted; None: 0.5."""

    def __init__(self, classes: ClassList, thresholds: Tensor | None = None) -> None:
        self.classes = classes
        self.thresholds = thresholds
        self._logits: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, logits: Tensor, targets: Tensor) -> None:
        self._logits.append(logits.detach().float().cpu())
        self._targets.append(targets.cpu().bool())

    def extend(self, other: "MultilabelScore") -> None:
        self._logits += other._logits
        self._targets += other._targets

    def arrange(self, indices: Sequence[int]) -> None:
        order = torch.tensor(indices).argsort()
        self._logits, self._targets = [self.logits[order]], [self.targets[order]]

    @property
    def logits(self) -> Tensor:
        """float32 (n, C)."""
        return torch.cat(self._logits)

    @property
    def targets(self) -> Tensor:
        """bool (n, C)."""
        return torch.cat(self._targets)

    @property
    def predictions(self) -> Tensor:
        """bool (n, C)."""
        return predict_labels(self.logits, self.thresholds)

    def metrics(self) -> Metrics:
        values = multilabel_metrics(self.logits, self.targets, self.classes.names, self.thresholds)
        return Metrics(len(self.targets), values, {name: DEFINITIONS[name.split("/", 1)[0]] for name in values})

    def calibrate(self, split: str) -> FittedDecisions:
        """Thresholds, which the score adopts, and the calibration of all yes-or-no decisions.

        A label of probability p is the second of two classes with the logits 0 and ln(p / (1 - p)).
        """
        self.thresholds = fit_thresholds(self.logits, self.targets).mul(1e6).round().div(1e6)  # as they are saved
        logits = self.logits.flatten()
        pairs = torch.stack([torch.zeros_like(logits), logits], dim=1)
        images = torch.arange(len(self.logits)).repeat_interleave(self.logits.shape[1])
        found = calibrate(pairs, self.targets.flatten().long(), images, "label", split)
        return FittedDecisions(split, self.classes, self.thresholds, found)

    def judge_images(self) -> tuple[np.ndarray, np.ndarray]:
        """The rarest true class of each image, and the most probable one."""
        return find_main(self.targets.numpy()), self.logits.argmax(1).numpy()

    def judge_regions(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        predictions: np.ndarray = self.judge_images()[1][images]
        return predictions

    def save(self, folder: Path, keys: Sequence[str]) -> None:
        ids = self.classes.ids
        confidence = self.logits.sigmoid().max(1).values
        rows = (
            (key, _join(truth, ids), _join(predicted, ids), f"{probability:.6f}")
            for key, truth, predicted, probability in zip(
                keys, self.targets.tolist(), self.predictions.tolist(), confidence.tolist(), strict=True
            )
        )
        write_csv(folder / schema.PREDICTIONS, COLUMNS, rows)
        write_atomically(folder / schema.LOGITS, save({"logits": self.logits.contiguous()}))
        write_metrics(folder, self.metrics())


def _join(flags: Sequence[bool], ids: Sequence[str]) -> str:
    return SEPARATOR.join(name for name, is_set in zip(ids, flags, strict=True) if is_set)
