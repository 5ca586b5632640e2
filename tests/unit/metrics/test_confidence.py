"""Probabilities in numpy are torch's, in float64, whatever the block."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finesight.metrics import confidence
from finesight.metrics.confidence import predict_classes, sigmoid

LOGITS = arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(2, 5)), elements=st.floats(-900, 900, width=32))


@given(LOGITS, st.floats(0.05, 20))
def test_the_class_and_its_probability_are_those_of_torch(logits: np.ndarray, temperature: float) -> None:
    classes, found = predict_classes(logits, temperature)
    expected = (torch.from_numpy(logits).double() / temperature).softmax(1)
    assert classes.tolist() == logits.argmax(1).tolist()
    np.testing.assert_allclose(found, expected.max(1).values.numpy(), rtol=1e-9)


@given(LOGITS)
def test_a_sigmoid_is_that_of_torch(logits: np.ndarray) -> None:
    np.testing.assert_allclose(sigmoid(logits), torch.from_numpy(logits).double().sigmoid().numpy(), rtol=1e-9)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    whole = predict_classes(logits, 1.7)
    monkeypatch.setattr(confidence, "VALUES_AT_ONCE", 20)
    for all_at_once, in_blocks in zip(whole, predict_classes(logits, 1.7), strict=True):
        assert np.array_equal(all_at_once, in_blocks)
    assert [len(each) for each in predict_classes(logits[:0])] == [0, 0]
