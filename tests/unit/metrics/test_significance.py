"""Paired comparison, against hand examples, references and simulation."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.stats import binom

from finesight.metrics.confusion import iou, mean_iou
from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.intervals import bootstrap
from finesight.metrics.significance import (
    FEWEST_IMAGES,
    compare_paired,
    count_images,
    mcnemar,
    score_mean,
    score_pooled,
)


def label_rows(targets: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    return ImageStatistics.of_labels([""] * len(targets), targets, predictions, num_classes).rows


def pixel_rows(counts: np.ndarray, scored: Sequence[int]) -> np.ndarray:
    return ImageStatistics.of_pixels([""] * len(counts), counts, scored).rows


def test_rows_of_masks_score_as_the_metric_does():
    counts = torch.from_numpy(np.random.default_rng(0).integers(0, 50, (9, 5, 4)))
    counts[:, 1, :], counts[:, :, 1] = 0, 0  # a class that never occurs
    known = [0, 1, 2]
    scores = score_mean(pixel_rows(counts.numpy(), known).sum(0)[None])[0]
    assert scores[0] == pytest.approx(mean_iou(counts.sum(0), known, masked=True))
    expected = iou(counts.sum(0), known)
    assert scores[1:].tolist() == pytest.approx([np.nan if each is None else each for each in expected], nan_ok=True)


def test_rows_of_labels_by_hand():
    rows = label_rows(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 4)
    assert score_pooled(rows.sum(0)[None])[0].tolist() == pytest.approx([0.5, 0.5, 1, 0, np.nan], nan_ok=True)


def draw(accuracy: float, count: int, random: np.random.Generator) -> np.ndarray:
    targets = random.integers(0, 3, count)
    wrong = random.random(count) > accuracy
    return label_rows(targets, (targets + wrong) % 3, 3)


def test_a_run_does_not_differ_from_itself():
    rows = draw(0.8, 100, np.random.default_rng(1))
    whole, *_ = compare_paired([rows], [rows], score_pooled, 500)
    assert whole is not None
    assert whole.difference == 0
    assert whole.interval == (0, 0)
    assert not whole.is_distinguishable
    assert whole.p_value == 1


def test_p_values_of_no_difference_are_spread_evenly():
    """Of 200 pairs of equally good runs, as many fall below 0.1 and 0.5 as should, within binomial bounds."""
    random = np.random.default_rng(5)
    found = [
        compare_paired([draw(0.8, 300, random)], [draw(0.8, 300, random)], score_pooled, 300)[0] for _ in range(200)
    ]
    p_values = np.array([each.p_value for each in found if each is not None])
    for level in (0.1, 0.5):
        low, high = binom.interval(0.999, 200, level)
        assert low <= (p_values < level).sum() <= high


def test_sides_can_be_swapped():
    random = np.random.default_rng(2)
    first, second = draw(0.6, 200, random), draw(0.9, 200, random)
    there, back = (
        compare_paired(*sides, score_pooled, 2000)[0] for sides in (([first], [second]), ([second], [first]))
    )
    assert there is not None
    assert back is not None
    assert there.is_distinguishable
    assert there.p_value == pytest.approx(2 / 2001)
    assert there.difference == -back.difference
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def test_the_interval_covers_what_it_says():
    """Of 300 simulated comparisons with a true difference of 0.05, 95 % of the intervals hold it: binomial bounds."""
    random = np.random.default_rng(3)
    rounds, held = 300, 0
    for number in range(rounds):
        size = 250
        hard = random.random(size)  # what both find hard is the same: answers are paired
        sides = [(hard < accuracy) ^ (random.random(size) < 0.1) for accuracy in (0.75, 0.8125)]
        targets = np.zeros(size, int)
        rows = [label_rows(targets, np.where(side, 0, 1), 2) for side in sides]
        whole = compare_paired([rows[0]], [rows[1]], score_pooled, 400, seed=number)[0]
        assert whole is not None
        held += whole.interval[0] <= 0.0625 * 0.8 <= whole.interval[1]
    low, high = binom.interval(0.999, rounds, 0.945)
    assert low <= held <= high


def test_several_seeds_widen_the_interval():
    random = np.random.default_rng(4)
    targets = random.integers(0, 2, 400)

    def run(accuracy: float) -> np.ndarray:
        return label_rows(targets, np.where(random.random(400) < accuracy, targets, 1 - targets), 2)

    one = compare_paired([run(0.8)], [run(0.85)], score_pooled, 1000)[0]
    scattered = compare_paired([run(0.7), run(0.9)], [run(0.75), run(0.95)], score_pooled, 1000)[0]
    assert one is not None
    assert scattered is not None
    assert np.ptp(scattered.interval) > np.ptp(one.interval)


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 2 * 0.5**5), (1, 9, 2 * 11 / 1024)]
)
def test_mcnemar_by_hand(first: int, second: int, p: float):
    assert mcnemar(first, second) == pytest.approx(p)
    assert mcnemar(second, first) == pytest.approx(p)


def test_a_class_on_few_images_has_no_interval_worth_telling():
    """Five answers that all favour one side may be luck; six would be a finding."""
    for count in (1, 5, 6):
        targets = np.repeat([0, 1], [40, count])
        good, bad = label_rows(targets, targets, 2), label_rows(targets, np.zeros(40 + count, int), 2)
        _, first, rare = compare_paired([bad], [good], score_pooled, 200)
        assert first is not None
        assert first.is_enough
        assert rare is not None
        assert (rare.num_images, rare.is_distinguishable) == (count, count >= FEWEST_IMAGES)
        whole, *_ = compare_paired([bad[40:]], [good[40:]], score_pooled, 200)
        assert whole is not None
        assert whole.is_distinguishable == (count >= FEWEST_IMAGES)


def test_images_without_a_class_do_not_count_for_it():
    rows = pixel_rows(np.array([[[5, 0], [0, 0], [0, 0]]] * 9 + [[[5, 0], [3, 0], [0, 0]]]), [0, 1])
    assert count_images([rows], score_mean).tolist() == [10, 10, 1]
    whole, meadow, lake = bootstrap(rows, score_mean)
    assert whole is not None
    assert meadow is not None
    assert lake is None
