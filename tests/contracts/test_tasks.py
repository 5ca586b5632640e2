"""What every task must be: an entry of TASKS that keeps what task.py and tasks/contract.py promise."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from finesight.classes import ClassList
from finesight.models import find_entry
from finesight.run.folder import RunFolder
from finesight.task import Score
from finesight.tasks import PREDICTIONS, TASKS
from finesight.tasks.contract import Task
from finesight.tasks.prediction import PredictOptions

CLASSES = ClassList(("a", "b", "c"), ("ant", "bee", "cat"))
KEYS = [f"val/{number:02}.png" for number in range(24)]


def draw_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(len(KEYS), 3, generator=generator), torch.randint(3, (len(KEYS),), generator=generator)


def draw_label_sets() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (len(KEYS), 3)
    return torch.randn(*shape, generator=generator), torch.randint(2, shape, generator=generator).byte()


def draw_masks() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(3, (len(KEYS), 8, 8), generator=generator).byte()
    masks[0, 0] = 255
    return torch.randn(len(KEYS), 3, 8, 8, generator=generator), masks


EXAMPLES: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "classification": draw_labels,
    "multilabel": draw_label_sets,
    "segmentation": draw_masks,
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]


@pytest.fixture
def score(task: Task) -> Score:
    """Of 24 images, in two batches that came in another order."""
    logits, targets = EXAMPLES[task.name]()
    score, other = task.new_score(CLASSES), task.new_score(CLASSES)
    score.update(logits[12:], targets[12:])
    other.update(logits[:12], targets[:12])
    score.extend(other)
    score.arrange([*range(12, 24), *range(12)])
    return score


def test_every_task_has_an_example() -> None:
    assert EXAMPLES.keys() == TASKS.keys()


def test_a_task_says_what_it_is(task: Task) -> None:
    assert TASKS[task.name] is task
    assert find_entry(task.default_model).task == task.network
    assert task.fits


def test_what_predict_writes_is_known_of_every_task() -> None:
    assert PREDICTIONS.keys() == TASKS.keys()
    for prediction in PREDICTIONS.values():
        assert prediction.refused_options.keys() <= {option.name for option in dataclasses.fields(PredictOptions)}


def test_metrics_are_named_defined_and_complete(task: Task, score: Score) -> None:
    metrics, known = score.metrics(), set(task.list_metrics(CLASSES))
    assert metrics.num_samples == len(KEYS)
    assert metrics.values.keys() - {"boundary_iou", *(f"boundary_iou/{name}" for name in CLASSES.names)} <= known
    assert task.best_metric in metrics.values
    assert metrics.definitions.keys() == metrics.values.keys()
    assert all(metrics.definitions.values())


def test_what_is_saved_is_read(task: Task, score: Score, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    score.save(run.evaluation("val"), KEYS)
    evaluation = task.read_evaluation(run, "val", CLASSES)
    assert evaluation.keys == KEYS
    assert evaluation.metrics == score.metrics().values
    assert all(image.fraction_right is not None and 0 <= image.fraction_right <= 1 for image in evaluation.images)


def test_statistics_score_as_the_metrics_do(task: Task, score: Score, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    score.save(run.evaluation("val"), KEYS)
    counted, metrics = task.read_statistics(run, "val", CLASSES), score.metrics().values
    assert list(counted.keys) == KEYS
    assert counted.unit == task.unit
    assert (counted.hits <= np.minimum(counted.support, counted.predicted)).all()
    whole, *by_class = counted.scoring.score(counted.rows.sum(0)[None])[0]
    assert whole == pytest.approx(metrics[counted.scoring.metric])
    for index, value in zip(counted.scored, by_class, strict=True):
        assert value == pytest.approx(metrics[f"{counted.scoring.class_metric}/{CLASSES.names[index]}"])
    measured = counted.measure()
    assert measured is not None
    assert measured.low < measured.value < measured.high
    if counted.confusion is not None:
        assert counted.confusion.diagonal().tolist() == counted.hits.sum(0).tolist()


def test_images_are_of_one_class_on_the_projection(task: Task, score: Score) -> None:
    truth, predicted = score.judge_images()
    assert truth.shape == predicted.shape == (len(KEYS),)
    assert set(truth) <= {-1, 0, 1, 2}


def test_probabilities_come_back_from_logits(task: Task) -> None:
    """As test-time augmentation and tiles need it: a mean of probabilities becomes logits."""
    logits, _ = EXAMPLES[task.name]()
    probabilities = task.link.to_probabilities(logits * 4)
    torch.testing.assert_close(task.link.to_probabilities(task.link.to_logits(probabilities)), probabilities)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_a_target_is_said_in_words_and_drawn(task: Task) -> None:
    """What the preview of a training shows."""
    _, targets = EXAMPLES[task.name]()
    image = np.full((8, 8, 3), 100, np.uint8)
    for target in targets:
        said = task.describe_target(target, CLASSES)
        assert any(word in said for word in (*CLASSES.names, "no label"))
        drawn = task.draw_target(image, target, CLASSES)
        assert drawn.shape == image.shape
        assert drawn.dtype == np.uint8
