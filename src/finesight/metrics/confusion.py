"""Confusion counts, and every score that follows from them.

Counts are exact integers, so those of two batches, tiles or machines merge by addition. A row is the truth, a column
the prediction. An undefined score, such as recall without a true sample, is None: never NaN, never a silent 0.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from finesight.classes import IGNORE_INDEX
from finesight.errors import DataError
from finesight.run.calibration import ECE

ClassScores = tuple[float | None, ...]  # one per class, None if undefined

NOTHING = "There is nothing to score: no target has a known class."

LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
DEFINITIONS = {
    "accuracy": "correct predictions / all predictions",
    "top5": "fraction of samples whose true class is among the five highest logits",
    "balanced_accuracy": "mean recall of the classes that occur in the truth, each class counting alike",
    "log_loss": "mean of -ln(softmax probability of the true class); 0 is perfect",
    "ece": ECE,
    "macro_f1": "mean F1 of the classes that occur in truth or prediction, each class counting alike",
    "precision": "TP / (TP + FP): the fraction of the predictions of this class that are correct; 0 if it is never "
    "predicted",
    "recall": "TP / (TP + FN): the fraction of this class that is found; left out if the truth has none of it",
    "f1": "2 TP / (2 TP + FP + FN): harmonic mean of precision and recall; left out if neither truth nor prediction "
    "has the class",
    "iou": "TP / (TP + FP + FN) over all pixels pooled, pixels of unknown truth left out; left out if neither truth "
    "nor prediction has the class",
    "boundary_iou": "IoU of the pixels within 2 % of the image's diagonal of the edge of their segment, in each mask; "
    "over all pixels pooled, mean over the known classes (Cheng et al., 2021)",
    "class_accuracy": "mean recall of the known classes that occur in the truth, each class counting alike",
    "miou": "mean IoU of the known classes that occur, over all pixels pooled; pixels of unknown truth are left out",
    "miou_unmasked": "mean IoU of the known classes that occur, over all pixels pooled; a known class predicted on a "
    "pixel of unknown truth counts as a false positive",
    "frequency_weighted_iou": "sum of (fraction of a class among the true pixels x its IoU); pixels of unknown truth "
    "are left out",
    "pixel_accuracy": "correct pixels / all pixels of known truth",
}


def definitions(metrics: Iterable[str]) -> dict[str, str]:
    """A sentence for each metric name: `f1/wolf` has the definition of `f1`."""
    return {name: DEFINITIONS[name.split("/", 1)[0]] for name in metrics}


def count_confusion(
    targets: Tensor,
    predictions: Tensor,
    num_classes: int,
    ignore_index: int | None = IGNORE_INDEX,
    unknown: int | None = None,
) -> Tensor:
    """How often class i was predicted as class j: int64 (num_classes, num_classes), on the targets' device.

    targets, predictions: class indices, any integer type, of one shape.
    ignore_index: targets of this value are not counted; None counts all.
    unknown: row that receives the ignored targets instead, as `mean_iou(masked=False)` needs it.
    Raises DataError if shapes differ or a value is not a class.
    """
    if targets.shape != predictions.shape:
        raise DataError(f"Targets are {tuple(targets.shape)} but predictions {tuple(predictions.shape)}.")
    if ignore_index is not None and 0 <= ignore_index < num_classes:
        raise DataError(f"With {num_classes} classes, {ignore_index} is a class and cannot mean `ignore`.")
    truth, guess = targets.reshape(-1).long(), predictions.reshape(-1).long()
    _check_classes("Prediction", guess, num_classes)
    if ignore_index is None:
        _check_classes("Target", truth, num_classes)
    else:
        ignored = truth == ignore_index
        _check_classes("Target", truth.masked_fill(ignored, 0), num_classes)
        truth = truth.masked_fill(ignored, num_classes if unknown is None else unknown)
    # Row num_classes collects what is ignored and is dropped: many times faster than selecting the other samples.
    counts = torch.bincount(truth * num_classes + guess, minlength=(num_classes + 1) * num_classes)
    return counts.reshape(num_classes + 1, num_classes)[:num_classes]


def _check_classes(what: str, values: Tensor, num_classes: int) -> None:
    if values.numel():
        lowest, highest = (int(value) for value in values.aminmax())
        if lowest < 0 or highest >= num_classes:
            wrong = lowest if lowest < 0 else highest
            raise DataError(f"{what} {wrong} is not a class: the {num_classes} classes end at {num_classes - 1}.")


def accuracy(counts: Tensor, classes: Sequence[int] | None = None) -> float:
    """Fraction of the samples of true `classes` (default: all) that are correct; of pixels, `pixel_accuracy`.

    Raises DataError, like every mean here, if there is nothing to score.
    """
    chosen = list(range(len(counts)) if classes is None else classes)
    total = int(counts[chosen].sum())
    if not total:
        raise DataError(NOTHING)
    return int(counts.diagonal()[chosen].sum()) / total


def precision(counts: Tensor) -> ClassScores:
    return _ratios(counts.diagonal(), counts.sum(0), occurs=_occurs(counts))


def recall(counts: Tensor) -> ClassScores:
    return _ratios(counts.diagonal(), counts.sum(1), occurs=counts.sum(1) > 0)


def f1(counts: Tensor) -> ClassScores:
    return _ratios(2 * counts.diagonal(), counts.sum(0) + counts.sum(1), occurs=_occurs(counts))


def balanced_accuracy(counts: Tensor) -> float:
    return mean_score(recall(counts))


def macro_f1(counts: Tensor) -> float:
    return mean_score(f1(counts))


def iou(counts: Tensor, classes: Sequence[int] | None = None, masked: bool = True) -> ClassScores:
    """Intersection over union of `classes` (default: all), in their order.

    masked: samples whose truth is none of `classes` are left out, the usual ignore index. False keeps them, so that
    each counts as a false positive of the class predicted there.
    """
    chosen = list(range(len(counts)) if classes is None else classes)
    rows = counts[chosen]  # (classes, C)
    hits = rows[range(len(chosen)), chosen]
    predicted = (rows if masked else counts).sum(0)[chosen]
    union = rows.sum(1) + predicted - hits
    return _ratios(hits, union, occurs=union > 0)


def mean_iou(counts: Tensor, classes: Sequence[int], masked: bool) -> float:
    """`miou` (masked) or `miou_unmasked` of DEFINITIONS; `classes` are the known ones.

    For the unmasked one, counts hold a row for the unknown class.
    """
    return mean_score(iou(counts, classes, masked))


def frequency_weighted_iou(counts: Tensor, classes: Sequence[int]) -> float:
    """See DEFINITIONS; `classes` are the known ones."""
    sizes: list[int] = counts[list(classes)].sum(1).tolist()
    if not sum(sizes):
        raise DataError(NOTHING)
    scores = iou(counts, classes)
    return sum(size * (score or 0.0) for size, score in zip(sizes, scores, strict=True)) / sum(sizes)


def mean_score(scores: ClassScores) -> float:
    """Mean of the defined scores."""
    values = [score for score in scores if score is not None]
    if not values:
        raise DataError(NOTHING)
    return sum(values) / len(values)


def _occurs(counts: Tensor) -> Tensor:
    return counts.sum(0) + counts.sum(1) > 0


def _ratios(part: Tensor, whole: Tensor, occurs: Tensor) -> ClassScores:
    """part / whole per class; 0 if a class that occurs has an empty whole, None if it does not occur."""
    return tuple(
        (p / w if w else 0.0) if there else None
        for p, w, there in zip(part.tolist(), whole.tolist(), occurs.tolist(), strict=True)
    )
