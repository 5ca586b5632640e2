"""Stability of close classes: a planted group is close on every map; time is kept."""

import numpy as np
import pytest

from finesight.analysis import class_similarity_stability as stability
from finesight.analysis.class_similarity import CloseClasses, find_close_classes
from finesight.analysis.class_similarity_stability import check_stability, choose_images


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray, CloseClasses]:
    """Five classes far apart, but for two that lie upon each other."""
    centres = 12 * np.eye(5, 8)
    centres[1] = centres[0]
    targets = np.repeat(np.arange(5), 16)
    features = (centres[targets] + np.random.default_rng(0).normal(size=(80, 8))).astype("f4")
    close = find_close_classes(
        features, targets, np.eye(5, dtype=np.int64), "abcde", "abcde", [str(i) for i in targets]
    )
    return features, targets, close


def test_a_planted_group_is_close_on_every_map(
    planted: tuple[np.ndarray, np.ndarray, CloseClasses], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, targets, close = planted
    assert [group.classes for group in close.groups] == [(0, 1)]
    monkeypatch.setattr(stability, "PLAN", ((10.0, 1), (20.0, 2)))
    found = check_stability(features, targets, close)
    assert found.plan == ((10.0, 1), (20.0, 2))
    assert found.groups == (2,)
    assert found.pairs[0] == 2
    assert "every group is a group on each of them" in str(found.to_dict(close)["paragraph"])


def test_a_group_that_the_maps_do_not_show_is_said_to_be_none(
    planted: tuple[np.ndarray, np.ndarray, CloseClasses], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding is of other features than those that are asked again: there the two classes lie apart."""
    features, targets, close = planted
    moved = features.copy()
    moved[targets == 1] += 30
    monkeypatch.setattr(stability, "PLAN", ((5.0, 1),))
    found = check_stability(moved, targets, close)
    assert found.groups == (0,)
    assert "a and b lie close on none" in str(found.to_dict(close)["paragraph"])


def test_no_map_is_begun_after_the_time_is_up(planted: tuple[np.ndarray, np.ndarray, CloseClasses]) -> None:
    features, targets, close = planted
    found = check_stability(features, targets, close, longest_s=0)
    assert len(found.plan) == 1
    assert "one other map" in str(found.to_dict(close)["paragraph"])


def test_images_are_chosen_evenly_from_all_classes() -> None:
    targets = np.array([0] * 60 + [1] * 30 + [2] * 10)
    chosen = choose_images(targets, 20)
    assert len(set(chosen.tolist())) == 20
    assert np.bincount(targets[chosen]).tolist() == [12, 6, 2]
    assert choose_images(targets, 1000).tolist() == list(range(100))
