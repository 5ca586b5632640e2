"""Several labels an image, each class a yes-or-no question."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finesight.analysis.evidence import Evidence
from finesight.analysis.label_errors import LabelErrors
from finesight.classes import ClassList
from finesight.config import AugmentSettings, LossSettings, Preprocessing, Settings
from finesight.data.formats import list_images
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset, Targets
from finesight.data.sample import Item
from finesight.data.targets import TargetKind, list_labels
from finesight.data.transforms import augment
from finesight.errors import ConfigError
from finesight.inference.prediction_table import DEFAULT_OUT
from finesight.metrics.evaluation import Evaluation
from finesight.metrics.image_statistics import ImageStatistics
from finesight.reporting.comparison_page import ComparedImages, make_comparison_page
from finesight.reporting.html import Page
from finesight.reporting.originals import Originals
from finesight.run.folder import RunFolder
from finesight.run.results import Compared, Unreadable
from finesight.task import Callback, Loss, Score
from finesight.tasks.classification.comparison import gather_changes
from finesight.tasks.contract import LabelSearch, PredictRequest
from finesight.tasks.multilabel.decision_losses import parse_loss
from finesight.tasks.multilabel.decision_metrics import multilabel_metrics
from finesight.tasks.multilabel.evaluation import read_evaluation, read_statistics
from finesight.tasks.multilabel.label_errors import find_wrong_labels
from finesight.tasks.multilabel.label_sets import SEPARATOR, LabelSets
from finesight.tasks.multilabel.page import OVERLAY_SIDE, list_false_classes, make_page
from finesight.tasks.multilabel.predict import predict
from finesight.tasks.multilabel.score import MultilabelScore
from finesight.tasks.multilabel.thresholds import read_thresholds
from finesight.training.losses import class_weights

COMPARISON = ComparedImages("f1", "F1", ("changed_predictions.html.j2",), (("images", "Same images"),), gather_changes)
MOST_EXPLAINED = 3  # classes of an image
UNCALIBRATED = "Labels are decided by thresholds on the probabilities as they are."


class Multilabel:
    name = "multilabel"
    network = "classification"
    has_head_rows = True
    best_metric = "map"
    default_model = "efficientnet_lite0"
    fits: tuple[Fit, ...] = ("stretch", "crop")  # a crop may lose what a label names
    default_out = DEFAULT_OUT
    refused_options: Mapping[str, str] = {"index": "", "overlay": "", "calibrated": UNCALIBRATED}
    quick_label_search = True
    overlay_side = OVERLAY_SIDE
    keeps_head = True
    targets: TargetKind = LabelSets()
    unit = "label"

    def check(self, settings: Settings) -> None:
        if settings.augment.mixup or settings.augment.cutmix:
            raise ConfigError("augment.mixup and augment.cutmix mix images of one class each; set both to 0.")
        parse_loss(settings.loss.name)

    def open_targets(
        self,
        items: Sequence[Item],
        listing: Listing,
        stored: tuple[int, int] | None,
        preprocessing: Preprocessing,
        settings: Settings,
    ) -> np.ndarray:
        """uint8 (n, C): 1 for each class of an image."""
        flags = np.zeros((len(items), len(listing.classes)), np.uint8)
        for row, item in enumerate(items):
            flags[row, [listing.classes.index(label) for label in list_labels(item)]] = 1
        return flags

    def label(self, targets: Any, classes: ClassList) -> list[str]:
        return [SEPARATOR.join(classes.ids[c] for c in np.flatnonzero(row)) for row in targets]

    def list_metrics(self, classes: ClassList) -> list[str]:
        every_class = torch.eye(len(classes))
        return list(multilabel_metrics(every_class, every_class.bool(), classes.names))

    def count_classes(self, targets: Targets, classes: ClassList) -> np.ndarray:
        counts: np.ndarray = np.asarray(targets[:]).astype(np.int64).sum(0)
        return counts

    def find_ceilings(self, targets: Targets, classes: ClassList) -> dict[str, float]:
        return {}

    def make_loss(self, settings: LossSettings, class_counts: np.ndarray, classes: ClassList) -> Loss:
        weights = class_weights(torch.from_numpy(class_counts), settings.class_weights)
        return parse_loss(settings.name, settings.label_smoothing, weights)

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
        return MultilabelScore(classes, read_thresholds(run, classes))

    def list_inputs(self, images: str | Path) -> list[Item]:
        return list_images(images)

    def predict(self, request: PredictRequest) -> Unreadable:
        return predict(request)

    def find_label_errors(self, search: LabelSearch) -> LabelErrors:
        return find_wrong_labels(search)

    def list_colours(self, classes: ClassList) -> list[str]:
        return []

    def average_regions(self, seen: Tensor, targets: Tensor, images: np.ndarray, size: tuple[int, int]) -> None:
        """Labels are of whole images."""

    def choose_explained(self, logits: Tensor) -> list[int]:
        """The most probable classes, of those below one half only the first."""
        order = logits[0].argsort(descending=True)[:MOST_EXPLAINED].tolist()
        return [c for c in order if c == order[0] or logits[0, c] >= 0]

    def describe_class(self, logits: Tensor, index: int, size: tuple[int, int]) -> tuple[float, None]:
        return float(logits.sigmoid()[0, index]), None

    def prepare_report(self, run: RunFolder) -> None:
        """Everything is there."""

    def make_page(self, evidence: Evidence, originals: Originals) -> Page:
        return make_page(evidence, originals)

    def make_comparison_page(
        self, runs: Sequence[Evidence], originals: Originals, comparisons: Sequence[Compared] = ()
    ) -> Page:
        return make_comparison_page(runs, originals, COMPARISON, comparisons)

    def list_false_classes(self, evidence: Evidence, originals: Originals) -> dict[str, int]:
        return list_false_classes(evidence)

    def read_evaluation(self, run: RunFolder, split: str, classes: ClassList) -> Evaluation:
        return read_evaluation(run, split, classes)

    def read_statistics(self, run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
        return read_statistics(run, split, classes)

    def watch_training(
        self, run: RunFolder, val: ImageDataset, classes: ClassList, settings: Settings
    ) -> list[Callback]:
        return []
