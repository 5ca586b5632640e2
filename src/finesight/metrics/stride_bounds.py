"""The best mIoU that a model of a given output stride can achieve on masks."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.metrics.confusion import mean_iou
from finesight.metrics.segmentation import count_pixels, most_likely

STRIDES = (32, 16, 8, 4)


def bound_miou(masks: Sequence[Tensor], num_classes: int, known: Sequence[int], stride: int) -> float:
    """miou of true masks averaged over cells of stride x stride pixels and enlarged again: an upper bound.

    masks: class indices uint8 (h, w), of any sizes; IGNORE_INDEX is left out. A model of that stride would score so if
    it knew the class fractions of every cell. After Long, Shelhamer & Darrell, 2015, appendix A, who keep one pixel
    per cell; fractions keep more, so this bound is slightly higher than theirs.
    """
    counts = torch.stack([_count_through(mask, num_classes, stride) for mask in masks]).sum(0)
    return mean_iou(counts, known, masked=True)


def _count_through(mask: Tensor, num_classes: int, stride: int) -> Tensor:
    height, width = mask.shape
    pixels = torch.bincount(mask.flatten(), minlength=num_classes)[:num_classes]
    there = pixels.nonzero().flatten().to(mask.dtype)  # a scene has few of many classes
    if not len(there):
        return torch.zeros(num_classes + 1, num_classes, dtype=torch.int64)
    fractions = (mask == there.view(-1, 1, 1)).float()[None]
    cells = F.avg_pool2d(fractions, stride, ceil_mode=True, count_include_pad=False)
    rows, columns = cells.shape[-2:]
    enlarged = F.interpolate(cells, (rows * stride, columns * stride), mode="bilinear", align_corners=False)
    seen = there[most_likely(enlarged[0, :, :height, :width], dim=0)].long()
    return count_pixels(mask[None].long(), seen[None], num_classes)[0]
