"""The metrics equal scikit-learn's and torchmetrics' on any data, classes absent from truth or prediction included."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from finesight.classes import IGNORE_INDEX
from finesight.metrics import confusion
from finesight.metrics.classification import classification_metrics

NAMES = [f"class {index}" for index in range(8)]


@st.composite
def scored(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits, targets) of 1-80 images whose truth holds only some of eight classes."""
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    size = draw(st.integers(1, 80))
    present = torch.tensor(draw(st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True)))
    targets = present[torch.randint(len(present), (size,), generator=random)]
    logits = torch.randn(size, 8, generator=random)
    logits[range(size), targets] += draw(st.sampled_from([0.0, 1.0, 6.0]))
    return logits, targets


@settings(max_examples=40, deadline=None)
@given(data=scored())
def test_classification_equals_sklearn(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, targets = data
    ours = classification_metrics(logits, targets, NAMES)
    truth, guess = targets.numpy(), logits.argmax(1).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on absent classes, which are what is tested
        balanced = sk.balanced_accuracy_score(truth, guess)
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(truth, guess))
    assert ours["balanced_accuracy"] == pytest.approx(balanced)
    assert ours["macro_f1"] == pytest.approx(sk.f1_score(truth, guess, average="macro", zero_division=0))
    probabilities = logits.double().softmax(1).numpy()
    assert ours["log_loss"] == pytest.approx(sk.log_loss(truth, probabilities, labels=range(8)))
    assert ours["top5"] == pytest.approx(sk.top_k_accuracy_score(truth, logits.numpy(), k=5, labels=range(8)))
    per_class = sk.precision_recall_fscore_support(truth, guess, labels=range(8), zero_division=0)[:3]
    for metric, values in zip(("precision", "recall", "f1"), per_class, strict=True):
        for name, value in zip(NAMES, values, strict=True):
            assert ours.get(f"{metric}/{name}", 0.0) == pytest.approx(value)


@settings(max_examples=20, deadline=None)
@given(data=scored())
def test_classification_equals_torchmetrics(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    from torchmetrics.functional import classification as tm

    logits, targets = data
    ours = classification_metrics(logits, targets, NAMES)
    assert ours["accuracy"] == pytest.approx(float(tm.multiclass_accuracy(logits, targets, 8, average="micro")))
    assert ours["macro_f1"] == pytest.approx(float(tm.multiclass_f1_score(logits, targets, 8, average="macro")))
    counts = tm.multiclass_confusion_matrix(logits, targets, 8)
    assert torch.equal(counts, confusion.count_confusion(targets, logits.argmax(1), 8))


@settings(max_examples=30, deadline=None)
@given(data=scored(), ignored=st.integers(0, 20))
def test_iou_equals_sklearn_and_torchmetrics(data: tuple[torch.Tensor, torch.Tensor], ignored: int) -> None:
    from torchmetrics.functional.classification import multiclass_jaccard_index

    logits, targets = data[0], data[1].clone()
    targets[1 : 1 + ignored] = IGNORE_INDEX
    predictions, known = logits.argmax(1), targets != IGNORE_INDEX
    counts = confusion.count_confusion(targets, predictions, 8)
    truth, guess = targets[known].numpy(), predictions[known].numpy()
    theirs = sk.jaccard_score(truth, guess, labels=range(8), average=None, zero_division=0)
    assert [score or 0.0 for score in confusion.iou(counts)] == pytest.approx(list(theirs))
    mean = confusion.mean_iou(counts, range(8), masked=True)
    assert mean == pytest.approx(
        float(multiclass_jaccard_index(predictions[known], targets[known], 8, average="macro")), abs=1e-6
    )
    shares = np.bincount(truth, minlength=8) / len(truth)
    assert confusion.frequency_weighted_iou(counts, range(8)) == pytest.approx(float(shares @ theirs))


def course_mean_iou(truth: np.ndarray, guess: np.ndarray) -> float:
    """The definition in seven plain lines: six classes, all pixels pooled, 6 is unknown and is not masked."""
    scores = []
    for index in range(6):
        true_positive = np.sum((guess == index) & (truth == index))
        false_positive = np.sum((guess == index) & (truth != index))
        false_negative = np.sum((guess != index) & (truth == index))
        scores.append(true_positive / (true_positive + false_positive + false_negative))
    return float(np.mean(scores))


def test_unmasked_mean_iou_is_the_course_metric() -> None:
    random = np.random.default_rng(0)
    truth, guess = random.integers(0, 7, (2, 4, 16, 16))
    counts = confusion.count_confusion(torch.from_numpy(truth), torch.from_numpy(guess), 7)
    assert confusion.mean_iou(counts, range(6), masked=False) == pytest.approx(course_mean_iou(truth, guess))
    targets = torch.from_numpy(np.where(truth == 6, IGNORE_INDEX, truth))  # as a task holds them
    assert torch.equal(confusion.count_confusion(targets, torch.from_numpy(guess), 7, unknown=6), counts)
