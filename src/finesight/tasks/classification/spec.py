"""One class an image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finesight.analysis.evidence import Evidence
from finesight.analysis.feature_history import start_history
from finesight.analysis.label_errors import LabelErrors
from finesight.classes import ClassList
from finesight.config import AugmentSettings, LossSettings, Preprocessing, Settings
from finesight.data.formats import list_images
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset, Targets
from finesight.data.sample import Item
from finesight.data.targets import TargetKind
from finesight.data.transforms import augment
from finesight.inference.prediction_table import DEFAULT_OUT
from finesight.metrics.classification import classification_metrics
from finesight.metrics.evaluation import Evaluation
from finesight.metrics.image_statistics import ImageStatistics
from finesight.reporting.comparison_page import make_comparison_page
from finesight.reporting.html import Page
from finesight.reporting.originals import Originals
from finesight.run.folder import RunFolder
from finesight.run.results import Compared, Unreadable
from finesight.task import Callback, Loss, Score
from finesight.tasks.classification.comparison import COMPARISON
from finesight.tasks.classification.evaluation import read_evaluation, read_statistics
from finesight.tasks.classification.label_errors import find_wrong_images
from finesight.tasks.classification.labels import Labels
from finesight.tasks.classification.page import OVERLAY_SIDE, list_false_classes, make_page
from finesight.tasks.classification.predict import predict
from finesight.tasks.classification.score import ClassificationScore
from finesight.tasks.contract import LabelSearch, PredictRequest
from finesight.training.losses import check_takes_probabilities, class_weights, parse_loss


class Classification:
    name = "classification"
    network = "classification"
    best_metric = "accuracy"
    default_model = "efficientnet_lite0"
    fits: tuple[Fit, ...] = ("crop", "stretch")
    has_head_rows = True
    default_out = DEFAULT_OUT
    refused_options: Mapping[str, str] = {"index": "", "overlay": ""}
    quick_label_search = True
    overlay_side = OVERLAY_SIDE
    keeps_head = True
    targets: TargetKind = Labels()
    unit = "image"

    def check(self, settings: Settings) -> None:
        if settings.augment.mixup or settings.augment.cutmix:
            check_takes_probabilities(settings.loss.name)

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

    def new_score(self, classes: ClassList, to_save: bool = True, run: RunFolder | None = None) -> Score:
        return ClassificationScore(classes)

    def list_inputs(self, images: str | Path) -> list[Item]:
        return list_images(images)

    def predict(self, request: PredictRequest) -> Unreadable:
        return predict(request)

    def find_label_errors(self, search: LabelSearch) -> LabelErrors:
        return find_wrong_images(search, self)

    def list_colours(self, classes: ClassList) -> list[str]:
        return []

    def average_regions(self, seen: Tensor, targets: Tensor, images: np.ndarray, size: tuple[int, int]) -> None:
        """An image is of one class."""

    def choose_explained(self, logits: Tensor) -> list[int]:
        return [int(logits.argmax(1)[0])]

    def describe_class(self, logits: Tensor, index: int, size: tuple[int, int]) -> tuple[float, None]:
        return float(logits.softmax(1)[0, index]), None

    def prepare_report(self, run: RunFolder) -> None:
        """Everything is there."""

    def make_page(self, evidence: Evidence, originals: Originals) -> Page:
        return make_page(evidence, originals)

    def make_comparison_page(
        self, runs: Sequence[Evidence], originals: Originals, comparisons: Sequence[Compared] = ()
    ) -> Page:
        return make_comparison_page(runs, originals, COMPARISON, comparisons)

    def list_false_classes(self, evidence: Evidence, originals: Originals) -> dict[str, int]:
        return list_false_classes(evidence, originals)

    def read_evaluation(self, run: RunFolder, split: str, classes: ClassList) -> Evaluation:
        return read_evaluation(run, split, classes)

    def read_statistics(self, run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
        return read_statistics(run, split, classes)

    def watch_training(
        self, run: RunFolder, val: ImageDataset, classes: ClassList, settings: Settings
    ) -> list[Callback]:
        history = start_history(run, val, classes, settings)
        return [history] if history else []
