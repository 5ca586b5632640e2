"""What was counted of each image of a split: the one form in which checks and comparisons see any task's predictions.

Counts are of *units*: the images themselves where an image has one class, else its pixels or labels. Everything else
follows from them: confusion, the score of a class or of the whole, and how certain it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from finesight.metrics.intervals import Measured, bootstrap, measure_fraction
from finesight.metrics.significance import MANY, Score, score_mean, score_pooled

Counts = np.ndarray  # integers
Ratio = Callable[[Counts, Counts, Counts], tuple[Counts, Counts]]  # (hits, support, predicted) → (part, whole)


@dataclass(frozen=True)
class Scoring:
    """How classes are scored: part / whole, each summed over images. metric, class_metric: paths as in metrics.json.

    name, class_name: the same in a sentence. score: of the sums of `ImageStatistics.rows`.
    """

    metric: str
    name: str
    class_metric: str
    class_name: str
    ratio: Ratio
    score: Score


RECALL = Scoring("accuracy", "accuracy", "recall", "recall", lambda hits, support, _: (hits, support), score_pooled)
IOU = Scoring("miou", "mIoU", "iou", "IoU", lambda hits, support, said: (hits, support + said - hits), score_mean)


@dataclass(frozen=True, eq=False)
class ClassPairs:
    """Units of an image by true and predicted class, int64 (m,) each, as far as they occur.

    Only units whose true class is scored.
    """

    image: Counts
    truth: Counts
    prediction: Counts
    count: Counts

    def pool(self, num_classes: int) -> Counts:
        """Confusion counts of all images, int64 (C, C); a row is the truth."""
        counts = np.zeros((num_classes, num_classes), np.int64)
        np.add.at(counts, (self.truth, self.prediction), self.count)
        return counts

    def count_images(self, truths: Sequence[int], predictions: Sequence[int], num_images: int) -> Counts:
        """Units of each image of any of `truths` that were predicted as any of `predictions`, int64 (n,)."""
        chosen = np.isin(self.truth, truths) & np.isin(self.prediction, predictions)
        counts = np.zeros(num_images, np.int64)
        np.add.at(counts, self.image[chosen], self.count[chosen])
        return counts


@dataclass(frozen=True, eq=False)
class ImageStatistics:
    """Counts of n images over C classes. unit: what is counted, `image`, `pixel` or the like.

    keys: sample ids. scored: class indices that metrics are about. support, predicted, hits: (n, C), units that are
    truly of a class, predicted as it, and both; `predicted` counts units only whose true class is scored. pairs: None
    where a unit has no single predicted class.
    """

    keys: tuple[str, ...]
    unit: str
    scoring: Scoring
    scored: tuple[int, ...]
    support: Counts
    predicted: Counts
    hits: Counts
    pairs: ClassPairs | None = None

    @property
    def num_classes(self) -> int:
        return int(self.support.shape[1])

    @property
    def is_one_unit(self) -> bool:
        """Whether each image counts once, so that a fraction of units is one of independent trials."""
        return self.unit == "image"

    @cached_property
    def holders(self) -> Counts:
        """Images in which each class occurs, int64 (C,)."""
        holders: Counts = (self.support > 0).sum(0)
        return holders

    @cached_property
    def confusion(self) -> Counts | None:
        """Confusion counts of all images, int64 (C, C); rows of classes that are not scored are 0."""
        return self.pairs.pool(self.num_classes) if self.pairs else None

    def count_confused(self, truths: Sequence[int], predictions: Sequence[int]) -> Counts:
        """Units of each image of any of `truths` that were predicted as any of `predictions`, int64 (n,)."""
        if self.pairs is None:
            return np.zeros(len(self.keys), np.int64)
        return self.pairs.count_images(truths, predictions, len(self.keys))

    @cached_property
    def rows(self) -> np.ndarray:
        """float64 (n, 2 k) for `scoring.score`: the part, then the whole, of each scored class."""
        return self.compute_rows(np.arange(len(self.support)))

    def compute_rows(self, images: np.ndarray) -> np.ndarray:
        """`rows` of some images, which need not be kept for all."""
        block = np.ix_(images, np.array(self.scored))
        ratio = self.scoring.ratio(self.hits[block], self.support[block], self.predicted[block])
        return np.concatenate(ratio, axis=1).astype(float)

    def describe_units(self, images: np.ndarray) -> np.ndarray:
        """(true, predicted) class of some images of one unit each, -1 where there is none, int64 (m, 2)."""
        sides = (self.support[images], self.predicted[images])
        return np.stack([np.where(side.any(1), side.argmax(1), -1) for side in sides], axis=1)

    def measure(self) -> Measured | None:
        """The score of the whole with its interval; None where there is nothing to score, or are too few images."""
        if not self.is_one_unit:
            return bootstrap(self.rows, lambda sums: self.scoring.score(sums)[:, :1])[0]
        total = int(self.support.sum())
        return measure_fraction(int(self.hits.sum()), total) if total else None

    def measure_classes(self) -> list[Measured | None]:
        """The score of each of C classes with its interval; None as of `measure`, and where a class is not scored."""
        measured: list[Measured | None] = [None] * self.num_classes
        if self.is_one_unit:
            for index, size in enumerate(self.support.sum(0).tolist()):
                measured[index] = measure_fraction(int(self.hits[:, index].sum()), size) if size else None
            return measured
        for index, found in zip(self.scored, bootstrap(self.rows, self.scoring.score)[1:], strict=True):
            measured[index] = found
        return measured

    def select(self, keys: Sequence[str]) -> np.ndarray:
        """Places of the images `keys`, in their order."""
        place = {key: index for index, key in enumerate(self.keys)}
        return np.array([place[key] for key in keys], np.int64)

    @classmethod
    def of_labels(
        cls, keys: Sequence[str], targets: Counts, predictions: Counts, num_classes: int
    ) -> "ImageStatistics":
        """Of images of one class each. targets, predictions: class indices (n,), -1 where unknown."""
        classes = np.arange(num_classes)
        support, predicted = ((indices[:, None] == classes).astype(np.int8) for indices in (targets, predictions))
        known = np.flatnonzero((targets >= 0) & (predictions >= 0))
        return cls(
            keys=tuple(keys),
            unit="image",
            scoring=RECALL,
            scored=tuple(range(num_classes)),
            support=support,
            predicted=predicted * support.any(1, keepdims=True),
            hits=support * predicted,
            pairs=ClassPairs(known, targets[known], predictions[known], np.ones(len(known), np.int64)),
        )

    @classmethod
    def of_pixels(cls, keys: Sequence[str], counts: Counts, scored: Sequence[int]) -> "ImageStatistics":
        """Of images whose pixels have classes. counts: int64 (n, C + 1, C), the last row is of unknown truth."""
        judged = np.zeros_like(counts[:, :-1])
        judged[:, scored] = counts[:, scored]
        image, truth, prediction = np.nonzero(judged)
        return cls(
            keys=tuple(keys),
            unit="pixel",
            scoring=IOU,
            scored=tuple(scored),
            support=counts[:, :-1].sum(2),
            predicted=judged.sum(1),
            hits=judged.diagonal(axis1=1, axis2=2),
            pairs=ClassPairs(image, truth, prediction, judged[image, truth, prediction]),
        )


def gather_rows(
    sides: Sequence[Sequence[ImageStatistics]], keys: Sequence[str]
) -> tuple[list[list[np.ndarray]], np.ndarray | None]:
    """(rows of the images `keys` in each run of each side, how many images each row is of), for `compare_paired`.

    Of more than MANY images of one unit each, those that every run counts alike share a row; else the second is None.
    """
    places = [[run.select(keys) for run in side] for side in sides]
    runs = list(zip(chain(*sides), chain(*places), strict=True))
    repeats = None
    if len(keys) > MANY and runs[0][0].is_one_unit:
        units = np.concatenate([run.describe_units(images) for run, images in runs], axis=1)
        _, first, repeats = np.unique(units, axis=0, return_index=True, return_counts=True)
        places = [[images[first] for images in side] for side in places]
    rows = [
        [run.compute_rows(images) for run, images in zip(side, places_of_side, strict=True)]
        for side, places_of_side in zip(sides, places, strict=True)
    ]
    return rows, repeats
