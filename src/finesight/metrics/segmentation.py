"""Segmentation metrics: pixels counted per image, and every metric from the counts."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.metrics.boundary import boundary_iou
from finesight.metrics.classification import name_scores
from finesight.metrics.confusion import accuracy, frequency_weighted_iou, iou, mean_iou, mean_score, recall
from finesight.metrics.counting import count_numbers
from finesight.metrics.mask_decision import decide_mask


def predict_masks(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Class indices int64 (n, *size) of logits (n, C, h, w) of any size."""
    logits = logits.detach()
    if is_plain(logits):
        return torch.from_numpy(np.stack([decide_mask(each, size) for each in logits.numpy()])).long()
    parts = [each.unsqueeze(0) for each in logits] if logits.device.type == "cpu" else [logits]
    return torch.cat([most_likely(enlarge(part, size)) for part in parts])  # one enlarged image fits into the cache


def is_plain(logits: Tensor) -> bool:
    """Whether `decide_mask` takes them: those of torch's own engine mostly have another type or order."""
    return logits.device.type == "cpu" and logits.dtype == torch.float32 and logits.is_contiguous()


def most_likely(scores: Tensor, dim: int = 1) -> Tensor:
    """Class indices int64 (n, h, w) of scores (n, C, h, w): as argmax, which takes five times as long on a CPU."""
    return scores.max(dim).indices


def enlarge(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation of logits (n, C, h, w) to `size`, unless they have it."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)


def count_pixels(targets: Tensor, predictions: Tensor, num_classes: int) -> Tensor:
    """Confusion counts of each image, int64 (n, num_classes + 1, num_classes), on the device of both.

    targets, predictions: class indices (n, h, w). The last row holds pixels of unknown truth (IGNORE_INDEX).
    """
    cells = (num_classes + 1) * num_classes
    small = torch.uint8 if cells <= 256 else torch.int32  # counting is bound by memory
    truth = torch.where(targets == IGNORE_INDEX, num_classes, targets).to(small)
    codes = (truth * num_classes + predictions.to(small)).flatten(1)
    return count_numbers(codes, cells).view(len(targets), num_classes + 1, num_classes)


def fold_unknown(counts: Tensor, unknown: int | None) -> Tensor:
    """Square counts (C, C) of (C + 1, C): pixels of unknown truth in the row of class `unknown`, or left out."""
    folded = counts[:-1].clone()
    if unknown is not None:
        folded[unknown] += counts[-1]
    return folded


def segmentation_metrics(
    counts: Tensor, names: Sequence[str], unknown: int | None, boundary: Tensor | None = None
) -> dict[str, float]:
    """Every metric of pooled counts (C + 1, C), by its path; confusion.DEFINITIONS says what each is.

    unknown: class that is left out of all means. boundary: pooled `count_boundary`, if it was counted.
    Raises DataError if no pixel has a known truth.
    """
    known = [index for index in range(len(names)) if index != unknown]
    known_names = [names[index] for index in known]
    recalls = recall(counts[:-1])
    known_recalls = tuple(recalls[index] for index in known)
    metrics = {
        "miou": mean_iou(counts, known, masked=True),
        "miou_unmasked": mean_iou(counts, known, masked=False),
        "pixel_accuracy": accuracy(counts, known),
        "class_accuracy": mean_score(known_recalls),
        "frequency_weighted_iou": frequency_weighted_iou(counts, known),
    }
    by_class = {"iou": iou(counts, known)}
    if boundary is not None:
        by_class["boundary_iou"] = boundary_iou(boundary, known)
        metrics["boundary_iou"] = mean_score(by_class["boundary_iou"])
    for metric, scores in by_class.items():
        metrics |= name_scores(metric, scores, known_names)
    return metrics | name_scores("recall", known_recalls, known_names)
