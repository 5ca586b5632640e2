"""Sentences and tables on a run that segments, from evidence. Every number in them was measured elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finesight.analysis.evidence import Evidence
from finesight.classes import IGNORE_INDEX
from finesight.metrics.evaluation import Evaluation, ImageResult
from finesight.reporting.originals import Looked, Originals
from finesight.reporting.sections import describe_kept_epoch, find_confusion
from finesight.tasks.segmentation.mask_images import (
    error_uri,
    image_uri,
    list_colours,
    mask_uri,
    read_prediction,
    shrink,
)

IMAGES_SHOWN = 8  # at either end


@dataclass(frozen=True)
class MaskVerdict:
    """classes: (name, colour, IoU) of each class that has one. kept: which epoch's weights these are."""

    miou: float
    unmasked: float
    num_samples: int
    classes: tuple[tuple[str, str, float], ...]
    kept: str


def give_mask_verdict(evidence: Evidence) -> MaskVerdict | None:
    evaluation = evidence.evaluation
    if evaluation is None or not {"miou", "miou_unmasked"} <= evaluation.metrics.keys():
        return None
    metrics = evaluation.metrics
    classes = zip(evidence.classes.labels, evidence.classes.names, list_colours(evidence.classes), strict=True)
    return MaskVerdict(
        metrics["miou"],
        metrics["miou_unmasked"],
        evaluation.num_samples,
        tuple((label, colour, metrics[f"iou/{name}"]) for label, name, colour in classes if f"iou/{name}" in metrics),
        describe_kept_epoch(evidence),
    )


@dataclass(frozen=True)
class Segment:
    """One class. train, truth, prediction: its fraction of all pixels, 0-1, None where they were not counted.

    scores: IoU and recall; None where the class gives them no meaning.
    confused_with: (class index, fraction of this class's pixels).
    """

    index: int
    name: str
    colour: str
    train: float | None
    truth: float | None
    prediction: float | None
    scores: tuple[float | None, ...]
    confused_with: tuple[int, float] | None


def list_segments(evidence: Evidence) -> list[Segment]:
    evaluation = evidence.evaluation
    counts = evaluation.counts if evaluation else ()
    metrics = evaluation.metrics if evaluation else {}
    train = divide_up(evidence.class_counts.get("train", ()))
    truth = divide_up([sum(row) for row in counts])
    prediction = divide_up([sum(column) for column in zip(*counts, strict=True)])
    return [
        Segment(
            index=index,
            name=evidence.classes.labels[index],
            colour=colour,
            train=train[index] if index < len(train) else None,
            truth=truth[index] if index < len(truth) else None,
            prediction=prediction[index] if index < len(prediction) else None,
            scores=(metrics.get(f"iou/{name}"), metrics.get(f"recall/{name}")),
            confused_with=_find_confusion(evaluation, index) if evaluation else None,
        )
        for index, (name, colour) in enumerate(zip(evidence.classes.names, list_colours(evidence.classes), strict=True))
    ]


def divide_up(counts: Sequence[int]) -> list[float]:
    """Fractions of their sum, 0-1."""
    total = max(sum(counts), 1)
    return [count / total for count in counts]


def _find_confusion(evaluation: Evaluation, index: int) -> tuple[int, float] | None:
    found = find_confusion(evaluation, index)
    return (found[0], found[1] / sum(evaluation.counts[index])) if found else None


@dataclass(frozen=True)
class View:
    """An image beside its masks, as images; "" where one is missing.

    predictions: (image, errors, fraction of right pixels) a run. looked: the first run's saliency map.
    """

    key: str
    image: str
    truth: str
    predictions: tuple[tuple[str, str, float | None], ...]
    looked: Looked | None


def rank_images(evidence: Evidence) -> tuple[list[ImageResult], list[ImageResult]]:
    """(best, worst) by the fraction of right pixels, the best and the worst first; no image is in both.

    Not by the mIoU of an image, which a few wrong pixels of one more class halve.
    """
    images = evidence.evaluation.images if evidence.evaluation else ()
    known = (image for image in images if image.fraction_right is not None)
    ranked = sorted(known, key=lambda image: (-(image.fraction_right or 0.0), image.key))
    shown = min(IMAGES_SHOWN, len(ranked) // 2)
    return ranked[:shown], ranked[::-1][:shown]


def make_view(key: str, runs: Sequence[Evidence], originals: Originals) -> View | None:
    """None where the first run has not saved what it predicted."""
    saved = [read_prediction(run, key) for run in runs]
    if saved[0] is None:
        return None
    height, width = saved[0].shape
    whole = originals.read_truth(key, (height, width))
    truth = None if whole is None else shrink(whole)
    small = shrink(saved[0]).shape
    return View(
        key=key,
        image=image_uri(originals.find_image(key), runs[0], (small[0], small[1])),
        truth="" if truth is None else mask_uri(truth, runs[0].classes),
        predictions=tuple(_show_prediction(run, key, mask, truth) for run, mask in zip(runs, saved, strict=True)),
        looked=originals.saliency.get(key),
    )


def find_false_class(run: Evidence, key: str, originals: Originals) -> int | None:
    """The class predicted on most of an image's wrong pixels; None where there are none, or a mask is missing."""
    predicted = read_prediction(run, key)
    truth = None if predicted is None else originals.read_truth(key, (predicted.shape[0], predicted.shape[1]))
    if predicted is None or truth is None:
        return None
    wrong = predicted[(truth != predicted) & (truth != IGNORE_INDEX)]
    return int(np.bincount(wrong).argmax()) if len(wrong) else None


def _show_prediction(
    run: Evidence, key: str, mask: np.ndarray | None, truth: np.ndarray | None
) -> tuple[str, str, float | None]:
    if mask is None:
        return "", "", find_score(run, key)
    small = shrink(mask)
    errors = "" if truth is None or truth.shape != small.shape else error_uri(truth, small)
    return mask_uri(small, run.classes), errors, find_score(run, key)


def find_score(run: Evidence, key: str) -> float | None:
    """Fraction of right pixels of one image."""
    images = run.evaluation.images if run.evaluation else ()
    return next((image.fraction_right for image in images if image.key == key), None)
