"""Defaults that depend on the number of training images. What the user or a recipe sets is never changed.

Few images need more epochs to make the hundred steps or more that a pretrained network takes to fit them: 200 images
are 7 steps an epoch, 10,000 are 313. Epochs and warm-up are one plan: who sets the epochs, or the hours, gets the usual
warm-up.
Augmentation is the same for every size: on 180 to 450 images, crops of at least 35, 60 or 80 % of the area scored
alike, and colour jitter no better (benchmarks/log). `benchmarks/small_data.py` compares the result with a plain loop.
"""

import math
from collections.abc import Collection
from typing import Any

BY_TRAINING_IMAGES: tuple[tuple[float, dict[str, Any]], ...] = (  # at most so many: defaults
    (500, {"epochs": 20, "optim.warmup_epochs": 1.0}),
    (2_000, {"epochs": 15, "optim.warmup_epochs": 1.0}),
    (math.inf, {"epochs": 10, "optim.warmup_epochs": 0.5}),
)
PLAN = {"epochs", "optim.warmup_epochs"}  # taken together or not at all


def choose_defaults(num_train: int, given: Collection[str]) -> dict[str, Any]:
    """Settings by dotted name for so many training images, without those that are `given`, by dotted name, too."""
    values = next(values for most, values in BY_TRAINING_IMAGES if num_train <= most)
    taken = set(given) | (PLAN if {"epochs", "budget.hours"} & set(given) else set())
    return {name: value for name, value in values.items() if name not in taken}
