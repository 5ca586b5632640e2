"""Findings about what stood still: too much, too little, or neither."""

from pathlib import Path

import numpy as np
import pytest
from cases import Story, answered, confuse, fired, judge, segmented, sure_logits, write_masks

from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import Case

TARGETS = np.repeat(np.arange(4), 40)
BALANCED = [100, 100, 100, 100]
STUCK = Story(losses=[1.3, 0.9, 0.82, 0.80, 0.795], judged=[0.4, 0.5, 0.6, 0.6, 0.6], frozen=9, train=BALANCED)
GUESSES = confuse(TARGETS, {(0, 1): 12, (1, 2): 12, (2, 3): 12, (3, 0): 12})


def draw_features(spread: float, seed: int = 0) -> np.ndarray:
    """Features whose classes lie `spread` apart, in units of their width."""
    noise = np.random.default_rng(seed).normal(size=(160, 12))
    return (spread * np.eye(4, 12)[TARGETS] + noise).astype(np.float32)


def classify(folder: Path, story: Story, spread: float, margin: float = 1.5) -> Case:
    return answered(folder, TARGETS, sure_logits(GUESSES, 4, margin), story, draw_features(spread))


# -- V013 -------------------------------------------------------------------------------------------------------------


def test_too_much_frozen(tmp_path: Path) -> None:
    found = fired("V013", classify(tmp_path, STUCK, spread=1.5))
    assert "everything before l9 frozen (9 of 10 layers)" in found.message
    assert "stopped falling at 0.80, where guessing has 1.39" in found.message
    assert "the head on 70 %" in found.message


def test_features_that_do_separate_are_not_the_fault_of_freezing(tmp_path: Path) -> None:
    assert judge("V013", classify(tmp_path, STUCK, spread=8)) is None


@pytest.mark.parametrize("losses", [[1.3, 1.1, 0.9, 0.8, 0.7], [1.3, 0.5, 0.2, 0.1, 0.1]])
def test_a_loss_that_still_falls_or_is_low_needs_no_more_layers(tmp_path: Path, losses: list[float]) -> None:
    assert judge("V013", classify(tmp_path, Story(losses=losses, frozen=9, train=BALANCED), spread=1.5)) is None


def test_images_learned_by_heart_need_no_more_layers(tmp_path: Path) -> None:
    assert judge("V013", classify(tmp_path, STUCK, spread=1.5, margin=6)) is None


def test_nothing_frozen_cannot_be_too_much(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="No layer was frozen"):
        judge("V013", classify(tmp_path / "a", Story(losses=[1.0] * 5, frozen=0), spread=1))
    truths = np.ones((3, 16, 16), np.uint8)
    with pytest.raises(NotApplicable, match="overfitting cannot be ruled out"):
        judge("V013", segmented(tmp_path / "b", truths, truths, Story(losses=[1.0] * 5, frozen=3)))


# -- V014 -------------------------------------------------------------------------------------------------------------

BY_HEART = {"losses": [0.5, 0.1, 0.02, 0.01], "judged": [0.5, 0.6, 0.6, 0.62]}


def test_too_little_frozen(tmp_path: Path) -> None:
    story = Story(**BY_HEART, start_features=lambda: draw_features(2.5, seed=1))
    found = fired("V014", classify(tmp_path, story, spread=1.5, margin=6))
    assert found.message.startswith("10 layers were trained, the model overfits (V001)")
    assert "points" in found.message


def test_features_that_became_better_justify_the_tuning(tmp_path: Path) -> None:
    story = Story(**BY_HEART, start_features=lambda: draw_features(1.5, seed=1))
    assert judge("V014", classify(tmp_path, story, spread=5, margin=6)) is None


def test_without_a_gap_the_start_is_not_looked_at(tmp_path: Path) -> None:
    def refuse() -> np.ndarray:
        raise AssertionError("a pass of the network that nobody needs")

    story = Story(losses=[2.0, 1.5, 1.2, 1.1], judged=[0.5, 0.6, 0.6, 0.62], start_features=refuse)
    assert judge("V014", classify(tmp_path, story, spread=2)) is None


def test_too_little_cannot_be_said_without_the_start(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="not on this machine"):
        judge("V014", classify(tmp_path / "a", Story(**BY_HEART), spread=2, margin=6))
    with pytest.raises(NotApplicable, match="Only the head"):
        judge("V014", classify(tmp_path / "b", Story(**BY_HEART, frozen=9), spread=2, margin=6))


# -- V014 of masks: their regions are asked ---------------------------------------------------------------------------

IMAGES, CLASSES = np.repeat(np.arange(40), 2), np.tile([0, 1], 40)


def draw_regions(spread: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(80, 12))
    return (spread * np.eye(2, 12)[CLASSES] + noise).astype(np.float32)


def segment(folder: Path, before: float, after: float) -> Case:
    """Training masks are known by heart, others as well as by a coin."""
    truths = np.zeros((40, 8, 8), np.uint8)
    truths[:, 4:] = 1
    guesses = np.random.default_rng(0).integers(0, 2, truths.shape).astype(np.uint8)
    story = Story(**BY_HEART, start_features=lambda: draw_regions(before, seed=1))
    case = segmented(folder, truths, guesses, story, (draw_regions(after), IMAGES, CLASSES))
    write_masks(case.run, "train", [f"train/{i}.jpg" for i in range(40)], truths, truths, case.evidence.classes)
    return case


def test_too_little_frozen_by_regions(tmp_path: Path) -> None:
    found = fired("V014", segment(tmp_path, before=3, after=2))
    assert "neighbours are right on 95 % of regions" in found.message


def test_regions_that_became_better_justify_the_tuning(tmp_path: Path) -> None:
    assert judge("V014", segment(tmp_path, before=0.5, after=5)) is None
