"""How a map is judged: perfect, by hand, random, and on a sample."""

from dataclasses import replace

import numpy as np
import pytest

from finesight.analysis import projection as quality
from finesight.analysis.distance import find_nearest, most_neighbours
from finesight.analysis.projection import describe_projection, measure_quality
from finesight.analysis.projection_methods import project

RANDOM = np.random.default_rng(0)


def test_nearest_are_the_nearest() -> None:
    points = RANDOM.normal(size=(50, 20)).astype(np.float32) + 1000  # far from the origin
    distances = np.linalg.norm(points[:, None].astype(np.float64) - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.array_equal(find_nearest(points, 5), distances.argsort(1)[:, :5])
    some = np.array([7, 3])
    assert np.array_equal(find_nearest(points, 5, some), distances.argsort(1)[some, :5])


@pytest.mark.parametrize("some", [None, np.array([7, 3])])
def test_points_of_one_group_are_not_neighbours(some: np.ndarray | None) -> None:
    points, groups = RANDOM.normal(size=(50, 20)).astype(np.float32), np.arange(50) // 4
    distances = np.linalg.norm(points[:, None].astype(np.float64) - points, axis=2)
    distances[groups[:, None] == groups] = np.inf
    expected = distances.argsort(1)[slice(None) if some is None else some, :5]
    assert np.array_equal(find_nearest(points, 5, some, groups), expected)
    assert most_neighbours(groups) == 46


def test_a_image_without_a_class_is_not_asked() -> None:
    points = np.array([0, 1, 2, 3, 4, 5, 6, 7, 100, 101], dtype=np.float32)[:, None].repeat(2, axis=1)
    found = measure_quality(points, points, np.array([0, 0, 0, 0, 0, 0, 0, 0, -1, -1]))
    assert found["knn_accuracy_projection"] == 1
    assert "knn_accuracy_projection" not in measure_quality(points, points, np.full(10, -1))


def test_a_map_that_is_the_features_is_perfect() -> None:
    points = RANDOM.normal(size=(40, 2)).astype(np.float32)
    found = measure_quality(points, points, np.zeros(40, dtype=np.int64))
    assert found["neighbourhood_preservation"] == 1
    assert found["knn_accuracy_projection"] == found["knn_accuracy_features"] == 1


def test_a_random_map_keeps_what_chance_keeps() -> None:
    features = RANDOM.normal(size=(600, 16)).astype(np.float32)
    found = measure_quality(features, RANDOM.normal(size=(600, 2)).astype(np.float32), RANDOM.integers(0, 2, 600))
    assert found["neighbourhood_preservation"] == pytest.approx(found["neighbourhood_chance"], abs=0.01)
    assert found["knn_accuracy_projection"] == pytest.approx(0.5, abs=0.08)


def test_preservation_by_hand() -> None:
    features = np.array([[0.0], [1], [3], [10]], dtype=np.float32)
    points = np.array([[0, 0], [1, 0], [30, 0], [90, 0]], dtype=np.float32)
    found = measure_quality(features, points, k=1)
    assert found["neighbourhood_preservation"] == 1
    moved = points[[0, 2, 1, 3]]  # nearest on the map: 2, 2, 0, 1; in feature space: 1, 0, 1, 2
    assert measure_quality(features, moved, k=1)["neighbourhood_preservation"] == 0


def test_a_tie_goes_to_the_nearer() -> None:
    votes = np.array([[4, 2, 2, 4]])
    assert quality._vote_accuracy(votes, np.array([4])) == 1
    assert quality._vote_accuracy(np.array([[2, 4, 4, 3]]), np.array([4])) == 1


def test_many_images_are_sampled_the_same_way_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "MOST_QUERIES", 50)
    features = RANDOM.normal(size=(200, 4)).astype(np.float32)
    found = measure_quality(features, features[:, :2])
    assert found == measure_quality(features, features[:, :2])
    assert (found["num_images"], found["num_queries"]) == (200, 50)


def test_too_few_images_have_no_quality() -> None:
    assert measure_quality(np.zeros((3, 4), np.float32), np.zeros((3, 2), np.float32)) == {}


def test_the_caption_says_method_settings_and_quality() -> None:
    features = RANDOM.normal(size=(30, 4)).astype(np.float32)
    drawn = project(features)
    drawn = replace(drawn, quality=measure_quality(features, drawn.points, np.zeros(30, dtype=np.int64)))
    said = describe_projection(drawn)
    assert said.startswith("t-SNE (openTSNE, perplexity 9.67, after PCA to 4 dimensions, seed 0).")
    assert "30 images allow 9.7" in said
    assert "kNN accuracy: 100 % on the projection" in said
