"""Which epoch's weights are kept as best.

The plain maximum (`checkpoint.tie = "first"`), or the lower log loss between epochs whose scores are equal or differ by
at most one image from the highest score so far (`"log_loss"`): one image more or less is luck, while the log loss is a
mean over the probabilities of all images.
"""

import math
from collections.abc import Collection, Mapping
from typing import Literal

from finesight.metrics.confusion import LOWER_IS_BETTER

ROUNDING = 1e-9  # 0.9 - 0.8 is more than 0.1 by 3e-17


def judge(metrics: Mapping[str, float], name: str) -> float:
    """The score that is compared: higher is better, and anything is better than not a number."""
    value = metrics[name]
    if math.isnan(value):
        return -math.inf
    return -value if name in LOWER_IS_BETTER else value


def choose_tie(tie: str, name: str, known: Collection[str]) -> Literal["log_loss", "first"]:
    """What `auto` stands for. name: the metric that judges. known: the metrics that the task measures."""
    if tie == "first" or (tie == "auto" and (name in LOWER_IS_BETTER or "log_loss" not in known)):
        return "first"
    return "log_loss"


def is_better(
    metrics: Mapping[str, float], kept: Mapping[str, float], name: str, highest: float, num_images: int, tie: str
) -> bool:
    """Whether an epoch's weights are to be kept instead of those that are.

    kept: metrics of the epoch that is kept so far, empty before the first. highest: the highest score of all epochs,
    this one included. num_images: of the validation split.
    """
    if not kept:
        return True
    score, before = judge(metrics, name), judge(kept, name)
    if tie != "log_loss":
        return score > before
    margin = ROUNDING + (0 if name in LOWER_IS_BETTER else 1 / num_images)
    if score < highest - margin:
        return False
    return before < highest - margin or metrics["log_loss"] < kept["log_loss"]
