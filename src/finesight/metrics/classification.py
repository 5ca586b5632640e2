"""What a classifier's logits are worth."""

from collections.abc import Sequence

import torch
from torch import Tensor

from finesight.errors import ModelError
from finesight.metrics.calibration import measure_reliability
from finesight.metrics.confusion import (
    ClassScores,
    accuracy,
    balanced_accuracy,
    count_confusion,
    f1,
    macro_f1,
    precision,
    recall,
)

PER_CLASS = {"precision": precision, "recall": recall, "f1": f1}


def classification_metrics(logits: Tensor, targets: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Every metric of a set of images, by its path (`accuracy`, `f1/wolf`); confusion.DEFINITIONS says what each is.

    logits: float32 (n, C); the prediction is the highest, the first of equals. targets: class indices, (n,).
    `top5`, by the same order, is there from six classes on; a class score without meaning is left out (see
    `absent_classes`).
    Raises DataError where there is no image, ModelError where logits are not finite.
    """
    broken = int((~logits.isfinite()).any(1).sum())
    if broken:
        raise ModelError(
            f"The network's logits of {broken} of {len(logits)} images are not finite: training went astray. "
            "A lower optim.lr, or optim.clip_norm = 1, helps."
        )
    targets = targets.long()
    num_classes = len(names)
    counts = count_confusion(targets, logits.argmax(1), num_classes, ignore_index=None)
    metrics = {"accuracy": accuracy(counts)}
    if num_classes > 5:
        metrics["top5"] = float((places(logits, targets) < 5).double().mean())
    metrics["balanced_accuracy"] = balanced_accuracy(counts)
    metrics["log_loss"] = float(torch.nn.functional.cross_entropy(logits.double(), targets))
    metrics["ece"] = measure_reliability(logits, targets).ece
    metrics["macro_f1"] = macro_f1(counts)
    for metric, score in PER_CLASS.items():
        metrics.update(name_scores(metric, score(counts), names))
    return metrics


def places(logits: Tensor, targets: Tensor) -> Tensor:
    """How many classes come before the true one, int64 (n,): those of higher logits, and the first of equals."""
    own = logits.gather(1, targets[:, None])
    earlier = torch.arange(logits.shape[1], device=logits.device) < targets[:, None]
    return ((logits > own) | ((logits == own) & earlier)).sum(1)


def name_scores(metric: str, scores: ClassScores, names: Sequence[str]) -> dict[str, float]:
    """{"f1/wolf": 0.71, …} of the classes whose score has a value."""
    return {f"{metric}/{name}": score for name, score in zip(names, scores, strict=True) if score is not None}
