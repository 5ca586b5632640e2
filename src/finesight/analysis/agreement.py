"""Whether the classes that lie close are those that are confused: a rank correlation that knows what chance gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finesight.analysis.distance import Floats

PERMUTATIONS = 2000
FEWEST_CLASSES = 3


@dataclass(frozen=True)
class Agreement:
    """rank_correlation: Spearman's, over all pairs of classes. p_value: of chance doing as well, 0-1."""

    rank_correlation: float
    p_value: float


def measure_agreement(affinity: Floats, confused: NDArray[np.int64], seed: int = 0) -> Agreement | None:
    """Compares symmetric matrices (C, C) over their pairs; None where one of them is the same for all pairs.

    Pairs that share a class are not independent, so the classes of one matrix are permuted, not its pairs (Mantel
    1967, "The detection of disease clustering and a generalized regression approach"). One-sided.
    """
    from scipy.stats import rankdata

    num_classes = len(affinity)
    first, second = np.triu_indices(num_classes, 1)
    if num_classes < FEWEST_CLASSES or np.ptp(affinity[first, second]) == 0 or np.ptp(confused[first, second]) == 0:
        return None
    closeness, confusions = (_standardise(rankdata(matrix[first, second])) for matrix in (affinity, confused))
    ranks = np.zeros((num_classes, num_classes))
    ranks[first, second] = ranks[second, first] = confusions
    measured = float(closeness @ confusions)
    random = np.random.default_rng(seed)
    orders = (random.permutation(num_classes) for _ in range(PERMUTATIONS))
    as_good = sum(float(closeness @ ranks[order[first], order[second]]) >= measured - 1e-12 for order in orders)
    return Agreement(round(measured, 6), (1 + as_good) / (1 + PERMUTATIONS))


def _standardise(ranks: Floats) -> Floats:
    """Mean 0, length 1: the product of two is their correlation."""
    centred: Floats = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)
