"""Metric names as people read them."""

import pytest

from finesight.metrics.confusion import DEFINITIONS
from finesight.metrics.metric_labels import LABELS, label_metric, mention_metric
from finesight.tasks.multilabel.decision_metrics import DEFINITIONS as DECISIONS


def test_every_metric_has_a_label() -> None:
    assert LABELS.keys() == DEFINITIONS.keys() | DECISIONS.keys()
    assert not any("_" in label for label in LABELS.values())


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("accuracy", "Accuracy"),
        ("val/miou", "Mean IoU"),
        ("val/iou/forest", "IoU, forest"),
        ("iou/annual_crop", "IoU, annual crop"),
        ("f1/a/b", "F1, a/b"),
        ("own_metric", "Own metric"),
        ("train/loss", "Loss"),
        ("val", "Val"),
    ],
)
def test_a_path_becomes_a_label(path: str, label: str) -> None:
    assert label_metric(path) == label


def test_inside_a_sentence() -> None:
    assert [mention_metric(name) for name in ("miou", "iou", "log_loss", "f1")] == ["mean IoU", "IoU", "log loss", "F1"]
