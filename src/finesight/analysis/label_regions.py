"""Regions of masks whose label is confidently contradicted: confident learning (label_errors.py) on pixels.

A pixel is contradicted where another class than its label is the most probable. Contradicted pixels of one label and
one other class that lie together are a region; thin ones are borders drawn a little off, and are left out. A region is
suspected where the mean probability of its other class reaches that class's threshold (the mean it has on all pixels of
that label, or a half), and that of its label is unlikely. Its score is its fraction of the image times its confidence.
"""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from finesight.analysis.distance import Floats
from finesight.analysis.label_errors import LabelError, Region, class_thresholds
from finesight.classes import IGNORE_INDEX

THICKNESS = 0.02  # of an image's shorter side: what is thinner is a border
SMALLEST = 0.005  # of an image's pixels
UNLIKELY = 0.05  # mean probability of the label; with 1 / classes, most of what is found are hard but right pixels
TOLERANCE = 1e-6  # of means of float32
MOST_REGIONS = 255  # an image: their numbers are the values of a grey PNG


class RegionFinder:
    """Looks at images one by one, keeps little of each, and judges when all were seen.

    unknown: a class that is never predicted and whose pixels are not judged, beside those of IGNORE_INDEX.
    """

    def __init__(self, num_classes: int, unknown: int | None) -> None:
        self.unknown = unknown
        self.sums = np.zeros(num_classes)  # of each class's probability where it is the label
        self.counts = np.zeros(num_classes, np.int64)
        self.candidates: list[tuple[LabelError, float]] = []  # with the mean probability of what is suggested
        self.outlines: dict[str, bytes] = {}

    def add(self, logits: Tensor, masks: Tensor, keys: Sequence[str]) -> None:
        """logits: (n, C, h, w); masks: class indices uint8 (n, h, w)."""
        logits = logits.float()
        if self.unknown is not None:
            logits[:, self.unknown] = -torch.inf
        for probabilities, mask, key in zip(logits.softmax(1).cpu().numpy(), masks.cpu().numpy(), keys, strict=True):
            self._look_at(probabilities, mask, key)

    def _look_at(self, probabilities: Floats, mask: np.ndarray, key: str) -> None:
        known = (mask != IGNORE_INDEX) & (mask != self.unknown)
        given = np.where(known, mask, 0).astype(np.int64)
        own = np.take_along_axis(probabilities, given[None], 0)[0]
        size = len(self.counts)
        self.sums += np.bincount(given[known], weights=own[known], minlength=size)
        self.counts += np.bincount(given[known], minlength=size)
        predicted = probabilities.argmax(0)
        pairs = np.where(known & (predicted != given), given * size + predicted, -1)
        numbers = np.zeros(mask.shape, np.uint8)
        for pair, region in sorted(find_regions(pairs), key=lambda found: -found[1].sum())[:MOST_REGIONS]:
            label, other = divmod(pair, size)
            own_mean, other_mean = float(own[region].mean()), float(probabilities[other][region].mean())
            if own_mean >= UNLIKELY:
                continue
            confidence = other_mean - own_mean
            number = int(numbers.max()) + 1
            numbers[region] = number
            place = Region(number, float(region.mean()), confidence, bounding_box(region))
            error = LabelError(key, label, other, place.fraction * confidence, place)
            self.candidates.append((error, other_mean))
        if numbers.any():
            self.outlines[key] = _encode(numbers)

    def finish(self) -> tuple[list[LabelError], dict[str, bytes]]:
        """(suspected regions, those with the highest score first; key → PNG whose values are their numbers)."""
        thresholds = class_thresholds(self.sums, self.counts)
        errors = [error for error, mean in self.candidates if mean >= thresholds[error.suggested] - TOLERANCE]
        errors.sort(key=lambda error: (-error.score, error.key))
        keys = {error.key for error in errors}
        return errors, {key: outline for key, outline in self.outlines.items() if key in keys}


def find_regions(pairs: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """(pair, bool (h, w)) of what lies together in pairs (h, w), where -1 is nothing; thin and small ones left out."""
    from scipy import ndimage

    width = max(1, round(THICKNESS * min(pairs.shape)))
    smallest = SMALLEST * pairs.size
    found = []
    pair_values, counts = np.unique(pairs[pairs >= 0], return_counts=True)
    for pair in pair_values[counts >= smallest]:
        thick = ndimage.grey_opening((pairs == pair).astype(np.uint8), size=(width, width))
        numbered, _ = ndimage.label(thick)
        sizes = np.bincount(numbered.ravel())
        found += [(int(pair), numbered == number) for number in np.flatnonzero(sizes >= smallest) if number]
    return found


def bounding_box(region: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of a bool (h, w) that is not empty; bottom and right are the first outside."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _encode(numbers: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(numbers).save(content, "PNG")
    return content.getvalue()
