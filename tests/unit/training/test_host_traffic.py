"""A training step never waits for the device, nor needs its float64: on the meta device, which shows or refuses it."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from trainers import Make, make_model

from finesight.classes import ClassList
from finesight.config import load_settings
from finesight.data.loader import Batch
from finesight.metrics.boundary import count_boundary
from finesight.tasks import TASKS
from finesight.training import trainer as trainer_module
from finesight.training.optim import make_optimiser
from host_traffic import HostTraffic

DEVICE = torch.device("meta")
EVERYTHING = {
    **{"augment__flip": 0.5, "augment__vertical_flip": 0.5, "augment__quarter_turns": True},
    **{"augment__rotate_degrees": 20.0, "augment__scale": [0.4, 1.0], "augment__ratio": 1.3},
    **{"augment__colour": 0.3, "augment__erase": 0.5, "loss__label_smoothing": 0.1, "loss__class_weights": "effective"},
    **{"optim__clip_norm": 1.0, "optim__accumulate": 2, "ema": 0.9, "machine__device": "meta"},
}


@pytest.fixture
def unfused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meta device knows no fused optimiser; CUDA's keeps its step counts on the device."""

    def make(*arguments: Any, fused: bool) -> torch.optim.Optimizer:
        return make_optimiser(*arguments, fused=False)

    monkeypatch.setattr(trainer_module, "make_optimiser", make)


CLASSIFICATION: list[dict[str, Any]] = [
    {},
    {"augment__randaugment": 9},
    {"augment__mixup": 0.2},
    {"augment__cutmix": 1.0},
    {"loss__name": "focal", "loss__label_smoothing": 0.0},
    {"loss__name": "cross_entropy+dice"},
    {"loss__name": "cross_entropy+lovasz"},
    {"optim__name": "sgd"},
]


@pytest.mark.usefixtures("unfused")
@pytest.mark.parametrize("changes", CLASSIFICATION, ids=str)
def test_a_step_of_classification_never_waits(make: Make, changes: dict[str, Any]) -> None:
    trainer = make(model=make_model(norm=True), **(EVERYTHING | changes))
    (batch, *_) = trainer._fetch(trainer.job.train)
    with HostTraffic() as traffic:
        trainer._log(trainer._forward_backward(batch))
        trainer._step()
    assert traffic.waits == []
    assert traffic.doubles == []


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy+lovasz", "focal+dice"])
def test_a_step_of_segmentation_never_waits(name: str) -> None:
    task, classes = TASKS["segmentation"], ClassList.from_labels("abc")
    counts = np.array([100, 50, 3])
    changes = {"augment.erase": 0.5, "augment.colour": 0.3, "augment.rare_fraction": 0.5, "augment.quarter_turns": True}
    settings = load_settings(overrides=changes | {"loss.name": name, "loss.class_weights": "inverse"})
    model, loss = make_model(), task.make_loss(settings.loss, counts, classes)
    network = nn.Conv2d(3, 3, 3, padding=1, device=DEVICE)
    images = torch.zeros(4, 3, 20, 24, dtype=torch.uint8, device=DEVICE)
    masks = torch.zeros(4, 20, 24, dtype=torch.uint8, device=DEVICE)
    augment = partial(task.augment, images, masks, settings.augment, model.preprocessing)
    with HostTraffic() as traffic:
        inputs, targets = augment(torch.rand(4, 12), (16, 16), counts)
        loss(network(inputs).float(), targets).backward()
    assert traffic.waits == []
    assert traffic.doubles == []


def test_a_step_of_several_labels_never_waits() -> None:
    task, classes = TASKS["multilabel"], ClassList.from_labels("abc")
    settings = load_settings(overrides={"loss.class_weights": "inverse", "loss.label_smoothing": 0.1})
    loss = task.make_loss(settings.loss, np.array([9, 5, 3]), classes)
    logits = torch.zeros(4, 3, device=DEVICE, requires_grad=True)
    with HostTraffic() as traffic:
        loss(logits, torch.zeros(4, 3, dtype=torch.uint8, device=DEVICE)).backward()
    assert traffic.waits == []
    assert traffic.doubles == []


WAITS: dict[str, Any] = {
    "a tensor of values": lambda x: torch.tensor([1.0, 2.0], device=DEVICE),
    "a new tensor of values": lambda x: x.new_tensor([1.0, 2.0]),
    "a copy": lambda x: torch.zeros(3).to(DEVICE),
    "a copy into": lambda x: x.copy_(torch.zeros(4, 3)),
    "an index of the host": lambda x: x[torch.arange(2)],
    "a list as an index": lambda x: x[[0, 1]],
}
REFUSED: dict[str, Any] = {
    "a value": lambda x: x.sum().item(),
    "a condition": lambda x: bool(x.sum() > 0),
    "places": lambda x: x.nonzero(),
    "a mask as an index": lambda x: x[x > 0],
    "a copy to the host": lambda x: x.cpu(),
    "bins": lambda x: torch.bincount(x.long().flatten(), minlength=3),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_waits_is_found(name: str) -> None:
    with HostTraffic() as traffic:
        WAITS[name](torch.zeros(4, 3, device=DEVICE))
    assert len(traffic.waits) == 1


def test_float64_is_found() -> None:
    with HostTraffic() as traffic:
        torch.zeros(2, device=DEVICE).double() + 1
    assert len(traffic.doubles) == 2


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_values_is_refused(name: str) -> None:
    with HostTraffic(), pytest.raises((RuntimeError, NotImplementedError)):
        REFUSED[name](torch.zeros(4, 3, device=DEVICE))


def test_batches_go_to_the_device_without_waiting() -> None:
    batch = Batch(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), np.arange(2))
    with HostTraffic() as traffic:
        batch.images.to(DEVICE, non_blocking=True)
    assert traffic.waits == []
    assert traffic.doubles == []


@pytest.mark.parametrize("task", ["classification", "multilabel", "segmentation"])
def test_scoring_an_epoch_never_waits(task: str) -> None:
    score = TASKS[task].new_score(ClassList.from_labels("abc"), to_save=False)
    logits, targets = {
        "classification": (torch.zeros(4, 3, device=DEVICE), torch.zeros(4, dtype=torch.int64)),
        "multilabel": (torch.zeros(4, 3, device=DEVICE), torch.zeros(4, 3, dtype=torch.uint8)),
        "segmentation": (torch.zeros(4, 3, 8, 8, device=DEVICE), torch.zeros(4, 16, 16, dtype=torch.uint8)),
    }[task]
    with HostTraffic() as traffic:
        score.update(logits, targets)
    assert traffic.waits == []
    assert traffic.doubles == []


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_averaging_over_augmentations_never_waits(task: str) -> None:
    link = TASKS[task].link
    with HostTraffic() as traffic:
        link.to_logits(link.to_probabilities(torch.zeros(4, 3, device=DEVICE)))
    assert traffic.waits == []
    assert traffic.doubles == []


def test_borders_are_counted_without_waiting() -> None:
    mask = torch.zeros(16, 16, dtype=torch.uint8, device=DEVICE)
    with HostTraffic() as traffic:
        count_boundary(mask, mask.long(), 3)
    assert traffic.waits == []
    assert traffic.doubles == []
