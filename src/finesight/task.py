"""What a task is: the shape of a target, the loss and metrics that apply, and what a prediction is.

Nothing outside `tasks/` asks which task it is: not by name, and not by the shape of the data.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from finesight.classes import ClassList
from finesight.config import AugmentSettings, DataSettings, LossSettings, Preprocessing, Settings
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset, Targets
from finesight.data.sample import Item
from finesight.data.targets import TargetKind
from finesight.data.transforms import augment
from finesight.distributed import LateSum
from finesight.metrics.evaluation import Evaluation, Metrics
from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.link import SOFTMAX, Link
from finesight.run.folder import RunFolder


class Loss(Protocol):
    """What training makes small: a mean over the targets of a batch, weighted where some count more."""

    def start(self, targets: Tensor) -> LateSum:
        """Begins to sum the weights of all ranks' targets, by which the mean is divided."""

    def __call__(self, logits: Tensor, targets: Tensor, total: LateSum | None = None) -> Tensor:
        """A scalar of float32 logits. total: what `start` gave for the targets.

        Of several ranks each returns its summand times their number: the mean over the ranks is that of the batch, as
        DistributedDataParallel takes the mean of the gradients.
        """


class Score(Protocol):
    """Collects a model's logits over a split, then measures how good they are."""

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """logits: (n, C, …) on any device; targets: as the task's, same device or CPU."""

    def extend(self, other: Any) -> None:
        """Adds a score of the same kind: of the images that follow."""

    def arrange(self, indices: Sequence[int]) -> None:
        """Puts the predictions into the order of the data set. indices: of its samples, as they were added."""

    def metrics(self) -> Metrics: ...

    def calibrate(self, split: str) -> "Fitted | None":
        """What a held-out split teaches about decisions, such as a temperature or thresholds; the score uses it, too.

        None where predictions are not kept or no truth is known.
        """

    def judge_images(self) -> tuple[np.ndarray, np.ndarray]:
        """(true, predicted) class index of each image, int64 (n,), -1 where unknown; of a mask, of most pixels."""

    def judge_regions(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Class that was predicted for most pixels of a true class in an image; all index arrays, int64 (m,)."""

    def save(self, folder: Path, keys: Sequence[str]) -> None:
        """Writes metrics.json, confusion.csv and the saved predictions of a run folder's evaluation."""


class Fitted(Protocol):
    """What was fitted on a held-out split for the decisions of a run."""

    def save(self, run: RunFolder, tta: bool = False) -> None:
        """tta: of test-time augmentation."""

    def describe(self) -> str:
        """A sentence on what was found."""


Predict = Callable[[Sequence[int]], Mapping[int, tuple[Tensor, Tensor]]]  # indices → (prediction, target) of each


class Callback(Protocol):
    """Watches a training after each epoch. What has a body suits a callback that has nothing to do there.

    observes: whether it wants logits and features of the validation split.
    """

    observes: bool = False

    def observe(self, logits: Tensor, seen: Tensor) -> None:
        """A validation batch of this rank, in order. logits: (n, C, …). seen: what the head sees, n×d or n×d×h×w."""
        return

    def end_validation(self, epoch: int, predict: Predict) -> None:
        """predict: samples of the validation split, with the weights that were validated; any rank may ask alone."""
        return

    def end_epoch(self, epoch: int, is_last: bool) -> None:
        """On every rank, after the journal was written."""
        return


class Task(Protocol):
    """What has a body suits a task whose targets are of whole images."""

    name: str
    network: str  # the kind of networks that serve it, as `finesight models` lists them
    best_metric: str  # decides which epoch is kept, higher is better
    default_model: str
    link: Link = SOFTMAX  # from logits to probabilities
    fits: tuple[Fit, ...]  # values of image.fit that make sense; the first is the default
    has_head_rows: bool = True  # the head sees one row of features an image, so that they can be cached
    keeps_head: bool = True  # of a run to start from, where the classes are the same
    targets: TargetKind
    unit: str  # what has a class: `image`, or `pixel`

    def check(self, settings: Settings) -> None:
        """Raises ConfigError for a setting that makes no sense here."""

    def open_targets(
        self, items: Sequence[Item], listing: Listing, stored: tuple[int, int] | None, fit: Fit, data: DataSettings
    ) -> Targets:
        """Targets of items in order. stored: size that masks are brought to; None: each its image's own."""

    def label(self, targets: Any, classes: ClassList) -> list[str]:
        """What splits.csv says of each sample."""

    def list_metrics(self, classes: ClassList) -> list[str]:
        """Names of all metrics a score of these classes can have."""

    def count_classes(self, targets: Targets, classes: ClassList) -> np.ndarray:
        """How often each class occurs, int64 (num_classes,)."""

    def find_stride_bounds(self, targets: Targets, classes: ClassList) -> dict[str, float]:
        """mIoU upper bound of each output stride; empty where strides cost nothing."""
        return {}

    def make_loss(self, settings: LossSettings, class_counts: np.ndarray, classes: ClassList) -> Loss: ...

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
        """Stored images and targets as training sees them; see data.transforms.augment."""
        return augment(images, settings, preprocessing, draws, size), targets

    def new_score(self, classes: ClassList, to_save: bool = True, run: RunFolder | None = None) -> Score:
        """to_save: whether the score will be saved, with what was predicted for each image. run: whose thresholds and
        the like decide, where it has them."""

    def read_evaluation(self, run: RunFolder, split: str, classes: ClassList) -> Evaluation:
        """What was saved of a split. Raises RunError where it is damaged."""

    def read_statistics(self, run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
        """What an evaluation counted of each image, in the order of its keys. Raises RunError where it is damaged."""

    def watch_training(
        self, run: RunFolder, val: ImageDataset, classes: ClassList, settings: Settings
    ) -> list[Callback]:
        """What is kept of the validation split after each epoch, as settings.snapshots says."""
        return []
