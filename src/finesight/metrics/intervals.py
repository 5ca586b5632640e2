"""How certain a measured number is. All intervals are of 95 %."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from finesight.metrics.significance import FEWEST_IMAGES, count_images

CHUNK = 64  # resamples at a time, so that memory stays small
RESAMPLES = 1_000  # ends of an interval are then good to about a tenth of its width


class Measured(NamedTuple):
    """A number and its interval."""

    value: float
    low: float
    high: float


def wilson_interval(fraction: float, total: int) -> tuple[float, float]:
    """Of a fraction of `total` independent trials. Wilson 1927, JASA 22:209."""
    z = 1.959964
    centre = (fraction + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(fraction * (1 - fraction) / total + z * z / (4 * total * total))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def measure_fraction(count: int, total: int) -> Measured:
    """count of total > 0 independent trials."""
    return Measured(count / total, *wilson_interval(count / total, total))


def subtract(first: Measured, second: Measured) -> Measured:
    """The difference of two independent numbers. Newcombe 1998, Statistics in Medicine 17:873, method 10."""
    difference = first.value - second.value
    down = math.hypot(first.value - first.low, second.high - second.value)
    up = math.hypot(first.high - first.value, second.value - second.low)
    return Measured(difference, difference - down, difference + up)


def bootstrap(
    rows: np.ndarray, score: Callable[[np.ndarray], np.ndarray], resamples: int = RESAMPLES, seed: int = 0
) -> list[Measured | None]:
    """Scores of images, drawn with replacement: percentile intervals.

    None where a score has no value, or has one on fewer than FEWEST_IMAGES images.

    rows: (n, f), one per image. score: sums of rows (r, f) → scores (r, k), NaN where a score has no value.
    """
    num_images, enough = len(rows), count_images([rows], score) >= FEWEST_IMAGES
    random, fraction = np.random.default_rng(seed), np.full(num_images, 1 / num_images)
    sizes = [min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK)]
    weights = (random.multinomial(num_images, fraction, size) for size in sizes)
    values, drawn = score(rows.sum(0)[None])[0], score(np.concatenate([each.astype(float) @ rows for each in weights]))
    found: list[Measured | None] = []
    for value, column, is_enough in zip(values, drawn.T, enough, strict=True):
        known = column[~np.isnan(column)]
        low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (math.nan, math.nan)
        found.append(None if np.isnan(value) or not is_enough else Measured(float(value), float(low), float(high)))
    return found
