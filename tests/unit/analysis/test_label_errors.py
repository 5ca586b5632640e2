"""Confident learning by hand, and on data in which labels were made wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.analysis.label_errors import (
    LabelError,
    LabelErrors,
    Region,
    class_thresholds,
    confident_classes,
    cross_fit_probabilities,
    deal_folds,
    find_doubtful_labels,
    find_label_errors,
    load_label_errors,
    save_label_errors,
)
from finesight.classes import ClassList
from finesight.run.folder import RunFolder

PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.95, 0.05, 0.0]])
TARGETS = np.array([0, 0, 1, 1, 1])


def test_thresholds_and_confident_classes_by_hand():
    thresholds = class_thresholds(np.array([0.8, 1.6, 0.0]), np.array([2, 2, 0]))
    assert thresholds.tolist() == [0.4, 0.5, np.inf]
    probabilities = np.array([[0.45, 0.55, 0], [0.41, 0.3, 0.29], [0.3, 0.3, 0.4], [0.1, 0.5, 0.4]])
    assert confident_classes(probabilities, thresholds).tolist() == [1, 0, -1, 1]


def test_errors_by_hand():
    (error,) = find_label_errors(PROBABILITIES, TARGETS, list("abcde"))
    assert (error.key, error.given, error.suggested) == ("e", 1, 0)
    assert error.score == pytest.approx(np.log10(0.95 / 0.05))


def test_a_label_likelier_than_by_guessing_is_not_suspected():
    unsure = np.array([[0.4, 0.6, 0.0], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])
    assert not find_label_errors(unsure, np.array([0, 0, 1]), list("abc"))


def test_a_class_no_label_names_is_never_suggested():
    probabilities = np.array([[0.1, 0.0, 0.9]] * 3 + [[0.0, 1.0, 0.0]] * 3)
    assert not find_label_errors(probabilities, np.array([0, 0, 0, 1, 1, 1]), list("abcdef"))


def draw(wrong: float, seed: int = 0, num_classes: int = 6, spread: float = 0.5):
    """(features, labels, truth): blobs, some of whose labels are wrong."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(num_classes), 50)
    centres = random.normal(size=(num_classes, 12))
    features = centres[truth] + spread * random.normal(size=(len(truth), 12))
    shift = np.where(random.random(len(truth)) < wrong, random.integers(1, num_classes, len(truth)), 0)
    return features, (truth + shift) % num_classes, truth


def test_of_two_classes_not_every_error_is_doubtful():
    """One class always has more than half, so confident learning suspects every error."""
    targets = np.array([0] * 8 + [1] * 8)
    probabilities = np.where(targets[:, None] == [0, 1], 0.9, 0.1)
    probabilities[[0, 1, 2]] = [[0.3, 0.7], [0.02, 0.98], [0.02, 0.98]]
    votes = targets.copy()
    votes[[0, 1]] = 1
    keys = [str(row) for row in range(16)]
    assert {error.key for error in find_label_errors(probabilities, targets, keys)} == {"0", "1", "2"}
    assert [error.key for error in find_doubtful_labels(probabilities, targets, keys, votes)] == ["1"]
    assert {error.key for error in find_doubtful_labels(probabilities, targets, keys)} == {"1", "2"}
    assert not find_doubtful_labels(probabilities, targets, keys, votes, temperature=4.0)


def test_planted_errors_are_found():
    features, labels, truth = draw(wrong=0.05)
    probabilities = cross_fit_probabilities(features, labels, 6)
    found = find_label_errors(probabilities, labels, [str(row) for row in range(len(labels))])
    rows = [int(error.key) for error in found]
    planted = set(np.flatnonzero(labels != truth).tolist())
    assert len(planted & set(rows)) >= 0.7 * len(planted)
    assert len(planted & set(rows)) >= 0.7 * len(rows)
    assert [truth[row] for row in rows[:5]] == [error.suggested for error in found[:5]]
    scores = [error.score for error in found]
    assert scores == sorted(scores, reverse=True)


def test_right_labels_are_left_alone():
    features, labels, _ = draw(wrong=0.0, spread=0.2)
    assert not find_label_errors(cross_fit_probabilities(features, labels, 6), labels, [""] * len(labels))


def test_nobody_is_asked_about_what_it_has_seen():
    """Labels are dice: what has seen them can repeat them, what has not cannot."""
    random = np.random.default_rng(1)
    features, labels = random.normal(size=(120, 200)), random.integers(0, 4, 120)
    probabilities = cross_fit_probabilities(features, labels, 4)
    assert np.allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == labels).mean() < 0.45


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0], [0, 1, 2, 3, 4, 5], [1, 0, 0, 0, 0, 0, 0]])
def test_few_images_are_no_error(labels):
    features = np.random.default_rng(0).normal(size=(len(labels), 3))
    probabilities = cross_fit_probabilities(features, np.array(labels), 6)
    assert np.isfinite(probabilities).all()
    find_label_errors(probabilities, np.array(labels), [str(row) for row in range(len(labels))])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5))
def test_folds_share_every_class(labels, seed):
    targets = np.array(labels)
    folds = deal_folds(targets, seed)
    for label in set(labels):
        sizes = np.bincount(folds[targets == label], minlength=5)
        assert sizes.max() - sizes.min() <= 1


REGION = Region(number=2, fraction=0.125, confidence=0.5, box=(0, 4, 16, 20))


@pytest.mark.parametrize("region", [None, REGION])
def test_they_come_back_from_the_run(tmp_path: Path, region: Region | None):
    classes = ClassList(ids=("3", "7"), names=("a", "b"))
    errors = tuple(LabelError(key, 0, 1, 0.25, region) for key in ('a,"b\n.png', "狼.png"))
    found = LabelErrors("val", 12, "someone", errors)
    path = save_label_errors(RunFolder(tmp_path), found, classes)
    assert load_label_errors(RunFolder(tmp_path), "val", classes) == found
    assert load_label_errors(RunFolder(tmp_path), "train", classes) is None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["key"], row["given"], row["suggested"]) for row in rows] == [(e.key, "3", "7") for e in errors]
    saved = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["errors"]
    assert [{name: str(value) for name, value in row.items()} for row in saved] == rows


def test_version_0_1_called_a_regions_fraction_its_share(tmp_path: Path):
    classes, run = ClassList(ids=("3", "7"), names=("a", "b")), RunFolder(tmp_path)
    found = LabelErrors("val", 12, "someone", (LabelError("a.png", 0, 1, 0.25, REGION),))
    path = save_label_errors(run, found, classes).with_suffix(".json")
    path.write_text(path.read_text(encoding="utf-8").replace('"fraction"', '"share"'), encoding="utf-8")
    assert load_label_errors(run, "val", classes) == found
