from collections.abc import Sequence

import numpy as np

from finesight.analysis.distance import Indices
from finesight.analysis.wording import count_of, interval_of, percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.checks.run.per_class import FEWEST_TO_RESAMPLE, SIGNIFICANT
from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.intervals import Measured, bootstrap, measure_fraction
from finesight.metrics.significance import divide

CONFUSED = 0.1  # fraction of a class that is predicted as another, lower end of its interval


@check("V005", "Two classes are confused", "warning")
def confused_classes(case: Case) -> Explanation | None:
    statistics, counts = case.statistics, case.statistics.confusion
    if counts is None:
        raise NotApplicable("This check needs one predicted class per image or pixel.")
    num_classes = int((counts.sum(1) > 0).sum())
    if num_classes < 3:
        raise NotApplicable("With fewer than three classes every error is between the same two.")
    many = counts >= np.maximum(CONFUSED * counts.sum(1, keepdims=True), 1)
    np.fill_diagonal(many, False)
    found = {}
    for a, b in np.argwhere(many).tolist():
        fraction = _measure_confusion(statistics, counts, a, b, num_classes)
        if fraction and fraction.low >= CONFUSED:
            found[a, b] = fraction
    if not found:
        return None
    worst = sorted(found, key=lambda pair: -found[pair].low)
    sentences = [
        f"{percent(found[a, b].value)} of {case.label(a)} is predicted as {case.label(b)} "
        f"({interval_of(found[a, b].low, found[a, b].high)}), {percent(counts[b, a] / counts[b].sum())} the other way"
        for a, b in worst[:3]
    ]
    more = f"; and {count_of(len(worst) - 3, 'more pair')}" if len(worst) > 3 else ""
    return Explanation("; ".join(sentences) + more + ".", _list_confused(case, worst[:3]))


def _measure_confusion(
    statistics: ImageStatistics, counts: Indices, a: int, b: int, num_classes: int
) -> Measured | None:
    """Fraction of class a predicted as b; None where b gets no more of a's errors than an even spread would give it."""
    size, confused = int(counts[a].sum()), int(counts[a, b])
    errors = size - int(counts[a, a])
    if not statistics.is_one_unit:
        table = np.stack([statistics.count_confused([a], [b]), statistics.support[:, a]], axis=1)
        if confused <= errors / 2 or (table[:, 1] > 0).sum() < FEWEST_TO_RESAMPLE:
            return None
        return bootstrap(table, lambda sums: divide(*np.split(sums, 2, axis=1)))[0]
    from scipy.stats import binomtest

    even = binomtest(confused, errors, 1 / (num_classes - 1), alternative="greater").pvalue
    return measure_fraction(confused, size) if even * num_classes * (num_classes - 1) < SIGNIFICANT else None


def _list_confused(case: Case, pairs: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    each = NUM_EXAMPLES // len(pairs)
    found = [case.list_images(case.statistics.count_confused([a], [b]))[:each] for a, b in pairs]
    return tuple(dict.fromkeys(key for keys in found for key in keys))
