"""The score of a task with one row of logits an image: what it collects, and the files that it saves."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.classes import ClassList
from finesight.data.transfer import HostRows
from finesight.run import schema
from finesight.run.files import write_csv, write_rows
from finesight.task import Score

COLUMNS = ("key", "target", "prediction", "confidence")  # of predictions.csv


class ImageScore(Score):
    def __init__(self, classes: ClassList) -> None:
        self.classes = classes
        self._logits = HostRows()
        self._targets = HostRows()

    @property
    def logits(self) -> Tensor:
        """float32 (n, C)."""
        return self._logits.join()

    @property
    def targets(self) -> Tensor:
        """(n, …), as the task's."""
        return self._targets.join()

    def update(self, logits: Tensor, targets: Tensor) -> None:
        self._logits.add(logits.detach().float())
        self._targets.add(targets)

    def extend(self, other: "ImageScore") -> None:
        self._logits.take(other._logits.batches())
        self._targets.take(other._targets.batches())

    def arrange(self, indices: Sequence[int]) -> None:
        order = torch.tensor(indices).argsort()
        self._logits.arrange(order)
        self._targets.arrange(order)

    def judge_regions(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """The prediction of the whole image."""
        predictions: np.ndarray = self.judge_images()[1][images]
        return predictions

    @abstractmethod
    def name_labels(self) -> tuple[list[str], list[str], np.ndarray]:
        """True and predicted label of each image, and the highest probability, as predictions.csv has them."""

    def save_predictions(self, folder: Path, keys: Sequence[str]) -> None:
        """predictions.csv and the logits."""
        truth, predicted, confidence = self.name_labels()
        probabilities = [f"{probability:.6f}" for probability in confidence.tolist()]
        write_csv(folder / schema.PREDICTIONS, COLUMNS, zip(keys, truth, predicted, probabilities, strict=True))
        write_rows(folder / schema.LOGITS, "logits", self.logits.numpy())
