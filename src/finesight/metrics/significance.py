"""Whether one model is better than another on the same images, or only by chance.

Counts are resampled, never pixels: an image is a row of counts, a resample is a weighted sum of rows, and every score
follows from the sums.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

Score = Callable[[np.ndarray], np.ndarray]  # sums of rows (r, f) → scores (r, k), NaN where a score has no value
CHUNK = 512  # resamples at a time, so that memory stays small; fewer of more than MANY images
MANY = 20_000
FEWEST_IMAGES = 6  # for an interval: five that all favour one side are no proof, 2 · 0.5⁵ > 0.05; and one image drawn
# again and again makes an interval without width


class Difference(NamedTuple):
    """Of one score: both sides as measured, improved - baseline, the interval of the difference, and a p-value.

    p_value: two-sided, twice the fraction of resamples on the other side of no difference (Efron & Tibshirani, 1993,
    chapter 15); never below 1 / (resamples + 1), more than that they cannot tell. num_images: on which the score has a
    value, for either side.
    """

    baseline: float
    improved: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    num_images: int

    @property
    def is_enough(self) -> bool:
        """Whether the interval means anything."""
        return self.num_images >= FEWEST_IMAGES

    @property
    def is_distinguishable(self) -> bool:
        return self.is_enough and not self.interval[0] <= 0 <= self.interval[1]


def score_pooled(sums: np.ndarray) -> np.ndarray:
    """(r, 1 + k): the ratio of all classes together, and that of each. sums: (r, 2 k), parts, then wholes."""
    parts, wholes = np.split(sums, 2, axis=1)
    return np.column_stack([divide(parts.sum(1), wholes.sum(1)), divide(parts, wholes)])


def score_mean(sums: np.ndarray) -> np.ndarray:
    """(r, 1 + k): the mean over the classes that have a value, and the ratio of each. sums: (r, 2 k)."""
    by_class = divide(*np.split(sums, 2, axis=1))
    there = ~np.isnan(by_class)
    mean = divide(np.where(there, by_class, 0).sum(1), there.sum(1))
    return np.column_stack([mean, by_class])


def divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where the whole is 0."""
    quotient = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def count_images(sides: Sequence[np.ndarray], score: Score, repeats: np.ndarray | None = None) -> np.ndarray:
    """(k,): on how many images each score has a value in any of the sides, rows (n, f) each.

    repeats: how many images each row is of, (n,); one by default.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        has_value = np.any([~np.isnan(score(rows)) for rows in sides], axis=0)
    counts: np.ndarray = has_value.sum(0) if repeats is None else repeats @ has_value
    return counts


def compare_paired(
    baseline: Sequence[np.ndarray],
    improved: Sequence[np.ndarray],
    score: Score,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    repeats: np.ndarray | None = None,
) -> list[Difference | None]:
    """Paired bootstrap over images: a Difference for every score, None where a score has no value.

    baseline, improved: rows (n, f) of each run of a side, all of the same n images in one order. A side with several
    runs (seeds) is scored by their mean, and its runs are drawn with replacement as the images are. The interval is
    the percentile interval (Efron & Tibshirani, 1993, chapter 13); tests simulate its coverage.
    repeats: how many images with the same counts in every run each row is of, (n,); one by default. Drawing them
    together draws from the same distribution, by other random numbers.
    """
    sides, times = (baseline, improved), np.ones(len(baseline[0]), np.int64) if repeats is None else repeats
    measured = [np.mean([score((times @ rows)[None])[0] for rows in side], axis=0) for side in sides]
    differences = np.concatenate(list(_resample(sides, score, resamples, np.random.default_rng(seed), times)))
    tails = (100 * (1 - level) / 2, 100 * (1 + level) / 2)
    counts = count_images([*baseline, *improved], score, repeats)
    found: list[Difference | None] = []
    for index, (first, second) in enumerate(zip(*measured, strict=True)):
        drawn = differences[:, index]
        drawn = drawn[~np.isnan(drawn)]
        if np.isnan(first) or np.isnan(second) or not len(drawn):
            found.append(None)
        else:
            low, high = np.percentile(drawn, tails)
            interval = float(low), float(high)
            difference = float(first), float(second), float(second - first)
            found.append(Difference(*difference, interval, _p_value(drawn), int(counts[index])))
    return found


def _p_value(differences: np.ndarray) -> float:
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, 2 * float(tail + 1) / (len(differences) + 1))


def _resample(
    sides: Sequence[Sequence[np.ndarray]],
    score: Score,
    resamples: int,
    random: np.random.Generator,
    repeats: np.ndarray,
) -> Iterator[np.ndarray]:
    """Yields differences (≤ CHUNK, k)."""
    num_images = int(repeats.sum())
    chunk = max(1, min(CHUNK, CHUNK * MANY // len(repeats)))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        weights = random.multinomial(num_images, repeats / num_images, size).astype(float)
        means = []
        for side in sides:
            scores = np.stack([score(weights @ rows) for rows in side])  # (runs, size, k)
            drawn = random.integers(len(side), size=(len(side), size))
            means.append(scores[drawn, np.arange(size)].mean(0))
        yield means[1] - means[0]


def mcnemar(only_baseline: int, only_improved: int) -> float:
    """Two-sided exact p-value for as many images that only one side gets right, were both equally good.

    McNemar, 1947, in its exact binomial form.
    """
    from scipy.stats import binomtest  # half a second to import

    total = only_baseline + only_improved
    return float(binomtest(only_baseline, total).pvalue) if total else 1.0
