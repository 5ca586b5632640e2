"""One class an image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from finesight.analysis.feature_history import start_history
from finesight.classes import ClassList
from finesight.config import DataSettings, LossSettings, Settings
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset, Targets
from finesight.data.sample import Item
from finesight.metrics.classification import classification_metrics
from finesight.run.folder import RunFolder
from finesight.task import Callback, Loss, Score
from finesight.tasks.classification.evaluation import read_evaluation, read_statistics
from finesight.tasks.classification.labels import Labels
from finesight.tasks.classification.score import ClassificationScore
from finesight.tasks.contract import LabelSearch, Task
from finesight.training.losses import check_takes_probabilities, class_weights, parse_loss

if TYPE_CHECKING:
    from finesight.analysis.evidence import Evidence
    from finesight.analysis.label_errors import LabelErrors
    from finesight.reporting.comparison_page import ComparedImages
    from finesight.reporting.html import Page
    from finesight.reporting.originals import Originals

LEAST_SHOWN = 0.005  # of a mixed image's probabilities: less would read 0 %


class Classification(Task):
    name = "classification"
    network = "classification"
    best_metric = "accuracy"
    default_model = "efficientnet_lite0"
    fits = ("crop", "stretch")
    targets = Labels()
    unit = "image"
    read_evaluation = staticmethod(read_evaluation)
    read_statistics = staticmethod(read_statistics)

    @property
    def comparison(self) -> "ComparedImages":
        from finesight.tasks.classification.comparison import COMPARISON

        return COMPARISON

    def make_page(self, evidence: "Evidence", originals: "Originals") -> "Page":
        from finesight.tasks.classification.page import make_page

        return make_page(evidence, originals)

    def list_false_classes(self, evidence: "Evidence", originals: "Originals") -> dict[str, int]:
        from finesight.tasks.classification.page import list_false_classes

        return list_false_classes(evidence, originals)

    def find_label_errors(self, search: LabelSearch) -> "LabelErrors":
        from finesight.tasks.classification.label_errors import find_wrong_images

        return find_wrong_images(search, self)

    def check(self, settings: Settings) -> None:
        if settings.augment.mixup or settings.augment.cutmix:
            check_takes_probabilities(settings.loss.name)

    def open_targets(
        self, items: Sequence[Item], listing: Listing, stored: tuple[int, int] | None, fit: Fit, data: DataSettings
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

    def make_loss(self, settings: LossSettings, class_counts: np.ndarray, classes: ClassList) -> Loss:
        weights = class_weights(torch.from_numpy(class_counts), settings.class_weights)
        return parse_loss(settings.name, label_smoothing=settings.label_smoothing, weights=weights)

    def new_score(self, classes: ClassList, to_save: bool = True, run: RunFolder | None = None) -> Score:
        return ClassificationScore(classes)

    def describe_target(self, target: Tensor, classes: ClassList) -> str:
        if not target.is_floating_point():
            return classes.labels[int(target)]
        order = [index for index in target.argsort(descending=True).tolist() if target[index] >= LEAST_SHOWN]
        return ", ".join(f"{100 * float(target[index]):.0f} % {classes.labels[index]}" for index in order)

    def choose_explained(self, logits: Tensor) -> list[int]:
        return [int(logits.argmax(1)[0])]

    def describe_class(self, logits: Tensor, index: int, size: tuple[int, int]) -> tuple[float, None]:
        return float(logits.softmax(1)[0, index]), None

    def watch_training(
        self, run: RunFolder, val: ImageDataset, classes: ClassList, settings: Settings
    ) -> list[Callback]:
        history = start_history(run, val, classes, settings)
        return [history] if history else []
