"""One class an image: targets by name, and a score whose files agree with each other."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from finesight.classes import ClassList
from finesight.config import DataSettings, LossSettings
from finesight.data.listing import Listing
from finesight.data.sample import Item
from finesight.errors import ConfigError, DataError
from finesight.tasks import TASKS

CLASSES = ClassList(ids=("10", "2", "0"), names=("狼", 'a "b"', "c,d"))
LISTING = Listing("manifest", Path(), {}, CLASSES)
FOUR = ClassList.from_labels("abcd")
LOGITS = torch.tensor([[2.0, 0, 0], [0, 1, 0], [0, 0, 3], [1, 0, 0], [0, 5, 0]])
TARGETS = torch.tensor([0, 1, 2, 2, 1])
KEYS = ["a/1.png", "b,2.png", "狼.png", 'q"4.png', "5.png"]


@pytest.fixture
def task():  # type: ignore[no-untyped-def]
    return TASKS["classification"]


def test_targets_are_indices_by_id_or_name(task) -> None:  # type: ignore[no-untyped-def]
    labels = ["2", "10", "狼", "c,d", "0"]
    items = [Item(f"{n}.png", Path(f"{n}.png"), label) for n, label in enumerate(labels)]
    targets = task.open_targets(items, LISTING, (8, 8), "crop", DataSettings())
    assert targets.tolist() == [1, 0, 0, 2, 2]
    assert targets.dtype == np.int64
    assert task.label(targets, CLASSES) == ["2", "10", "10", "0", "0"]
    with pytest.raises(DataError):
        task.open_targets([Item("x.png", Path("x.png"), None)], LISTING, (8, 8), "crop", DataSettings())


def test_classes_are_counted_even_if_absent(task) -> None:  # type: ignore[no-untyped-def]
    assert task.count_classes(np.array([2, 0, 2]), FOUR).tolist() == [1, 0, 2, 0]


def test_the_loss_is_the_one_that_is_named(task) -> None:  # type: ignore[no-untyped-def]
    loss = task.make_loss(LossSettings(), np.array([1, 2, 2]), CLASSES)
    torch.testing.assert_close(loss(LOGITS, TARGETS), torch.nn.functional.cross_entropy(LOGITS, TARGETS))
    weighted = task.make_loss(LossSettings(class_weights="inverse"), np.array([1, 2, 2]), CLASSES)
    weights = torch.tensor([1.0, 0.5, 0.5])
    torch.testing.assert_close(
        weighted(LOGITS, TARGETS), torch.nn.functional.cross_entropy(LOGITS, TARGETS, weight=weights)
    )
    with pytest.raises(ConfigError, match="Did you mean"):
        task.make_loss(LossSettings(name="cross_entropie"), np.array([1, 1, 1]), CLASSES)


def test_a_score_by_hand_and_in_parts(task) -> None:  # type: ignore[no-untyped-def]
    whole, parts = task.new_score(CLASSES), task.new_score(CLASSES)
    whole.update(LOGITS, TARGETS)
    for part in (slice(0, 1), slice(1, 4), slice(4, 5)):
        parts.update(LOGITS[part].bfloat16().requires_grad_(), TARGETS[part])
    metrics = whole.metrics()
    assert metrics.to_dict() == parts.metrics().to_dict()
    assert metrics.num_samples == 5
    assert metrics.values["accuracy"] == pytest.approx(4 / 5)
    assert metrics.values["balanced_accuracy"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert metrics.values["recall/c,d"] == pytest.approx(1 / 2)
    assert metrics.values["precision/狼"] == pytest.approx(1 / 2)
    expected = torch.nn.functional.cross_entropy(LOGITS, TARGETS).item()
    assert metrics.values["log_loss"] == pytest.approx(expected, rel=1e-6)
    assert set(metrics.definitions) == set(metrics.values)


def test_all_metrics_a_score_has_were_announced(task) -> None:  # type: ignore[no-untyped-def]
    score = task.new_score(CLASSES)
    score.update(LOGITS, TARGETS)
    assert set(score.metrics().values) <= set(task.list_metrics(CLASSES))
    assert task.best_metric in task.list_metrics(CLASSES)


def test_saved_files_agree(task, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    score = task.new_score(CLASSES)
    score.update(LOGITS, TARGETS)
    score.save(tmp_path / "val", KEYS)
    folder = tmp_path / "val"
    assert {path.name for path in folder.iterdir()} == {
        *("metrics.json", "confusion.csv", "predictions.csv", "logits.safetensors")
    }
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == KEYS
    assert [row["target"] for row in rows] == ["10", "2", "0", "0", "2"]
    assert [row["prediction"] for row in rows] == ["10", "2", "0", "10", "2"]
    confidence = [float(row["confidence"]) for row in rows]
    assert confidence == pytest.approx(LOGITS.softmax(1).max(1).values.tolist(), abs=1e-6)
    with (folder / "confusion.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["truth", "狼", 'a "b"', "c,d"],
            ["狼", "1", "0", "0"],
            ['a "b"', "0", "2", "0"],
            ["c,d", "1", "0", "1"],
        ]
    assert torch.equal(load_file(folder / "logits.safetensors")["logits"], LOGITS)
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == score.metrics().to_dict()


def test_keys_and_answers_belong_together(task, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    score = task.new_score(CLASSES)
    score.update(LOGITS, TARGETS)
    with pytest.raises(ValueError, match="zip"):
        score.save(tmp_path, KEYS[:-1])
    assert not list(tmp_path.iterdir())


def test_a_mixed_label_is_said_in_percent(task) -> None:  # type: ignore[no-untyped-def]
    classes = ClassList.from_labels(["cat", "dog", "emu"])
    assert task.describe_target(torch.tensor([0.7, 0.3, 0.0]), classes) == "70 % cat, 30 % dog"
    assert task.describe_target(torch.tensor(1), classes) == "dog"
