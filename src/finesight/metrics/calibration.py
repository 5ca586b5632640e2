"""Calibration: reliability, expected calibration error, and temperature scaling.

Confidence is the softmax probability of the predicted class. Of the predictions with a confidence of about 80 %, a
calibrated model has 80 % correct.
"""

import math

import torch
from torch import Tensor

from finesight.metrics.rows import measure_rows
from finesight.run.calibration import COLDEST, HOTTEST, NUM_BINS, Bin, Calibration, Reliability


def calibrate(logits: Tensor, targets: Tensor, groups: Tensor, unit: str, split: str) -> Calibration:
    """Temperature and reliability of logits (n, C) with class indices (n,), n > 0.

    groups: int (n,), the number of the image of each sample; the halves are of whole images.
    """
    logits, targets = logits.float(), targets.long()
    even = groups % 2 == 0
    temperature = fit_temperature(logits, targets)
    temperatures = torch.full((len(logits), 1), temperature)
    if even.any() and not even.all():
        for half in (even, ~even):
            temperatures[half] = fit_temperature(logits, targets, (~half).nonzero()[:, 0])
    before, after = measure_reliability(logits, targets), measure_reliability(logits, targets, temperatures)
    return Calibration(temperature, split, unit, len(targets), before, after)


def fit_temperature(logits: Tensor, targets: Tensor, chosen: Tensor | None = None) -> float:
    """The T that maximises the likelihood of the targets under softmax(logits / T). Guo et al. 2017, arXiv:1706.04599.

    Above 1 the model is over-confident. The likelihood has one optimum in 1 / T, where its slope is 0. It has none if
    every target has the highest logit: confidences are then too low by an unknown amount, and T is 1.

    chosen: indices of the rows it is fitted to, None for all of them.
    """
    from scipy.optimize import brentq

    if bool(measure_rows(lambda rows, truth: rows.argmax(1) == truth, logits, targets, chosen=chosen).all()):
        return 1.0

    def slope(log_temperature: float) -> float:
        """Of the mean log-likelihood in 1 / T."""

        def exceed(rows: Tensor, truth: Tensor) -> Tensor:
            """By how much the true class's logit exceeds the expected one."""
            probabilities = (rows / math.exp(log_temperature)).softmax(1)
            return rows.gather(1, truth[:, None])[:, 0] - (probabilities * rows).sum(1)

        return float(measure_rows(exceed, logits, targets, chosen=chosen).double().mean())

    low, high = math.log(COLDEST), math.log(HOTTEST)
    if slope(low) >= 0:
        return COLDEST
    if slope(high) <= 0:
        return HOTTEST
    return math.exp(brentq(slope, low, high, xtol=1e-4))


def find_predictions(logits: Tensor, temperatures: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(confidence float32, class int64) of each row of logits (n, C). temperatures: (n, 1), which divide them."""

    def predict(rows: Tensor, scale: Tensor) -> Tensor:
        confidence = (rows / scale).softmax(1).amax(1)
        return torch.stack([confidence.double(), rows.argmax(1).double()], dim=1)

    scale = torch.ones((len(logits), 1)) if temperatures is None else temperatures
    found = measure_rows(predict, logits, scale)  # float64 holds both as they are
    return found[:, 0].float(), found[:, 1].long()


def measure_reliability(logits: Tensor, targets: Tensor, temperatures: Tensor | None = None) -> Reliability:
    """Expected calibration error over bins of confidence. Naeini et al. 2015, AAAI 29; Guo et al. 2017, eq. 3.

    ECE = sum over 15 bins of equal width of (predictions in the bin / all predictions) · |accuracy - mean confidence|.
    temperatures: (n, 1), which divide the logits.
    """
    confidence, prediction = find_predictions(logits, temperatures)
    place = (confidence * NUM_BINS).ceil().long().sub(1).clamp(0, NUM_BINS - 1)  # a bin holds its upper end
    counts = torch.bincount(place, minlength=NUM_BINS)
    sums = [
        torch.bincount(place, weights=values.double(), minlength=NUM_BINS) / counts.clamp(min=1)
        for values in (confidence, prediction == targets)
    ]
    bins = tuple(Bin(*each) for each in zip(counts.tolist(), sums[0].tolist(), sums[1].tolist(), strict=True))
    error = sum(each.count * abs(each.accuracy - each.confidence) for each in bins) / max(len(targets), 1)
    return Reliability(error, bins)
