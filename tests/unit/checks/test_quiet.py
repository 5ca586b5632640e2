"""A good run has nothing to be told of, whatever the seed; a small one no more than that it is small."""

from pathlib import Path

import numpy as np
import pytest
from cases import Story, answered, segmented

from finesight.checks.contract import run_checks
from finesight.checks.run import CHECKS
from finesight.checks.run.case import Case

STORY = {
    "losses": [1.6, 0.9, 0.6, 0.45, 0.4, 0.38],
    "judged": [0.6, 0.75, 0.82, 0.86, 0.87, 0.868],
    "rates": [1e-3, 9e-4, 6e-4, 3e-4, 1e-4, 1e-6],
}


def make_good(folder: Path, per_class: int, seed: int) -> Case:
    """Ten classes that overlap a little, and the best answers there can be: the true probabilities."""
    random = np.random.default_rng(seed)
    targets = np.repeat(np.arange(10), per_class)
    centres = 3.6 * np.eye(10, 24)
    features = centres[targets] + random.normal(size=(len(targets), 24))
    logits = features @ centres.T - (centres**2).sum(1) / 2
    return answered(folder, targets, logits, Story(**STORY, train=[100] * 10, frozen=4), features.astype("f4"))


@pytest.mark.parametrize("seed", range(6))
def test_a_good_run(tmp_path: Path, seed: int) -> None:
    found = run_checks(CHECKS, make_good(tmp_path, 60, seed))
    assert not found.findings
    assert {"V001", "V002", "V003", "V004", "V005", "V006", "V010", "V012", "V013", "V015"} <= set(found.silent)


@pytest.mark.parametrize("seed", range(6))
def test_a_good_run_judged_on_few_images(tmp_path: Path, seed: int) -> None:
    assert {each.code for each in run_checks(CHECKS, make_good(tmp_path, 5, seed)).findings} <= {"V004"}


@pytest.mark.parametrize("seed", range(3))
def test_good_masks(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    truths = np.zeros((16, 64, 64), np.uint8)
    for truth in truths:
        top, left = random.integers(2, 26, 2)
        truth[top : top + 34, left : left + 34] = 1
        truth[40:, 40:] = 2
    wrong = random.random(truths.shape) < 0.08
    guesses = np.where(wrong, random.integers(0, 3, truths.shape), truths).astype(np.uint8)
    story = Story(**STORY, train=[5000, 4000, 3000, 0, 10])
    assert not run_checks(CHECKS, segmented(tmp_path, truths, guesses, story)).findings
