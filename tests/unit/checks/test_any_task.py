"""Checks of a run whose images have several labels each: a task that no check knows."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cases import Story, answered, fired, judge, sure_logits

from finesight.checks.contract import NotApplicable, run_checks
from finesight.checks.run import CHECKS
from finesight.checks.run.case import Case
from finesight.metrics.image_statistics import ImageStatistics, Scoring
from finesight.metrics.significance import score_mean

F1 = Scoring("macro_f1", "F1", "f1", "F1", lambda hits, support, said: (2 * hits, support + said), score_mean)


def label(folder: Path, truth: np.ndarray, predicted: np.ndarray, train: tuple[int, ...] = ()) -> Case:
    """truth, predicted: bool (n, 4)."""
    losses = [1.6, 0.9, 0.6, 0.45, 0.4, 0.38]
    story = Story(losses=losses, judged=[0.6, 0.7, 0.8, 0.8, 0.8, 0.8], train=train, settings={"loss.name": "lovasz"})
    guesses = predicted.argmax(1)
    case = answered(folder, truth.argmax(1), sure_logits(guesses, 4, 4.0), story)
    statistics = ImageStatistics(
        keys=tuple(case.keys),
        unit="label",
        scoring=F1,
        scored=(0, 1, 2, 3),
        support=truth.astype(np.int64),
        predicted=predicted.astype(np.int64),
        hits=(truth & predicted).astype(np.int64),
    )
    task: Any = SimpleNamespace(read_statistics=lambda run, split, classes: statistics)
    return Case(case.run, replace(case.evidence, task=task))


def draw_labels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((60, 4)) < 0.5


def test_every_check_judges_or_says_why_not(tmp_path: Path) -> None:
    truth = draw_labels()
    found = run_checks(CHECKS, label(tmp_path, truth, truth ^ (np.random.default_rng(1).random(truth.shape) < 0.05)))
    assert not found.findings
    assert {"V002", "V003", "V004", "V012", "V015"} <= set(found.silent)
    for code in ("V005", "V011"):
        assert code in found.not_applicable


def test_labels_that_are_never_predicted_or_too_few(tmp_path: Path) -> None:
    truth = draw_labels()
    truth[:, 3] = np.arange(60) < 6
    case = label(tmp_path, truth, truth & [True, True, False, True])
    assert "name 2 (" in fired("V003", case).message
    assert "name 3 (F1 80 %, 6 images: too few for an interval)" in fired("V004", case).message


def test_no_better_than_the_most_frequent_label(tmp_path: Path) -> None:
    truth = draw_labels()
    truth[:, 0] = True
    always = np.zeros_like(truth)
    always[:, 0] = True
    assert "of labels; always predicting name 0" in fired("V002", label(tmp_path / "a", truth, always)).message
    assert judge("V002", label(tmp_path / "b", truth, truth)) is None


def test_rare_labels_that_lose(tmp_path: Path) -> None:
    truth = draw_labels()
    found = fired("V016", label(tmp_path, truth, truth & [True, True, True, False], train=(300, 300, 300, 20)))
    assert found.message.startswith("name 3 (2.2 %)")
    assert len(found.keys) == 12


def test_confusions_need_one_prediction_for_each_unit(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="one predicted class"):
        judge("V005", label(tmp_path, draw_labels(), draw_labels(1)))
