"""What is decided before epoch 1."""

import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from finesight.app.initial_model import choose_preprocessing
from finesight.app.preparation import choose_checkpoint
from finesight.app.training_data import choose_task
from finesight.app.training_run import restore_trainer
from finesight.app.training_start import continue_run
from finesight.classes import ClassList
from finesight.config import Preprocessing, load_settings
from finesight.errors import ConfigError
from finesight.models import build_model
from finesight.tasks import TASKS


@pytest.mark.parametrize(
    ("name", "own"), [("efficientnet_lite0", "bicubic"), ("timm/test_resnet", "bilinear"), ("swin_t", "bicubic")]
)
def test_interpolation_is_what_the_weights_were_evaluated_with(name: str, own: str) -> None:
    weights = build_model(name, 3, "none").preprocessing
    for asked, wanted in (({}, own), ({"image.interpolation": "bilinear"}, "bilinear")):
        chosen = choose_preprocessing(weights, load_settings(overrides=asked), [], TASKS["classification"])
        assert chosen.interpolation == wanted


def test_weights_decide_nothing_that_the_settings_say() -> None:
    settings = load_settings(overrides={"image.size": [48, 40], "image.fit": "stretch"})
    chosen = choose_preprocessing(Preprocessing(interpolation="bicubic"), settings, [], TASKS["segmentation"])
    assert (chosen.size, chosen.fit, chosen.interpolation) == ((48, 40), "stretch", "bicubic")


TWO = ClassList(("a", "b"), ("a", "b"))


@pytest.mark.parametrize(
    ("task", "recipe", "settings", "tie"),
    [
        ("classification", None, {}, "log_loss"),
        ("classification", "p1-cpu", {}, "log_loss"),
        ("classification", None, {"checkpoint.best": "macro_f1"}, "log_loss"),
        ("classification", None, {"checkpoint.best": "ece"}, "first"),
        ("classification", None, {"checkpoint.tie": "first"}, "first"),
        ("segmentation", None, {}, "first"),
        ("classification", "dlcv-resnet50", {}, "first"),
        ("segmentation", "dlcv-fcn8s", {}, "first"),
        ("segmentation", "dlcv-fcn32s", {}, "first"),
    ],
)
def test_what_decides_between_equal_epochs(
    task: str, recipe: str | None, settings: dict[str, object], tie: str
) -> None:
    chosen = choose_checkpoint(load_settings(recipe, settings), TASKS[task], TWO)
    assert chosen.tie == tie
    assert chosen.best


def test_masks_have_no_log_loss_to_decide_by() -> None:
    with pytest.raises(ConfigError, match=r'checkpoint\.tie = "log_loss" needs a log loss, which segmentation lacks'):
        choose_checkpoint(load_settings(overrides={"checkpoint.tie": "log_loss"}), TASKS["segmentation"], TWO)


def test_a_run_from_before_the_choice_goes_on_by_the_plain_maximum(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    settings = (run / "config.toml").read_text()
    assert 'tie = "log_loss"\n' in settings
    (run / "config.toml").write_text(settings.replace('tie = "log_loss"\n', ""))
    with ExitStack() as locks:
        trainer = restore_trainer(continue_run(None, {}, run, locks))
        assert trainer.job.settings.checkpoint.tie == "first"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("segmentatoin", "Did you mean 'segmentation'?"),
        ("x", "There are: auto, classification, multilabel, segmentation"),
    ],
)
def test_a_task_that_is_not_in_the_table(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        choose_task(name, "class_folders", Path("data"))


def test_data_for_another_task() -> None:
    with pytest.raises(ConfigError, match="task = segmentation, but data holds data for classification"):
        choose_task("segmentation", "class_folders", Path("data"))
