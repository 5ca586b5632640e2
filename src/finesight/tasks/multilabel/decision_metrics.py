"""Metrics of images that carry any number of classes.

Every class is a binary decision: logits go through a sigmoid, and a class is predicted if its probability is at least
the class's threshold. A score that is undefined for a class is left out, never NaN, never a silent 0.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from finesight.errors import DataError, ModelError
from finesight.tasks.multilabel.decisions import THRESHOLD, decide_labels

DEFINITIONS = {
    "map": "mean average precision (macro): mean of ap over the classes that occur in the truth",
    "ap": "average precision: sum over the ranks of a class's images of (increase in recall x precision), by falling "
    "logits; needs no threshold; left out where the truth has none of the class",
    "macro_f1": "mean F1 of the classes that occur in truth or prediction, each class counting alike",
    "micro_f1": "2 TP / (2 TP + FP + FN) over all labels of all images pooled",
    "precision": "TP / (TP + FP): the fraction of the predictions of this class that are right; 0 where it is never "
    "predicted",
    "recall": "TP / (TP + FN): the fraction of the class's images that are found; left out where the truth has none",
    "f1": "2 TP / (2 TP + FP + FN); left out where neither truth nor prediction has the class",
    "exact_match": "images whose predicted classes are exactly the true ones / all images",
    "label_accuracy": "right decisions (class present or not) / all decisions (1 - Hamming loss)",
    "log_loss": "mean of -ln(probability given to the right decision) over all decisions; 0 is perfect",
}


def multilabel_metrics(
    logits: Tensor, targets: Tensor, names: Sequence[str], thresholds: Tensor | None = None
) -> dict[str, float]:
    """Every metric of a set of images by its path (`map`, `f1/wolf`); DEFINITIONS says what each is.

    logits: float32 (n, C). targets: bool (n, C). thresholds: probabilities 0-1 (C,), 0.5 by default.
    Raises DataError without an image or without a label, ModelError where logits are not finite.
    """
    check_logits(logits, targets)
    counts = count_decisions(predict_labels(logits, thresholds), targets)  # (C, 3): TP, FP, FN
    tp, fp, fn = counts.unbind(1)
    precisions = average_precision(logits, targets)
    ap = _name("ap", precisions, fn + tp > 0, names)
    f1 = _name("f1", _ratio(2 * tp, 2 * tp + fp + fn), tp + fp + fn > 0, names)
    pooled = counts.sum(0).tolist()
    decisions = predict_labels(logits, thresholds) == targets
    return {
        "map": _mean(ap),
        "macro_f1": _mean(f1),
        "micro_f1": 2 * pooled[0] / max(2 * pooled[0] + pooled[1] + pooled[2], 1),
        "exact_match": float(decisions.all(1).double().mean()),
        "label_accuracy": float(decisions.double().mean()),
        "log_loss": float(torch.nn.functional.binary_cross_entropy_with_logits(logits.double(), targets.double())),
        **ap,
        **_name("precision", _ratio(tp, tp + fp), tp + fp + fn > 0, names),
        **_name("recall", _ratio(tp, tp + fn), tp + fn > 0, names),
        **f1,
    }


def check_logits(logits: Tensor, targets: Tensor) -> None:
    """Raises DataError or ModelError where there is nothing to score."""
    if not targets.any():
        raise DataError("There is nothing to score: no image has a label.")
    if broken := int((~logits.isfinite()).any(1).sum()):
        raise ModelError(
            f"The model's logits of {broken} of {len(logits)} images are not finite: training diverged. "
            "A lower optim.lr, or optim.clip_norm = 1, helps."
        )


def predict_labels(logits: Tensor, thresholds: Tensor | None = None) -> Tensor:
    """bool (n, C): the classes whose probability is at least their threshold."""
    chosen = None if thresholds is None else thresholds.cpu().numpy()
    return torch.from_numpy(decide_labels(logits.float().cpu().numpy(), chosen))


def count_decisions(predictions: Tensor, targets: Tensor) -> Tensor:
    """int64 (C, 3): true positives, false positives and false negatives of each class."""
    return torch.stack(
        [(predictions & targets).sum(0), (predictions & ~targets).sum(0), (~predictions & targets).sum(0)], dim=1
    )


def average_precision(logits: Tensor, targets: Tensor) -> Tensor:
    """Of each class, float64 (C,); 0 where the truth has none. As scikit-learn's average_precision_score.

    AP = sum over distinct logits, falling, of (R_k - R_(k-1)) P_k; images of equal logits enter together.
    """
    order = logits.argsort(dim=0, descending=True, stable=True)
    ranked, found = logits.gather(0, order), targets.gather(0, order).double().cumsum(0)
    places = torch.arange(1, len(logits) + 1, dtype=torch.float64)[:, None]
    is_last = torch.ones_like(ranked, dtype=torch.bool)  # of the images of equal logits
    is_last[:-1] = ranked[:-1] != ranked[1:]
    scores = torch.zeros(logits.shape[1], dtype=torch.float64)
    for c in range(logits.shape[1]):
        steps = found[is_last[:, c], c]
        gains = torch.diff(steps, prepend=steps.new_zeros(1))
        scores[c] = (gains * steps / places[is_last[:, c], 0]).sum() / found[-1, c].clamp(min=1)
    return scores


def fit_thresholds(logits: Tensor, targets: Tensor) -> Tensor:
    """Probabilities float32 (C,) at which each class has its highest F1; 0.5 where the truth has none of it.

    A threshold lies halfway between the two neighbouring probabilities, so that it does not hang on one image; of
    equally good ones it is the one nearest to 0.5.
    """
    probabilities = logits.float().sigmoid()
    chosen = torch.full((logits.shape[1],), THRESHOLD)
    for c in range(logits.shape[1]):
        if not targets[:, c].any():
            continue
        given, own = probabilities[:, c], probabilities[targets[:, c], c]  # of all images, of those of the class
        values = torch.unique(given)  # rising
        candidates = torch.cat([values[:1] / 2, (values[1:] + values[:-1]) / 2])
        predicted, hits = (_count_reaching(each, candidates) for each in (given, own))
        scores = 2 * hits.double() / (predicted + len(own))
        best = candidates[scores >= scores.max() - 1e-12]
        chosen[c] = best[(best - THRESHOLD).abs().argmin()]
    return chosen


def _count_reaching(values: Tensor, candidates: Tensor) -> Tensor:
    """How many values are at least each candidate, int64."""
    return len(values) - torch.searchsorted(values.sort().values, candidates)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return part.double() / whole.double().clamp(min=1)


def _name(metric: str, scores: Tensor, occurs: Tensor, names: Sequence[str]) -> dict[str, float]:
    """{"f1/wolf": 0.71, …} of the classes whose score has a value."""
    pairs = zip(names, scores.tolist(), occurs.tolist(), strict=True)
    return {f"{metric}/{name}": score for name, score, has_value in pairs if has_value}


def _mean(scores: dict[str, float]) -> float:
    return sum(scores.values()) / len(scores) if scores else 0.0
