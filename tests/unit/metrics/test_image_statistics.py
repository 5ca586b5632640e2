"""Counts of each image, against hand examples."""

import numpy as np
import pytest

from finesight.metrics.image_statistics import ImageStatistics


@pytest.fixture
def labels() -> ImageStatistics:
    """Four images of three classes; the truth of the last is unknown."""
    return ImageStatistics.of_labels(["a", "b", "c", "d"], np.array([0, 0, 2, -1]), np.array([0, 2, 2, 1]), 3)


@pytest.fixture
def pixels() -> ImageStatistics:
    """Two images of three classes, of which the last is not scored; the last row is of unknown truth."""
    first = [[3, 1, 0], [0, 0, 0], [2, 0, 0], [0, 4, 0]]
    second = [[0, 2, 1], [0, 5, 0], [0, 0, 0], [0, 0, 0]]
    return ImageStatistics.of_pixels(["a", "b"], np.array([first, second]), [0, 1])


def test_images_of_one_class_each(labels: ImageStatistics) -> None:
    assert labels.support.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert labels.predicted.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert labels.hits.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert labels.confusion is not None
    assert labels.confusion.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert labels.count_confused([0], [1, 2]).tolist() == [0, 1, 0, 0]
    assert labels.holders.tolist() == [2, 0, 1]
    whole, by_class = labels.measure(), labels.measure_classes()
    assert whole is not None
    assert whole.value == 2 / 3
    assert [each and each.value for each in by_class] == [0.5, None, 1]


def test_images_whose_pixels_have_classes(pixels: ImageStatistics) -> None:
    assert pixels.support.tolist() == [[4, 0, 2], [3, 5, 0]]
    assert pixels.predicted.tolist() == [[3, 1, 0], [0, 7, 1]]
    assert pixels.hits.tolist() == [[3, 0, 0], [0, 5, 0]]
    assert pixels.confusion is not None
    assert pixels.confusion.tolist() == [[3, 3, 1], [0, 5, 0], [0, 0, 0]]
    assert pixels.count_confused([0], [1]).tolist() == [1, 2]
    assert pixels.rows.tolist() == [[3, 0, 4, 1], [0, 5, 3, 7]]
    assert pixels.measure() is None  # of two images no interval can be given


def test_images_are_found_by_their_keys(pixels: ImageStatistics) -> None:
    assert pixels.select(["b", "a"]).tolist() == [1, 0]
