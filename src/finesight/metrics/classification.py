"""Classification metrics."""

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
from finesight.metrics.rows import measure_rows

PER_CLASS = {"precision": precision, "recall": recall, "f1": f1}


def classification_metrics(logits: Tensor, targets: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Every metric of a set of images, by its path (`accuracy`, `f1/wolf`); confusion.DEFINITIONS says what each is.

    logits: float32 (n, C); the prediction is the highest, the first of equals. targets: class indices, (n,).
    `top5`, by the same order, needs six classes or more; undefined class scores are left out.
    Raises DataError if there is no image, ModelError if logits are not finite.
    """
    broken = int(measure_rows(lambda rows: (~rows.isfinite()).any(1), logits).sum())
    if broken:
        raise ModelError(
            f"The model's logits of {broken} of {len(logits)} images are NaN or infinite: training diverged. "
            "Lower optim.lr, or set optim.clip_norm = 1."
        )
    targets = targets.long()
    num_classes = len(names)
    counts = count_confusion(targets, logits.argmax(1), num_classes, ignore_index=None)
    metrics = {"accuracy": accuracy(counts)}
    if num_classes > 5:
        metrics["top5"] = float((measure_rows(places, logits, targets) < 5).double().mean())
    metrics["balanced_accuracy"] = balanced_accuracy(counts)
    metrics["log_loss"] = measure_log_loss(logits, targets)
    metrics["ece"] = measure_reliability(logits, targets).ece
    metrics["macro_f1"] = macro_f1(counts)
    for metric, score in PER_CLASS.items():
        metrics.update(name_scores(metric, score(counts), names))
    return metrics


def measure_log_loss(logits: Tensor, targets: Tensor) -> float:
    """Cross-entropy in float64."""

    def log_likelihood(rows: Tensor, truth: Tensor) -> Tensor:
        return rows.double().log_softmax(1).gather(1, truth[:, None])

    known = measure_rows(log_likelihood, logits, targets)  # (n, 1)
    return float(torch.nn.functional.nll_loss(known, torch.zeros_like(targets)))  # sums as cross_entropy does


def places(logits: Tensor, targets: Tensor) -> Tensor:
    """Rank of the true class from 0, int64 (n,): classes with higher logits, or with equal ones and a lower index."""
    own = logits.gather(1, targets[:, None])
    earlier = torch.arange(logits.shape[1], device=logits.device) < targets[:, None]
    return ((logits > own) | ((logits == own) & earlier)).sum(1)


def name_scores(metric: str, scores: ClassScores, names: Sequence[str]) -> dict[str, float]:
    """{"f1/wolf": 0.71, …} of the classes with a defined score."""
    return {f"{metric}/{name}": score for name, score in zip(names, scores, strict=True) if score is not None}
