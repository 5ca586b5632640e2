"""How good predicted masks are on a split, from the pixel counts of each image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from finesight.classes import ClassList
from finesight.data.masks.encoding import encode_mask
from finesight.errors import DataError, ModelError
from finesight.metrics.boundary import count_boundary
from finesight.metrics.confusion import definitions
from finesight.metrics.evaluation import Metrics, write_confusion, write_metrics
from finesight.metrics.pixel_sample import PixelSample
from finesight.metrics.segmentation import count_pixels, enlarge, fold_unknown, predict_masks, segmentation_metrics
from finesight.run import schema
from finesight.run.calibration import Calibration
from finesight.run.files import write_atomically, write_csv


class SegmentationScore:
    """Counts of each image; if it is to be saved also of its borders, and its predicted mask as a PNG file."""

    def __init__(self, classes: ClassList, to_save: bool) -> None:
        self.classes = classes
        self.to_save = to_save
        self._counts: list[Tensor] = []
        self._boundary: list[Tensor] = []
        self._masks: list[bytes] = []
        self._finite: list[Tensor] = []
        self._sample = PixelSample(classes.ignore)

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """logits: at any size; they are brought to the masks'. targets: (n, h, w)."""
        logits, size = logits.detach(), (targets.shape[-2], targets.shape[-1])
        predictions = predict_masks(logits, size)
        self._finite.append(logits.sum(dtype=torch.float32).isfinite())
        here = targets.to(
            logits.device, non_blocking=logits.device.type != "cpu"
        )  # a copy to the host has to be waited for
        self._counts.append(count_pixels(here, predictions, len(self.classes)))
        if self.to_save:
            pairs = zip(here, predictions, strict=True)
            self._boundary.append(torch.stack([count_boundary(*pair, len(self.classes)) for pair in pairs]))
            self._sample.add(enlarge(logits, size), targets)
            self._masks += [encode_mask(mask, self.classes) for mask in predictions.byte().cpu().numpy()]

    def extend(self, other: "SegmentationScore") -> None:
        for name, values in vars(self).items():
            if isinstance(values, list):
                values += getattr(other, name)

    def arrange(self, indices: Sequence[int]) -> None:
        order = np.argsort(indices)
        self._counts = [self.counts[order]]
        if self.to_save:
            self._boundary = [_join(self._boundary)[order]]
            self._masks = [self._masks[place] for place in order]

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which has devices of its own: tensors come from the CPU."""
        return {
            **vars(self),
            **{name: [each.cpu() for each in getattr(self, name)] for name in ("_counts", "_boundary", "_finite")},
        }

    @property
    def counts(self) -> Tensor:
        """int64 (n, C + 1, C)."""
        return _join(self._counts)

    @property
    def boundary(self) -> Tensor | None:
        """int64 (n, 3, C), of `count_boundary`."""
        return _join(self._boundary) if self.to_save else None

    def metrics(self) -> Metrics:
        if not all(self._finite):
            raise ModelError(
                "The network's logits are not finite: training diverged. A lower optim.lr, or optim.clip_norm = 1, "
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


def _join(batches: list[Tensor]) -> Tensor:
    """On the host: some come from this device, others from another process."""
    return torch.cat([batch.cpu() for batch in batches])


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
