"""Counts of each image, against hand examples."""

import numpy as np
import pytest

from finesight.metrics import image_statistics
from finesight.metrics.image_statistics import ImageStatistics, gather_rows
from finesight.metrics.significance import compare_paired


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


def test_many_images_that_are_counted_alike_are_compared_together(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(-1, 4, 3000)
    guesses = [
        np.where(random.random(3000) < right, np.maximum(truth, 0), random.integers(0, 4, 3000))
        for right in (0.7, 0.75)
    ]
    keys = [str(number) for number in range(3000)]
    sides = [[ImageStatistics.of_labels(keys, truth, guess, 4)] for guess in guesses]
    apart, none = gather_rows(sides, keys)
    assert none is None
    assert np.array_equal(apart[0][0], sides[0][0].rows)
    monkeypatch.setattr(image_statistics, "MANY", 100)
    together, repeats = gather_rows(sides, keys)
    assert repeats is not None
    assert repeats.sum() == 3000
    assert len(repeats) == len(together[0][0]) < 70
    score = sides[0][0].scoring.score
    expected = compare_paired(apart[0], apart[1], score, 4000)
    found = compare_paired(together[0], together[1], score, 4000, repeats=repeats)
    for one, other in zip(found, expected, strict=True):
        assert one is not None
        assert other is not None
        assert (one.baseline, one.improved, one.num_images) == (other.baseline, other.improved, other.num_images)
        assert one.interval == pytest.approx(other.interval, abs=0.15 * (other.interval[1] - other.interval[0]))
