import numpy as np

from finesight.analysis.wording import count_of, percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.checks.run.per_class import SIGNIFICANT, count_units
from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.intervals import bootstrap
from finesight.metrics.significance import mcnemar

FEWEST_IMAGES = 20  # below, even a flawless model cannot be distinguished from a lucky guess between two classes
TRAINED = 1.5  # times the mean recall of guessing: above, the model has some skill, whatever its accuracy


@check("V002", "No better than always predicting the largest class", "error")
def no_better_than_guessing(case: Case) -> Explanation | None:
    statistics = case.statistics
    sizes = count_units(statistics)
    if not sizes.sum() or len(case.keys) < FEWEST_IMAGES:
        raise NotApplicable(f"{count_of(len(case.keys), 'image')} are too few; this check needs {FEWEST_IMAGES}.")
    if (sizes > 0).sum() < 2:
        raise NotApplicable("All images are of one class.")
    largest, hits = int(sizes.argmax()), statistics.hits.sum(0, dtype="int64")
    recalls = hits[sizes > 0] / sizes[sizes > 0]
    if recalls.mean() >= TRAINED / len(recalls) or _beats(statistics, largest):
        return None
    return Explanation(
        f"The model is right on {percent(hits.sum() / sizes.sum())} of {statistics.unit}s; always predicting "
        f"{case.label(largest)} would be right on {percent(sizes[largest] / sizes.sum())} of them. On "
        f"{count_of(len(case.keys), 'image')} the difference is not significant, and the mean recall of the classes "
        f"is {percent(recalls.mean())}, where guessing has {percent(1 / len(recalls))}."
    )


def _beats(statistics: ImageStatistics, largest: int) -> bool:
    """Whether the model is right significantly more often than the constant prediction `largest`."""
    right, guessed = statistics.hits.sum(1, dtype="int64"), statistics.support[:, largest]
    if statistics.is_one_unit:
        won, lost = int((right > guessed).sum()), int((guessed > right).sum())
        return won > lost and mcnemar(lost, won) < SIGNIFICANT
    table = np.stack([right - guessed, statistics.support[:, list(statistics.scored)].sum(1)], axis=1)
    (gain,) = bootstrap(table, lambda sums: sums[:, :1] / sums[:, 1:])
    return gain is not None and gain.low > 0
