"""Too little to train or to validate on: `inspect` says so exactly where `train` stops, before its first epoch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import draw_classes, finesight, train
from PIL import Image
from test_run_masks import draw_values

MASKS = {"model__name": "fcn/timm/test_resnet", "film__count": 0}
Case = tuple[Callable[[Path], object], dict[str, object], str]  # what is written, settings, the reason; "": it trains


def ignore_all(folder: Path) -> None:
    for path in folder.glob("*_mask.png"):
        Image.fromarray(np.full((32, 96), 255, np.uint8)).save(path)


def draw_parts(root: Path, ignored: str) -> None:
    for number, split in enumerate(("train", "val")):
        draw_values(root / split, 3, (0, 1), first=10 * number)
    if ignored:
        ignore_all(root / ignored)


CASES: dict[str, Case] = {
    "one image a class": (lambda root: draw_classes(root, 1), {}, "so no validation image is left"),
    "two images a class": (lambda root: draw_classes(root, 2), {}, ""),
    "one image a class and a val": (
        lambda root: (draw_classes(root / "train", 1), draw_classes(root / "val", 1, first=5)),
        {},
        "",
    ),
    "only a test split": (lambda root: draw_classes(root / "test", 4), {}, "no training split, only test"),
    "a batch that is asked for": (lambda root: draw_classes(root, 4), {"batch_size": 32}, "set batch_size to at most"),
    "a batch that fits": (lambda root: draw_classes(root, 4), {"batch_size": 9}, ""),
    "a single pair": (lambda root: draw_values(root, 1, (0, 1)), MASKS, "A single pair"),
    "three pairs": (lambda root: draw_values(root, 3, (0, 1)), MASKS, ""),
    "all of val ignored": (lambda root: draw_parts(root, "val"), MASKS | {"data__ignore": 255}, "validation masks"),
    "all of train ignored": (lambda root: draw_parts(root, "train"), MASKS | {"data__ignore": 255}, "training masks"),
    "nothing ignored": (lambda root: draw_parts(root, ""), MASKS | {"data__ignore": 255}, ""),
    "a batch of pairs": (lambda root: draw_values(root, 6, (0, 1)), MASKS | {"batch_size": 8}, "set batch_size"),
}


@pytest.mark.parametrize("name", CASES)
def test_inspect_and_train_agree(name: str, tmp_path: Path) -> None:
    write, settings, reason = CASES[name]
    write(tmp_path / "data")
    flags = [f"--set={key.replace('__', '.')}={value}" for key, value in settings.items() if key in ASKED_OF_DATA]
    told = finesight("inspect", tmp_path / "data", "--json", *flags)
    errors = [problem["message"] for problem in told.json()["problems"] if problem["severity"] == "error"]
    trained = train(tmp_path / "data", tmp_path / "run", **{"batch_size": 0, **settings})
    if reason:
        assert told.code == 1
        assert any(reason in message for message in errors), errors
        assert reason in trained.error()
        assert "Epoch" not in trained.err
        assert not (tmp_path / "run").exists()
    else:
        assert errors == []
        assert trained.code == 0, trained.err


ASKED_OF_DATA = {"batch_size", "data__ignore"}


def test_defaults_on_twelve_images(tmp_path: Path) -> None:
    draw_classes(tmp_path / "data", per_class=4)
    answer = train(tmp_path / "data", tmp_path / "run", batch_size=0)
    assert answer.code == 0, answer.err
    assert "batch_size is 2 instead of 32, with only 9 training images" in answer.err
    assert "batch_size = 2" in (tmp_path / "run/config.toml").read_text()
    assert finesight("train", "--resume", "--out", tmp_path / "run").code == 0


def test_a_warmup_shorter_than_a_step_is_left_out(tmp_path: Path) -> None:
    draw_classes(tmp_path / "data", per_class=4)
    answer = train(tmp_path / "data", tmp_path / "run", batch_size=9)
    assert "no warm-up" in answer.err
    assert '"lr": 0.01,' in (tmp_path / "run/journal.jsonl").read_text()


def test_validation_masks_without_most_classes(tmp_path: Path) -> None:
    draw_values(tmp_path / "data/train", 3, (0, 1, 2, 3))
    draw_values(tmp_path / "data/val", 2, (1, 2), first=50)
    answer = train(tmp_path / "data", tmp_path / "run", **MASKS, batch_size=0)
    assert "2 of 4 classes are not in the validation masks and get no score: '0', '3'" in answer.err
