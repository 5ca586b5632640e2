"""One class a pixel."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import AugmentSettings, LossSettings, Preprocessing, Settings
from finesight.data.decoders import Masks
from finesight.data.image_cache import open_rows
from finesight.data.images.image import Fit
from finesight.data.listing import Listing
from finesight.data.loader import MaskTargets, Targets
from finesight.data.masks.files import encode_mask
from finesight.data.sample import Item
from finesight.data.transforms import augment_pairs
from finesight.errors import ConfigError, DataError, ModelError
from finesight.metrics.boundary import count_boundary
from finesight.metrics.calibration import Calibration
from finesight.metrics.confusion import definitions
from finesight.metrics.evaluation import Evaluation, Metrics, write_confusion, write_metrics
from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.pixel_sample import PixelSample
from finesight.metrics.segmentation import count_pixels, enlarge, fold_unknown, most_likely, segmentation_metrics
from finesight.metrics.stride_ceiling import STRIDES, stride_ceiling
from finesight.progress import progress_bar
from finesight.run import schema
from finesight.run.folder import RunFolder, write_atomically, write_csv
from finesight.task import Loss, Score, TaskName
from finesight.tasks.segmentation.evaluation import read_evaluation, read_statistics
from finesight.tasks.segmentation.snapshots import Film, start_film
from finesight.training.losses import class_weights, parse_loss

CEILING_PIXELS = 40 * 512 * 512  # enough for two digits, in a few seconds


class Segmentation:
    name: TaskName = "segmentation"
    best_metric = "miou"
    default_model = "fcn/efficientnet_lite0"
    fits: tuple[Fit, ...] = ("native", "stretch")
    has_masks = True
    unit = "pixel"

    def check(self, settings: Settings) -> None:
        if settings.augment.mixup or settings.augment.cutmix:
            raise ConfigError("augment.mixup and augment.cutmix mix whole images' classes; masks cannot be mixed.")
        if settings.augment.randaugment:
            raise ConfigError(
                "augment.randaugment turns, shears and moves images but not their masks; set it to 0 and use "
                "augment.rotate_degrees, augment.scale and augment.colour."
            )

    def open_targets(
        self,
        items: Sequence[Item],
        listing: Listing,
        stored: tuple[int, int] | None,
        preprocessing: Preprocessing,
        settings: Settings,
    ) -> MaskTargets:
        if listing.masks is None or any(item.target is None for item in items):
            raise DataError(f"{listing.root} holds images without masks; a segmentation run needs pairs.")
        data = settings.data
        with progress_bar("Reading masks", len(items), "masks") as bar:
            masks, _, _ = open_rows(
                items,
                Masks(stored, preprocessing.fit, listing.masks),
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
        total: np.ndarray = fold_table(count_shares(targets, len(classes)), classes.ignore).sum(0)
        return total

    def find_ceilings(self, targets: Targets, classes: ClassList) -> dict[str, float]:
        """Of masks spread evenly over the training part, as many as make up CEILING_PIXELS."""
        height, width = targets[[0]].shape[1:]
        step = math.ceil(len(targets) * height * width / CEILING_PIXELS)
        masks = [torch.from_numpy(targets[[index]][0]) for index in range(0, len(targets), step)]
        known = [index for index in range(len(classes)) if index != classes.ignore]
        try:
            return {str(stride): stride_ceiling(masks, len(classes), known, stride) for stride in STRIDES}
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
        return lambda logits, targets: loss(logits, targets.masked_fill(targets == IGNORE_INDEX, index))

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

    def new_score(self, classes: ClassList, answers: bool = True) -> Score:
        return SegmentationScore(classes, answers)

    def read_evaluation(self, run: RunFolder, split: str, classes: ClassList) -> Evaluation:
        return read_evaluation(run, split, classes)

    def read_statistics(self, run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
        return read_statistics(run, split, classes)

    def start_film(
        self, run: RunFolder, keys: Sequence[str], targets: Targets, classes: ClassList, settings: Settings
    ) -> Film | None:
        return start_film(run, keys, count_shares(targets, len(classes)), classes, settings.snapshots)


def count_shares(targets: Targets, num_classes: int) -> np.ndarray:
    """Pixels of each class in each mask, int64 (n, num_classes + 1); the last column is what is ignored."""
    table = np.empty((len(targets), num_classes + 1), np.int64)
    for row in range(len(targets)):
        counts = torch.bincount(torch.from_numpy(targets[[row]]).flatten(), minlength=256).numpy()
        table[row] = [*counts[:num_classes], counts[IGNORE_INDEX]]
    return table


def fold_table(table: np.ndarray, unknown: int | None) -> np.ndarray:
    """(n, C) of (n, C + 1): ignored pixels in the column of class `unknown`, or left out."""
    folded = table[:, :-1].copy()
    if unknown is not None:
        folded[:, unknown] += table[:, -1]
    return folded


class SegmentationScore:
    """Counts of each image; where answers are wanted also of its borders, and its predicted mask as a PNG file."""

    def __init__(self, classes: ClassList, answers: bool) -> None:
        self.classes = classes
        self.answers = answers
        self._counts: list[Tensor] = []
        self._boundary: list[Tensor] = []
        self._masks: list[bytes] = []
        self._finite: list[Tensor] = []
        self._sample = PixelSample(classes.ignore)

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """logits: at any size; they are brought to the masks'. targets: (n, h, w)."""
        logits = enlarge(logits.detach(), (targets.shape[-2], targets.shape[-1]))
        predictions = most_likely(logits)
        self._finite.append(logits.sum().isfinite())
        counts = count_pixels(targets.to(logits.device, non_blocking=True), predictions, len(self.classes))
        self._counts.append(counts)
        if self.answers:
            pairs = zip(targets, predictions.to(targets.device), strict=True)
            self._boundary += [count_boundary(truth, guess, len(self.classes)).cpu() for truth, guess in pairs]
            self._sample.add(logits, targets)
            self._masks += [encode_mask(mask, self.classes) for mask in predictions.byte().cpu().numpy()]

    def extend(self, other: "SegmentationScore") -> None:
        for name, answers in vars(self).items():
            if isinstance(answers, list):
                answers += getattr(other, name)

    def arrange(self, indices: Sequence[int]) -> None:
        order = np.argsort(indices)
        self._counts = [torch.cat([counts.cpu() for counts in self._counts])[order]]
        if self.answers:
            self._boundary = [self._boundary[place] for place in order]
            self._masks = [self._masks[place] for place in order]

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which has devices of its own: tensors come from the CPU."""
        return {
            **vars(self),
            "_counts": [counts.cpu() for counts in self._counts],
            "_finite": [finite.cpu() for finite in self._finite],
        }

    @property
    def counts(self) -> Tensor:
        """int64 (n, C + 1, C)."""
        return torch.cat(self._counts).cpu()

    @property
    def boundary(self) -> Tensor | None:
        """int64 (n, 3, C), of `count_boundary`."""
        return torch.stack(self._boundary) if self.answers else None

    def metrics(self) -> Metrics:
        if not all(self._finite):
            raise ModelError(
                "The network's logits are not finite: training went astray. A lower optim.lr, or optim.clip_norm = 1, "
                "helps."
            )
        counts, boundary = self.counts, self.boundary
        pooled = None if boundary is None else boundary.sum(0)
        values = segmentation_metrics(counts.sum(0), self.classes.names, self.classes.ignore, pooled)
        return Metrics(len(counts), values, definitions(values))

    def calibrate(self, split: str) -> Calibration | None:
        return self._sample.calibrate(split)

    def judge_images(self) -> tuple[np.ndarray, np.ndarray]:
        """Where pixels are of a known class; of classes with as many pixels, the first in the class list."""
        known = self.counts[:, :-1].numpy()
        truth, predicted = known.sum(2), known.sum(1)
        nothing = truth.sum(1) == 0
        return np.where(nothing, -1, truth.argmax(1)), np.where(nothing, -1, predicted.argmax(1))

    def judge_regions(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        predictions: np.ndarray = self.counts.numpy()[images, classes].argmax(1)
        return predictions

    def save(self, folder: Path, keys: Sequence[str]) -> None:
        save_counts(folder, keys, self.counts, self.classes, self.metrics(), self.boundary)
        for key, mask in zip(keys, self._masks, strict=True):
            write_atomically(folder / schema.PREDICTED_MASKS / schema.mask_file(key), mask)


def save_counts(
    folder: Path, keys: Sequence[str], counts: Tensor, classes: ClassList, metrics: Metrics, boundary: Tensor | None
) -> None:
    """metrics.json, confusion.csv (pixels), images.csv and counts.safetensors of an evaluation.

    counts.safetensors, in the order of images.csv: `counts` int64 (n, C + 1, C), the last row is unknown truth;
    `boundary` int64 (n, 3, C) of `count_boundary`, where it was counted.
    """
    write_confusion(folder, fold_unknown(counts.sum(0), classes.ignore).tolist(), classes)
    rows = ((key, *describe_image(each, classes)) for key, each in zip(keys, counts, strict=True))
    write_csv(folder / schema.IMAGES, ("key", "pixel_accuracy", "miou"), rows)
    tensors = {"counts": counts} if boundary is None else {"counts": counts, "boundary": boundary}
    stored = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    write_atomically(folder / schema.COUNTS, stored)
    write_metrics(folder, metrics)


def describe_image(counts: Tensor, classes: ClassList) -> tuple[str, str]:
    """Pixel accuracy and mIoU of one image; empty where nothing in it is known."""
    try:
        values = segmentation_metrics(counts, classes.names, classes.ignore)
    except DataError:
        return "", ""
    return f"{values['pixel_accuracy']:.6f}", f"{values['miou']:.6f}"
