"""What checks share that look at each class."""

from collections.abc import Sequence

from finesight.analysis.distance import Indices
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.metrics.image_statistics import ImageStatistics

SIGNIFICANT = 0.05  # probability of a false alarm that is accepted, of all pairs or classes looked at together
FEWEST_TO_RESAMPLE = 10  # images; a bootstrap over fewer makes intervals that are too narrow


def count_units(statistics: ImageStatistics) -> Indices:
    """Units of each class, (C,); 0 of a class that is not scored."""
    sizes: Indices = statistics.support.sum(0, dtype="int64")
    sizes[[index for index in range(len(sizes)) if index not in statistics.scored]] = 0
    return sizes


def example_of_each(case: Case, classes: Sequence[int]) -> tuple[str, ...]:
    """One image of each class: the one with most of it."""
    support = case.statistics.support
    chosen = (support[:, index] for index in classes[:NUM_EXAMPLES])
    return tuple(dict.fromkeys(case.keys[int(sizes.argmax())] for sizes in chosen if sizes.any()))
