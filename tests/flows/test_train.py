"""Ways to train: what settings change, and where a run starts from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import SMALL, finesight, read_rows, train
from safetensors.torch import load_file


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def journal(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


WAYS: dict[str, dict[str, Any]] = {
    "averaged": {"ema": 0.9},
    "mixed": {"augment__mixup": 0.2, "augment__cutmix": 0.5},
    "thawed": {"model__freeze_before": "head", "optim__unfreeze": [[2, "layer3"]]},
    "in parts": {"optim__accumulate": 2, "optim__clip_norm": 1.0, "optim__name": "sgd"},
    "growing": {"image__first_size": [8, 8], "image__size": [48, 32], "optim__schedule": "step"},
    "coloured": {"augment__colour": 0.3, "augment__rotate_degrees": 10.0, "augment__randaugment": 3},
    "weighted": {"loss__class_weights": "inverse", "loss__label_smoothing": 0.1, "checkpoint__best": "log_loss"},
    "decoded each time": {"data__store": "off", "data__workers": 0},
    "apart": {"optim__backbone_scale": 0.1, "optim__layer_decay": 0.8, "optim__name": "adam"},
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_train(way: str, small: Path, run: Path) -> None:
    answer = train(small, run, "--json", epochs=2, **WAYS[way])
    assert answer.code == 0, answer.err
    lines = journal(run)
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(np.isfinite(value) for line in lines for value in line.values())
    assert finesight("evaluate", run, "--json").json()["metrics"] == answer.json()["metrics"]


def test_thawing_moves_what_was_frozen(small: Path, run: Path) -> None:
    train(small, run, epochs=2, **WAYS["thawed"])
    first, second = (
        {layer["name"]: layer["state"] for layer in json.loads(line)["layers"]}
        for line in (run / "freezing.jsonl").read_text().splitlines()
    )
    assert first["layer3.0.conv1"] == "frozen"
    assert second["layer3.0.conv1"] == "tuned"
    assert second["layer2.0.conv1"] == "frozen"


def test_patience(small: Path, run: Path) -> None:
    """With a learning rate of next to nothing the first epoch stays the best."""
    answer = train(small, run, "--json", epochs=9, checkpoint__patience=2, optim__lr=1e-9)
    assert answer.json()["best_epoch"] == 1
    assert len(journal(run)) == 3


def test_bad_images_can_be_skipped(small: Path, run: Path) -> None:
    (small / "red_0.png").write_bytes(b"")
    (small / "blue_1.png").write_bytes(b"nothing")
    answer = train(small, run, "--on-bad-image", "skip")
    assert answer.code == 0
    assert "Left out: red_0.png: is empty (0 bytes)" in answer.err
    rows = read_rows(run / "splits.csv")
    assert len(rows) == 10
    assert not {"red_0.png", "blue_1.png"} & {row["key"] for row in rows}
    assert finesight("evaluate", run).code == 0


def test_same_command_same_journal(small: Path, tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for out, seed in ((first, 3), (second, 3), (other, 4)):
        train(small, out, "--seed", seed, augment__mixup=0.2)
    assert (first / "journal.jsonl").read_bytes() == (second / "journal.jsonl").read_bytes()
    assert (first / "journal.jsonl").read_bytes() != (other / "journal.jsonl").read_bytes()
    weights = "checkpoints/last/weights.safetensors"
    assert (first / weights).read_bytes() == (second / weights).read_bytes()


def test_a_run_starts_from_the_weights_of_a_file(small: Path, run: Path, tmp_path: Path) -> None:
    """All but the last layer: the file has three classes too, and still a fresh one is trained."""
    train(small, tmp_path / "start")
    weights = tmp_path / "start/checkpoints/best/weights.safetensors"
    answer = train(small, run, "--weights", weights, model__freeze_before="head", optim__lr=1e-12)
    assert answer.code == 0, answer.err
    before, after = load_file(weights), load_file(run / "checkpoints/last/weights.safetensors")
    same = {name: torch.allclose(before[name], after[name]) for name in before}
    assert [name for name, is_same in same.items() if not is_same] == ["fc.bias", "fc.weight"]


def test_a_run_of_the_same_classes_is_trained_on_with_its_last_layer(small: Path, run: Path, tmp_path: Path) -> None:
    train(small, tmp_path / "start")
    (tmp_path / "names.csv").write_text("id,name\nred,Rot\ngreen,Grün\nblue,Blau\n", encoding="utf-8")
    for out, flags, new in ((run, (), []), (tmp_path / "other", ("--classes", tmp_path / "names.csv"), ["fc"])):
        answer = train(
            small, out, "--weights", tmp_path / "start", *flags, model__freeze_before="head", optim__lr=1e-12
        )
        assert answer.code == 0, answer.err
        before, after = (
            load_file(each / f"checkpoints/{name}/weights.safetensors")
            for each, name in ((tmp_path / "start", "best"), (out, "last"))
        )
        assert torch.allclose(before["fc.weight"], after["fc.weight"]) == (not new)
        assert json.loads((out / "model.json").read_text(encoding="utf-8"))["new_layers"] == new


def test_recipe_flags_and_settings_in_their_order(small: Path, tmp_path: Path) -> None:
    """Defaults < recipe < --set < named flags; what was decided is in the run."""
    recipe = tmp_path / "mine.toml"
    recipe.write_text('epochs = 7\nseed = 5\nbatch_size = 4\n[model]\nname = "timm/test_resnet"\nweights = "none"\n')
    flags = ["--set", "image.size=[32, 32]", "--set", "batch_size=6", "--set", "epochs=3"]
    out = tmp_path / "run"
    answer = finesight("train", recipe, "--data", small, "--out", out, *flags, "--epochs", "1", "--json")
    assert answer.code == 0, answer.err
    config = (out / "config.toml").read_text(encoding="utf-8")
    for line in (
        "epochs = 1",
        "seed = 5",
        "batch_size = 6",
        'format = "name_prefix"',
        'best = "accuracy"',
        'interpolation = "bilinear"',
    ):
        assert line in config
    assert 'device = "auto"' not in config


def test_the_next_free_folder_is_taken(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "small-1").mkdir(parents=True)
    answer = finesight("train", "--data", "small", *_small_flags(), "--json")
    assert answer.json()["run"] == str(Path("runs") / "small-2")


def _small_flags() -> Iterator[str]:
    for name, value in SMALL.items():
        yield f"--set={name}={json.dumps(value)}"
