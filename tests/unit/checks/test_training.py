"""Findings about the training: the gap, the unfinished curve, the learning rate."""

from pathlib import Path

import numpy as np
import pytest
from cases import Story, answered, confuse, fired, judge, segmented, sure_logits, write_masks

from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import Case
from finesight.tasks.classification.score import ClassificationScore

TARGETS = np.repeat(np.arange(4), 40)
BALANCED = [100, 100, 100, 100]  # guessing has a loss of ln 4 = 1.39
GUESSES = confuse(TARGETS, {(0, 1): 15, (2, 3): 15})


def classify(folder: Path, story: Story, margin: float = 5.0) -> Case:
    return answered(folder, TARGETS, sure_logits(GUESSES, 4, margin), story)


# -- V001 -------------------------------------------------------------------------------------------------------------


def test_a_gap_by_the_loss(tmp_path: Path) -> None:
    found = fired("V001", classify(tmp_path, Story(losses=[0.5, 0.1, 0.02], judged=[0.5, 0.6, 0.8]), margin=7.0))
    assert "In epoch 3, whose weights were kept" in found.message
    assert "probability of 98 % (geometric mean)" in found.message
    assert found.keys[0] in {f"val/{n:04}.png" for n in (*range(15), *range(80, 95))}


def test_a_small_gap_and_one_that_may_be_luck_are_silent(tmp_path: Path) -> None:
    assert judge("V001", classify(tmp_path / "a", Story(losses=[1.0, 0.8], judged=[0.5, 0.8]))) is None
    few = np.repeat(np.arange(4), 3)
    unlucky = sure_logits(confuse(few, {(0, 1): 2}), 4, 5.0)  # mean loss 0.85, but of twelve images
    assert judge("V001", answered(tmp_path / "b", few, unlucky, Story(losses=[0.1], judged=[0.8]))) is None


def test_a_gap_by_the_score_of_the_training_part(tmp_path: Path) -> None:
    case = classify(tmp_path, Story(losses=[9.0], judged=[0.8]))
    assert judge("V001", case) is None
    import torch

    score = ClassificationScore(case.evidence.classes)
    score.update(torch.from_numpy(sure_logits(TARGETS, 4, 5.0)), torch.from_numpy(TARGETS))
    score.save(case.run.evaluation("train"), [f"train/{i}.png" for i in range(160)])
    found = fired("V001", case)
    assert "accuracy is 100 % on the 160 training images but 81 % on the 160 of split val: 19 points" in found.message


def test_a_gap_cannot_be_seen_without_a_comparable_loss(tmp_path: Path) -> None:
    weighted = Story({"loss.class_weights": "inverse"}, losses=[0.1], judged=[0.8])
    with pytest.raises(NotApplicable, match="evaluate RUN --split train"):
        judge("V001", classify(tmp_path, weighted))


def test_a_gap_of_masks(tmp_path: Path) -> None:
    truths = np.zeros((12, 32, 32), np.uint8)
    truths[:, :16] = 1
    poor = truths.copy()
    poor[:, 8:24] = 0
    case = segmented(tmp_path, truths, poor)
    with pytest.raises(NotApplicable, match="--split train"):
        judge("V001", case)
    keys = [f"train/{i}.jpg" for i in range(12)]
    write_masks(case.run, "train", keys, truths, truths, case.evidence.classes)
    assert "mIoU is 100 % on the 12 training images" in fired("V001", case).message
    write_masks(case.run, "train", keys, truths, poor, case.evidence.classes)
    assert judge("V001", case) is None


# -- V012 -------------------------------------------------------------------------------------------------------------


def test_a_training_that_ended_too_early(tmp_path: Path) -> None:
    story = Story(judged=[0.3, 0.4, 0.5, 0.58, 0.64, 0.69, 0.73, 0.79], rates=[1e-3] * 8)
    found = fired("V012", classify(tmp_path, story))
    assert "best in the last of 8 epochs, 0.790: a gain of 0.100 over the best before the last 2" in found.message
    assert "new run" not in found.message


def test_a_schedule_that_has_ended_is_told(tmp_path: Path) -> None:
    story = Story(judged=[0.3, 0.4, 0.5, 0.6], rates=[1e-3, 7e-4, 3e-4, 1e-6])
    assert "more epochs take a new run" in fired("V012", classify(tmp_path, story)).message


def test_a_curve_that_is_flat_at_the_end(tmp_path: Path) -> None:
    assert (
        judge("V012", classify(tmp_path / "a", Story(judged=[0.3, 0.6, 0.75, 0.8, 0.81, 0.812, 0.815, 0.815]))) is None
    )
    assert judge("V012", classify(tmp_path / "b", Story(judged=[0.3, 0.8, 0.6, 0.79]))) is None


def test_noise_is_no_improvement(tmp_path: Path) -> None:
    """Of networks that do not improve, judged on 160 images, few are said to improve."""
    random = np.random.default_rng(0)
    told = 0
    for attempt in range(20):
        curve = random.binomial(160, 0.7, 8) / 160
        told += judge("V012", classify(tmp_path / str(attempt), Story(judged=list(curve)))) is not None
    assert told <= 1


def test_three_epochs_have_no_shape(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="at least 4 epochs"):
        judge("V012", classify(tmp_path, Story(judged=[0.2, 0.4, 0.6])))


# -- V015 -------------------------------------------------------------------------------------------------------------


def test_a_rate_that_is_too_high(tmp_path: Path) -> None:
    found = fired("V015", classify(tmp_path, Story(losses=[1.2, 0.9, 1.6, 1.1, 1.3], train=BALANCED)))
    assert "rose from 0.900 to 1.600 in epoch 3, and in 3 of 5 epochs" in found.message
    assert "too high" in found.message


def test_a_rate_that_is_too_low(tmp_path: Path) -> None:
    found = fired("V015", classify(tmp_path, Story(losses=[1.40, 1.36, 1.32, 1.28, 1.24], train=BALANCED)))
    assert "fell by only 11 %" in found.message
    assert "50 % of the fall" in found.message


def test_a_loss_that_never_moves(tmp_path: Path) -> None:
    found = fired("V015", classify(tmp_path, Story(losses=[1.39, 1.385, 1.39, 1.386], train=BALANCED)))
    assert "where guessing by class frequencies has 1.39" in found.message
    assert "far too low, or so high that training diverged" in found.message


def test_a_loss_above_that_of_guessing(tmp_path: Path) -> None:
    found = fired("V015", classify(tmp_path, Story(losses=[9.0, 6.0, 4.0, 3.0], train=BALANCED)))
    assert "never below 3.00, where guessing by class frequencies has 1.39" in found.message
    assert "probably too high" in found.message


def test_a_last_layer_that_is_behind_its_features(tmp_path: Path) -> None:
    features = 9 * np.eye(4, 8)[TARGETS] + np.random.default_rng(0).normal(size=(160, 8))
    poor = confuse(TARGETS, {(0, 1): 30, (1, 2): 30, (2, 3): 30})
    story = Story(losses=[1.2, 0.7, 0.5, 0.42], train=BALANCED)
    logits, seen = sure_logits(poor, 4, 1.0), features.astype("f4")
    found = fired("V015", answered(tmp_path / "a", TARGETS, logits, story, seen))
    assert "right on 44 % of images, a vote of each image's neighbours in feature space on 100 %" in found.message
    good = confuse(TARGETS, {(0, 1): 8})
    assert judge("V015", answered(tmp_path / "b", TARGETS, sure_logits(good, 4, 1.0), story, seen)) is None


def test_the_head_of_masks_is_right_on_regions_as_the_votes_are(tmp_path: Path) -> None:
    """Every region is predicted and voted right, while the mean IoU is low: no reason to blame the learning rate."""
    truths = np.zeros((40, 8, 8), np.uint8)
    truths[:, 4:] = 1
    poor = np.where(np.arange(8) < 5, truths, 2).astype(np.uint8)
    images, classes = np.repeat(np.arange(40), 2), np.tile([0, 1], 40)
    features = (6 * np.eye(2, 12)[classes] + np.random.default_rng(1).normal(size=(80, 12))).astype("f4")
    story = Story(losses=[1.2, 0.7, 0.5, 0.42], train=[100, 100])
    assert judge("V015", segmented(tmp_path, truths, poor, story, (features, images, classes))) is None


@pytest.mark.parametrize(
    "losses",
    [
        [1.2, 0.7, 0.5, 0.42, 0.40],  # as it should be
        [1.2, 0.7, 0.72, 0.5, 0.52],  # a little noise
        [0.02, 0.01, 0.03, 0.01],  # nothing left to learn
        [0.32, 0.31, 0.30, 0.29],  # slow, but low
    ],
)
def test_curves_that_are_well(tmp_path: Path, losses: list[float]) -> None:
    assert judge("V015", classify(tmp_path, Story(losses=losses, train=BALANCED))) is None


def test_a_slow_end_under_a_falling_rate_is_no_low_rate(tmp_path: Path) -> None:
    """Cosine: three quarters of the fall is done by half of the summed rates."""
    story = Story(losses=[1.40, 1.24, 1.20, 1.185, 1.18], rates=[1e-3, 8e-4, 5e-4, 2e-4, 1e-5], train=BALANCED)
    assert judge("V015", classify(tmp_path, story)) is None


def test_the_rate_cannot_be_judged_from_two_epochs(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="the run has 2"):
        judge("V015", classify(tmp_path, Story(losses=[1.0, 5.0])))
