"""Boundary IoU, of the pixels near the borders of segments (Cheng et al., CVPR 2021, arXiv:2103.16562)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.metrics.confusion import ClassScores
from finesight.metrics.counting import count_numbers

WIDTH = 0.02  # of the image's diagonal, as in the paper


def border_width(height: int, width: int) -> int:
    """Pixels from a border that count as near it, at least 1; 14 for 512 x 512."""
    return max(1, round(WIDTH * math.hypot(height, width)))


def near_border(mask: Tensor, distance: int) -> Tensor:
    """Whether a pixel of mask (h, w) is within `distance` of another class or of the image's edge, bool (h, w).

    Within: in the square of 2 distance + 1 pixels around it, the paper's erosion by as many 3 x 3 steps. A square has
    one class if no two of its neighbouring pixels differ, which sums over the square show.
    """
    framed = F.pad(mask.to(torch.int16), (1, 1, 1, 1), value=-1)
    across = (framed[1:-1, 1:] != framed[1:-1, :-1]).int()  # (h, w + 1): left of each pixel, and right of the last
    along = (framed[1:, 1:-1] != framed[:-1, 1:-1]).int()
    size = (mask.shape[0], mask.shape[1])
    whole, shorter = (-distance, distance), (1 - distance, distance)  # n pixels have n - 1 neighbourhoods
    return (_sum_windows(across, size, whole, shorter) + _sum_windows(along, size, shorter, whole)) > 0


def _sum_windows(values: Tensor, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Sums of values over (y + rows[0] … y + rows[1], x + columns[0] … x + columns[1]) for each (y, x) of `size`."""
    sums = F.pad(values.cumsum(0).cumsum(1), (1, 0, 1, 0))
    bounds = []
    for axis, (first, last) in enumerate((rows, columns)):
        places, end = torch.arange(size[axis], device=values.device), values.shape[axis]
        bounds.append(((places + first).clamp(0, end), (places + last + 1).clamp(0, end)))
    (top, bottom), (left, right) = bounds
    lower, upper = sums[bottom], sums[top]
    return lower[:, right] - lower[:, left] - upper[:, right] + upper[:, left]


def count_boundary(target: Tensor, prediction: Tensor, num_classes: int) -> Tensor:
    """int64 (3, num_classes): pixels near a border in both masks and of the class in both; in truth; in prediction.

    target, prediction: class indices (h, w). Pixels of unknown truth (IGNORE_INDEX) are left out.
    """
    distance = border_width(*target.shape)
    known = target != IGNORE_INDEX
    in_truth = near_border(target, distance) & known
    in_prediction = near_border(prediction, distance) & known
    both = in_truth & in_prediction & (target == prediction)
    chosen = ((target, both), (target, in_truth), (prediction, in_prediction))
    rows = [classes.where(wanted, num_classes).flatten() for classes, wanted in chosen]
    return count_numbers(torch.stack(rows), num_classes + 1)[:, :-1]


def boundary_iou(counts: Tensor, classes: list[int]) -> ClassScores:
    """Of pooled counts (3, C), for `classes` in their order; None if neither mask has the class near a border."""
    both, truth, prediction = counts[:, classes].tolist()
    return tuple(b / (t + p - b) if t + p else None for b, t, p in zip(both, truth, prediction, strict=True))
