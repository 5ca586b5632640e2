"""One class a pixel."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from finesight.analysis.region_features import Regions, average_regions
from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import AugmentSettings, DataSettings, LossSettings, Preprocessing, Settings
from finesight.data.decoders import Masks
from finesight.data.image_cache import open_pixels
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import ImageDataset, MaskTargets, Targets
from finesight.data.masks.encoding import overlay_colours
from finesight.data.sample import Item
from finesight.data.transforms import augment_pairs
from finesight.errors import ConfigError, DataError
from finesight.metrics.segmentation import predict_masks, segmentation_metrics
from finesight.metrics.stride_bounds import STRIDES, bound_miou
from finesight.progress import progress_bar
from finesight.run.folder import RunFolder
from finesight.task import Callback, Loss, Score
from finesight.tasks.contract import LabelSearch, Task
from finesight.tasks.segmentation.evaluation import read_evaluation, read_statistics
from finesight.tasks.segmentation.mask_images import SIDE, list_colours
from finesight.tasks.segmentation.mask_targets import MaskFiles
from finesight.tasks.segmentation.score import SegmentationScore
from finesight.tasks.segmentation.snapshot_scores import score_snapshots
from finesight.tasks.segmentation.snapshots import watch_masks
from finesight.training.losses import class_weights, parse_loss

if TYPE_CHECKING:
    from finesight.analysis.evidence import Evidence
    from finesight.analysis.label_errors import LabelErrors
    from finesight.reporting.comparison_page import ComparedImages
    from finesight.reporting.html import Page
    from finesight.reporting.originals import Originals

CLASSES_EXPLAINED = 3  # of a mask, where no class was asked for
SMALLEST_EXPLAINED = 0.01  # of an image: smaller classes are not explained then
BOUND_PIXELS = 40 * 512 * 512  # enough for two digits, in a few seconds


class Segmentation(Task):
    name = "segmentation"
    network = "segmentation"
    best_metric = "miou"
    default_model = "fcn/efficientnet_lite0"
    fits = ("native", "stretch")
    has_head_rows = False
    quick_label_search = False
    overlay_side = SIDE
    keeps_head = False
    targets = MaskFiles()
    unit = "pixel"
    read_evaluation = staticmethod(read_evaluation)
    read_statistics = staticmethod(read_statistics)
    list_colours = staticmethod(list_colours)
    prepare_report = staticmethod(score_snapshots)

    @property
    def comparison(self) -> "ComparedImages":
        from finesight.tasks.segmentation.comparison import COMPARISON

        return COMPARISON

    def make_page(self, evidence: "Evidence", originals: "Originals") -> "Page":
        from finesight.tasks.segmentation.page import make_page

        return make_page(evidence, originals)

    def list_false_classes(self, evidence: "Evidence", originals: "Originals") -> dict[str, int]:
        from finesight.tasks.segmentation.page import list_false_classes

        return list_false_classes(evidence, originals)

    def find_label_errors(self, search: LabelSearch) -> "LabelErrors":
        from finesight.tasks.segmentation.label_errors import find_wrong_regions

        return find_wrong_regions(search)

    def check(self, settings: Settings) -> None:
        if settings.augment.mixup or settings.augment.cutmix:
            raise ConfigError("augment.mixup and augment.cutmix mix whole images' classes; set both to 0 for masks.")
        if settings.augment.randaugment:
            raise ConfigError(
                "augment.randaugment rotates, shears and moves images but not their masks; set it to 0 and use "
                "augment.rotate_degrees, augment.scale and augment.colour."
            )

    def open_targets(
        self, items: Sequence[Item], listing: Listing, stored: tuple[int, int] | None, fit: Fit, data: DataSettings
    ) -> MaskTargets:
        if listing.rule is None or any(item.target is None for item in items):
            raise DataError(f"{listing.root} holds images without masks; a segmentation run needs pairs.")
        with progress_bar("Reading masks", len(items), "masks") as bar:
            masks, _, _ = open_pixels(
                items,
                Masks(stored, fit, listing.rule),
                limit_gb=data.image_cache_gb,
                mode=data.image_cache,
                progress=bar.advance,
            )
        return MaskTargets(masks)

    def label(self, targets: Any, classes: ClassList) -> list[str]:
        return [""] * len(targets)

    def list_metrics(self, classes: ClassList) -> list[str]:
        perfect = torch.cat([torch.eye(len(classes)), torch.zeros(1, len(classes))]).long()
        return list(segmentation_metrics(perfect, classes.names, classes.ignore))

    def count_classes(self, targets: Targets, classes: ClassList) -> np.ndarray:
        """Pixels of each class over all masks; those ignored count for the class list's ignored class."""
        *known, ignored = count_mask_pixels(targets, len(classes)).sum(0)
        counts = np.array(known)
        if classes.ignore is not None:
            counts[classes.ignore] += ignored
        return counts

    def find_stride_bounds(self, targets: Targets, classes: ClassList) -> dict[str, float]:
        """From masks spread evenly over the training split, as many as make up BOUND_PIXELS."""
        height, width = targets[[0]].shape[1:]
        step = math.ceil(len(targets) * height * width / BOUND_PIXELS)
        masks = [torch.from_numpy(targets[[index]][0]) for index in range(0, len(targets), step)]
        known = [index for index in range(len(classes)) if index != classes.ignore]
        try:
            return {str(stride): bound_miou(masks, len(classes), known, stride) for stride in STRIDES}
        except DataError:  # none of these masks has a known pixel
            return {}

    def make_loss(self, settings: LossSettings, class_counts: np.ndarray, classes: ClassList) -> Loss:
        """With loss.train_ignored, pixels that count nowhere are of the class list's ignored class."""
        unknown, counts = classes.ignore, torch.from_numpy(class_counts.copy())
        if unknown is not None and not settings.train_ignored:
            counts[unknown] = 0
        weights = class_weights(counts, settings.class_weights)
        loss = parse_loss(settings.name, label_smoothing=settings.label_smoothing, weights=weights)
        if unknown is None or not settings.train_ignored:
            return loss
        index = unknown
        return loss.after(lambda targets: targets.masked_fill(targets == IGNORE_INDEX, index))

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
        counts = torch.from_numpy(class_counts)
        return augment_pairs(images, targets, settings, preprocessing, draws, size, counts)

    def new_score(self, classes: ClassList, to_save: bool = True, run: RunFolder | None = None) -> Score:
        return SegmentationScore(classes, to_save)

    def average_regions(self, seen: Tensor, targets: Tensor, images: np.ndarray, size: tuple[int, int]) -> Regions:
        return average_regions(seen, targets.to(seen.device), images, size)

    def describe_target(self, target: Tensor, classes: ClassList) -> str:
        """Classes of the mask (h, w) with their fractions of its pixels, the largest first."""
        counts = torch.bincount(target.flatten(), minlength=IGNORE_INDEX + 1)
        names = {**dict(enumerate(classes.labels)), IGNORE_INDEX: "ignored"}
        order = [index for index in counts.argsort(descending=True, stable=True).tolist() if counts[index]]
        return ", ".join(f"{100 * counts[index] / target.numel():.0f} % {names[index]}" for index in order)

    def draw_target(self, image: np.ndarray, target: Tensor, classes: ClassList) -> np.ndarray:
        """Under the colours of its classes; what is ignored stays as it is."""
        return overlay_colours(image, target.numpy().astype(np.uint8), classes)

    def choose_explained(self, logits: Tensor) -> list[int]:
        """The largest classes."""
        predicted = logits.argmax(1)
        fractions = torch.bincount(predicted.flatten(), minlength=logits.shape[1]) / predicted.numel()
        largest = fractions.argsort(descending=True)[:CLASSES_EXPLAINED].tolist()
        return [index for index in largest if fractions[index] >= SMALLEST_EXPLAINED]

    def describe_class(self, logits: Tensor, index: int, size: tuple[int, int]) -> tuple[float, np.ndarray]:
        region = (predict_masks(logits, size)[0] == index).cpu().numpy()
        return float(region.mean()), region

    def watch_training(
        self, run: RunFolder, val: ImageDataset, classes: ClassList, settings: Settings
    ) -> list[Callback]:
        counts = count_mask_pixels(val.targets, len(classes))
        snapshots = watch_masks(run, val.keys, counts, classes, settings.snapshots)
        return [snapshots] if snapshots else []


def count_mask_pixels(targets: Targets, num_classes: int) -> np.ndarray:
    """Pixels of each class in each mask, int64 (n, num_classes + 1); the last column is what is ignored."""
    table = np.empty((len(targets), num_classes + 1), np.int64)
    for row in range(len(targets)):
        counts = torch.bincount(torch.from_numpy(targets[[row]]).flatten(), minlength=256).numpy()
        table[row] = [*counts[:num_classes], counts[IGNORE_INDEX]]
    return table
