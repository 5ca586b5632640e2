"""Agreement of closeness and confusions: found where it is planted, left to chance where there is none."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from finesight.analysis.agreement import measure_agreement


def symmetric(num_classes: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).random((num_classes, num_classes))
    return np.triu(values, 1) + np.triu(values, 1).T


def test_it_is_spearmans_correlation_over_the_pairs() -> None:
    affinity, confused = symmetric(8, 0), (10 * symmetric(8, 1)).astype(int)
    found = measure_agreement(affinity, confused)
    pairs = np.triu_indices(8, 1)
    assert found is not None
    assert found.rank_correlation == pytest.approx(spearmanr(affinity[pairs], confused[pairs]).statistic, abs=2e-6)


def test_planted_agreement_is_not_chance() -> None:
    affinity = symmetric(10, 0)
    found = measure_agreement(affinity, (20 * affinity).astype(int))
    assert found is not None
    assert found.rank_correlation > 0.95
    assert found.p_value < 0.002


def test_without_agreement_small_p_values_are_as_rare_as_they_say() -> None:
    p_values = []
    for seed in range(60):
        found = measure_agreement(symmetric(7, seed), (10 * symmetric(7, 1000 + seed)).astype(int))
        assert found is not None
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert 0.35 < np.mean(p_values) < 0.65


def test_one_hub_that_is_close_to_all_and_confused_with_all_is_no_proof() -> None:
    """Its pairs are not independent: as single pairs they would be significant, as one class they are not."""
    affinity = 0.001 * symmetric(6, 0)
    affinity[0, 1:] = affinity[1:, 0] = 0.3
    confused = np.zeros((6, 6), int)
    confused[0, 1:] = confused[1:, 0] = 5
    pairs = np.triu_indices(6, 1)
    naive = spearmanr(affinity[pairs], confused[pairs]).pvalue
    found = measure_agreement(affinity, confused)
    assert found is not None
    assert naive < 0.01
    assert found.p_value > 0.1


@pytest.mark.parametrize("num_classes", [0, 1, 2])
def test_too_few_classes(num_classes: int) -> None:
    assert measure_agreement(np.ones((num_classes, num_classes)), np.ones((num_classes, num_classes), int)) is None


def test_nothing_to_compare() -> None:
    assert measure_agreement(symmetric(5, 0), np.zeros((5, 5), int)) is None
