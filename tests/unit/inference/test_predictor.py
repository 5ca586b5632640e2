"""Scoring a split: in order, more images at once than in training, and without a trace."""

import pytest
import torch
from trainers import CLASSES, Make, make_model, weights_of

from finesight.config import load_settings
from finesight.data.batches import evaluation_batch
from finesight.inference.predictor import Predictor, score_split


def test_scores_are_in_order_and_change_nothing(make: Make) -> None:
    trainer = make(make_model(norm=True))
    job, before = trainer.job, weights_of(trainer)
    scores = []
    for batch_size in (1, 64):
        settings = load_settings(overrides={"batch_size": batch_size, "data.workers": 0})
        predictor = Predictor(job.model, job.machine, settings)
        scores.append(score_split(predictor, job.val, job.task.new_score(CLASSES)))
    assert scores[0].targets.tolist() == [0, 1, 2, 0, 1, 2]  # type: ignore[attr-defined]
    torch.testing.assert_close(scores[0].logits, scores[1].logits)  # type: ignore[attr-defined]
    assert all(torch.equal(before[name], tensor) for name, tensor in weights_of(trainer).items())


@pytest.mark.parametrize(("batch_size", "expected"), [(1, 2), (8, 16), (32, 64), (48, 64), (64, 64), (512, 512)])
def test_scoring_takes_more_at_once(batch_size: int, expected: int) -> None:
    assert evaluation_batch(load_settings(overrides={"batch_size": batch_size})) == expected
