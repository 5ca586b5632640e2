"""Findings about classes and pairs of them: where each must speak, where it must not, where it cannot."""

from pathlib import Path

import numpy as np
import pytest
from cases import Story, answered, confuse, fired, judge, segmented, sure_logits

from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import Case

BALANCED = np.repeat(np.arange(4), 40)


def classify(
    folder: Path, targets: np.ndarray, guesses: np.ndarray, story: Story | None = None, classes: int = 4
) -> Case:
    return answered(folder, targets, sure_logits(guesses, classes, 3.0), story)


def draw_masks(count: int = 14, size: int = 64) -> np.ndarray:
    """Meadow with a lake, in every second one a town, and an unknown corner."""
    truths = np.zeros((count, size, size), np.uint8)
    for number, truth in enumerate(truths):
        top, left = np.random.default_rng(number).integers(4, 24, 2)
        truth[top : top + 28, left : left + 28] = 1
        if number % 2:
            truth[-14:, -14:] = 2
        truth[:2, :2] = 4
    return truths


# -- V002 -------------------------------------------------------------------------------------------------------------


def test_guessing_the_largest_class_is_told(tmp_path: Path) -> None:
    targets = np.repeat([0, 1, 2], [60, 25, 15])
    found = fired("V002", classify(tmp_path, targets, np.zeros(100, np.int64)))
    assert "right on 60 % of images; always predicting name 0 would be right on 60 %" in found.message


def test_a_network_that_is_better_is_not_accused_of_guessing(tmp_path: Path) -> None:
    targets = np.repeat([0, 1, 2], [60, 25, 15])
    assert judge("V002", classify(tmp_path / "good", targets, confuse(targets, {(0, 1): 5}))) is None
    rare = np.repeat([0, 1], [190, 10])
    finds_rare = confuse(rare, {(0, 1): 14})  # 93 % right where guessing has 95 %, yet all ten are found
    assert judge("V002", classify(tmp_path / "rare", rare, finds_rare, classes=2)) is None


def test_guessing_cannot_be_told_from_few_images_or_one_class(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="6 images"):
        judge("V002", classify(tmp_path / "few", np.repeat([0, 1], 3), np.zeros(6, np.int64)))
    with pytest.raises(NotApplicable, match="one class"):
        judge("V002", classify(tmp_path / "one", np.zeros(30, np.int64), np.zeros(30, np.int64)))


def test_masks_of_nothing_but_the_largest_class_are_guessing(tmp_path: Path) -> None:
    truths = draw_masks(24)
    assert "of pixels" in fired("V002", segmented(tmp_path / "bad", truths, np.zeros_like(truths))).message
    assert judge("V002", segmented(tmp_path / "good", truths, np.minimum(truths, 3))) is None


# -- V003 -------------------------------------------------------------------------------------------------------------


def test_a_class_that_is_never_predicted(tmp_path: Path) -> None:
    case = classify(tmp_path, BALANCED, confuse(BALANCED, {(2, 1): 40}))
    found = fired("V003", case)
    assert found.message == "1 class of 4 is never predicted, but occur in this split: name 2 (40 images)."
    assert found.keys == ("val/0080.png",)


def test_one_right_answer_is_enough(tmp_path: Path) -> None:
    assert judge("V003", classify(tmp_path, BALANCED, confuse(BALANCED, {(2, 1): 39}))) is None


def test_four_images_may_all_be_missed(tmp_path: Path) -> None:
    targets = np.repeat(np.arange(3), [20, 20, 4])
    assert judge("V003", classify(tmp_path / "a", targets, confuse(targets, {(2, 1): 4}))) is None
    few = np.repeat(np.arange(3), 4)
    with pytest.raises(NotApplicable, match="No class has 5"):
        judge("V003", classify(tmp_path / "b", few, few))


def test_a_class_that_masks_never_have(tmp_path: Path) -> None:
    truths = draw_masks()
    guesses = np.where(truths == 2, 0, truths)
    found = fired("V003", segmented(tmp_path / "a", truths, np.minimum(guesses, 3)))
    assert "town (7 images)" in found.message
    assert set(found.keys) <= {f"val/{n:04}.jpg" for n in range(1, 14, 2)}
    assert judge("V003", segmented(tmp_path / "b", truths, np.minimum(truths, 3))) is None


# -- V004 -------------------------------------------------------------------------------------------------------------


def test_few_images_of_a_class_are_told_with_the_interval(tmp_path: Path) -> None:
    targets = np.repeat(np.arange(4), [60, 60, 60, 6])
    found = fired("V004", classify(tmp_path, targets, confuse(targets, {(3, 0): 2})))
    assert "1 class of 4" in found.message
    assert "name 3 (recall 67 %, 95 % interval 30 % to 90 %, 6 images)" in found.message


def test_many_images_can_be_judged(tmp_path: Path) -> None:
    targets = np.repeat(np.arange(4), 60)
    assert judge("V004", classify(tmp_path, targets, confuse(targets, {(3, 0): 20}))) is None


def test_classes_that_neither_part_has_are_not_missed(tmp_path: Path) -> None:
    targets = np.repeat([0, 1], 60)
    story = Story(train=[50, 50, 0, 0])
    assert judge("V004", classify(tmp_path / "a", targets, targets, story)) is None
    found = fired("V004", classify(tmp_path / "b", targets, targets, Story(train=[50, 50, 9, 0])))
    assert "1 class of 3" in found.message
    assert "name 2 (no image)" in found.message


def test_a_class_in_few_masks(tmp_path: Path) -> None:
    truths = draw_masks()
    found = fired("V004", segmented(tmp_path, truths, np.minimum(truths, 3)))
    assert "town (IoU 100 %" in found.message
    assert "7 images" in found.message
    assert "lake" not in found.message


def test_a_class_in_one_mask_that_is_missed_has_no_interval(tmp_path: Path) -> None:
    """It was told as "95 % interval 0 % to 0 %": the same mask drawn again and again."""
    truths = draw_masks()
    truths[truths == 2] = 0
    truths[3, -14:, -14:] = 2
    found = fired("V004", segmented(tmp_path, truths, np.minimum(np.where(truths == 2, 0, truths), 3)))
    assert "town (IoU 0 %, 1 image: too few for an interval)" in found.message
    assert "0 % to 0 %" not in found.message


# -- V005 -------------------------------------------------------------------------------------------------------------


def test_a_confused_pair(tmp_path: Path) -> None:
    targets = np.repeat(np.arange(6), 40)
    found = fired("V005", classify(tmp_path, targets, confuse(targets, {(1, 4): 16, (4, 1): 2, (0, 2): 2}), classes=6))
    assert found.message == ("40 % of name 1 is predicted as name 4 (95 % interval 26 % to 55 %), 5.0 % the other way.")
    assert set(found.keys) <= {f"val/{n:04}.png" for n in range(40, 56)}


def test_mistakes_that_are_spread_are_no_confusion(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(6), 40)
    for attempt in range(5):
        guesses = np.where(random.random(240) < 0.6, targets, random.integers(0, 6, 240))
        assert judge("V005", classify(tmp_path / str(attempt), targets, guesses, classes=6)) is None


def test_two_classes_have_no_pair(tmp_path: Path) -> None:
    targets = np.repeat([0, 1], 40)
    with pytest.raises(NotApplicable, match="fewer than three classes"):
        judge("V005", classify(tmp_path, targets, confuse(targets, {(0, 1): 20})))


def test_a_confused_pair_of_masks(tmp_path: Path) -> None:
    truths = draw_masks(24)
    guesses = np.minimum(truths, 3)
    guesses[:, 20:, :] = np.where(guesses[:, 20:, :] == 1, 0, guesses[:, 20:, :])
    found = fired("V005", segmented(tmp_path / "a", truths, guesses))
    assert "of lake is predicted as meadow" in found.message
    assert len(found.keys) == 12
    assert judge("V005", segmented(tmp_path / "b", truths, np.minimum(truths, 3))) is None


# -- V016 -------------------------------------------------------------------------------------------------------------

TRAIN = [300, 300, 300, 20]


def test_rare_classes_that_lose(tmp_path: Path) -> None:
    targets = np.repeat(np.arange(4), 50)
    guesses = confuse(targets, {(3, 0): 15, (3, 1): 15, (0, 1): 3})
    found = fired("V016", classify(tmp_path, targets, guesses, Story(train=TRAIN)))
    assert found.message.startswith("name 3 (2.2 %), each with less than half of the average class size")
    assert "58 points less often" in found.message
    assert set(found.keys) <= {f"val/{n:04}.png" for n in range(150, 180)}


def test_rare_classes_that_are_found_as_often(tmp_path: Path) -> None:
    targets = np.repeat(np.arange(4), 50)
    even = confuse(targets, {(0, 1): 10, (1, 2): 10, (2, 0): 10, (3, 0): 12})
    assert judge("V016", classify(tmp_path / "a", targets, even, Story(train=TRAIN))) is None
    difficult = confuse(targets, {(3, 0): 25, (0, 3): 25})  # mistaken both ways: hard, not outvoted
    assert judge("V016", classify(tmp_path / "b", targets, difficult, Story(train=TRAIN))) is None
    few = np.repeat(np.arange(4), [50, 50, 50, 3])
    assert judge("V016", classify(tmp_path / "c", few, confuse(few, {(3, 0): 1}), Story(train=TRAIN))) is None


def test_without_rare_classes_nothing_can_lose(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="average class size"):
        judge("V016", classify(tmp_path / "a", BALANCED, BALANCED, Story(train=[50, 60, 50, 50])))
    with pytest.raises(NotApplicable, match="how often"):
        judge("V016", classify(tmp_path / "b", BALANCED, BALANCED))


def test_rare_classes_of_masks(tmp_path: Path) -> None:
    truths = draw_masks(24)
    shares = Story(train=[8000, 5000, 900, 0, 10])
    guesses = np.minimum(np.where(truths == 2, 0, truths), 3)
    guesses[:, -3:, -3:] = np.minimum(truths[:, -3:, -3:], 3)
    found = fired("V016", segmented(tmp_path / "a", truths, guesses, shares))
    assert found.message.startswith("town (6.5 %)")
    assert judge("V016", segmented(tmp_path / "b", truths, np.minimum(truths, 3), shares)) is None
