import numpy as np

from finesight.analysis.distance import Floats
from finesight.analysis.wording import count_of, join_some, percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.checks.run.per_class import FEWEST_TO_RESAMPLE, SIGNIFICANT
from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.intervals import Measured, bootstrap, measure_fraction, subtract
from finesight.metrics.significance import divide, mcnemar

RARE = 0.5  # of the average class size in the training split
HURT = 0.05  # recall that rare classes lose against the others, lower end of its interval
TOO_SELDOM = 0.8  # predictions of rare classes / true ones: their errors go to the frequent ones, not both ways


@check("V016", "Rare classes are predicted as frequent ones", "warning")
def rare_classes(case: Case) -> Explanation | None:
    statistics, train = case.statistics, case.evidence.class_counts.get("train")
    if train is None:
        raise NotApplicable("The run does not say how often each class occurs in its training split.")
    used = [c for c in statistics.scored if train[c] and statistics.holders[c]]
    even = sum(train[c] for c in used) / max(len(used), 1)
    rare = sorted((c for c in used if train[c] < RARE * even), key=lambda c: train[c])
    others = [c for c in used if c not in rare]
    if not rare or not others:
        raise NotApplicable("No class has less than half of the average class size in the training split.")
    loss = _measure_loss(statistics, rare, others)
    predicted = statistics.predicted[:, rare].sum() / statistics.support[:, rare].sum()
    if loss is None or loss.low < HURT or predicted > TOO_SELDOM or not _is_one_way(statistics, rare, others):
        return None
    names = join_some([f"{case.label(c)} ({percent(train[c] / sum(train))})" for c in rare])
    return Explanation(
        f"{names}, each with less than half of the average class size in the training split, "
        f"{'is' if len(rare) == 1 else 'are'} found {100 * loss.value:.0f} points less often than the other classes "
        f"(95 % interval {100 * loss.low:.0f} to {100 * loss.high:.0f} points), and predicted {predicted:.2f} times as "
        "often as true: their errors go to the frequent classes.",
        case.list_images((statistics.support - statistics.hits)[:, rare].sum(1)),
    )


def _is_one_way(statistics: ImageStatistics, rare: list[int], others: list[int]) -> bool:
    """Whether there are enough errors to say which way they go."""
    if not statistics.is_one_unit:
        return True  # the interval of the loss is over images already
    to_rare, to_others = (int(statistics.count_confused(*pair).sum()) for pair in ((others, rare), (rare, others)))
    return mcnemar(to_rare, to_others) <= SIGNIFICANT


def _measure_loss(statistics: ImageStatistics, rare: list[int], others: list[int]) -> Measured | None:
    """Recall of the others - recall of the rare; where an image has several units the mean over classes."""
    hits, support = statistics.hits, statistics.support
    if statistics.is_one_unit:
        recalls = (measure_fraction(int(hits[:, each].sum()), int(support[:, each].sum())) for each in (others, rare))
        return subtract(*recalls)
    if len(hits) < FEWEST_TO_RESAMPLE:
        raise NotApplicable(f"{count_of(len(hits), 'image')} are too few; this check needs {FEWEST_TO_RESAMPLE}.")
    chosen = [*others, *rare]

    def lose(sums: Floats) -> Floats:
        recalls = divide(*np.split(sums, 2, axis=1))
        first, second = np.split(recalls, [len(others)], axis=1)
        return (_mean_known(first) - _mean_known(second))[:, None]

    return bootstrap(np.concatenate([hits[:, chosen], support[:, chosen]], axis=1), lose)[0]


def _mean_known(recalls: Floats) -> Floats:
    """(r,) of (r, k): over the classes that have a value; 0 where none has."""
    known = ~np.isnan(recalls)
    means: Floats = np.where(known, recalls, 0).sum(1) / np.maximum(known.sum(1), 1)
    return means
