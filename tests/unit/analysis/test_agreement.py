"""Agreement of class similarity and confusions: found where it is planted, not where there is none."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from finesight.analysis.class_similarity import measure_agreement


def symmetric(num_classes: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).random((num_classes, num_classes))
    return np.triu(values, 1) + np.triu(values, 1).T


def test_it_is_spearmans_correlation_over_the_pairs() -> None:
    similarity, confused = symmetric(8, 0), (10 * symmetric(8, 1)).astype(int)
    found, _ = measure_agreement(similarity, confused)
    pairs = np.triu_indices(8, 1)
    assert found == pytest.approx(spearmanr(similarity[pairs], confused[pairs]).statistic, abs=2e-6)


def test_planted_agreement_is_not_chance() -> None:
    similarity = symmetric(10, 0)
    rank_correlation, p_value = measure_agreement(similarity, (20 * similarity).astype(int))
    assert rank_correlation is not None
    assert p_value is not None
    assert rank_correlation > 0.95
    assert p_value < 0.002


def test_without_agreement_small_p_values_are_as_rare_as_they_say() -> None:
    p_values = []
    for seed in range(60):
        _, p_value = measure_agreement(symmetric(7, seed), (10 * symmetric(7, 1000 + seed)).astype(int))
        p_values.append(p_value)
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert 0.35 < np.mean(p_values) < 0.65


def test_one_hub_that_is_similar_to_all_and_confused_with_all_is_not_significant() -> None:
    """Its pairs are not independent: as single pairs they would be significant, as one class they are not."""
    similarity = 0.001 * symmetric(6, 0)
    similarity[0, 1:] = similarity[1:, 0] = 0.3
    confused = np.zeros((6, 6), int)
    confused[0, 1:] = confused[1:, 0] = 5
    pairs = np.triu_indices(6, 1)
    naive = spearmanr(similarity[pairs], confused[pairs]).pvalue
    _, p_value = measure_agreement(similarity, confused)
    assert naive < 0.01
    assert p_value is not None
    assert p_value > 0.1


@pytest.mark.parametrize("num_classes", [0, 1, 2])
def test_too_few_classes(num_classes: int) -> None:
    assert measure_agreement(np.ones((num_classes, num_classes)), np.ones((num_classes, num_classes), int))[0] is None


def test_nothing_to_compare() -> None:
    assert measure_agreement(symmetric(5, 0), np.zeros((5, 5), int)) == (None, None)
