"""Metrics of logits: which keys there are, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finesight.errors import DataError, ModelError
from finesight.metrics.classification import classification_metrics, places
from finesight.metrics.confusion import definitions


def test_every_metric_has_a_definition() -> None:
    metrics = classification_metrics(torch.eye(6), torch.arange(6), list("abcdef"))
    assert {"accuracy", "top5", "balanced_accuracy", "log_loss", "macro_f1", "f1/a", "recall/f"} <= set(metrics)
    assert set(definitions(metrics)) == set(metrics)


def test_top5_needs_six_classes() -> None:
    assert "top5" not in classification_metrics(torch.eye(5), torch.arange(5), list("abcde"))


def test_top5_by_hand() -> None:
    logits = torch.arange(7.0).repeat(3, 1)  # the five highest are classes 2 to 6
    assert classification_metrics(logits, torch.tensor([0, 2, 6]), list("abcdefg"))["top5"] == pytest.approx(2 / 3)


@given(st.lists(st.tuples(st.lists(st.integers(-1, 1), min_size=8, max_size=8), st.integers(0, 7)), min_size=1))
def test_top5_is_never_below_accuracy(rows: list[tuple[list[int], int]]) -> None:
    """Of equal logits the first class is the prediction, so it is among the five as well."""
    logits = torch.tensor([row for row, _ in rows], dtype=torch.float32)
    targets = torch.tensor([target for _, target in rows])
    metrics = classification_metrics(logits, targets, list("abcdefgh"))
    assert metrics["top5"] >= metrics["accuracy"]
    assert torch.equal(places(logits, targets) == 0, logits.argmax(1) == targets)


def test_absent_classes_have_no_scores() -> None:
    metrics = classification_metrics(torch.tensor([[1.0, 0, 0], [0, 1, 0]]), torch.tensor([0, 0]), ["a", "b", "<c>"])
    assert {name for name in metrics if "/" in name} == {"precision/a", "recall/a", "f1/a", "precision/b", "f1/b"}
    assert metrics["balanced_accuracy"] == 0.5  # of class a alone
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_class_255_is_a_class_like_any_other() -> None:
    names = [str(index) for index in range(257)]
    logits = torch.nn.functional.one_hot(torch.tensor([255, 256, 0]), 257).float()
    assert classification_metrics(logits, torch.tensor([255, 256, 1]), names)["accuracy"] == pytest.approx(2 / 3)


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ModelError, match="1 of 2 images"):
        classification_metrics(torch.tensor([[0.0, float("nan")], [0, 1]]), torch.tensor([0, 1]), ["a", "b"])


def test_no_images_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to score"):
        classification_metrics(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), ["a", "b", "c"])
