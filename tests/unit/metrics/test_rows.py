"""Blocks of rows give, to the bit, what the whole matrix gives."""

import pytest
import torch

from finesight.metrics import rows
from finesight.metrics.calibration import calibrate
from finesight.metrics.classification import classification_metrics, measure_log_loss

NAMES = list("abcdefg")


@pytest.mark.parametrize("count", [1, 5, 100, 1001])
def test_metrics_and_calibration_in_blocks(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(count)
    logits, targets = 3 * torch.randn(count, 7, generator=random), torch.randint(0, 7, (count,), generator=random)
    groups = torch.arange(count)
    whole = classification_metrics(logits, targets, NAMES), calibrate(logits, targets, groups, "image", "val")
    monkeypatch.setattr(rows, "VALUES", 50)
    in_blocks = classification_metrics(logits, targets, NAMES), calibrate(logits, targets, groups, "image", "val")
    assert in_blocks == whole
    assert measure_log_loss(logits, targets) == float(torch.nn.functional.cross_entropy(logits.double(), targets))
