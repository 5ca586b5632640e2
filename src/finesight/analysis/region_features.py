"""Regions: mean features of each class in each mask, as what the head sees of an image with several classes belongs to
none of them.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.analysis.distance import Floats, Indices
from finesight.classes import IGNORE_INDEX
from finesight.metrics.counting import count_numbers

LEAST_FRACTION = 0.02  # of an image's pixels: at 512x512, five cells of a network with stride 32
GRID = 32  # networks grow images at the bottom and the right to multiples of it; see `average_regions`


@dataclass(frozen=True, eq=False)
class Regions:
    """features: float32 (m, d). images: (m,), which of the data set each is of. classes: (m,) true class indices."""

    features: Floats
    images: Indices
    classes: Indices

    @classmethod
    def join(cls, batches: "list[Regions]") -> "Regions":
        columns = zip(*((each.features, each.images, each.classes) for each in batches), strict=True)
        return cls(*map(np.concatenate, columns))

    def arrange(self) -> "Regions":
        """By the order of the data set."""
        order = np.argsort(self.images, kind="stable")
        return Regions(self.features[order], self.images[order], self.classes[order])


def average_regions(seen: Tensor, masks: Tensor, images: Indices, size: tuple[int, int]) -> Regions:
    """A region is all of a class in an image, from LEAST_FRACTION of its pixels on: the mean of cells by their overlap.

    seen: (n, d, h, w), of images of `size` (height, width). masks: class indices uint8 (n, H, W) of the same.
    images: (n,), which of the data set they are. Cells are taken to lie evenly over the grown image; the
    reference's FCN32s has them half a cell inwards, and the paper's networks, which pad on all sides, up to a cell off.
    """
    features: list[Tensor] = []
    labels: list[tuple[int, int]] = []
    grown = [-(-side // GRID) * GRID / side for side in size]
    bottom, right = (round(side * (by - 1)) for side, by in zip(masks.shape[1:], grown, strict=True))
    cells = seen.float()
    counts = count_numbers(masks.flatten(1), IGNORE_INDEX + 1)[:, :IGNORE_INDEX]
    for row, index in (counts >= LEAST_FRACTION * masks[0].numel()).nonzero().tolist():
        inside = F.pad((masks[row] == index).float()[None], (0, right, 0, bottom))
        weights = F.adaptive_avg_pool2d(inside, (cells.shape[2], cells.shape[3]))  # (1, h, w)
        features.append((cells[row] * weights).sum((1, 2)) / weights.sum())
        labels.append((int(images[row]), index))
    rows = torch.stack(features).cpu().numpy() if features else np.empty((0, seen.shape[1]), np.float32)
    return Regions(rows, *np.array(labels, dtype=np.int64).reshape(-1, 2).T)
