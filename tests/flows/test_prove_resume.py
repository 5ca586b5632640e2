"""A user sees on the own machine that a run which is killed and resumed loses nothing; and how often it is kept."""

import tempfile
import threading
import time
from pathlib import Path

import pytest
from commands import SMALL, draw, draw_classes, finesight

from finesight.app.prove_resume import compare_files
from finesight.cli.train import parse_checkpoint_every
from finesight.errors import ConfigError
from finesight.run.folder import RunFolder
from reliability import Tally


@pytest.mark.timeout(600)  # four true commands, each of which imports torch
def test_it_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reliability: Tally) -> None:
    data = draw_classes(tmp_path / "images", per_class=14)
    monkeypatch.chdir(tmp_path)
    flags = [f"--set={name}={value}" for name, value in SMALL.items()]
    answer = finesight("train", "--data", data.name, *flags, "--prove-resume", "--json")
    assert answer.code == 0, answer.err
    result = answer.json()
    assert result["same"]
    assert result["different"] == []
    assert result["num_files"] > 15
    assert 1 <= result["kills"][0]["step"] + 4 * (result["kills"][0]["epoch"] - 1) <= 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]
    reliability("kill", "by --prove-resume", len(result["kills"]))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_difference_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reliability: Tally) -> None:
    """All images are other ones as soon as the second run, which is to be killed, has its folder."""
    data, temporary = draw_classes(tmp_path / "images", per_class=14), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def change() -> None:
        while not list(temporary.glob("*/broken")):
            time.sleep(0.01)
        for path in data.iterdir():
            draw(path, "green", seed=99)

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    flags = [f"--set={name}={value}" for name, value in (SMALL | {"data.image_cache": '"off"'}).items()]
    answer = finesight("train", "--data", data, *flags, "--prove-resume", "--json")
    assert answer.code == 1, answer.err
    assert not thread.is_alive()
    result = answer.json()
    assert not result["same"]
    assert {"journal.jsonl", "checkpoints/last/weights.safetensors"} <= set(result["different"])
    assert list(temporary.iterdir()) == []
    reliability("fault", "images that change between the runs of --prove-resume")


def test_a_training_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    answer = finesight("train", "--data", tmp_path / "none", "--prove-resume", "--set=machine.device=cpu")
    assert "The training failed, so resuming was not checked" in answer.error()


def test_files_that_differ_are_named(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "film").mkdir(parents=True)
        (tmp_path / name / "timings.jsonl").write_text(name)
        (tmp_path / name / "film" / "index.json").write_text(name)
        (tmp_path / name / "config.toml").write_text("seed = 1")
    (tmp_path / "two" / "left.over").write_text("")
    names, different = compare_files(tmp_path / "one", tmp_path / "two")
    assert names == ["config.toml", "film/index.json", "left.over"]
    assert different == ["film/index.json", "left.over"]


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("5m", {"checkpoint.minutes": 5}),
        ("30s", {"checkpoint.minutes": 0.5}),
        ("1.5 h", {"checkpoint.minutes": 90}),
        ("2", {"checkpoint.every": 2}),
    ],
)
def test_how_often_a_checkpoint_is_kept(text: str, settings: dict[str, float]) -> None:
    assert parse_checkpoint_every(text) == settings


@pytest.mark.parametrize("text", ["", "m", "5 d", "-5m", "1.5", "5m30s", "nan"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="takes 5m, 30s, 1h or a number of epochs"):
        parse_checkpoint_every(text)


def test_a_first_try_on_a_few_images(tmp_path: Path) -> None:
    data, out = draw_classes(tmp_path / "images", per_class=20), tmp_path / "run"
    flags = [f"--set={name}={value}" for name, value in SMALL.items()]
    answer = finesight("train", "--data", data, "--out", out, *flags, "--set=data.limit=9", "--checkpoint-every", "30s")
    assert answer.code == 0, answer.err
    assert RunFolder(out).read_settings().checkpoint.minutes == 0.5
    keys = {split: [key for key, _ in rows] for split, rows in RunFolder(out).read_splits().items()}
    assert {split: len(each) for split, each in keys.items()} == {"train": 9, "val": 6}
    assert {key.partition("_")[0] for key in keys["train"]} == {"red", "green", "blue"}  # spread over all of them
