"""Several labels per image, each class a binary decision."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from finesight.classes import ClassList
from finesight.config import DataSettings, LossSettings, Settings
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import Targets
from finesight.data.sample import Item
from finesight.data.targets import list_labels
from finesight.errors import ConfigError
from finesight.metrics.link import SIGMOID
from finesight.run.folder import RunFolder
from finesight.task import Loss, Score
from finesight.tasks.contract import LabelSearch, Task
from finesight.tasks.multilabel.decision_losses import parse_loss
from finesight.tasks.multilabel.decision_metrics import multilabel_metrics
from finesight.tasks.multilabel.decisions import read_thresholds
from finesight.tasks.multilabel.evaluation import read_evaluation, read_statistics
from finesight.tasks.multilabel.label_sets import SEPARATOR, LabelSets
from finesight.tasks.multilabel.score import MultilabelScore
from finesight.training.losses import class_weights

if TYPE_CHECKING:
    from finesight.analysis.evidence import Evidence
    from finesight.analysis.label_errors import LabelErrors
    from finesight.reporting.comparison_page import ComparedImages
    from finesight.reporting.html import Page
    from finesight.reporting.originals import Originals

MOST_EXPLAINED = 3  # classes of an image


class Multilabel(Task):
    name = "multilabel"
    network = "classification"
    link = SIGMOID
    best_metric = "map"
    default_model = "efficientnet_lite0"
    fits = ("stretch", "crop")  # a crop may lose what a label names
    targets = LabelSets()
    unit = "label"
    read_evaluation = staticmethod(read_evaluation)
    read_statistics = staticmethod(read_statistics)

    @property
    def comparison(self) -> "ComparedImages":
        from finesight.tasks.multilabel.comparison import COMPARISON

        return COMPARISON

    def make_page(self, evidence: "Evidence", originals: "Originals") -> "Page":
        from finesight.tasks.multilabel.page import make_page

        return make_page(evidence, originals)

    def list_false_classes(self, evidence: "Evidence", originals: "Originals") -> dict[str, int]:
        from finesight.tasks.multilabel.page import list_false_classes

        return list_false_classes(evidence, originals)

    def find_label_errors(self, search: LabelSearch) -> "LabelErrors":
        from finesight.tasks.multilabel.label_errors import find_wrong_labels

        return find_wrong_labels(search)

    def check(self, settings: Settings) -> None:
        if settings.augment.mixup or settings.augment.cutmix:
            raise ConfigError("augment.mixup and augment.cutmix need one label per image; set both to 0.")
        parse_loss(settings.loss.name)

    def open_targets(
        self, items: Sequence[Item], listing: Listing, stored: tuple[int, int] | None, fit: Fit, data: DataSettings
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

    def make_loss(self, settings: LossSettings, class_counts: np.ndarray, classes: ClassList) -> Loss:
        weights = class_weights(torch.from_numpy(class_counts), settings.class_weights)
        return parse_loss(settings.name, settings.label_smoothing, weights)

    def new_score(self, classes: ClassList, to_save: bool = True, run: RunFolder | None = None) -> Score:
        thresholds = read_thresholds(run, classes)
        return MultilabelScore(classes, None if thresholds is None else torch.from_numpy(thresholds))

    def describe_target(self, target: Tensor, classes: ClassList) -> str:
        return ", ".join(classes.labels[index] for index in target.nonzero().flatten().tolist()) or "no label"

    def choose_explained(self, logits: Tensor) -> list[int]:
        """The most probable classes, of those below one half only the first."""
        order = logits[0].argsort(descending=True)[:MOST_EXPLAINED].tolist()
        return [c for c in order if c == order[0] or logits[0, c] >= 0]

    def describe_class(self, logits: Tensor, index: int, size: tuple[int, int]) -> tuple[float, None]:
        return float(logits.sigmoid()[0, index]), None
