"""What the terminal prints of a class is what the report writes of it."""

from pathlib import Path

import pytest
import torch

from finesight.classes import ClassList
from finesight.cli.explain import describe
from finesight.cli.inspect import print_fractions
from finesight.cli.labels import print_rows
from finesight.cli.options import print_metrics
from finesight.run.results import Focus, SuspectedLabel
from finesight.tasks.table import TASKS

CLASSES = ClassList(ids=("10", "11"), names=("annual_crop", "forest"))
TARGETS = {"classification": torch.tensor(0), "multilabel": torch.tensor([1, 1]), "segmentation": torch.zeros(2, 2)}


def test_scores_counts_and_suspects_name_classes_as_the_report_does(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics({"miou": 0.5, "iou/annual_crop": 0.25, "iou/forest": 0.75}, {})
    print_fractions(CLASSES.names, {"train": {"annual_crop": 3, "forest": 1}})
    print_rows([SuspectedLabel("a.png", "10", "11", 0.9)], dict(zip(CLASSES.ids, CLASSES.labels, strict=True)))
    print(describe(Focus("a.png", "annual_crop", 0.5, "left", None, 0.9, Path("a.png"))))
    out = capsys.readouterr().out
    assert out.count("annual crop") == 4
    assert "annual_crop" not in out


def test_classes_that_would_read_alike_keep_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics({"f1/a_b": 0.25, "f1/a b": 0.75}, {})
    out = capsys.readouterr().out
    assert ["a_b", "0.250"] in [line.split() for line in out.splitlines()]


@pytest.mark.parametrize("task", TASKS)
def test_a_preview_names_classes_as_the_report_does(task: str) -> None:
    described = TASKS[task].describe_target(TARGETS[task].long(), CLASSES)
    assert "annual crop" in described
