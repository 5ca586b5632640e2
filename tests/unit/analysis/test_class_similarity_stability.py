"""Stability of similar classes: a planted group is found on every projection, within a time limit."""

from dataclasses import replace

import numpy as np
import pytest

from finesight.analysis import class_similarity as stability
from finesight.analysis.class_similarity import (
    ClassSimilarity,
    check_stability,
    choose_images,
    measure_class_similarity,
)


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray, ClassSimilarity]:
    """Five classes far apart, but for two that lie upon each other."""
    centres = 12 * np.eye(5, 8)
    centres[1] = centres[0]
    targets = np.repeat(np.arange(5), 16)
    features = (centres[targets] + np.random.default_rng(0).normal(size=(80, 8))).astype("f4")
    similarity = measure_class_similarity(
        features, targets, np.eye(5, dtype=np.int64), "abcde", [str(i) for i in targets]
    )
    return features, targets, similarity


def test_a_planted_group_is_similar_on_every_projection(
    planted: tuple[np.ndarray, np.ndarray, ClassSimilarity], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, targets, similarity = planted
    assert [group.classes for group in similarity.groups] == [(0, 1)]
    monkeypatch.setattr(stability, "PLAN", ((10.0, 1), (20.0, 2)))
    found = check_stability(features, targets, similarity)
    assert found.plan == ((10.0, 1), (20.0, 2))
    assert found.groups == (2,)
    assert found.pairs[0] == 2
    assert "every group is similar on all of them" in replace(similarity, stability=found).stability_text


def test_a_group_that_is_not_on_the_projections_is_reported(
    planted: tuple[np.ndarray, np.ndarray, ClassSimilarity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is of other features than those projected again, where the two classes lie apart."""
    features, targets, similarity = planted
    moved = features.copy()
    moved[targets == 1] += 30
    monkeypatch.setattr(stability, "PLAN", ((5.0, 1),))
    found = check_stability(moved, targets, similarity)
    assert found.groups == (0,)
    assert "a and b are similar on none of them" in replace(similarity, stability=found).stability_text


def test_no_projection_starts_after_the_time_limit(planted: tuple[np.ndarray, np.ndarray, ClassSimilarity]) -> None:
    features, targets, similarity = planted
    found = check_stability(features, targets, similarity, longest_s=0)
    assert len(found.plan) == 1
    assert "one other projection (" in replace(similarity, stability=found).stability_text


def test_images_are_chosen_evenly_from_all_classes() -> None:
    targets = np.array([0] * 60 + [1] * 30 + [2] * 10)
    chosen = choose_images(targets, 20)
    assert len(set(chosen.tolist())) == 20
    assert np.bincount(targets[chosen]).tolist() == [12, 6, 2]
    assert choose_images(targets, 1000).tolist() == list(range(100))
