"""Multi-label metrics against scikit-learn and torchmetrics, and thresholds that are the best there are."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, hamming_loss
from torchmetrics.functional.classification import multilabel_average_precision

from finesight.errors import DataError, ModelError
from finesight.tasks.multilabel.decision_metrics import (
    DEFINITIONS,
    average_precision,
    count_decisions,
    fit_thresholds,
    multilabel_metrics,
    predict_labels,
)

NAMES = ("forest", "water", "road")


@st.composite
def scored(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits with ties, and targets with at least one image of each class."""
    number = draw(st.integers(2, 24))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = generator.integers(-4, 5, (number, 3)) / 2
    targets = generator.random((number, 3)) < 0.4
    targets[0] = True
    return torch.from_numpy(logits.astype(np.float32)), torch.from_numpy(targets)


@given(scored())
def test_scores_are_those_of_the_references(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, targets = pair
    found = multilabel_metrics(logits, targets, NAMES)
    truth, decided = targets.numpy(), (logits.sigmoid() >= 0.5).numpy()
    assert found["map"] == pytest.approx(average_precision_score(truth, logits.numpy(), average="macro"))
    expected = multilabel_average_precision(logits, targets.int(), num_labels=3, average="none")
    torch.testing.assert_close(average_precision(logits, targets).float(), expected)
    assert found["micro_f1"] == pytest.approx(f1_score(truth, decided, average="micro", zero_division=0))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, decided, average="macro", zero_division=0))
    assert found["label_accuracy"] == pytest.approx(1 - hamming_loss(truth, decided))
    assert found["exact_match"] == pytest.approx((truth == decided).all(1).mean())
    for index, name in enumerate(NAMES):
        assert found[f"f1/{name}"] == pytest.approx(f1_score(truth[:, index], decided[:, index], zero_division=0))
    assert {name.split("/")[0] for name in found} == set(DEFINITIONS)


@given(scored())
def test_no_threshold_is_better_than_the_fitted_one(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, targets = pair
    fitted = fit_thresholds(logits, targets)
    best = multilabel_metrics(logits, targets, NAMES, fitted)
    for threshold in np.linspace(0.02, 0.98, 13):
        other = multilabel_metrics(logits, targets, NAMES, torch.full((3,), threshold))
        assert all(best[f"f1/{name}"] >= other[f"f1/{name}"] - 1e-9 for name in NAMES)


def test_a_class_that_never_occurs_has_no_score() -> None:
    logits = torch.tensor([[2.0, -3.0], [1.0, -2.0]])
    targets = torch.tensor([[True, False], [False, False]])
    found = multilabel_metrics(logits, targets, ("a", "b"))
    assert not any(name.endswith("/b") for name in found)
    assert found["map"] == found["ap/a"] == 1.0
    assert fit_thresholds(logits, targets)[1] == 0.5
    assert count_decisions(predict_labels(logits), targets).tolist() == [[1, 1, 0], [0, 0, 0]]


def test_what_cannot_be_scored_is_said() -> None:
    with pytest.raises(DataError, match="no image has a label"):
        multilabel_metrics(torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bool), ("a", "b"))
    with pytest.raises(ModelError, match="1 of 2 images are not finite"):
        multilabel_metrics(torch.tensor([[0.0, float("nan")], [0, 0]]), torch.ones(2, 2).bool(), ("a", "b"))
